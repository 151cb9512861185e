package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// found is a comparison with nothing off.
func found() comparison {
	ms := time.Millisecond
	return comparison{
		Planted: "fixed", Path: onLane, Rate: 100, Planned: 1000, Tries: 1,
		Truth:    quantiles{10 * ms, 10 * ms, 10 * ms, 11 * ms},
		Measured: quantiles{10*ms + 100e3, 10*ms + 120e3, 10*ms + 200e3, 12 * ms},
		Bare:     quantiles{80e3, 100e3, 150e3, 200e3},
		truth:    truth.Path{Requests: 1000, Count: 970, Errors: 10, Resets: 20, Hangs: 10},
		counts: journal.LoadCounts{Offered: 1000, Sent: 1000, Completed: 1000, Ops: 1000, Failed: map[string]int64{
			string(generators.Status): 10, string(generators.Reset): 20, string(generators.Timeout): 10,
		}},
	}
}

func TestJudgeComparison(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*comparison)
		want  string // in what is off; empty: ok
	}{
		{"all well", func(*comparison) {}, ""},
		{"p50 at the limit", func(r *comparison) { r.Measured.P50 = 10e6 + 80e3 + 50e3 }, ""},
		{"p50 beyond it", func(r *comparison) { r.Measured.P50 = 10e6 + 80e3 + 50e3 + 22e3 }, "p50 is 0.072ms beyond"},
		{"what goroutines may", func(r *comparison) { r.Path, r.Measured.P50 = onGoroutines, 10e6+270e3 }, ""},
		{"p99 beyond it", func(r *comparison) { r.Measured.P99 = 11e6 }, "p99 is 0.850ms beyond"},
		{"p90 and max are not judged from above", func(r *comparison) { r.Measured.P90, r.Measured.Max = 1e9, 1e9 }, ""},
		{"below the truth", func(r *comparison) { r.Measured.P90 = 9e6 }, "p90 is below the truth"},
		{"within the digits of a histogram", func(r *comparison) { r.Measured.P50 = 10e6 - 15e3 }, ""},
		{"nothing measured", func(r *comparison) { r.Measured = quantiles{} }, "p50 is below the truth"},
		{"one too few offered", func(r *comparison) { r.Planned++ }, "1000 arrivals were offered, and 1001 were planned"},
		{"Poisson is not exact", func(r *comparison) { r.Planned, r.poisson = 1100, true }, ""},
		{"but not that far off", func(r *comparison) { r.Planned, r.poisson = 1200, true }, "1200 were planned"},
		{"a request is missing", func(r *comparison) { r.truth.Requests-- }, "counted 1000 requests, and there were 999"},
		{"an error is missing", func(r *comparison) { r.truth.Errors++ }, "10 errors"},
		{"a reset is missing", func(r *comparison) { r.truth.Resets++ }, "20 resets"},
		{"a hang is missing", func(r *comparison) { r.truth.Hangs++ }, "10 hangs"},
		{"an operation is missing", func(r *comparison) { r.counts.Ops-- }, "999 operations"},
	} {
		r := found()
		test.spoil(&r)
		if off := r.judge(); (off == "") != (test.want == "") || !strings.Contains(off, test.want) {
			t.Errorf("%s: %q, want %q", test.name, off, test.want)
		}
	}
}

func TestComparisonIsPrinted(t *testing.T) {
	r := found()
	r.Off, r.Tries, r.Bare.P99 = "too much", 3, 2*time.Millisecond
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{
		"fixed, 100/s, lane: off: too much, on a machine that is not quiet (in 3 tries)",
		"1000 requests, 10 errors, 20 resets, 10 hangs",
		"the server's own truth      10.000ms    10.000ms    10.000ms    11.000ms",
		"difference                  +0.100ms    +0.120ms    +0.200ms    +1.000ms",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// What was found is in the environment of later runs, by machine and version.
func TestCalibrationIsKept(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // where there is no XDG
	if line := environment()["calibration"]; !strings.Contains(line, "brunt doctor --calibrate") {
		t.Errorf("before: %q", line)
	}
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	slow := found()
	slow.Path, slow.Off = onGoroutines, "something"
	file, err := keepCalibration([]comparison{found(), slow}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := "2026-11-22: 1 of 2 plantings ok; fixed at 100/s: lane p50 +0.100ms, p99 +0.200ms; goroutines p50 +0.100ms, p99 +0.200ms; a bare client p50 +0.080ms, p99 +0.150ms"
	if line := environment()["calibration"]; line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}

	// Others in the file are kept, the oldest go, and damage is made good.
	all := calibrations{}
	for k := range calibrationsKept {
		all[strings.Repeat("x", k+1)] = kept{When: now.Add(time.Duration(k) * time.Hour), Line: "another"}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range [][]byte{text, []byte("{")} {
		if err := os.WriteFile(file, old, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keepCalibration([]comparison{found()}, now.AddDate(1, 0, 0)); err != nil {
			t.Fatal(err)
		}
		got, err := readCalibrations(file)
		if err != nil || len(got) > calibrationsKept || got[thisMachine()].Line == "" {
			t.Errorf("%d calibrations, error %v", len(got), err)
		}
		if _, oldest := got["x"]; oldest || len(old) > 1 && got["xx"].Line != "another" {
			t.Errorf("kept the oldest: %v; lost the next: %+v", oldest, got["xx"])
		}
	}
	if left, err := filepath.Glob(filepath.Dir(file) + "/*"); err != nil || len(left) != 1 {
		t.Errorf("left behind %v, error %v", left, err)
	}
}

// Every planting is a scenario, and is sent on the path that it is to try.
func TestPlantingsTakeTheirPath(t *testing.T) {
	for _, p := range plantings(3 * time.Second) {
		for _, path := range []string{onLane, onGoroutines} {
			src, rate := p.scenario("http://127.0.0.1:8080", path, 3*time.Second)
			scenario, err := scenarios.Parse("calibrate.yaml", src, kinds(), scenarios.Options{Env: os.LookupEnv, Dir: "."})
			if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			plan, err := scenario.Compile(nil, scenarios.CompileEnv{})
			if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			load := plan.Loads[0]
			if (load.Loop != nil) != (path == onLane) && load.Path != onGoroutines+": not Linux" {
				t.Errorf("%s on the %s path is sent by %s", p.name, path, load.Path)
			}
			if want := int64(3 * rate); plan.Info.Loads[0].Arrivals != want {
				t.Errorf("%s: %d arrivals planned, want %d", p.name, plan.Info.Loads[0].Arrivals, want)
			}
			need := needOf(load, plan.Info.Loads[0].Timeout)
			if need.Rate != float64(rate) || need.Lane != (load.Loop != nil) || need.Sessions <= 0 || need.Sessions > int64(load.MaxInFlight) {
				t.Errorf("%s: needs %+v", p.name, need)
			}
		}
	}
}
