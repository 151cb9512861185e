package journal_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/reports/journal"
)

func number(v float64) *float64 { return &v }

// What a probe tells beside its number comes back from the disk as it went
// there, and what JSON cannot hold is left out on the way in: in memory, too.
func TestSeriesAndObjects(t *testing.T) {
	dir := t.TempDir()
	w, err := journal.Create(dir, somePlan, nil)
	if err != nil {
		t.Fatal(err)
	}
	live := journal.New(somePlan)
	batch := journal.Batch{Events: []journal.Event{
		{At: time.Second, Kind: journal.ProbeReading, Name: "api", Value: number(3), Series: map[string]float64{"desired": 5, "metric": math.NaN(), "max": math.Inf(1)}},
		{At: 2 * time.Second, Kind: journal.ObjectEvent, Name: "api", Object: &journal.Object{Object: "hpa/api", What: "scaled", At: 1500 * time.Millisecond, Within: 500 * time.Millisecond, From: number(3), To: number(math.NaN()), Text: "cpu"}},
		{At: 3 * time.Second, Kind: journal.ObjectEvent, Name: "api", Object: &journal.Object{Object: "pod/a", What: "ready", At: -time.Minute, On: "n1"}},
		{At: 3 * time.Second, Kind: journal.LoadSecond, Name: "shop", Load: &journal.LoadCounts{Ops: 7, Served: map[string]int64{"a": 7}}},
	}}
	for _, sink := range []journal.Sink{w, live} {
		if err := sink.Append(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	read, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, j := range map[string]*journal.Journal{"read back": read, "live": live} {
		readings := j.Readings("api", 0, time.Hour)
		if len(readings) != 1 || len(readings[0].Series) != 1 || readings[0].Series["desired"] != 5 {
			t.Errorf("%s: readings %+v, want one with desired 5 alone", name, readings)
		}
		want := []journal.Object{
			{Object: "hpa/api", What: "scaled", At: 1500 * time.Millisecond, Within: 500 * time.Millisecond, From: number(3), Text: "cpu"},
			{Object: "pod/a", What: "ready", At: -time.Minute, On: "n1"},
		}
		var got []journal.Object
		for _, e := range j.Objects("api") {
			got = append(got, *e.Object)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if got := j.Counts("shop", 0, time.Hour).Served["a"]; got != 7 {
			t.Errorf("%s: %d served by a, want 7", name, got)
		}
	}
	live.Forget(150 * time.Second)
	if left := live.Objects("api"); len(left) > 0 {
		t.Errorf("%d objects are left of what was forgotten", len(left))
	}
}

// A reader keeps a kind of event that it does not know, and takes no harm.
func TestUnknownEventsAreKept(t *testing.T) {
	dir := t.TempDir()
	w, err := journal.Create(dir, somePlan, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(journal.Batch{Events: []journal.Event{{At: time.Second, Kind: journal.Note, Text: "known"}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, journal.EventsFile)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, []byte(`{"t_ns":2000000000,"event":"from_tomorrow","something":{"new":1}}`+"\n")...)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Damage) > 1 || len(j.Damage) == 1 && !strings.Contains(j.Damage[0], journal.LatencyFile) {
		t.Errorf("damage %q", j.Damage)
	}
	if events := j.Events(); len(events) != 2 || events[1].Kind != "from_tomorrow" {
		t.Errorf("events %+v", events)
	}
}
