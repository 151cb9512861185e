package proxy

import (
	"slices"
	"sync/atomic"
	"time"
)

// An active toxic is set on a proxy, by an owner, until it expires. It counts
// what it does to real traffic, which is the evidence that it is in effect.
type active struct {
	Toxic
	owner   string
	expires time.Time
	timer   *time.Timer   // of its expiry; nil: it has none
	shape   shaper        // nil when it acts on whole connections
	rule    *rule         // of an HTTP toxic
	tls     *forger       // of a TLS toxic
	gone    chan struct{} // closed when it is taken away

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
	Cut       int64         `json:"cut"`              // connections ended, or halved
	Sliced    int64         `json:"sliced,omitempty"` // slices cut off

	// Of HTTP and TLS toxics.
	Seen     int64 `json:"seen,omitempty"`     // requests read, or handshakes begun
	Matched  int64 `json:"matched,omitempty"`  // requests that the rule is about
	Delayed  int64 `json:"delayed,omitempty"`  // requests, by DelayMean
	Aborted  int64 `json:"aborted,omitempty"`  // requests answered by the proxy
	Patched  int64 `json:"patched,omitempty"`  // messages changed
	Missed   int64 `json:"missed,omitempty"`   // messages that could not be changed
	Unread   int64 `json:"unread,omitempty"`   // connections that speak something else
	Refused  int64 `json:"refused,omitempty"`  // handshakes that the client broke off
	Accepted int64 `json:"accepted,omitempty"` // handshakes that the client completed all the same
}

func (a *active) counters() Counters {
	c := Counters{
		Pieces: a.pieces.Load(), Bytes: a.bytes.Load(), DelayMax: time.Duration(a.slowest.Load()),
		Held: a.held.Load(), Ends: a.ends.Load(), Cut: a.cut.Load(),
	}
	if r := a.rule; r != nil {
		c.Seen, c.Matched, c.Delayed, c.Aborted = r.seen.Load(), r.matched.Load(), r.delayed.Load(), r.aborted.Load()
		c.Patched, c.Missed, c.Unread = r.patched.Load(), r.missed.Load(), r.closed.Load()
		c.DelayMax = time.Duration(r.slowest.Load())
		if c.Delayed > 0 {
			c.DelayMean = time.Duration(r.delay.Load() / c.Delayed)
		}
	}
	if s, ok := a.shape.(*slicer); ok {
		c.Sliced = s.sliced.Load()
	}
	if f := a.tls; f != nil {
		c.Seen, c.Refused, c.Accepted, c.Unread = f.met.Load(), f.refused.Load(), f.accepted.Load(), f.missed.Load()
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
		if p.end {
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
		if a.shape != nil && a.Way == way && a.hits(conn) {
			found = append(found, a)
		}
	}
	return found
}

func (s toxicSet) has(a *active) bool { return slices.Contains(s, a) }

// disarm stops the expiry.
func (a *active) disarm() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// isGone says whether the toxic was taken away.
func (a *active) isGone() bool {
	select {
	case <-a.gone:
		return true
	default:
		return false
	}
}

// newActive makes a toxic ready to be set.
func newActive(t Toxic, owner string) (*active, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	a := &active{Toxic: t, owner: owner, gone: make(chan struct{})}
	if shape := toxicTypes[t.rank()].shape; shape != nil {
		a.shape = shape(t)
	}
	var err error
	switch t.Type {
	case httpType:
		a.rule, err = newRule(*t.HTTP, t.Seed, t.Share)
	case tlsType:
		a.tls, err = newForger(*t.TLS)
	}
	return a, err
}
