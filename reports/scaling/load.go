package scaling

import (
	"math"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

const (
	// rest is how long a load must keep still for its next move to be another
	// step.
	rest = 10 * time.Second
	// leastMove is the share of the load below which a move is none.
	leastMove = 0.05
)

// planned is the load that the plan offers, over time.
type planned struct {
	unit     string // "arrivals/s" or "users"
	segments []journal.Segment
	names    []string
}

// plannedLoad adds up the loads with those names; no names mean all. Users and
// arrivals are not one thing: where any load is open, the closed ones are left
// out.
func plannedLoad(p journal.Plan, names []string) planned {
	of := func(model, unit string) planned {
		out := planned{unit: unit}
		for _, l := range p.Loads {
			if l.Model == model && (len(names) == 0 || slices.Contains(names, l.Name)) {
				out.segments = append(out.segments, l.Segments...)
				out.names = append(out.names, l.Name)
			}
		}
		return out
	}
	if open := of("open", "arrivals/s"); len(open.segments) > 0 {
		return open
	}
	return of("closed", "users")
}

// at is the load at a time: just before it, or from it on.
func (l planned) at(t time.Duration, before bool) float64 {
	sum := 0.0
	for _, s := range l.segments {
		inside := s.Start <= t && t < s.End
		if before {
			inside = s.Start < t && t <= s.End
		}
		if inside {
			sum += s.From + (s.To-s.From)*float64(t-s.Start)/float64(s.End-s.Start)
		}
	}
	return sum
}

// turns are the times at which the load may jump or bend, in [0, end).
func (l planned) turns(end time.Duration) []time.Duration {
	times := []time.Duration{0}
	for _, s := range l.segments {
		times = append(times, s.Start, s.End)
	}
	slices.Sort(times)
	return slices.DeleteFunc(slices.Compact(times), func(t time.Duration) bool { return t < 0 || t >= end })
}

// A move is a stretch in which the load goes one way.
type move struct {
	start, full time.Duration
	from, to    float64
}

func (m move) up() bool { return m.to > m.from }

// moves are the steps of the load before end.
func (l planned) moves(end time.Duration) []move {
	var all []move
	add := func(m move) {
		if m.from == m.to {
			return
		}
		if n := len(all); n > 0 && all[n-1].up() == m.up() && m.start-all[n-1].full < rest {
			all[n-1].full, all[n-1].to = m.full, m.to
			return
		}
		all = append(all, m)
	}
	turns := l.turns(end)
	for i, t := range turns {
		before, after := l.at(t, true), l.at(t, false)
		if t == 0 {
			before = 0
		}
		add(move{t, t, before, after})
		next := end
		if i+1 < len(turns) {
			next = turns[i+1]
		}
		add(move{t, next, after, l.at(next, true)})
	}
	return slices.DeleteFunc(all, func(m move) bool { return math.Abs(m.to-m.from) < leastMove*max(m.from, m.to) })
}

// wanted is how many replicas the load needs over time when one bears perReplica.
func (l planned) wanted(perReplica float64, end time.Duration) Curve {
	var c Curve
	add := func(t time.Duration) {
		v := replicasFor(l.at(t, false), perReplica)
		if n := len(c); n > 0 && c[n-1].Value == v {
			return
		}
		c = append(c, Point{At: t, Value: v, Known: true, Since: t})
	}
	turns := append(l.turns(end), end)
	for i, t := range turns[:len(turns)-1] {
		add(t)
		if l.at(t, false) == l.at(turns[i+1], true) {
			continue
		}
		for s := t.Truncate(time.Second) + time.Second; s < turns[i+1]; s += time.Second {
			add(s)
		}
	}
	return c
}

// replicasFor rounds up, but for what floats add to a whole number.
func replicasFor(load, perReplica float64) float64 {
	return max(1, math.Ceil(load/perReplica-1e-9))
}
