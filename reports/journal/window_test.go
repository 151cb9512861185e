package journal_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/reports/journal"
)

// about says whether got is want or at most 0.1 % above it.
func about(got, want time.Duration) bool {
	return got >= want && float64(got) <= math.Ceil(float64(want)*1.001)
}

// times returns n times the same duration.
func times(n int, d time.Duration) []time.Duration {
	return slices.Repeat([]time.Duration{d}, n)
}

// The rule of Window, row by row.
func TestFailuresNeverFlatter(t *testing.T) {
	const all, good, bad = journal.All, journal.OnlyOK, journal.OnlyFailed
	tests := []struct {
		name    string
		ok      []time.Duration
		timeout []time.Duration
		refused []time.Duration
		dropped []time.Duration
		p50     [3]time.Duration // all, ok, failed; 0: no samples
		max     [3]time.Duration
		min     [3]time.Duration
		mean    [3]time.Duration
	}{
		{
			name: "nothing",
		},
		{
			name: "successes only",
			ok:   []time.Duration{10 * ms, 20 * ms, 30 * ms},
			p50:  [3]time.Duration{20 * ms, 20 * ms}, max: [3]time.Duration{30 * ms, 30 * ms}, min: [3]time.Duration{10 * ms, 10 * ms}, mean: [3]time.Duration{20 * ms, 20 * ms},
		},
		{
			// Ninety refused in a microsecond would pull the median down to it.
			name: "fast failures do not pull it down",
			ok:   times(10, 100*ms), refused: times(90, time.Microsecond),
			p50: [3]time.Duration{100 * ms, 100 * ms, time.Microsecond}, max: [3]time.Duration{100 * ms, 100 * ms, time.Microsecond},
			min: [3]time.Duration{100 * ms, 100 * ms, time.Microsecond}, mean: [3]time.Duration{100 * ms, 100 * ms, time.Microsecond},
		},
		{
			// The successes alone would hide that most people waited 5 s.
			name: "timeouts push it up",
			ok:   times(40, 100*ms), timeout: times(60, 5*time.Second),
			p50: [3]time.Duration{5 * time.Second, 100 * ms, 5 * time.Second}, max: [3]time.Duration{5 * time.Second, 100 * ms, 5 * time.Second},
			min: [3]time.Duration{100 * ms, 100 * ms, 5 * time.Second}, mean: [3]time.Duration{3040 * ms, 100 * ms, 5 * time.Second},
		},
		{
			// A dropped arrival waited, and nobody answered it.
			name: "drops count as what they waited",
			ok:   times(1, 100*ms), dropped: times(9, 2*time.Second),
			p50: [3]time.Duration{2 * time.Second, 100 * ms, 2 * time.Second}, max: [3]time.Duration{2 * time.Second, 100 * ms, 2 * time.Second},
			min: [3]time.Duration{100 * ms, 100 * ms, 2 * time.Second}, mean: [3]time.Duration{1810 * ms, 100 * ms, 2 * time.Second},
		},
		{
			// Fast and slow failures at once: each question takes what is worse.
			name: "both",
			ok:   times(10, 100*ms), refused: times(20, time.Microsecond), timeout: times(5, 5*time.Second),
			p50: [3]time.Duration{100 * ms, 100 * ms, time.Microsecond}, max: [3]time.Duration{5 * time.Second, 100 * ms, 5 * time.Second},
			min: [3]time.Duration{100 * ms, 100 * ms, time.Microsecond}, mean: [3]time.Duration{742858 * time.Microsecond, 100 * ms, 1000*ms + 800},
		},
		{
			// Nothing succeeded: what there is must do, and it is not "no data".
			name:    "failures only",
			refused: times(4, time.Microsecond),
			p50:     [3]time.Duration{time.Microsecond, 0, time.Microsecond}, max: [3]time.Duration{time.Microsecond, 0, time.Microsecond},
			min: [3]time.Duration{time.Microsecond, 0, time.Microsecond}, mean: [3]time.Duration{time.Microsecond, 0, time.Microsecond},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := journal.NewRecorder("shop", []string{"list"}, 1)
			for outcome, took := range map[string][]time.Duration{"ok": tt.ok, "timeout": tt.timeout, "refused": tt.refused} {
				for _, d := range took {
					rec.Record(0, journal.Sample{Outcome: outcome, Ended: d})
				}
			}
			for _, d := range tt.dropped {
				rec.Record(0, journal.Sample{Outcome: journal.OutcomeDropped, Started: -1, Ended: d})
			}
			j := journal.New(journal.Plan{})
			appendAll(t, j, []journal.Batch{{Intervals: rec.Flush()}})
			w := j.Window("shop", "list", 0, time.Second)
			for i, o := range []journal.Outcomes{all, good, bad} {
				check := func(what string, got time.Duration, ok bool, want time.Duration, near func(time.Duration, time.Duration) bool) {
					t.Helper()
					if ok != (want > 0) || !near(got, want) {
						t.Errorf("outcomes %d: %s %v (%v), want %v", o, what, got, ok, want)
					}
				}
				closeTo := func(got, want time.Duration) bool { return math.Abs(float64(got-want)) <= float64(want)/1000 }
				got, ok := w.Quantile(journal.Response, o, 50)
				check("p50", got, ok, tt.p50[i], about)
				got, ok = w.Max(journal.Response, o)
				check("max", got, ok, tt.max[i], about)
				got, ok = w.Min(journal.Response, o)
				check("min", got, ok, tt.min[i], closeTo)
				got, ok = w.Mean(journal.Response, o)
				check("mean", got, ok, tt.mean[i], closeTo)
			}
			sent := len(tt.ok) + len(tt.timeout) + len(tt.refused)
			if got := w.Count(journal.Service, all); got != int64(sent) {
				t.Errorf("%d service times, want %d", got, sent)
			}
			if got := w.Count(journal.Wait, all); got != int64(sent+len(tt.dropped)) {
				t.Errorf("%d waits, want %d", got, sent+len(tt.dropped))
			}
			if got, want := w.Ops(), int64(sent+len(tt.dropped)); got != want {
				t.Errorf("%d operations, want %d", got, want)
			}
			if got, want := w.Failed(), w.Ops()-int64(len(tt.ok)); got != want {
				t.Errorf("%d failed, want %d", got, want)
			}
			classes := map[string]int64{}
			for class, n := range map[string]int{"timeout": len(tt.timeout), "refused": len(tt.refused), "dropped": len(tt.dropped)} {
				if n > 0 {
					classes[class] = int64(n)
				}
			}
			if diff := cmp.Diff(classes, w.Classes()); diff != "" {
				t.Errorf("classes (-want +got)\n%s", diff)
			}
			if got := w.Class("ok"); got != int64(len(tt.ok)) {
				t.Errorf("%d ok, want %d", got, len(tt.ok))
			}
			if got := w.Histogram(journal.Response, all).TotalCount(); got != w.Ops() {
				t.Errorf("histogram of %d, want %d", got, w.Ops())
			}
		})
	}
}

