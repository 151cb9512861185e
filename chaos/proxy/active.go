package proxy

import (
	"sync/atomic"
	"time"
)

// An active toxic is set on a proxy, by an owner, until it expires. It counts
// what it does to real traffic, which is the evidence that it is in effect.
type active struct {
	Toxic
	owner   string
	expires time.Time
	timer   *time.Timer
	shape   shaper // nil for a reset

	pieces   atomic.Int64
	bytes    atomic.Int64
	delay    atomic.Int64 // sum over pieces, ns
	slowest  atomic.Int64 // ns
	held     atomic.Int64 // bytes kept by a blackhole
	ends     atomic.Int64 // ends of streams passed on late
	cut      atomic.Int64 // connections reset
	lateEnds atomic.Int64 // sum over ends, ns
}

// Counters is what a toxic has done so far. Delays are measured, from reading
// a piece to writing it, not copied from the settings.
type Counters struct {
	Pieces    int64         `json:"pieces"` // parts of streams that left
	Bytes     int64         `json:"bytes"`  // in them
	DelayMean time.Duration `json:"delay_mean_ns"`
	DelayMax  time.Duration `json:"delay_max_ns"`
	Held      int64         `json:"held_bytes"` // taken in and not let out
	Ends      int64         `json:"ends"`       // ends of streams that left
	EndMean   time.Duration `json:"end_delay_mean_ns"`
	Cut       int64         `json:"cut"` // connections reset
}

func (a *active) counters() Counters {
	c := Counters{
		Pieces: a.pieces.Load(), Bytes: a.bytes.Load(), DelayMax: time.Duration(a.slowest.Load()),
		Held: a.held.Load(), Ends: a.ends.Load(), Cut: a.cut.Load(),
	}
	if c.Pieces > 0 {
		c.DelayMean = time.Duration(a.delay.Load() / c.Pieces)
	}
	if c.Ends > 0 {
		c.EndMean = time.Duration(a.lateEnds.Load() / c.Ends)
	}
	return c
}

// count books a piece that leaves now with the toxics that made it wait. One
// that was let go early is no measure of anything.
func (p queued) count(now time.Time) {
	if p.released {
		return
	}
	delay := int64(now.Sub(p.arrived))
	for _, a := range p.by {
		if len(p.data) == 0 {
			a.lateEnds.Add(delay)
			a.ends.Add(1)
			continue
		}
		a.delay.Add(delay)
		a.bytes.Add(int64(len(p.data)))
		a.pieces.Add(1)
		for slowest := a.slowest.Load(); delay > slowest && !a.slowest.CompareAndSwap(slowest, delay); {
			slowest = a.slowest.Load()
		}
	}
}

// A toxicSet is all toxics of a proxy at one time. It is never changed.
type toxicSet []*active

// on returns those that act on one way of a connection, in order.
func (s toxicSet) on(way Way, conn uint64) []*active {
	var found []*active
	for _, a := range s {
		if a.Way == way && a.hits(conn) {
			found = append(found, a)
		}
	}
	return found
}

// cutter returns the reset that hits a connection, or nil.
func (s toxicSet) cutter(conn uint64) *active {
	for _, a := range s {
		if a.Type == resetType && a.hits(conn) {
			return a
		}
	}
	return nil
}
