package reports

import (
	"bytes"
	"flag"
	"html"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/reports/journal"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// plays are the runs that have golden files.
func plays() map[string]play {
	return map[string]play{
		// A run as it should be: both faults proven, everything held.
		"pass": {},
		// The surge is more than the shop can take: slow, and arrivals dropped.
		"fail": {slow: 3, patience: 900 * time.Millisecond},
		// Nothing failed, but the generator was strained in the storm, and a
		// fault had no effect.
		"inconclusive": {
			note: "only 2 cores are free",
			health: func(sec int, h *journal.Health) {
				if sec >= 40 && sec < 44 {
					h.DispatchLag, h.CPU = 38*time.Millisecond, 3.97
				}
			},
			events: func(e journal.Event) []journal.Event {
				if e.Name == "slow_payments" && e.State == journal.FaultEffective {
					e.State, e.Text = journal.FaultIneffective, "no traffic went through the proxy"
				}
				return []journal.Event{e}
			},
		},
	}
}

func TestGolden(t *testing.T) {
	for name, p := range plays() {
		t.Run(name, func(t *testing.T) {
			r := Build(p.record(t))
			for format, print := range Formats() {
				if format == "html" && name != "fail" {
					continue // one page is large enough
				}
				var b bytes.Buffer
				if err := print(&b, r); err != nil {
					t.Fatalf("%s: %v", format, err)
				}
				golden(t, name+"."+extension(format), b.Bytes())
			}
		})
	}
}

// A run against a real API server and a real HPA controller, recorded: 100/s to
// 600/s on replicas that bear 120/s. The controller's own events were, with the
// origin at 15:41:18.298: New size 4 at 15:41:30, New size 6 at 15:41:36, New size
// 2 at 15:42:10.
func TestGoldenAutoscaler(t *testing.T) {
	j, err := journal.Open(filepath.Join("testdata", "hpa"))
	if err != nil {
		t.Fatal(err)
	}
	r := Build(j)
	for format, print := range Formats() {
		if format == "html" {
			continue
		}
		var b bytes.Buffer
		if err := print(&b, r); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		golden(t, "hpa."+extension(format), b.Bytes())
	}
	// The page shows the same numbers.
	var page bytes.Buffer
	if err := HTML(&page, r); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Autoscalers[0].ups() {
		for _, st := range s.Stages {
			for _, cell := range stageRow(st) {
				if !s.Absorbed && !bytes.Contains(page.Bytes(), []byte(html.EscapeString(cell))) {
					t.Errorf("the page lacks %q", cell)
				}
			}
		}
	}
	for _, row := range r.Autoscalers[0].measureRows() {
		if !bytes.Contains(page.Bytes(), []byte(html.EscapeString(row[1]))) {
			t.Errorf("the page lacks %s %s", row[0], row[1])
		}
	}
}

func extension(format string) string {
	return map[string]string{"text": "txt", "json": "json", "junit": "xml", "html": "html", "markdown": "md"}[format]
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got; run with -update if that is meant):\n%s", file, diff)
	}
}
