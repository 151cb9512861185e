package journal

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Outcomes says which operations a question is about.
type Outcomes int

const (
	All        Outcomes = iota // every operation, under the rule below
	OnlyOK                     // operations that succeeded
	OnlyFailed                 // operations that did not, dropped ones included
)

// A Window answers questions about the operations of one load, or of one step
// of it, that fell due in a span of time. It is a snapshot: what is appended
// to the journal later does not change it. It is safe for concurrent use.
//
// # Failures never flatter
//
// This is the definition of every percentile brunt judges or prints. Failures
// count in a load's response time: a timeout is a long wait, and a dropped
// arrival waited until it was given up. But a failure can also be fast (a
// refused connection takes microseconds), and then counting it would make the
// load look quicker the more of it fails. So over All outcomes
//
//   - a quantile, and the maximum, is the larger of that over all operations
//     (timeouts and drops included) and that over the successful ones alone;
//   - the mean is the larger of the two means;
//   - the minimum is that of the successful operations, or of all when none
//     succeeded.
//
// OnlyOK and OnlyFailed are plain. Counts and histograms are plain under All
// too: they hold every operation.
//
// # Quantiles
//
// The quantile q over n values is the smallest recorded value that at least
// q% of them do not exceed (nearest rank, ⌈q·n/100⌉, no interpolation). It is
// read off the histogram as the highest value of its bucket, so it is never
// below the true one and at most 0.1 % above it.
type Window struct {
	scratch *scratch
	series  []span
}

// A span is the part of a series that can hold intervals of the window.
type span struct {
	outcome  string
	measure  Measure
	entries  []entry
	from, to time.Duration
}

// each calls f with the entries of the window that o asks for.
func (w *Window) each(m Measure, o Outcomes, f func(outcome string, e *entry)) {
	for i := range w.series {
		s := &w.series[i]
		if s.measure != m || o == OnlyOK && s.outcome != OutcomeOK || o == OnlyFailed && s.outcome == OutcomeOK {
			continue
		}
		for k := range s.entries {
			if e := &s.entries[k]; e.start >= s.from && e.start < s.to {
				f(s.outcome, e)
			}
		}
	}
}

// Ops returns how many operations fell due in the window and ended, dropped
// ones included and canceled ones not.
func (w *Window) Ops() int64 { return w.Count(Response, All) }

// Failed returns how many of the operations failed, dropped ones included.
func (w *Window) Failed() int64 { return w.Count(Response, OnlyFailed) }

// Class returns how many of the operations had an outcome: "ok", or an error
// class.
func (w *Window) Class(outcome string) int64 {
	var n int64
	w.each(Response, All, func(o string, e *entry) {
		if o == outcome {
			n += e.count
		}
	})
	return n
}

// Classes returns the number of failed operations by error class, without the
// classes that did not occur.
func (w *Window) Classes() map[string]int64 {
	classes := make(map[string]int64)
	w.each(Response, OnlyFailed, func(o string, e *entry) { classes[o] += e.count })
	return classes
}

// Count returns how many samples of a measure there are.
func (w *Window) Count(m Measure, o Outcomes) int64 {
	var n int64
	w.each(m, o, func(_ string, e *entry) { n += e.count })
	return n
}

// Quantile returns the value that q percent (0 to 100) of the samples do not
// exceed, under the rule above; false when there are no samples.
func (w *Window) Quantile(m Measure, o Outcomes, q float64) (time.Duration, bool) {
	return w.larger(m, o, func(c *tally) int64 { return c.quantile(q) })
}

// Max returns the largest sample, under the rule above; false when there are
// none.
func (w *Window) Max(m Measure, o Outcomes) (time.Duration, bool) {
	return w.larger(m, o, (*tally).max)
}

// Mean returns the arithmetic mean of the samples, under the rule above; false
// when there are none. It takes each sample for the middle of its bucket.
func (w *Window) Mean(m Measure, o Outcomes) (time.Duration, bool) {
	return w.larger(m, o, (*tally).mean)
}

// Min returns the smallest sample, under the rule above; false when there are
// none.
func (w *Window) Min(m Measure, o Outcomes) (time.Duration, bool) {
	if o == All && w.Count(m, OnlyOK) > 0 {
		o = OnlyOK
	}
	return w.one(m, o, (*tally).min)
}

// larger answers a question for which larger is worse. Of All it asks about
// the successes alone, then adds the failures to them and asks again.
func (w *Window) larger(m Measure, o Outcomes, f func(*tally) int64) (time.Duration, bool) {
	if o != All {
		return w.one(m, o, f)
	}
	c := w.scratch.get()
	defer w.scratch.put(c)
	var v int64
	w.sum(c, m, OnlyOK)
	if c.total > 0 {
		v = f(c)
	}
	if successes := c.total; w.sum(c, m, OnlyFailed) > successes {
		v = max(v, f(c))
	}
	return time.Duration(v), c.total > 0
}

// one answers a question from the plain sum of the entries asked for.
func (w *Window) one(m Measure, o Outcomes, f func(*tally) int64) (time.Duration, bool) {
	c := w.scratch.get()
	defer w.scratch.put(c)
	if w.sum(c, m, o) == 0 {
		return 0, false
	}
	return time.Duration(f(c)), true
}

// sum adds the entries asked for to c and returns how many values it then has.
func (w *Window) sum(c *tally, m Measure, o Outcomes) int64 {
	w.each(m, o, func(_ string, e *entry) { c.addPayload(e.payload) })
	return c.total
}

// Histogram returns the samples of a measure added up, in nanoseconds: under
// All every operation, without the rule above. It is the caller's own, and
// empty when there are no samples.
func (w *Window) Histogram(m Measure, o Outcomes) *hdrhistogram.Histogram {
	c := w.scratch.get()
	defer w.scratch.put(c)
	w.sum(c, m, o)
	h := hdrhistogram.New(lowestValue, highestValue, significantDigits)
	for i, n := range c.n {
		// A total past the range of a number is more than any run can hold.
		if n > 0 && h.RecordValues(lowestAt(i), n) != nil {
			break
		}
	}
	return h
}
