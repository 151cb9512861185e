package journal

import (
	"sort"
	"sync"
	"time"
)

// A series is the intervals of one load, step, outcome and measure in the
// order they were appended, so that a reader's slice of it stays true while
// more are appended. That is nearly, but not quite, the order of their starts:
// an operation that takes ten seconds comes ten seconds after its neighbours.
type series struct {
	entries []entry
	late    time.Duration // how far an entry's start was at most behind that of one before it
}

// An entry is one interval.
type entry struct {
	start   time.Duration
	high    time.Duration // the largest start up to here: never decreases
	count   int64
	payload []byte
}

func (s *series) add(start time.Duration, count int64, payload []byte) {
	high := start
	if n := len(s.entries); n > 0 {
		high = max(high, s.entries[n-1].high)
	}
	s.late = max(s.late, high-start)
	s.entries = append(s.entries, entry{start: start, high: high, count: count, payload: payload})
}

// between returns a stretch of entries that holds all that start in [from,
// to), and others.
func (s *series) between(from, to time.Duration) []entry {
	lo := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].high >= from })
	hi := sort.Search(len(s.entries), func(i int) bool { return s.entries[i].high-s.late >= to })
	return s.entries[lo:max(lo, hi):max(lo, hi)]
}

// forget drops the entries that start before a time, leaving slices that
// readers hold alone.
func (s *series) forget(before time.Duration) {
	old := s.entries
	drop := false
	for i := range old {
		drop = drop || old[i].start < before
	}
	if !drop {
		return
	}
	*s = series{}
	for _, e := range old {
		if e.start >= before {
			s.add(e.start, e.count, e.payload)
		}
	}
}

// An arena keeps payloads in large blocks: half a million slices of their own
// would cost more than what is in them.
type arena struct {
	block []byte
}

const arenaBlock = 256 << 10

// keep appends something to the arena and returns it.
func (a *arena) keep(appendTo func([]byte) []byte) []byte {
	if cap(a.block)-len(a.block) < arenaBlock/16 {
		a.block = make([]byte, 0, arenaBlock)
	}
	start := len(a.block)
	b := appendTo(a.block)
	if cap(b) != cap(a.block) {
		// It outgrew the block and was moved to one of its own.
		own := append([]byte(nil), b[start:]...)
		return own
	}
	a.block = b
	return b[start:len(b):len(b)]
}

// scratch lends out tallies, which are too large to make for each
// question.
type scratch struct{ pool sync.Pool }

func newScratch() *scratch {
	return &scratch{pool: sync.Pool{New: func() any { return new(tally) }}}
}

func (s *scratch) get() *tally { return s.pool.Get().(*tally) }

func (s *scratch) put(c *tally) {
	c.clear()
	s.pool.Put(c)
}
