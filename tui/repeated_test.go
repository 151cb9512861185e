package tui

import (
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/reports/journal"
)

// Of a fault that comes again and again, the list shows what went wrong, what
// is there, the last that was well and the next.
func TestTelling(t *testing.T) {
	var faults []faultNow
	for k, state := range []string{journal.FaultGone, journal.FaultGone, journal.FaultUnverified, journal.FaultGone, journal.FaultEffective, "", "", ""} {
		faults = append(faults, faultNow{plan: journal.FaultPlan{Name: "monkey", Occurrence: k + 1}, state: state})
	}
	faults = append(faults, faultNow{plan: journal.FaultPlan{Name: "once"}, state: journal.FaultGone}, faultNow{plan: journal.FaultPlan{Name: "later"}})
	var got []string
	for _, f := range telling(faults) {
		got = append(got, f.plan.Label())
	}
	if want := "monkey#4 monkey#3 monkey#5 monkey#6 once later"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
