package reports

import (
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// healthFrom changes the health of the seconds in [from, to).
func healthFrom(from, to int, change func(*journal.Health)) func(int, *journal.Health) {
	return func(sec int, h *journal.Health) {
		if sec >= from && sec < to {
			change(h)
		}
	}
}

func TestTrust(t *testing.T) {
	const steady = "browse.p99 < 150ms in steady" // 5s to 15s, so that lag counts from 15ms
	late := func(h *journal.Health) { h.DispatchLag = 40 * time.Millisecond }
	tests := []struct {
		name       string
		play       play
		bottleneck bool
		hiccup     bool
		finding    objective.State
		problem    string // part of one
	}{
		{"healthy", play{}, false, false, objective.Pass, ""},
		// A tenth of the limit is 15 ms.
		{"lag within what counts", play{health: healthFrom(5, 15, func(h *journal.Health) { h.DispatchLag = 14 * time.Millisecond })}, false, false, objective.Pass, ""},
		// It can only have made things look worse, and they held.
		{"lag all through the phase", play{health: healthFrom(5, 15, late)}, false, true, objective.Pass, "up to 40ms late"},
		// The arrivals are not those of the plan any more.
		{"lag most of the time", play{health: healthFrom(5, 60, late)}, true, false, objective.Pass, "up to 40ms late"},
		// One second in ten, and the operations hardly waited.
		{"hiccup", play{health: healthFrom(7, 8, late)}, false, true, objective.Pass, "a hiccup"},
		// Outside the window, and too little of the run to matter.
		{"hiccup elsewhere", play{health: healthFrom(60, 61, late)}, false, true, objective.Pass, "a hiccup"},
		{"lag in three seconds of ten", play{health: healthFrom(7, 10, late)}, false, true, objective.Pass, "late"},
		// What is not judged does not count.
		{"lag in the warm-up", play{health: healthFrom(0, 5, late)}, false, false, objective.Pass, ""},
		{"busy", play{health: healthFrom(7, 8, func(h *journal.Health) { h.CPU = 3.9 })}, true, false, objective.Unknown, "97.5% of its cores"},
		{"nearly busy", play{health: healthFrom(5, 60, func(h *journal.Health) { h.CPU = 3.7 })}, false, false, objective.Pass, ""},
		// A pause delays what is measured, as late dispatch does.
		{"garbage", play{health: healthFrom(7, 8, func(h *journal.Health) { h.GCPause = 30 * time.Millisecond })}, false, true, objective.Pass, "garbage collection stopped brunt for up to 30ms"},
		{"files", play{health: healthFrom(7, 8, func(h *journal.Health) { h.Files = 19_500 })}, true, false, objective.Unknown, "19,500 files open of the 20,000"},
		// Elsewhere in the run: the finding stands, the verdict does not.
		{"busy elsewhere", play{health: healthFrom(56, 58, func(h *journal.Health) { h.CPU = 4 })}, true, false, objective.Pass, "in 2 seconds between 56s and 58s"},
		{"local errors", play{events: func(e journal.Event) []journal.Event {
			if e.Kind == journal.LoadSecond && e.Name == "checkout" && e.At/time.Second == 8 {
				c := *e.Load
				c.Failed = map[string]int64{"local": 3}
				e.Load = &c
			}
			return []journal.Event{e}
		}}, true, false, objective.Unknown, "3 operations failed on brunt's own side"},
		// The journal does not say.
		{"unwatched", play{events: func(e journal.Event) []journal.Event {
			if e.Kind == journal.HealthSecond {
				return nil
			}
			return []journal.Event{e}
		}}, false, false, objective.Pass, "nothing is recorded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.play.objectives = []string{steady}
			r := Build(tt.play.live(t))
			tr := r.Trust
			if tr.Bottleneck != tt.bottleneck || tr.Hiccup != tt.hiccup {
				t.Errorf("bottleneck %v, hiccup %v; want %v, %v (strained %d of %d)", tr.Bottleneck, tr.Hiccup, tt.bottleneck, tt.hiccup, tr.Strained, tr.Judged)
			}
			if o := r.Objectives[0]; o.State != tt.finding {
				t.Errorf("the finding is %s, want %s: %s", o.State, tt.finding, o.Reason)
			}
			if all := strings.Join(tr.Problems, "\n"); !strings.Contains(all, tt.problem) || tt.problem == "" && all != "" {
				t.Errorf("problems %q, want one with %q", all, tt.problem)
			}
			if sound := !tt.bottleneck && tt.finding == objective.Pass && !tr.Unwatched; sound != (r.Verdict == Pass) {
				t.Errorf("the verdict is %s", r.Verdict)
			}
		})
	}
}

