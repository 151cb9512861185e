package reports

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A fault that comes fifty times has fifty lines, and one sentence.
func TestRepeated(t *testing.T) {
	const times = 50
	plan := journal.Plan{
		Version: journal.PlanVersion, Name: "often", Duration: 100 * time.Second,
		Phases: []journal.PhasePlan{{Name: "all", End: 100 * time.Second}},
		Loads:  []journal.LoadPlan{{Name: "web", Kind: "http", Model: "open", Steps: []string{"web"}}},
	}
	var events []journal.Event
	for k := 1; k <= times; k++ {
		at := time.Duration(2*k-2) * time.Second
		plan.Faults = append(plan.Faults, journal.FaultPlan{Name: "monkey", Occurrence: k, Kind: "process", Phase: "all", At: at, For: time.Second, What: "pause shop-1"})
		states := []string{journal.FaultRequested, journal.FaultInjected, journal.FaultEffective, journal.FaultUndone, journal.FaultGone}
		if k == 7 {
			states = []string{journal.FaultRequested, journal.FaultFailed}
		}
		for i, state := range states {
			e := journal.Event{At: at + time.Duration(i)*200*time.Millisecond, Kind: journal.FaultState, Name: "monkey", Occurrence: k, State: state}
			if state == journal.FaultFailed {
				e.Text = "prepare: there is no target"
			}
			events = append(events, e)
		}
	}
	j := journal.New(plan)
	events = append(events, journal.Event{At: plan.Duration, Kind: journal.RunEnded, State: "completed"})
	if err := j.Append(journal.Batch{Events: events}); err != nil {
		t.Fatal(err)
	}
	r := Build(j)
	if len(r.Faults) != times || r.Faults[41].Label() != "monkey#42" || r.Faults[6].Truth != FaultNotInjected || r.Faults[7].Truth != FaultProven {
		t.Fatalf("%d faults; the 7th %+v", len(r.Faults), r.Faults[6])
	}
	why := strings.Join(r.Why, "\n")
	if !strings.Contains(why, "monkey was to come 50 times: 49 took effect and are gone, 1 not injected (monkey#7)") {
		t.Errorf("why:\n%s", why)
	}
	if n := strings.Count(why, "monkey#"); n > 3 {
		t.Errorf("%d mentions of single occurrences in:\n%s", n, why)
	}
	for name, format := range map[string]Format{"text": Text, "markdown": Markdown, "junit": JUnit, "html": HTML, "json": JSON} {
		var out strings.Builder
		if err := format(&out, r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, k := range []int{1, 7, 50} {
			label := fmt.Sprintf("monkey#%d", k)
			if name == "json" {
				label = fmt.Sprintf(`"occurrence": %d`, k)
			}
			if !strings.Contains(strings.ReplaceAll(out.String(), `\#`, "#"), label) { // markdown escapes it
				t.Errorf("%s has no line for %s", name, label)
			}
		}
	}
	// One lane for all of them in the drawings, with the name once.
	_, lanes := newDrawing(r).strips()
	if len(lanes) != 1 || len(lanes[0].Strips) != times-1 {
		t.Errorf("%d lanes", len(lanes))
	}
}
