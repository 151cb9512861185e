package reports

import (
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// What was dropped was not done, and is in no rate; the rate of a run shorter
// than a second is known as well.
func TestRateIsOfWhatWasDone(t *testing.T) {
	for _, length := range []time.Duration{2 * time.Second, 50 * time.Millisecond} {
		j := journal.New(journal.Plan{Duration: length, Phases: []journal.PhasePlan{{Name: "all", End: length}},
			Loads: []journal.LoadPlan{{Name: "a", Model: "open", Steps: []string{"x"}}}})
		second := journal.Event{At: length, Kind: journal.LoadSecond, Name: "a", Load: &journal.LoadCounts{
			Offered: 100, Sent: 10, Completed: 10, Dropped: 90, Ops: 100, Failed: map[string]int64{journal.OutcomeDropped: 90}}}
		if err := j.Append(journal.Batch{Events: []journal.Event{second, {At: length, Kind: journal.RunEnded, State: "completed"}}}); err != nil {
			t.Fatal(err)
		}
		r := Build(j)
		want := 10 / length.Seconds()
		if l := r.Loads["a"]; l.Rate != want || l.Phases["all"].Rate != want {
			t.Errorf("in %s: rate %g, of the phase %g, want %g", length, l.Rate, l.Phases["all"].Rate, want)
		}
	}
}
