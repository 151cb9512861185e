package reports

import (
	"bytes"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// teamRun is a run of ten seconds on three workers, of which the second is lost
// at 6.2 s, with 40 arrivals of its share to come.
func teamRun(t *testing.T, mayLose int) *Report {
	t.Helper()
	j := journal.New(journal.Plan{
		Version: journal.PlanVersion, Name: "team", Duration: 10 * time.Second,
		Phases:  []journal.PhasePlan{{Name: "all", End: 10 * time.Second}},
		Loads:   []journal.LoadPlan{{Name: "web", Kind: "http", Model: "open", Steps: []string{"web"}, Arrivals: 300}},
		Workers: &journal.WorkersPlan{Count: 3, MayLose: mayLose},
	})
	recorder := journal.NewRecorder("web", []string{"web"}, 1)
	add := func(events ...journal.Event) {
		if err := j.Append(journal.Batch{Events: events, Intervals: recorder.Flush()}); err != nil {
			t.Fatal(err)
		}
	}
	worker := func(at time.Duration, name, state, text string, w journal.Worker) journal.Event {
		return journal.Event{At: at, Kind: journal.WorkerState, Name: name, State: state, Text: text, Worker: &w}
	}
	add(journal.Event{Kind: journal.RunStarted})
	drift := 5 * time.Millisecond
	for i, name := range []string{"worker-0", "worker-1", "worker-2"} {
		add(worker(0, name, journal.WorkerReady, "", journal.Worker{Where: "pod " + name, ClockOffset: time.Duration(i-1) * time.Millisecond, ClockError: 200 * time.Microsecond}))
	}
	for s := time.Second; s <= 10*time.Second; s += time.Second {
		lost := int64(0)
		if s > 6*time.Second {
			lost = 10
		}
		for k := range 30 - lost {
			due := s - time.Second + time.Duration(k)*time.Millisecond
			recorder.Record(0, journal.Sample{Outcome: journal.OutcomeOK, Due: due, Started: due, Ended: due + time.Millisecond})
		}
		add(journal.Event{At: s, Kind: journal.LoadSecond, Name: "web", Load: &journal.LoadCounts{Offered: 30, Sent: 30 - lost, Completed: 30 - lost, Ops: 30 - lost, Lost: lost}},
			journal.Event{At: s, Kind: journal.HealthSecond, Name: "worker-0", Health: &journal.Health{CPU: 0.1, Cores: 2}})
	}
	add(worker(6200*time.Millisecond, "worker-1", journal.WorkerLost, "its process ended (signal: killed)", journal.Worker{Where: "pod worker-1", Offered: 60, Sent: 60}),
		worker(10*time.Second, "worker-0", journal.WorkerDone, "", journal.Worker{Where: "pod worker-0", Offered: 100, Sent: 100, ClockOffset: -time.Millisecond, ClockError: 200 * time.Microsecond, ClockDrift: &drift}),
		worker(6200*time.Millisecond, "worker-1", journal.WorkerLost, "", journal.Worker{Where: "pod worker-1", Offered: 100, Sent: 60, Lost: 40}),
		worker(10*time.Second, "worker-2", journal.WorkerDone, "", journal.Worker{Where: "pod worker-2", Offered: 100, Sent: 100}),
		journal.Event{At: 10 * time.Second, Kind: journal.RunEnded, State: completed})
	return Build(j)
}

const lostStatement = "worker-1 of 3 (pod worker-1) was lost at 6.2s (its process ended (signal: killed)); 40 arrivals of its share were not offered, or nobody knows what became of them."

// A lost worker makes the run inconclusive, and the report says which, when,
// and how much of the load went with it.
func TestLostWorkerIsInconclusive(t *testing.T) {
	r := teamRun(t, 0)
	if r.Verdict != Inconclusive || !strings.EqualFold(r.Cause, lostStatement) {
		t.Errorf("%s: %s", r.Verdict, r.Cause)
	}
	l := r.Loads["web"]
	if l.Offered != 300 || l.Lost != 40 || l.Sent != 260 {
		t.Errorf("offered %d, sent %d, lost %d", l.Offered, l.Sent, l.Lost)
	}
	if got := r.tellLoad("web"); !strings.Contains(got, "offered 300 arrivals, 260 of them sent, 40 lost with a worker") {
		t.Error(got)
	}
}

// Where the scenario lets one be lost the run counts, and the report says it
// all the same; two are too many then.
func TestMayLose(t *testing.T) {
	r := teamRun(t, 1)
	if r.Verdict != Pass {
		t.Errorf("%s: %s", r.Verdict, r.Cause)
	}
	if len(r.Warnings) != 1 || !strings.Contains(strings.ToLower(r.Warnings[0]), strings.ToLower(lostStatement)) {
		t.Errorf("warnings %q", r.Warnings)
	}
	r.Workers[2].State = journal.WorkerLost
	if _, tooMany := r.lostWorkers(&journal.WorkersPlan{Count: 3, MayLose: 1}); !tooMany {
		t.Error("two lost of one allowed are not too many")
	}
}

// Every format shows each worker, with its clock and its share.
func TestWorkersAreShown(t *testing.T) {
	r := teamRun(t, 0)
	for name, format := range map[string]Format{"text": Text, "markdown": Markdown, "html": HTML, "json": JSON} {
		var out bytes.Buffer
		if err := format(&out, r); err != nil {
			t.Fatal(err)
		}
		wants := []string{"worker-1 lost at 6.2s", "−1ms ±200µs, drifted +5ms", "pod worker-2"}
		switch name {
		case "json":
			wants = []string{`"name": "worker-1"`, `"lost_ns": 6200000000`, `"clock_offset_ns": -1000000`, `"clock_drift_ns": 5000000`}
		case "markdown":
			wants[1] = "drifted +5ms"
		}
		for _, want := range wants {
			if !strings.Contains(html.UnescapeString(out.String()), want) {
				t.Errorf("%s has no %q", name, want)
			}
		}
	}
}