// A failure that the generator's delay cannot explain stands; one that it can
// does not.
func TestTrustOfFailures(t *testing.T) {
	late := healthFrom(5, 15, func(h *journal.Health) { h.DispatchLag = 18 * time.Millisecond })
	tests := []struct {
		name   string
		limit  string
		health func(int, *journal.Health)
		want   objective.State
	}{
		// The p99 is 24 ms, 6 ms without the delay.
		{"far over the limit", "5ms", late, objective.Fail},
		{"over the limit by less than the delay", "20ms", late, objective.Unknown},
		// How much a starved generator adds cannot be told.
		{"far over the limit, without CPU", "5ms", healthFrom(5, 15, func(h *journal.Health) { h.CPU = 4 }), objective.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := play{objectives: []string{"browse.p99 < " + tt.limit + " in steady"}, health: tt.health}
			r := Build(p.live(t))
			if o := r.Objectives[0]; o.State != tt.want {
				t.Errorf("the finding is %s, want %s: %s %q", o.State, tt.want, o.Reason, o.Warnings)
			}
		})
	}
}

// What failed on brunt's own side does not fail the target.
func TestTrustOfErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		own  int // operations of a hundred that failed on brunt's side
		want objective.State
	}{
		{"mostly its own", 6, objective.Unknown},
		{"mostly the target's", 2, objective.Fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := journal.Plan{Duration: 10 * time.Second, Loads: []journal.LoadPlan{{Name: "a", Model: "open", Steps: []string{"x"}}},
				Objectives: []journal.ObjectivePlan{{Source: "a.errors < 1%"}}}
			j := journal.New(plan)
			rec := journal.NewRecorder("a", []string{"x"}, 1)
			var events []journal.Event
			for sec := range 10 {
				for i := range 100 {
					due := time.Duration(sec)*time.Second + time.Duration(i)*10*time.Millisecond
					outcome := "ok"
					if i < tt.own {
						outcome = "local"
					} else if i < 8 {
						outcome = "status"
					}
					rec.Record(0, journal.Sample{Outcome: outcome, Due: due, Started: due, Ended: due + time.Millisecond})
				}
				events = append(events,
					journal.Event{At: time.Duration(sec+1) * time.Second, Kind: journal.LoadSecond, Name: "a", Load: &journal.LoadCounts{Offered: 100, Sent: 100, Completed: 100, Ops: 100}},
					journal.Event{At: time.Duration(sec+1) * time.Second, Kind: journal.HealthSecond, Health: &journal.Health{Cores: 4}})
			}
			events = append(events, journal.Event{At: 10 * time.Second, Kind: journal.RunEnded, State: "completed"})
			if err := j.Append(journal.Batch{Events: events, Intervals: rec.Flush()}); err != nil {
				t.Fatal(err)
			}
			if o := Build(j).Objectives[0]; o.State != tt.want {
				t.Errorf("the finding is %s, want %s: %s", o.State, tt.want, o.Reason)
			}
		})
	}
}

func TestLagLimit(t *testing.T) {
	finding := func(source, limit, unit string) Objective {
		return Objective{Finding: objective.Finding{Source: source, Limit: limit, Unit: unit}}
	}
	tests := []struct {
		name string
		in   []Objective
		want time.Duration
	}{
		{"nothing judged", nil, minLag},
		{"a tenth of the limit", []Objective{finding("a.p99 < 300ms", "< 300ms", "ns")}, 30 * time.Millisecond},
		{"of the tightest", []Objective{finding("a.p99 < 300ms", "< 300ms", "ns"), finding("a.p50 < 80ms", "< 80ms", "ns")}, 8 * time.Millisecond},
		{"never below what counts at all", []Objective{finding("a.p50 < 2ms", "< 2ms", "ns")}, minLag},
		{"never above what bunches arrivals", []Objective{finding("a.p99 < 10s", "< 10s", "ns")}, maxLag},
		{"the upper end of a range", []Objective{finding("a.p99 100ms..200ms", "100ms..200ms", "ns")}, 20 * time.Millisecond},
		// No latency of a load is judged: less cannot decide anything.
		{"a ratio", []Objective{finding("a.errors < 1%", "< 1%", "ratio")}, maxLag},
		{"a probe's durations", []Objective{finding("lag < 1s", "< 1s", "ns")}, maxLag},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := lagLimit(tt.in); got != tt.want {
				t.Errorf("lagLimit = %s, want %s", got, tt.want)
			}
		})
	}
}

// A load that was not offered as planned is the generator's doing.
func TestTrustOfDelivery(t *testing.T) {
	for _, tt := range []struct {
		name    string
		planned int64
		want    bool
	}{
		{"as planned", 8550, false},
		{"one at the very end", 8551, false},
		{"one in a hundred missing", 8640, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := play{}.live(t)
			j.Plan.Loads[0].Arrivals = tt.planned
			if r := Build(j); r.Trust.Bottleneck != tt.want {
				t.Errorf("bottleneck is %v with %d offered of %d planned: %q", r.Trust.Bottleneck, r.Loads["browse"].Offered, tt.planned, r.Trust.Problems)
			}
		})
	}
}
