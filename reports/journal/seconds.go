package journal

import (
	"cmp"
	"slices"
	"time"
)

// A Second is the samples of one measure of the operations that fell due at
// Start, to the second, and had one outcome. Like intervals, several may have
// the same start and outcome.
type Second struct {
	Start   time.Duration
	Outcome string
	Count   int64
	payload []byte
}

// Seconds returns what there is of a load, or of one step of it, that fell due
// in [from, to), in order of Start. Nothing is decoded before a Rolling is
// given it. A step of "" means all steps.
func (j *Journal) Seconds(load, step string, m Measure, from, to time.Duration) []Second {
	var out []Second
	j.Window(load, step, from, to).each(m, All, func(outcome string, e *entry) {
		out = append(out, Second{Start: e.start, Outcome: outcome, Count: e.count, payload: e.payload})
	})
	slices.SortStableFunc(out, func(a, b Second) int { return cmp.Compare(a.Start, b.Start) })
	return out
}

// LoadSeconds returns the LoadSecond events of a load with At in (from, to], in
// order of time. Their Load is never nil and must not be changed.
func (j *Journal) LoadSeconds(load string, from, to time.Duration) []*Event {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return slices.Clip(between(j.loads[load], from+1, to+1))
}

// A Rolling answers what a Window does, for a span that moves: seconds are
// added at its front and dropped at its back, each decoded twice however long
// the span. It takes about 270 KiB, under All twice that. It is not safe for
// concurrent use.
type Rolling struct {
	outcomes Outcomes
	asked    tally
	alone    *tally // the successes alone, under All
}

// NewRolling returns an empty one that counts the operations o asks for.
func NewRolling(o Outcomes) *Rolling {
	r := &Rolling{outcomes: o}
	if o == All {
		r.alone = new(tally)
	}
	return r
}

// Add counts a second in.
func (r *Rolling) Add(s Second) { r.change(s, 1) }

// Drop takes out a second that was added.
func (r *Rolling) Drop(s Second) { r.change(s, -1) }

func (r *Rolling) change(s Second, sign int64) {
	succeeded := s.Outcome == OutcomeOK
	if r.outcomes == OnlyOK && !succeeded || r.outcomes == OnlyFailed && succeeded {
		return
	}
	// A payload was checked when it was appended or read.
	_ = eachCount(s.payload, func(i int, n int64) {
		r.asked.add(i, sign*n)
		if succeeded && r.alone != nil {
			r.alone.add(i, sign*n)
		}
	})
}

// Count returns how many samples there are.
func (r *Rolling) Count() int64 { return r.asked.total }

// OnlyFailures reports whether there are samples, and none of an operation that
// succeeded.
func (r *Rolling) OnlyFailures() bool {
	return r.asked.total > 0 && r.alone != nil && r.alone.total == 0
}

// Quantile is Window.Quantile.
func (r *Rolling) Quantile(q float64) (time.Duration, bool) {
	return r.larger(func(t *tally) int64 { return t.quantile(q) })
}

// Max is Window.Max.
func (r *Rolling) Max() (time.Duration, bool) {
	return r.larger((*tally).max)
}

// Mean is Window.Mean.
func (r *Rolling) Mean() (time.Duration, bool) { return r.larger((*tally).mean) }

// Min is Window.Min.
func (r *Rolling) Min() (time.Duration, bool) {
	t := &r.asked
	if r.alone != nil && r.alone.total > 0 {
		t = r.alone
	}
	if t.total == 0 {
		return 0, false
	}
	return time.Duration(t.min()), true
}

func (r *Rolling) larger(f func(*tally) int64) (time.Duration, bool) {
	if r.asked.total == 0 {
		return 0, false
	}
	v := f(&r.asked)
	if r.alone != nil && r.alone.total > 0 {
		v = max(v, f(r.alone))
	}
	return time.Duration(v), true
}
