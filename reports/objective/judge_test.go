package objective

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

func mustCompile(tb testing.TB, src string) Objective {
	tb.Helper()
	o, err := Compile(src)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// record plays operations through the real recorder into a journal.
func record(tb testing.TB, plan journal.Plan, samples []journal.Sample) *journal.Journal {
	tb.Helper()
	j := journal.New(plan)
	r := journal.NewRecorder(plan.Loads[0].Name, plan.Loads[0].Steps, 2)
	for i, s := range samples {
		r.Record(i%2, s)
		if i%1000 == 999 || i == len(samples)-1 {
			if err := j.Append(journal.Batch{Intervals: r.Flush()}); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := j.Append(journal.Batch{Events: []journal.Event{{At: plan.Duration, Kind: journal.RunEnded, State: "completed"}}}); err != nil {
		tb.Fatal(err)
	}
	return j
}

// A target that stalls for 2 s at 1000 arrivals a second for 10 s. Those due
// in the stall wait for its end, 2000 of 10000 evenly from 2 s to 0: so p80 is
// 1 ms, p90 1.0 s and p99 1.9 s. Service times, from when each was sent, show
// none of it, since nothing was sent in the stall.
func TestCoordinatedOmission(t *testing.T) {
	const stall, over = 4 * time.Second, 6 * time.Second
	var samples []journal.Sample
	for k := range 10000 {
		due := time.Duration(k) * time.Millisecond
		started := due
		if due >= stall && due < over {
			started = over
		}
		samples = append(samples, journal.Sample{Outcome: "ok", Due: due, Started: started, Ended: started + time.Millisecond})
	}
	j := record(t, journal.Plan{
		Duration: 10 * time.Second,
		Phases:   []journal.PhasePlan{{Name: "all", End: 10 * time.Second}},
		Loads:    []journal.LoadPlan{{Name: "shop", Model: "open", Steps: []string{"get"}}},
	}, samples)
	for _, test := range []struct {
		metric string
		truth  time.Duration
	}{
		{"p50", time.Millisecond},
		{"p80", time.Millisecond},
		{"p90", 1001 * time.Millisecond}, // the 1000th of 2000 that waited, and its own millisecond
		{"p99", 1901 * time.Millisecond},
		{"max", 2001 * time.Millisecond},
		{"service.p99", time.Millisecond},
		{"wait.p99", 1900 * time.Millisecond},
	} {
		f := mustCompile(t, "shop."+test.metric+" < 1ns").Judge(j)
		// Three digits: at most a thousandth above the truth, and a nanosecond never below.
		if off := f.Value/float64(test.truth) - 1; f.State != Fail || off < 0 || off > 0.001 {
			t.Errorf("%s is %s, the truth is %v (%+.3f%%)", test.metric, f.Observed, test.truth, off*100)
		}
	}
}

// A finding survives JSON, with its units in the names.
func TestFindingJSON(t *testing.T) {
	j := record(t, journal.Plan{
		Duration: 2 * time.Second,
		Loads:    []journal.LoadPlan{{Name: "shop", Steps: []string{"get"}}},
	}, []journal.Sample{{Outcome: "ok", Ended: time.Millisecond}})
	out, err := json.Marshal(mustCompile(t, "shop.errors < 1%").Judge(j))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"source":"shop.errors \u003c 1%","state":"pass","observed":"0%","value":0,"unit":"ratio",` +
		`"limit":"\u003c 1%","margin":"100% below the limit","from_ns":0,"to_ns":2000000000,"samples":1,` +
		`"reason":"shop.errors was 0% (0 of 1 operation) from 0s to 2s; the limit is 1%."}`
	if string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
}

// What the plan tells to be wrong, with its place.
func TestCheck(t *testing.T) {
	plan := journal.Plan{
		Phases: []journal.PhasePlan{{Name: "steady"}, {Name: "surge"}},
		Loads:  []journal.LoadPlan{{Name: "browse", Steps: []string{"list", "buy"}}, {Name: "orders", Steps: []string{"put"}}},
		Faults: []journal.FaultPlan{{Name: "kill"}},
		Probes: []journal.ProbePlan{{Name: "lag", Unit: "ns"}, {Name: "replicas"}, {Name: "odd", Unit: "furlongs"}},
	}
	for _, test := range []struct{ src, caret, want string }{
		{"browse.list.p99 < 5ms in surge while kill", "", ""},
		{"lag < 5ms", "", ""},
		{"lag.max < 5ms", "", ""},
		{"browse.max < 5ms", "", ""},
		{"odd < 5ms", "", ""}, // a unit that is not known here is not judged here
		{"lag.failures < 5", "", ""},
		{"brwose.p99 < 5ms", "^^^^^^", `there is no load called "brwose"; did you mean browse?`},
		{"browse.lsit.p99 < 5ms", "       ^^^^", `there is no step called "lsit"; did you mean list?`},
		{"browse.servce.p99 < 5ms", "       ^^^^^^", `there is no step called "servce"; did you mean service?`},
		{"orders.list.p99 < 5ms", "       ^^^^", `there is no step called "list"; there is put`}, // of another load
		{"browse.p99 < 5ms in steday", "                    ^^^^^^", `there is no phase called "steday"; did you mean steady?`},
		{"browse.p99 < 5ms while storm", "                       ^^^^^", `there is no fault called "storm"; there is kill`},
		{"browse < 5", "^^^^^^", `"browse" is a load, and this is about a probe; say which metric of it, with its unit: browse.p99 < 300ms, browse.errors < 0.1%`},
		{"lag.p99 < 5ms", "^^^", `"lag" is a probe, and this is about a load; of a probe there are min, mean, max, last and failures`},
		{"lag < 5", "^^^", `the probe lag reads a duration, and 5 is a plain number; a unit is never optional: write something like 300ms`},
		{"lag.max < 5", "^^^", `the probe lag reads a duration, and 5 is a plain number; a unit is never optional: write something like 300ms`},
		{"replicas.max < 5ms", "^^^^^^^^", `the probe replicas reads a plain number, and 5ms is a duration; write something like 5`},
		{"nothing.max < 5ms", "^^^^^^^", `there is no load or probe called "nothing"; there is browse, orders, lag, replicas, odd`},
	} {
		err := mustCompile(t, test.src).Check(plan)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.src, err)
			}
			continue
		}
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", test.src, err)
			continue
		}
		if caret := strings.Repeat(" ", e.Offset) + strings.Repeat("^", e.Length); caret != test.caret || e.Error() != test.want {
			t.Errorf("%s\n%s %s\nwant\n%s %s", test.src, caret, e, test.caret, test.want)
		}
	}
}

// Values beside their limits.
func TestObserved(t *testing.T) {
	for _, test := range []struct {
		limit string
		v     float64
		want  string
	}{
		{"< 300ms", 412e6, "412ms"},
		{"< 300ms", 412.4e6, "412ms"},
		{"< 300ms", 300e6, "300ms"},     // equal may look equal
		{"< 300ms", 300.4e6, "300.4ms"}, // and nothing else
		{"< 300ms", 300.0001e6, "300.0001ms"},
		{"< 1s", 999.96e6, "999.96ms"},
		{"< 2s", 999.96e6, "1s"}, // not 1000ms
		{"< 2s", 1234.5e6, "1.23s"},
		{"< 2s", 75.26e9, "1m15.3s"},
		{"< 2s", 3600e9, "1h"},
		{"< 2s", 999.7e3, "1ms"},
		{"< 2s", 12.3456e3, "12.3µs"},
		{"< 2s", 999, "999ns"},
		{"< 2s", 0, "0ns"},
	} {
		if got := mustCompile(t, "browse.p99 "+test.limit).s.observed(test.v); got != test.want {
			t.Errorf("%v beside %s: %s, want %s", test.v, test.limit, got, test.want)
		}
	}
	for _, test := range []struct {
		src  string
		v    float64
		want string
	}{
		{"x.errors < 0.1%", 0.00100001, "0.100001%"},
		{"x.errors < 0.1%", 1, "100%"},
		{"x.errors < 0.1%", 1.0 / 3, "33.3%"},
		{"x.rate > 30k/min", 499.99, "29999/min"},
		{"x.rate > 500/s", 499.99, "499.99/s"},
		{"x < 1KiB", 1e6, "977KiB"},
		{"x < 6", 6.0000001, "6.0000001"},
		{"x 6..20", 20.001, "20.001"},
		{"x < 5", 123456, "123456"},
		{"x < 5", -0.000123456, "-0.0001235"},
		{"x < 5", 1e30, "1000000000000000019884624838656"},
	} {
		if got := mustCompile(t, test.src).s.observed(test.v); got != test.want {
			t.Errorf("%v in %s: %s, want %s", test.v, test.src, got, test.want)
		}
	}
}

// How much a live journal has to remember.
func TestLookback(t *testing.T) {
	plan := journal.Plan{
		Phases: []journal.PhasePlan{{Name: "a", End: 10 * time.Minute}, {Name: "b", Start: 10 * time.Minute, End: 15 * time.Minute}},
		Loads:  []journal.LoadPlan{{Name: "browse", Timeout: 5 * time.Second, Patience: time.Second}},
	}
	for _, test := range []struct {
		src  string
		want time.Duration
	}{
		{"browse.errors > 50% for 15s", 15*time.Second + 22*time.Second},
		{"browse.p99 < 5ms within 30s", 30*time.Second + 22*time.Second},
		{"browse.p99 < 5ms in b", 5*time.Minute + 22*time.Second}, // a whole window, at its end
		{"browse.rate > 5/s in b", 5*time.Minute + 16*time.Second},
		{"browse.p99 < 5ms", 15*time.Minute + 22*time.Second},
	} {
		if got := mustCompile(t, test.src).Lookback(plan); got != test.want {
			t.Errorf("%s: %v, want %v", test.src, got, test.want)
		}
	}
}

// What was forgotten is not judged by what is left of it.
func TestLiveJournalThatForgot(t *testing.T) {
	w := newWorld()
	for _, line := range []string{
		"phase a 0s..60s", "phase b 60s..70s", "load browse timeout=1s",
		"ops 0s..50s browse.get ok 100×1ms", "ops 50s..60s browse.get ok 100×100ms",
	} {
		if _, err := w.Do(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
	}
	o := mustCompile(t, "browse.p50 < 50ms in a")
	j := w.journal(62 * time.Second)
	j.Forget(40 * time.Second)
	if breached, why := o.BreachedExpectation(j, 62*time.Second); breached {
		t.Error(why)
	}
}

// A minute of judging would be too long for a run of an hour.
func BenchmarkJudgeHour(b *testing.B) {
	w := newWorld()
	for _, line := range []string{
		"phase a 0s..3600s", "load browse steps=list,buy",
		"ops 0s..3600s browse.list ok 500×20ms 300×31ms 190×47ms 10×80ms",
		"ops 0s..3600s browse.buy timeout 10×1s",
		"end 3600s completed",
	} {
		if _, err := w.Do(strings.Fields(line)); err != nil {
			b.Fatal(err)
		}
	}
	j := w.journal(forever)
	for _, src := range []string{"browse.p99 < 300ms", "browse.p99 < 300ms within 30s", "browse.p99 < 300ms within 30m", "browse.errors < 1% within 30s", "browse.rate > 5/s within 30s"} {
		o := mustCompile(b, src)
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f := o.Judge(j); f.Observed == "" {
					b.Fatal(fmt.Sprint(f))
				}
			}
		})
	}
}
