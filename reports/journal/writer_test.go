package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/brunt-dev/brunt/reports/journal"
)

var somePlan = journal.Plan{
	Version: journal.PlanVersion, Name: "hello", Seed: 7, Duration: 10 * time.Second,
	Phases:     []journal.PhasePlan{{Name: "warmup", End: 2 * time.Second, Exclude: true}, {Name: "steady", Start: 2 * time.Second, End: 10 * time.Second}},
	Loads:      []journal.LoadPlan{{Name: "shop", Kind: "http", Model: "open", Steps: []string{"list", "buy"}, Segments: []journal.Segment{{End: 10 * time.Second, From: 5, To: 5}}}},
	Objectives: []journal.ObjectivePlan{{Source: "shop.p99 < 300ms in steady", Phase: "steady", Line: 12}},
}

func create(t testing.TB) (string, *journal.Writer) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "runs", "hello")
	w, err := journal.Create(dir, somePlan, []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return dir, w
}

func open(t testing.TB, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hist(values ...time.Duration) *hdrhistogram.PackedHistogram {
	h := journal.NewHistogram()
	for _, v := range values {
		if err := h.RecordValue(int64(v)); err != nil {
			panic(err)
		}
	}
	return h
}

func float(v float64) *float64 { return &v }

// run returns the batches of a small run: a batch a second.
func run(seconds int) []journal.Batch {
	wall := time.Date(2026, 11, 27, 9, 0, 0, 250e6, time.UTC)
	rng := rand.New(rand.NewPCG(11, 12))
	rec := journal.NewRecorder("shop", []string{"list", "buy"}, 1)
	batches := []journal.Batch{{Events: []journal.Event{{Kind: journal.RunStarted, Text: "v1", Wall: &wall, Environment: map[string]string{"cores": "2"}}}}}
	for s := range seconds {
		at := time.Duration(s) * time.Second
		for k := range 40 {
			due := at + time.Duration(k)*25*ms
			outcome := "ok"
			if rng.IntN(10) == 0 {
				outcome = "timeout"
			}
			rec.Record(0, journal.Sample{Step: k % 2, Outcome: outcome, Due: due, Started: due, Ended: due + time.Duration(rng.Int64N(int64(3*time.Second)))})
		}
		end := at + time.Second
		batches = append(batches, journal.Batch{
			Events: []journal.Event{
				{At: end, Kind: journal.LoadSecond, Name: "shop", Load: &journal.LoadCounts{Offered: 40, Sent: 40, Completed: 40, Ops: 40, Failed: map[string]int64{"timeout": 4}, Status: map[string]int64{"200": 36}, InFlight: int64(s), Planned: 40}},
				{At: end, Kind: journal.HealthSecond, Health: &journal.Health{CPU: 0.5, Cores: 2, GCPause: ms}},
				{At: end, Kind: journal.ProbeReading, Name: "replicas", Value: float(float64(s)), Text: "a <b> & \"c\"\nsecond line \u2028"},
			},
			Intervals: rec.Flush(),
		})
	}
	return append(batches, journal.Batch{Events: []journal.Event{{At: time.Duration(seconds) * time.Second, Kind: journal.RunEnded, State: "completed"}}})
}

func appendAll(t testing.TB, s journal.Sink, batches []journal.Batch) {
	t.Helper()
	for _, b := range batches {
		if err := s.Append(b); err != nil {
			t.Fatal(err)
		}
	}
}

// sameRun compares two journals by all that can be asked of them.
func sameRun(t testing.TB, got, want *journal.Journal) {
	t.Helper()
	if diff := cmp.Diff(want.Plan, got.Plan); diff != "" {
		t.Errorf("plan (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want.Events(), got.Events()); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
	if got.End() != want.End() {
		t.Errorf("ends at %v, want %v", got.End(), want.End())
	}
	for at := time.Duration(0); at < want.End(); at += time.Second {
		for _, step := range []string{"", "list", "buy"} {
			g, w := got.Window("shop", step, at, at+time.Second), want.Window("shop", step, at, at+time.Second)
			if diff := cmp.Diff(w.Classes(), g.Classes()); diff != "" {
				t.Errorf("%v %s: classes (-want +got)\n%s", at, step, diff)
			}
			for _, m := range []journal.Measure{journal.Response, journal.Service, journal.Wait, journal.FirstByte} {
				for _, o := range []journal.Outcomes{journal.All, journal.OnlyOK, journal.OnlyFailed} {
					if !g.Histogram(m, o).Equals(w.Histogram(m, o)) {
						t.Errorf("%v %s %s %v: histograms differ", at, step, m, o)
					}
				}
			}
		}
	}
}

// What is written reads back the same, and the live journal is no different.
func TestRoundTrip(t *testing.T) {
	dir, w := create(t)
	live := journal.New(somePlan)
	appendAll(t, journal.Fanout(w, live), run(10))
	// Before Close: every Append is written through.
	j := open(t, dir)
	if len(j.Damage) > 0 {
		t.Errorf("damage: %q", j.Damage)
	}
	sameRun(t, j, live)
	if got := j.Window("shop", "", 0, time.Hour).Ops(); got != 400 {
		t.Errorf("%d operations, want 400", got)
	}
	if got := string(read(t, dir, journal.ScenarioFile)); got != "version: 1\n" {
		t.Errorf("scenario: %q", got)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Append(run(1)[1]); !errors.Is(err, fs.ErrClosed) || !strings.Contains(fmt.Sprint(err), journal.LatencyFile) {
		t.Errorf("append after Close: %v", err)
	}
}

// Whatever is recorded comes back to the count, with any names and times.
func TestRoundTripOfAnything(t *testing.T) {
	top := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(top, fmt.Sprint(run))
		w, err := journal.Create(dir, journal.Plan{Version: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		name := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9_.-]{1,10}`), rapid.StringN(0, 8, 20))
		type key struct{ load, step, outcome string }
		want := make(map[key]map[int64]int64)
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			var b journal.Batch
			for range rapid.IntRange(0, 5).Draw(t, "intervals") {
				k := key{name.Draw(t, "load"), name.Draw(t, "step"), name.Draw(t, "outcome")}
				h := journal.NewHistogram()
				for range rapid.IntRange(0, 20).Draw(t, "values") {
					v, n := rapid.Int64Range(1, int64(time.Hour)).Draw(t, "value"), rapid.Int64Range(1, 1<<40).Draw(t, "count")
					if err := h.RecordValues(v, n); err != nil {
						t.Fatal(err)
					}
				}
				if want[k] == nil {
					want[k] = make(map[int64]int64)
				}
				for v, n := range h.ForEachBucket {
					want[k][v] += n
				}
				b.Intervals = append(b.Intervals, journal.Interval{
					Load: k.load, Step: k.step, Outcome: k.outcome, Measure: journal.Response, Length: time.Second, Hist: h,
					Start: time.Duration(rapid.Int64Range(0, int64(1000*time.Hour)).Draw(t, "start")),
				})
			}
			if err := w.Append(b); err != nil {
				t.Fatal(err)
			}
		}
		j, err := journal.Open(dir)
		if err != nil || len(j.Damage) > 0 {
			t.Fatalf("open: %v, damage %q", err, j.Damage)
		}
		for k, buckets := range want {
			// Names of two keys may be one once steps are taken together, so
			// the window is of one step, and the outcome is asked for by class.
			var n int64
			for _, c := range buckets {
				n += c
			}
			if k.step == "" {
				continue // "" asks for all steps
			}
			if got := j.Window(k.load, k.step, 0, math.MaxInt64).Class(k.outcome); got != n {
				t.Fatalf("%q: %d values, want %d", k, got, n)
			}
		}
	})
}

// Other people's tools read the log: here the reference implementation's
// reader, against what was appended.
func TestLatencyLogIsReadByTheLibrary(t *testing.T) {
	dir, w := create(t)
	batches := run(10)
	appendAll(t, w, batches)
	var want []journal.Interval
	for _, b := range batches {
		want = append(want, b.Intervals...)
	}
	log := read(t, dir, journal.LatencyFile)
	if !bytes.HasPrefix(log, []byte("#[Histogram log format version 1.3]\n")) {
		t.Errorf("starts with %q", log[:40])
	}
	if !bytes.Contains(log, []byte("\n#[StartTime: 1795770000.250 (seconds since epoch), 2026-11-27T09:00:00.25Z]\n")) {
		t.Errorf("no start time: %q", log[:400])
	}
	r := hdrhistogram.NewHistogramLogReader(bytes.NewReader(log))
	for i, iv := range want {
		h, err := r.NextIntervalHistogram()
		if err != nil || h == nil {
			t.Fatalf("interval %d: %v, %v", i, h, err)
		}
		if tag := fmt.Sprintf("%s/%s/%s/%s", iv.Load, iv.Step, iv.Outcome, iv.Measure); h.Tag() != tag {
			t.Errorf("interval %d: tag %s, want %s", i, h.Tag(), tag)
		}
		dense := hdrhistogram.New(1, int64(time.Hour), 3)
		iv.Hist.MergeInto(dense)
		if !h.Equals(dense) {
			t.Errorf("interval %d: counts differ", i)
		}
		if want := int64(1795770000250) + iv.Start.Milliseconds(); h.StartTimeMs() != want || h.EndTimeMs() != want+1000 {
			t.Errorf("interval %d: %d to %d, want %d and a second", i, h.StartTimeMs(), h.EndTimeMs(), want)
		}
	}
	if h, err := r.NextIntervalHistogram(); h != nil || err != nil {
		t.Errorf("more than was written: %v, %v", h, err)
	}
}

// The line itself, for those who read it with awk.
func TestLatencyLogLine(t *testing.T) {
	dir, w := create(t)
	appendAll(t, w, []journal.Batch{{Intervals: []journal.Interval{
		{Load: "shop", Step: "list", Outcome: "ok", Measure: journal.Response, Start: 90 * time.Second, Length: time.Second, Hist: hist(2500 * time.Microsecond)},
		{Load: "a/b", Step: "c d", Outcome: "ok", Measure: journal.Wait, Start: 1500*ms + 1, Length: time.Second, Hist: hist(ms)},
	}}})
	lines := strings.Split(string(read(t, dir, journal.LatencyFile)), "\n")
	lines = lines[len(lines)-3:]
	for i, want := range []string{"Tag=shop/list/ok/response,90.000,1.000,2.501,HIST", "Tag=a%2Fb/c%20d/ok/wait,1.500000001,1.000,1.000,HIST", ""} {
		if !strings.HasPrefix(lines[i], want) || want == "" && lines[i] != "" {
			t.Errorf("line %q, want %q…", lines[i], want)
		}
	}
	// Nobody said when the origin was, so the log says when it was made.
	if n := bytes.Count(read(t, dir, journal.LatencyFile), []byte("#[StartTime: ")); n != 1 {
		t.Errorf("%d start times", n)
	}
	if got := open(t, dir).Window("a/b", "c d", 1500*ms+1, 1500*ms+2).Ops(); got != 0 {
		t.Errorf("wait counted as %d operations", got)
	}
	if got := open(t, dir).Window("a/b", "c d", 1500*ms+1, 1500*ms+2).Count(journal.Wait, journal.All); got != 1 {
		t.Errorf("%d samples, want 1", got)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Run("a directory that holds a run", func(t *testing.T) {
		for _, name := range []string{journal.PlanFile, journal.EventsFile, journal.LatencyFile} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := journal.Create(dir, somePlan, nil)
			if !errors.Is(err, fs.ErrExist) {
				t.Errorf("with %s: %v", name, err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("with %s: left %v", name, entries)
			}
		}
	})
	t.Run("and leaves nothing half made", func(t *testing.T) {
		dir := t.TempDir()
		// The scenario cannot be written: its name is taken by a folder.
		if err := os.Mkdir(filepath.Join(dir, journal.ScenarioFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := journal.Create(dir, somePlan, nil); err == nil {
			t.Fatal("created")
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("left %v", entries)
		}
	})
	t.Run("a path through a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := journal.Create(filepath.Join(file, "run"), somePlan, nil); err == nil {
			t.Fatal("created")
		}
	})
}

// Other files in the directory, the scenario itself among them, are no run.
func TestCreateBesideOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{journal.ScenarioFile, "users.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("a much longer file than the one that replaces it"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w, err := journal.Create(dir, somePlan, []byte("version: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if got := string(read(t, dir, journal.ScenarioFile)); got != "version: 1\n" {
		t.Errorf("scenario: %q", got)
	}
}

// JSON has no number for these; a reading that is none is a failed look.
func TestReadingsThatAreNoNumbers(t *testing.T) {
	dir, w := create(t)
	live := journal.New(somePlan)
	appendAll(t, journal.Fanout(w, live), []journal.Batch{{Events: []journal.Event{
		{At: 1, Kind: journal.ProbeReading, Name: "lag", Value: float(math.NaN()), Text: "no series"},
		{At: 2, Kind: journal.ProbeReading, Name: "lag", Value: float(math.Inf(1))},
		{At: 3, Kind: journal.ProbeReading, Name: "lag", Value: float(3)},
	}}})
	want := []journal.Event{
		{At: 1, Kind: journal.ProbeFailed, Name: "lag", Text: "the reading was NaN: no series"},
		{At: 2, Kind: journal.ProbeFailed, Name: "lag", Text: "the reading was +Inf"},
		{At: 3, Kind: journal.ProbeReading, Name: "lag", Value: float(3)},
	}
	for _, j := range []*journal.Journal{live, open(t, dir)} {
		if diff := cmp.Diff(want, j.Readings("lag", 0, 10)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// An event that cannot be written is told of, and the others are written.
func TestEventThatCannotBeWritten(t *testing.T) {
	dir, w := create(t)
	appendAll(t, w, []journal.Batch{{Events: []journal.Event{
		{At: 1, Kind: journal.HealthSecond, Health: &journal.Health{CPU: math.NaN()}},
		{At: 2, Kind: journal.PhaseStarted, Name: "steady"},
	}}})
	j := open(t, dir)
	if len(j.Damage) > 0 {
		t.Errorf("damage: %q", j.Damage)
	}
	events := j.Events()
	if len(events) != 2 || events[0].Kind != journal.Note || !strings.Contains(events[0].Text, "health") || events[1].Name != "steady" {
		t.Errorf("got %+v", events)
	}
}

type failing struct{ err error }

func (f failing) Append(journal.Batch) error { return f.err }

func TestFanout(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	j := journal.New(somePlan)
	err := journal.Fanout(failing{a}, j, failing{b}).Append(run(1)[1])
	if !errors.Is(err, a) || !errors.Is(err, b) {
		t.Errorf("got %v", err)
	}
	if len(j.Events()) != 3 {
		t.Error("one that failed kept the batch from the next")
	}
}

func BenchmarkAppend(b *testing.B) {
	batches := run(12)[1:12]
	b.Run("writer", func(b *testing.B) {
		_, w := create(b)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			appendAll(b, w, batches[i%10:][:1])
			i++
		}
	})
	b.Run("journal", func(b *testing.B) {
		var j *journal.Journal
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if i%10 == 0 {
				j = journal.New(somePlan)
			}
			appendAll(b, j, batches[i%10:][:1])
			i++
		}
	})
}

// longRun writes an eight-hour run of one load with two steps at 500
// operations a second, one in fifty failing, and returns its directory.
func longRun(b *testing.B) string {
	const seconds, rate = 8 * 3600, 500
	dir, w := create(b)
	rec := journal.NewRecorder("shop", []string{"list", "buy"}, 1)
	rng := rand.New(rand.NewPCG(5, 6))
	var late []journal.Sample
	for s := range seconds {
		at := time.Duration(s) * time.Second
		now := at + time.Second
		late = slices.DeleteFunc(late, func(s journal.Sample) bool {
			if s.Ended < now {
				rec.Record(0, s)
				return true
			}
			return false
		})
		for k := range rate {
			due := at + time.Duration(k)*time.Second/rate
			smp := journal.Sample{Step: k % 2, Outcome: "ok", Due: due, Started: due + time.Duration(20000*rng.ExpFloat64())}
			smp.Ended = smp.Started + time.Duration(float64(20*ms)*math.Exp(0.8*rng.NormFloat64()))
			smp.FirstByte = smp.Ended - smp.Started - ms/20
			if rng.IntN(50) == 0 {
				smp.Outcome = "status"
			}
			if smp.Ended < now {
				rec.Record(0, smp)
			} else {
				late = append(late, smp)
			}
		}
		err := w.Append(journal.Batch{
			Events:    []journal.Event{{At: now, Kind: journal.LoadSecond, Name: "shop", Load: &journal.LoadCounts{Offered: rate, Sent: rate, Completed: rate, Ops: rate, Failed: map[string]int64{"status": 9}, Status: map[string]int64{"200": 490, "503": 10}}}, {At: now, Kind: journal.HealthSecond, Health: &journal.Health{CPU: 0.3}}},
			Intervals: rec.Flush(),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return dir
}
