package generators

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"time"
)

const (
	// maxArrivals bounds one schedule, so that float64 can tell its arrivals
	// apart with room to spare.
	maxArrivals = 1e12
	// minRate is the smallest rate above 0, one arrival in 31 years. Far below
	// it products of rates would vanish.
	minRate = 1e-9
	// maxWaves bounds the periods of one piece's sine.
	maxWaves = 100_000
)

// checkPieces says of the first piece that no schedule can be made of what is
// wrong with it.
func checkPieces(pieces []Piece) error {
	var end time.Duration
	var total float64
	for i, p := range pieces {
		err := p.check()
		if err == nil && i > 0 && p.Start < end {
			err = fmt.Errorf("starts before piece %d ends, at %v", i, end)
		}
		if err != nil {
			return fmt.Errorf("piece %d (%v to %v): %w", i+1, p.Start, p.End, err)
		}
		end = p.End
		if p.Trace == nil {
			// An upper bound, of a sine at its height all the time.
			rate := (p.From + p.To) / 2
			if p.Sine != nil {
				rate += p.Sine.Amplitude
			}
			total += rate * inSeconds(p.End-p.Start)
		}
		if total > maxArrivals {
			return fmt.Errorf("piece %d (%v to %v): more than %g arrivals up to here, too many to count", i+1, p.Start, p.End, float64(maxArrivals))
		}
	}
	return nil
}

func (p Piece) check() error {
	switch {
	case p.Start < 0:
		return errors.New("starts before the run")
	case p.End < p.Start:
		return errors.New("ends before it starts")
	case p.Process != "" && p.Process != Constant && p.Process != Poisson:
		return fmt.Errorf("process %q is not %s or %s", p.Process, Constant, Poisson)
	}
	if p.Trace != nil {
		return p.checkTrace()
	}
	if err := checkRate("rate at its start", p.From); err != nil {
		return err
	}
	if err := checkRate("rate at its end", p.To); err != nil {
		return err
	}
	if p.Sine == nil {
		return nil
	}
	if err := checkRate("sine's amplitude", p.Sine.Amplitude); err != nil {
		return err
	}
	if p.Sine.Period <= 0 {
		return fmt.Errorf("the sine's period is %v, not above 0", p.Sine.Period)
	}
	if waves := (p.End - p.Start) / p.Sine.Period; waves > maxWaves {
		return fmt.Errorf("the sine's period of %v is too short: %d waves, at most %d will do", p.Sine.Period, waves, maxWaves)
	}
	return nil
}

func (p Piece) checkTrace() error {
	if p.Process == Poisson || p.Sine != nil {
		return errors.New("a trace is played as given: it has no process and no sine")
	}
	var last time.Duration
	for i, offset := range p.Trace {
		if offset < 0 {
			return fmt.Errorf("offset %d of the trace, %v, is before its start", i+1, offset)
		}
		if offset < last {
			return fmt.Errorf("offset %d of the trace, %v, is before the one ahead of it, %v", i+1, offset, last)
		}
		last = offset
	}
	return nil
}

func checkRate(what string, rate float64) error {
	switch {
	case math.IsNaN(rate), math.IsInf(rate, 0):
		return fmt.Errorf("the %s is not a number (%v)", what, rate)
	case rate < 0:
		return fmt.Errorf("the %s is %v, below 0", what, rate)
	case rate > 0 && rate < minRate:
		return fmt.Errorf("the %s is %v, too small to tell from 0", what, rate)
	}
	return nil
}

// cut is the part of a trace that lies within a piece of that length.
func cut(trace []time.Duration, length time.Duration) []time.Duration {
	return trace[:sort.Search(len(trace), func(i int) bool { return trace[i] >= length })]
}

// At is the planned rate in arrivals a second, or the planned number of users,
// at t: 0 outside all pieces, which last from Start up to but not including
// End. For a trace it is the arrivals in the second up to and including t. It
// works for both models; the pieces must be in order, as for NewSchedule.
func At(pieces []Piece, t time.Duration) float64 {
	i := sort.Search(len(pieces), func(i int) bool { return t < pieces[i].End })
	if i == len(pieces) || t < pieces[i].Start {
		return 0
	}
	p, offset := pieces[i], t-pieces[i].Start
	if p.Trace != nil {
		before := sort.Search(len(p.Trace), func(i int) bool { return p.Trace[i] > offset-time.Second })
		upTo := sort.Search(len(p.Trace), func(i int) bool { return p.Trace[i] > offset })
		return float64(upTo - before)
	}
	line := ramp{from: p.From, to: p.To, seconds: inSeconds(p.End - p.Start)}
	if p.Sine != nil && p.Sine.Amplitude > 0 {
		w := wave{line: line, amplitude: p.Sine.Amplitude, period: inSeconds(p.Sine.Period)}
		return w.at(inSeconds(offset))
	}
	return line.at(inSeconds(offset))
}
