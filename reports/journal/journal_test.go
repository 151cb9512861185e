package journal_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/reports/journal"
)

func live(t *testing.T, events ...journal.Event) *journal.Journal {
	t.Helper()
	j := journal.New(somePlan)
	// One batch each, as they would come.
	for _, e := range events {
		appendAll(t, j, []journal.Batch{{Events: []journal.Event{e}}})
	}
	return j
}

func TestCounts(t *testing.T) {
	const sec = time.Second
	second := func(s time.Duration, load string, c journal.LoadCounts) journal.Event {
		return journal.Event{At: s * sec, Kind: journal.LoadSecond, Name: load, Load: &c}
	}
	j := live(t,
		second(1, "shop", journal.LoadCounts{Offered: 1, Sent: 2, Completed: 3, Dropped: 4, Canceled: 5, Ops: 6, Failed: map[string]int64{"timeout": 7}, Status: map[string]int64{"200": 8}, BytesOut: 9, BytesIn: 10, InFlight: 11, Waiting: 12, Sessions: 13, Planned: 14}),
		second(1, "other", journal.LoadCounts{Offered: 1000}),
		second(3, "shop", journal.LoadCounts{Offered: 100, Failed: map[string]int64{"timeout": 1, "reset": 2}, InFlight: 30}),
		second(2, "shop", journal.LoadCounts{Offered: 10, Status: map[string]int64{"200": 2, "503": 1}, InFlight: 20}), // late
		journal.Event{At: sec, Kind: journal.LoadSecond, Name: "shop"},                                                 // says nothing
	)
	none := journal.LoadCounts{Failed: map[string]int64{}, Status: map[string]int64{}}
	tests := []struct {
		name     string
		load     string
		from, to time.Duration
		want     journal.LoadCounts
	}{
		{"one second: it ends at the end of the window", "shop", 0, sec, journal.LoadCounts{Offered: 1, Sent: 2, Completed: 3, Dropped: 4, Canceled: 5, Ops: 6, Failed: map[string]int64{"timeout": 7}, Status: map[string]int64{"200": 8}, BytesOut: 9, BytesIn: 10, InFlight: 11, Waiting: 12, Sessions: 13, Planned: 14}},
		{"the one that ends where it begins is not in it", "shop", sec, 2 * sec, journal.LoadCounts{Offered: 10, Failed: map[string]int64{}, Status: map[string]int64{"200": 2, "503": 1}, InFlight: 20}},
		{"sums, and the last gauges", "shop", 0, time.Hour, journal.LoadCounts{Offered: 111, Sent: 2, Completed: 3, Dropped: 4, Canceled: 5, Ops: 6, Failed: map[string]int64{"timeout": 8, "reset": 2}, Status: map[string]int64{"200": 10, "503": 1}, BytesOut: 9, BytesIn: 10, InFlight: 30}},
		{"none of it", "shop", 3 * sec, time.Hour, none},
		{"backwards", "shop", 3 * sec, sec, none},
		{"a load nobody knows", "nothing", 0, time.Hour, none},
	}
	for _, tt := range tests {
		for range 2 { // asking changes nothing
			if diff := cmp.Diff(tt.want, j.Counts(tt.load, tt.from, tt.to)); diff != "" {
				t.Errorf("%s (-want +got)\n%s", tt.name, diff)
			}
		}
	}
}

