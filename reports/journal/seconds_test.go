package journal

import (
	"math/rand/v2"
	"testing"
	"time"
)

// rollingJournal holds ten minutes of two steps, with late intervals, failures
// that are fast and failures that are slow, and seconds with nothing.
func rollingJournal(tb testing.TB, seconds int) *Journal {
	tb.Helper()
	j := New(Plan{})
	rng := rand.New(rand.NewPCG(1, 2))
	for s := range seconds {
		if s%17 == 5 {
			continue
		}
		var b Batch
		for _, step := range []string{"list", "buy"} {
			for outcome, scale := range map[string]float64{OutcomeOK: 40e6, "refused": 5e4, "timeout": 2e9} {
				h := NewHistogram()
				for range 1 + rng.IntN(20) {
					_ = h.RecordValue(clamp(int64(rng.ExpFloat64() * scale)))
				}
				start := time.Duration(s) * time.Second
				if s > 10 && rng.IntN(4) == 0 {
					start -= time.Duration(rng.IntN(10)) * time.Second
				}
				b.Intervals = append(b.Intervals, Interval{Load: "browse", Step: step, Outcome: outcome, Measure: Response, Start: start, Length: time.Second, Hist: h})
			}
		}
		if err := j.Append(b); err != nil {
			tb.Fatal(err)
		}
	}
	return j
}

// A rolling window answers exactly what a Window of the same span does.
func TestRollingIsAWindow(t *testing.T) {
	const length = 30
	j := rollingJournal(t, 300)
	for _, step := range []string{"", "buy"} {
		for _, o := range []Outcomes{All, OnlyOK, OnlyFailed} {
			seconds := j.Seconds("browse", step, Response, 0, time.Hour)
			r := NewRolling(o)
			front, back := 0, 0
			for to := time.Second; to < 330*time.Second; to += time.Second {
				for ; front < len(seconds) && seconds[front].Start < to; front++ {
					r.Add(seconds[front])
				}
				from := to - length*time.Second
				for ; back < front && seconds[back].Start < from; back++ {
					r.Drop(seconds[back])
				}
				w := j.Window("browse", step, from, to)
				if got, want := r.Count(), w.Count(Response, o); got != want {
					t.Fatalf("step %q outcomes %d: count to %v: %d, a window has %d", step, o, to, got, want)
				}
				for name, pair := range map[string][2]func() (time.Duration, bool){
					"p50":   {func() (time.Duration, bool) { return r.Quantile(50) }, func() (time.Duration, bool) { return w.Quantile(Response, o, 50) }},
					"p99.9": {func() (time.Duration, bool) { return r.Quantile(99.9) }, func() (time.Duration, bool) { return w.Quantile(Response, o, 99.9) }},
					"min":   {r.Min, func() (time.Duration, bool) { return w.Min(Response, o) }},
					"max":   {r.Max, func() (time.Duration, bool) { return w.Max(Response, o) }},
				} {
					got, some := pair[0]()
					want, any := pair[1]()
					if got != want || some != any {
						t.Fatalf("step %q outcomes %d: %s to %v: %v %v, a window has %v %v", step, o, name, to, got, some, want, any)
					}
				}
				// The mean is summed in another order, so the last nanosecond may differ.
				got, _ := r.Mean()
				want, _ := w.Mean(Response, o)
				if d := got - want; d < -1 || d > 1 {
					t.Fatalf("step %q outcomes %d: mean to %v: %v, a window has %v", step, o, to, got, want)
				}
			}
			if o != All {
				continue
			}
			for ; back < front; back++ {
				r.Drop(seconds[back])
			}
			if *r.alone != (tally{}) || r.asked != (tally{}) {
				t.Error("something is left after all was dropped")
			}
		}
	}
}

// Seconds come in order of time, although late ones were appended later.
func TestSecondsAreInOrder(t *testing.T) {
	seconds := rollingJournal(t, 100).Seconds("browse", "", Response, 20*time.Second, 40*time.Second)
	if len(seconds) == 0 {
		t.Fatal("nothing there")
	}
	last := 20 * time.Second
	for _, s := range seconds {
		if s.Start < last || s.Start >= 40*time.Second {
			t.Fatalf("a second at %v after one at %v", s.Start, last)
		}
		last = s.Start
	}
}

func BenchmarkRollingHour(b *testing.B) {
	j := rollingJournal(b, 3600)
	b.ReportAllocs()
	for b.Loop() {
		seconds := j.Seconds("browse", "", Response, 0, 2*time.Hour)
		r := NewRolling(All)
		back := 0
		for _, s := range seconds {
			r.Add(s)
			for ; seconds[back].Start <= s.Start-30*time.Second; back++ {
				r.Drop(seconds[back])
			}
			r.Quantile(99)
		}
	}
}
