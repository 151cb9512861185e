package reports

import (
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

func TestFaultTruth(t *testing.T) {
	const (
		requested   = journal.FaultRequested
		injected    = journal.FaultInjected
		effective   = journal.FaultEffective
		ineffective = journal.FaultIneffective
		undone      = journal.FaultUndone
		gone        = journal.FaultGone
	)
	tests := []struct {
		name    string
		states  []string // "failed:TEXT" is a failure with targets, "early:TEXT" one without
		oneShot bool
		crashed bool // the journal does not say how the run ended
		want    Truth
		text    string // part of the sentence
	}{
		// All as it should be.
		{"proven", []string{requested, injected, effective, undone, gone}, false, false, FaultProven, "verified gone at 5s"},
		// A killed process stays killed.
		{"one-shot", []string{requested, injected, effective, gone}, true, false, FaultProven, "nothing to undo"},
		// brunt died after it: still nothing to undo.
		{"one-shot, then a crash", []string{requested, injected, effective}, true, true, FaultProven, "nothing to undo"},
		{"one-shot without effect", []string{requested, injected, ineffective, gone}, true, false, FaultIneffective, "no effect"},
		// The claim was not confirmed by another path.
		{"no effect", []string{requested, injected, ineffective, undone, gone}, false, false, FaultIneffective, "no effect of it was seen; it was verified gone"},
		// Nobody looked in time.
		{"effect not looked for", []string{requested, injected, undone, gone}, false, false, FaultIneffective, "no effect"},
		// Nothing was touched.
		{"prepare failed", []string{requested, "early:prepare: no such process"}, false, false, FaultNotInjected, "no such process"},
		// Inject failed half-way, and was mended.
		{"inject failed", []string{requested, "failed:inject: no answer", undone, gone}, false, false, FaultIneffective, "verified gone"},
		// Inject failed half-way, and who knows.
		{"inject failed, undo too", []string{requested, "failed:inject: no answer", "failed:undo: no answer"}, false, false, FaultNotGone, "undo: no answer"},
		{"unverified", []string{requested, injected, effective, journal.FaultUnverified}, false, false, FaultNotGone, "not verified gone"},
		{"conflict", []string{requested, injected, effective, journal.FaultConflict}, false, false, FaultNotGone, "not verified gone"},
		{"undone is not gone", []string{requested, injected, effective, undone}, false, false, FaultNotGone, "not verified gone"},
		// What came later was hit too, and seen; or was hit, and not seen.
		{"followed", []string{requested, injected, effective, journal.FaultFollowed, undone, gone}, false, false, FaultProven, "verified gone"},
		{"followed without effect", []string{requested, injected, effective, ineffective, undone, gone}, false, false, FaultIneffective, ""},
		// brunt died while it was there.
		{"crash", []string{requested, injected, effective}, false, true, FaultNotGone, "not verified gone"},
		// brunt died between asking and noting: it may be there.
		{"crash half-way", []string{requested}, false, true, FaultNotGone, "not verified gone"},
		// The run ended before its time.
		{"not played", nil, false, false, FaultNotInjected, "was not played"},
		{"not played before a crash", nil, false, true, FaultNotInjected, "was not played"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := journal.FaultPlan{Name: "f", Kind: "proxy", What: "latency 80ms", OneShot: tt.oneShot}
			j := journal.New(journal.Plan{Faults: []journal.FaultPlan{p}})
			var events []journal.Event
			for i, s := range tt.states {
				e := journal.Event{At: time.Duration(i+1) * time.Second, Kind: journal.FaultState, Name: "f", State: s, Targets: []string{"x"}}
				if text, ok := strings.CutPrefix(s, "failed:"); ok {
					e.State, e.Text = journal.FaultFailed, text
				}
				if text, ok := strings.CutPrefix(s, "early:"); ok {
					e.State, e.Text, e.Targets = journal.FaultFailed, text, nil
				}
				events = append(events, e, journal.Event{Kind: journal.FaultState, Name: "another", State: gone})
			}
			if err := j.Append(journal.Batch{Events: events}); err != nil {
				t.Fatal(err)
			}
			f := faultTruth(p, j, !tt.crashed)
			if f.Truth != tt.want || !strings.Contains(f.Text, tt.text) {
				t.Errorf("truth is %s, %q; want %s, with %q", f.Truth, f.Text, tt.want, tt.text)
			}
		})
	}
}
