package cluster

import (
	"iter"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

// missing counts the arrivals of a lost worker's slice of one load: those that
// fell due and that it never told of.
type missing struct {
	next    func() (time.Duration, bool)
	stop    func()
	peeked  time.Duration
	more    bool
	due     int64 // how many fell due so far
	offered int64 // how many of them it told of, or were counted here
}

func newMissing(l scenarios.Load, s engine.Slice, offered int64) *missing {
	m := &missing{offered: offered}
	m.next, m.stop = iter.Pull(s.Arrivals(l))
	m.peeked, m.more = m.next()
	return m
}

// upTo is how many more there are, of those due before a time. It is called
// with times that only grow.
func (m *missing) upTo(end time.Duration) int64 {
	for m.more && m.peeked < end {
		m.due++
		m.peeked, m.more = m.next()
	}
	n := max(m.due-m.offered, 0)
	m.offered += n
	return n
}

// users is the most users of a slice from a time on.
func users(loads []scenarios.Load, s engine.Slice, from time.Duration) int64 {
	var sum int64
	for _, l := range loads {
		most := 0
		for _, p := range l.Users {
			if p.End > from {
				most = max(most, s.Share(int(max(generators.At(l.Users, max(p.Start, from)), p.To)+0.5)))
			}
		}
		sum += int64(most)
	}
	return sum
}