// Against the sorted values themselves.
func TestQuantilesAreWithinATenthOfAPercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	shapes := []struct {
		name string
		draw func() float64
	}{
		{"web latency: lognormal around 40 ms", func() float64 { return 40e6 * math.Exp(0.7*rng.NormFloat64()) }},
		{"two humps, cache hits and misses", func() float64 { return []float64{8e5, 9e7}[rng.IntN(2)] * (1 + 0.1*rng.Float64()) }},
		{"a long tail up to the hour", func() float64 { return math.Min(1e6/math.Pow(rng.Float64(), 2), 3.6e12) }},
		{"single nanoseconds", func() float64 { return 1 + 100*rng.Float64() }},
		{"all the same", func() float64 { return 123456789 }},
	}
	for _, shape := range shapes {
		for _, n := range []int{1, 2, 3, 10, 100, 999, 1000, 10000} {
			rec := journal.NewRecorder("shop", []string{"list"}, 3)
			var sorted []time.Duration
			for i := range n {
				d := time.Duration(shape.draw())
				sorted = append(sorted, d)
				due := time.Duration(i) * 10 * ms
				rec.Record(i, journal.Sample{Outcome: "ok", Due: due, Started: due, Ended: due + d})
			}
			slices.Sort(sorted)
			j := journal.New(journal.Plan{})
			appendAll(t, j, []journal.Batch{{Intervals: rec.Flush()}})
			w := j.Window("shop", "", 0, time.Hour)
			// Ranks as whole numbers, where 99.9/100·n would need rounding.
			for _, q := range []struct {
				percent float64
				num, of int
			}{{0, 0, 1}, {0.1, 1, 1000}, {1, 1, 100}, {50, 1, 2}, {90, 9, 10}, {95, 95, 100}, {99, 99, 100}, {99.9, 999, 1000}, {99.99, 9999, 10000}, {100, 1, 1}} {
				rank := max((n*q.num+q.of-1)/q.of, 1)
				if got, ok := w.Quantile(journal.Response, journal.All, q.percent); !ok || !about(got, sorted[rank-1]) {
					t.Errorf("%s: p%v of %d: %v, want %v", shape.name, q.percent, n, got, sorted[rank-1])
				}
			}
			if got, _ := w.Max(journal.Response, journal.All); !about(got, sorted[n-1]) {
				t.Errorf("%s: max of %d: %v, want %v", shape.name, n, got, sorted[n-1])
			}
			if got, _ := w.Min(journal.Response, journal.All); !about(sorted[0], got) {
				t.Errorf("%s: min of %d: %v, want %v", shape.name, n, got, sorted[0])
			}
			var sum float64
			for _, d := range sorted {
				sum += float64(d)
			}
			if got, _ := w.Mean(journal.Response, journal.All); math.Abs(float64(got)-sum/float64(n)) > 1+sum/float64(n)/1000 {
				t.Errorf("%s: mean of %d: %v, want %v", shape.name, n, got, time.Duration(sum/float64(n)))
			}
		}
	}
}