func TestReadings(t *testing.T) {
	reading := func(at time.Duration, v float64) journal.Event {
		return journal.Event{At: at, Kind: journal.ProbeReading, Name: "replicas", Value: &v}
	}
	failed := journal.Event{At: 4, Kind: journal.ProbeFailed, Name: "replicas", Text: "refused"}
	j := live(t, reading(1, 1), reading(5, 5), failed, reading(2, 2), reading(5, 6),
		journal.Event{At: 3, Kind: journal.ProbeReading, Name: "lag"}, journal.Event{At: 3, Kind: journal.PhaseStarted, Name: "replicas"})
	tests := []struct {
		name     string
		from, to time.Duration
		want     []journal.Event
	}{
		{"all, in order of time, and of one time in the order they came", 0, 10, []journal.Event{reading(1, 1), reading(2, 2), failed, reading(5, 5), reading(5, 6)}},
		{"from is in it and to is not", 2, 5, []journal.Event{reading(2, 2), failed}},
		{"none", 6, 10, nil},
		{"backwards", 5, 2, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, j.Readings("replicas", tt.from, tt.to)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestFaultSpan(t *testing.T) {
	tests := []struct {
		name   string
		states string // one a nanosecond, from 1
		want   []journal.Span
	}{
		{"never injected", "requested failed", nil},
		{"all goes well", "requested injected effective undone gone", []journal.Span{{From: 2, To: 5}}},
		{"seen to work before it is known to be injected", "requested effective injected undone gone", []journal.Span{{From: 2, To: 5}}},
		{"without effect, it was still there", "requested injected ineffective undone gone", []journal.Span{{From: 2, To: 5}}},
		{"undone is a claim; only gone ends it", "requested injected undone unverified", []journal.Span{{From: 2, To: 10, Open: true}}},
		{"a conflict does not end it", "requested injected effective conflict", []journal.Span{{From: 2, To: 10, Open: true}}},
		{"still there", "requested injected effective", []journal.Span{{From: 2, To: 10, Open: true}}},
		{"twice", "injected gone requested effective undone gone", []journal.Span{{From: 1, To: 2}, {From: 4, To: 6}}},
		{"twice, and still there", "injected gone injected", []journal.Span{{From: 1, To: 2}, {From: 3, To: 10, Open: true}}},
		{"gone without having been there", "requested gone gone", nil},
	}
	for _, tt := range tests {
		j := live(t)
		at := time.Duration(0)
		for state := range strings.FieldsSeq(tt.states) {
			at++
			appendAll(t, j, []journal.Batch{{Events: []journal.Event{
				{At: at, Kind: journal.FaultState, Name: "kill", State: state},
				{At: at, Kind: journal.FaultState, Name: "other", State: journal.FaultGone},
			}}})
		}
		appendAll(t, j, []journal.Batch{{Events: []journal.Event{{At: 10, Kind: journal.Note}}}})
		if diff := cmp.Diff(tt.want, j.FaultSpans("kill")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
		hull, ok := j.FaultSpan("kill", 0)
		if ok != (len(tt.want) > 0) {
			t.Errorf("%s: span %v", tt.name, ok)
		}
		if ok {
			last := tt.want[len(tt.want)-1]
			if want := (journal.Span{From: tt.want[0].From, To: last.To, Open: last.Open}); hull != want {
				t.Errorf("%s: %+v, want %+v", tt.name, hull, want)
			}
		}
	}
}

func TestPhase(t *testing.T) {
	j := live(t)
	if p, ok := j.Phase("steady"); !ok || p.Start != 2*time.Second {
		t.Errorf("steady: %+v, %v", p, ok)
	}
	if _, ok := j.Phase("storm"); ok {
		t.Error("a phase that is not in the plan")
	}
}

func TestEnd(t *testing.T) {
	j := live(t)
	if got := j.End(); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	appendAll(t, j, []journal.Batch{{Intervals: []journal.Interval{{Load: "shop", Step: "list", Outcome: "ok", Measure: journal.Response, Start: 3 * time.Second, Length: time.Second, Hist: hist(ms)}}}})
	if got := j.End(); got != 4*time.Second {
		t.Errorf("of an interval: %v", got)
	}
	appendAll(t, j, []journal.Batch{{Events: []journal.Event{{At: 5 * time.Second, Kind: journal.Note}}}})
	if got := j.End(); got != 5*time.Second {
		t.Errorf("of an event: %v", got)
	}
	// Intervals without samples are nothing.
	appendAll(t, j, []journal.Batch{{Intervals: []journal.Interval{{Start: time.Hour, Hist: hist()}, {Start: time.Hour}}}})
	if got := j.End(); got != 5*time.Second {
		t.Errorf("after empty intervals: %v", got)
	}
}

// Forget keeps what is few and says what the run was; it drops what comes
// every second.
func TestForget(t *testing.T) {
	j := journal.New(somePlan)
	appendAll(t, j, run(10))
	appendAll(t, j, []journal.Batch{{Events: []journal.Event{{At: time.Second, Kind: journal.PhaseStarted, Name: "steady"}, {At: time.Second, Kind: journal.FaultState, Name: "kill", State: journal.FaultInjected}}}})
	before := j.Events()
	n := len(before)
	for range 2 {
		j.Forget(8 * time.Second)
		kinds := map[journal.Kind]int{}
		for _, e := range j.Events() {
			kinds[e.Kind]++
		}
		want := map[journal.Kind]int{journal.RunStarted: 1, journal.RunEnded: 1, journal.PhaseStarted: 1, journal.FaultState: 1, journal.LoadSecond: 3, journal.HealthSecond: 3, journal.ProbeReading: 3}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if got := j.Counts("shop", 0, time.Hour).Offered; got != 120 {
			t.Errorf("%d offered, want 120", got)
		}
		if got := len(j.Readings("replicas", 0, time.Hour)); got != 3 {
			t.Errorf("%d readings, want 3", got)
		}
	}
	if len(before) != n || before[n-1].Kind != journal.FaultState {
		t.Error("the events taken before have changed")
	}
	j.Forget(time.Hour)
	if got := j.Loads(); len(got) > 0 {
		t.Errorf("loads %v are left of nothing", got)
	}
}

// One appends and forgets, many read; run with -race.
func TestConcurrentReaders(t *testing.T) {
	j := journal.New(somePlan)
	batches := run(30)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			for {
				w := j.Window("shop", "", 0, time.Hour)
				if n := w.Ops(); n != w.Histogram(journal.Response, journal.All).TotalCount() {
					t.Errorf("reader %d: a window of %d changed", i, n)
				}
				w.Quantile(journal.Response, journal.All, 99)
				j.Counts("shop", 0, time.Hour)
				j.Readings("replicas", 0, time.Hour)
				j.FaultSpan("kill", 0)
				for _, e := range j.Events() {
					_ = fmt.Sprint(e.Kind)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i, b := range batches {
		appendAll(t, j, []journal.Batch{b})
		j.Forget(time.Duration(i-10) * time.Second)
	}
	close(done)
	readers.Wait()
}
