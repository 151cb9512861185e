package reports

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// Every format says by which path a load was sent, why not by the fast one,
// and how well brunt measures on the machine.
func TestReportsSayHowLoadsWereSent(t *testing.T) {
	load := func(name, path string) journal.LoadPlan {
		return journal.LoadPlan{Name: name, Kind: "http", Model: "open", Steps: []string{"get"}, Path: path}
	}
	j := journal.New(journal.Plan{Name: "paths", Duration: time.Second, Loads: []journal.LoadPlan{
		load("quick", "lane"), load("flow", "goroutines (several steps)"), load("plain", "goroutines"), load("old", ""),
	}})
	var samples []journal.Interval
	for _, name := range []string{"quick", "flow", "plain", "old"} {
		recorder := journal.NewRecorder(name, []string{"get"}, 1)
		recorder.Record(0, journal.Sample{Outcome: journal.OutcomeOK, Ended: time.Millisecond})
		samples = append(samples, recorder.Flush()...)
	}
	second := journal.Event{Kind: journal.LoadSecond, Name: "quick", Load: &journal.LoadCounts{Resent: 3, Canceled: 5}}
	if err := j.Append(journal.Batch{Intervals: samples, Events: []journal.Event{second, {Kind: journal.RunStarted, Environment: map[string]string{"calibration": "18 of 18 plantings ok"}}}}); err != nil {
		t.Fatal(err)
	}
	r := Build(j)
	for _, format := range []struct {
		name  string
		print Format
		paths bool
	}{{"text", Text, true}, {"markdown", Markdown, true}, {"HTML", HTML, true}, {"JSON", JSON, false}, {"JUnit", JUnit, false}} {
		var out bytes.Buffer
		if err := format.print(&out, r); err != nil {
			t.Fatal(err)
		}
		want := []string{"18 of 18 plantings ok"}
		if format.paths {
			want = append(want, "quick: sent on the fast path", "quick: 3 requests met a connection that the server was closing", "quick: 5 arrivals cut short by the end of the run", "flow: sent by a goroutine for each session (several steps)", "plain: sent by a goroutine for each session")
		}
		text := strings.ReplaceAll(out.String(), `\`, "") // Markdown's escapes
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q:\n%s", format.name, w, text)
			}
		}
		if strings.Contains(text, "old: sent") {
			t.Errorf("%s says how a load was sent of which that is not known", format.name)
		}
	}
	if got := r.Loads["flow"].Path; got != "goroutines (several steps)" {
		t.Errorf("path in report.json: %q", got)
	}
}
