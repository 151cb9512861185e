package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/reports"
	"github.com/brunt-dev/brunt/reports/journal"
)

// A journal that a crash or a full disk cut short says of no fault that it is
// gone; the receipts, on which undo goes, may.
func TestReceiptsEndACutJournal(t *testing.T) {
	for _, test := range []struct {
		name    string
		ended   bool     // the journal is whole
		gone    []string // receipts: a and b are made, one each time the fault was there
		damaged bool
		want    reports.Truth
	}{
		{"both gone", false, []string{"a", "b"}, false, reports.FaultProven},
		{"one of two gone", false, []string{"a"}, false, reports.FaultNotGone},
		{"one of two gone, and said so twice", false, []string{"a", "a"}, false, reports.FaultNotGone},
		{"none gone", false, nil, false, reports.FaultNotGone},
		{"both gone, in receipts that are damaged", false, []string{"a", "b"}, true, reports.FaultNotGone},
		{"a whole journal has the last word", true, []string{"a", "b"}, false, reports.FaultNotGone},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			plan := journal.Plan{Version: journal.PlanVersion, Name: "cut", Duration: 10 * time.Second,
				Phases: []journal.PhasePlan{{Name: "all", End: 10 * time.Second}},
				Faults: []journal.FaultPlan{{Name: "frozen", Occurrence: 1, Phase: "all", At: time.Second, For: time.Second}, {Name: "frozen", Occurrence: 2, Phase: "all", At: 4 * time.Second, For: time.Second}}}
			events := []journal.Event{{Kind: journal.RunStarted}}
			for n := 1; n <= 2; n++ {
				for i, state := range []string{journal.FaultRequested, journal.FaultInjected, journal.FaultEffective} {
					events = append(events, journal.Event{At: time.Duration(3*n+i) * time.Second, Kind: journal.FaultState, Name: "frozen", Occurrence: n, State: state, Targets: []string{"process 1"}})
				}
			}
			if test.ended {
				events = append(events, journal.Event{At: 10 * time.Second, Kind: journal.RunEnded, State: "completed"})
			}
			disk, err := journal.Create(dir, plan, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := disk.Append(journal.Batch{Events: events}); err != nil {
				t.Fatal(err)
			}
			if err := disk.Close(); err != nil {
				t.Fatal(err)
			}
			receipts, err := chaos.OpenReceipts(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"a", "b"} {
				if err := receipts.Made(chaos.Receipt{ID: id, Fault: "frozen", Kind: "process"}); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range test.gone {
				if err := receipts.Gone(id); err != nil {
					t.Fatal(err)
				}
			}
			if err := receipts.Close(); err != nil {
				t.Fatal(err)
			}
			if test.damaged {
				file, err := os.OpenFile(filepath.Join(dir, chaos.ReceiptsFile), os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := file.WriteString("{}\n"); err != nil {
					t.Fatal(err)
				}
				if err := file.Close(); err != nil {
					t.Fatal(err)
				}
			}
			recorded, err := openRun(dir)
			if err != nil {
				t.Fatal(err)
			}
			report := reports.Build(recorded)
			if len(report.Faults) != 2 {
				t.Fatalf("%d faults, want 2", len(report.Faults))
			}
			for _, f := range report.Faults {
				if f.Truth != test.want {
					t.Errorf("occurrence %d: %s, want %s", f.Occurrence, f.Truth, test.want)
				}
			}
		})
	}
}
