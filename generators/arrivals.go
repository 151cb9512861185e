package generators

import (
	"iter"
	"math/rand/v2"
	"time"
)

// NewSchedule makes the schedule of an open model from the pieces of its
// plan, which must be in order and must not overlap; gaps between them are
// fine, and nothing falls due in one. It errs on a piece it cannot play, by
// its number from 1. It keeps the traces: the caller must not change them.
//
// All arrivals of a piece lie in [Start, End). Constant pieces share one
// count: slot k of the schedule falls due where the integral of the rate over
// all constant pieces reaches k, k from 0, so a fraction of an arrival left
// over at the end of one piece is carried into the next. Each slot is computed
// from k, never from the slot before. Poisson pieces share one exponential
// clock in the same way. Traces are played as given, up to their piece's End.
//
// The arithmetic is float64, and of what one piece leaves to the next only the
// fraction of an arrival. Against exact arithmetic a due time is off by at most
// 1 ns, half of which is rounding to a whole one, plus n/r·2⁻⁵⁰, with n the
// schedule's arrivals up to the end of the piece and r the rate at that time.
// At a constant rate for an hour that is 0.003 ns; it grows only where a ramp
// or a wave comes close to rate 0, and a due time is ill-conditioned by nature.
//
// An iterator of Arrivals computes as it goes, in constant memory. Breaking
// off a range over it and ranging over it again goes on after the last arrival
// yielded; for a fresh start, call Arrivals again. Its rng is used by Poisson
// pieces only, and may be nil without them. An iterator is for one goroutine
// at a time; the schedule may be shared.
func NewSchedule(pieces []Piece) (Schedule, error) {
	if err := checkPieces(pieces); err != nil {
		return nil, err
	}
	return compile(pieces), nil
}

// Expected is the number of arrivals that a schedule of these pieces yields:
// exact for constant processes and traces, the mean for Poisson ones. It is the
// integral of the rate, but for the fraction of an arrival that a constant
// process may hold at its end. The pieces must be such as NewSchedule takes.
func Expected(pieces []Piece) float64 {
	var n float64
	for _, p := range compile(pieces) {
		switch {
		case p.trace != nil:
			n += float64(len(p.trace))
		case p.poisson:
			n += p.curve.mass()
		default:
			n += float64(p.slots)
		}
	}
	return n
}

// A schedule is pieces ready to play.
type schedule []stretch

// A stretch is one piece ready to play.
type stretch struct {
	start time.Duration
	last  time.Duration // the last nanosecond of it
	curve curve         // nil for a trace

	// A constant process: slot j of the stretch, of so many, falls due where
	// the curve's integral reaches offset + j.
	offset float64
	slots  int64

	poisson bool
	trace   []time.Duration
}

func compile(pieces []Piece) schedule {
	var s schedule
	var count counter
	for _, p := range pieces {
		length := p.End - p.Start
		if length <= 0 {
			continue
		}
		st := stretch{start: p.Start, last: p.End - 1}
		if p.Trace != nil {
			st.trace = cut(p.Trace, length)
			s = append(s, st)
			continue
		}
		st.curve = newCurve(p)
		if st.curve.mass() <= 0 {
			continue
		}
		if p.Process == Poisson {
			st.poisson = true
		} else {
			st.offset, st.slots = count.add(st.curve.mass())
		}
		s = append(s, st)
	}
	return s
}

// Arrivals is documented at NewSchedule.
func (s schedule) Arrivals(rng *rand.Rand) iter.Seq[time.Duration] {
	c := &cursor{rest: s, rng: rng}
	return c.play
}

// A cursor is a place in a schedule.
type cursor struct {
	rest schedule // from the stretch being played on
	rng  *rand.Rand
	slot int64         // the next of the stretch; of a trace, its next offset
	due  time.Duration // of the last arrival yielded

	// Poisson: the integral at which the next arrival falls due, from the
	// stretch's start. What is left of it at the stretch's end goes on in the
	// next, so cutting a piece in two changes no arrival.
	next  float64
	drawn bool
}

func (c *cursor) play(yield func(time.Duration) bool) {
	for len(c.rest) > 0 {
		p := &c.rest[0]
		var more bool
		switch {
		case p.trace != nil:
			more = c.playTrace(p, yield)
		case p.poisson:
			more = c.playPoisson(p, yield)
		default:
			more = c.playConstant(p, yield)
		}
		if !more {
			return
		}
		c.rest, c.slot = c.rest[1:], 0
	}
}

func (c *cursor) playTrace(p *stretch, yield func(time.Duration) bool) bool {
	for c.slot < int64(len(p.trace)) {
		c.due = p.start + p.trace[c.slot]
		c.slot++
		if !yield(c.due) {
			return false
		}
	}
	return true
}

func (c *cursor) playConstant(p *stretch, yield func(time.Duration) bool) bool {
	if flat, ok := p.curve.(flat); ok { // the common case, without a call through an interface
		for c.slot < p.slots {
			c.settle(p, flat.inverse(p.offset+float64(c.slot)))
			c.slot++
			if !yield(c.due) {
				return false
			}
		}
		return true
	}
	for c.slot < p.slots {
		c.settle(p, p.curve.inverse(p.offset+float64(c.slot)))
		c.slot++
		if !yield(c.due) {
			return false
		}
	}
	return true
}

func (c *cursor) playPoisson(p *stretch, yield func(time.Duration) bool) bool {
	if !c.drawn {
		c.next, c.drawn = c.rng.ExpFloat64(), true
	}
	mass := p.curve.mass()
	for c.next < mass {
		c.settle(p, p.curve.inverse(c.next))
		c.next += c.rng.ExpFloat64()
		if !yield(c.due) {
			return false
		}
	}
	c.next -= mass
	return true
}

// settle makes a due time of an offset in nanoseconds from the stretch's
// start: rounded to the nearest, within the stretch and never before the last.
func (c *cursor) settle(p *stretch, offset float64) {
	due := p.start + time.Duration(offset+0.5)
	c.due = max(c.due, min(due, p.last))
}