// A stall of two seconds at 1,000 operations a second over ten: everything
// due in the stall ends when it does, and the truth is arithmetic. Of 10,000,
// 2,000 waited evenly between 0 and 2 s.
func TestStallByArithmetic(t *testing.T) {
	rec := journal.NewRecorder("shop", []string{"list"}, 2)
	j := journal.New(journal.Plan{})
	next := 0
	for now := time.Second; now <= 12*time.Second; now += time.Second {
		for ; next < 10000; next++ {
			due := time.Duration(next) * ms
			ended := due + ms
			if due >= 4*time.Second && due < 6*time.Second {
				ended = 6*time.Second + ms
			}
			if ended > now {
				break
			}
			rec.Record(next, ok(due, due, ended))
		}
		appendAll(t, j, []journal.Batch{{Intervals: rec.Flush()}})
	}
	w := j.Window("shop", "", 0, 10*time.Second)
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{{50, ms}, {80, ms}, {90, 1001 * ms}, {99, 1901 * ms}, {100, 2001 * ms}} {
		if got, _ := w.Quantile(journal.Response, journal.All, tt.q); !about(got, tt.want) {
			t.Errorf("p%v: %v, want %v", tt.q, got, tt.want)
		}
	}
	// It shows in the seconds that fell due in it, and in no others.
	for s := range time.Duration(10) {
		got, _ := j.Window("shop", "", s*time.Second, (s+1)*time.Second).Max(journal.Response, journal.All)
		want := map[time.Duration]time.Duration{4: 2001 * ms, 5: 1001 * ms}[s]
		if !about(got, max(want, ms)) {
			t.Errorf("second %d: max %v, want %v", s, got, max(want, ms))
		}
	}
}

func TestWindowSelects(t *testing.T) {
	j := journal.New(journal.Plan{})
	at := func(s time.Duration, load, step string, n int) journal.Interval {
		return journal.Interval{Load: load, Step: step, Outcome: "ok", Measure: journal.Response, Start: s * time.Second, Length: time.Second, Hist: hist(times(n, ms)...)}
	}
	// Seconds 2 and 0 come late, as after slow operations.
	for _, iv := range []journal.Interval{
		at(0, "shop", "list", 1), at(1, "shop", "list", 2), at(3, "shop", "list", 8), at(2, "shop", "list", 4), at(4, "shop", "list", 16), at(0, "shop", "list", 32), at(5, "shop", "list", 64),
		at(1, "shop", "buy", 128), at(1, "other", "list", 256),
	} {
		appendAll(t, j, []journal.Batch{{Intervals: []journal.Interval{iv}}})
	}
	const sec = time.Second
	tests := []struct {
		name       string
		load, step string
		from, to   time.Duration
		want       int64
	}{
		{"all steps", "shop", "", 0, 6 * sec, 255},
		{"one step", "shop", "list", 0, 6 * sec, 127},
		{"another load", "other", "", 0, 6 * sec, 256},
		{"a load nobody knows", "nothing", "", 0, 6 * sec, 0},
		{"a step nobody knows", "shop", "nothing", 0, 6 * sec, 0},
		{"the first second, with what came late", "shop", "list", 0, sec, 33},
		{"the end is not in it", "shop", "list", sec, 3 * sec, 6},
		{"a second that begins before the window is not in it", "shop", "list", sec + 1, 3 * sec, 4},
		{"a second that begins in the window is, whole", "shop", "list", sec, 2*sec + 1, 6},
		{"one late second alone", "shop", "list", 2 * sec, 3 * sec, 4},
		{"the last", "shop", "list", 5 * sec, 6 * sec, 64},
		{"after the end", "shop", "", 6 * sec, 60 * sec, 0},
		{"empty", "shop", "", 3 * sec, 3 * sec, 0},
		{"backwards", "shop", "", 3 * sec, sec, 0},
	}
	for _, tt := range tests {
		w := j.Window(tt.load, tt.step, tt.from, tt.to)
		if got := w.Ops(); got != tt.want {
			t.Errorf("%s: %d operations, want %d", tt.name, got, tt.want)
		}
		if _, ok := w.Quantile(journal.Response, journal.All, 50); ok != (tt.want > 0) {
			t.Errorf("%s: has a median: %v", tt.name, ok)
		}
		if got := w.Histogram(journal.Response, journal.All).TotalCount(); got != tt.want {
			t.Errorf("%s: histogram of %d, want %d", tt.name, got, tt.want)
		}
	}
	before := j.Window("shop", "list", 0, 6*sec)
	j.Forget(3 * sec)
	if got := before.Ops(); got != 127 {
		t.Errorf("a window taken before Forget has %d operations, want 127", got)
	}
	if got := j.Window("shop", "", 0, 6*sec).Ops(); got != 88 {
		t.Errorf("after Forget %d operations, want 88", got)
	}
	if got := j.Loads(); !slices.Equal(got, []string{"shop"}) {
		t.Errorf("after Forget there are loads %v", got)
	}
}
