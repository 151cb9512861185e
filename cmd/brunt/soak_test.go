//go:build e2e

package main

import (
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports"
	"github.com/brunt-dev/brunt/reports/journal"
)

// `make soak` runs these: they take a quarter of an hour. What they measure is
// memory and disk, so that other work on the machine does not matter.

var soakFor = flag.Duration("soak", 10*time.Minute, "how long TestSoak plays")

// A long run at 5,000/s, half of it on each path: after the first minute brunt's
// memory is flat, and the run directory grows by less than 100 MB an hour.
func TestSoak(t *testing.T) {
	const (
		settled = time.Minute
		growth  = 0.01
		hourly  = 100e6
	)
	if *soakFor < 2*settled {
		t.Fatalf("-soak %s is too short to see anything: at least %s", *soakFor, 2*settled)
	}
	dir, host := t.TempDir(), startTruth(t)
	run := filepath.Join(dir, "run")
	_, wait := start(t, "run", write(t, dir, "soak.yaml", fmt.Sprintf(`version: 1
name: soak
target: { hosts: [%[1]q] }
loads:
  lane: { http: { get: "http://%[1]s/fixed/5ms", connections: { max: 64 } } }
  goroutines: { http: { get: "http://%[1]s/fixed/5ms", cookies: true }, max_in_flight: 64 }
phases:
  - name: all
    for: %[2]s
    load: { lane: 2500/s, goroutines: 2500/s }
    expect: [ lane.errors < 0.1%%, goroutines.errors < 0.1%% ]
report: [json]
`, host, *soakFor)), "--out", run)
	got := wait()
	recorded, err := journal.Open(run)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, got.stdout, got.stderr)
	}
	for name, l := range reports.Build(recorded).Loads {
		if want := int64(2500 * soakFor.Seconds()); l.Offered != want || l.Completed+l.Dropped != want {
			t.Errorf("%s: offered %d, completed %d, dropped %d of %d", name, l.Offered, l.Completed, l.Dropped, want)
		}
	}
	var at, rss []float64
	for _, e := range recorded.Events() {
		if e.Kind == journal.HealthSecond && e.Health.RSS > 0 && e.At > settled && e.At <= *soakFor {
			at, rss = append(at, e.At.Seconds()), append(rss, float64(e.Health.RSS))
		}
	}
	if len(rss) < 30 {
		t.Fatalf("memory is known of %d seconds only\n%s", len(rss), got.stderr)
	}
	for m := settled; m < *soakFor; m += time.Minute {
		if of := within(at, rss, m, m+time.Minute); len(of) > 0 {
			sum := 0.0
			for _, v := range of {
				sum += v
			}
			t.Logf("memory from %s on: lowest %.2f MB, mean %.2f, highest %.2f (%d seconds)",
				m, slices.Min(of)/1e6, sum/float64(len(of))/1e6, slices.Max(of)/1e6, len(of))
		}
	}
	start, slope := line(at, rss)
	first, last := start+slope*at[0], start+slope*at[len(at)-1]
	t.Logf("memory: %.2f MB after %s, %.2f MB after %s (%+.2f%%); lowest %.2f, highest %.2f",
		first/1e6, settled, last/1e6, soakFor, 100*(last/first-1), slices.Min(rss)/1e6, slices.Max(rss)/1e6)
	if last > first*(1+growth) {
		t.Errorf("memory grew by %.2f%%, more than %g%%", 100*(last/first-1), 100*growth)
	}
	size := sizeOf(t, run)
	t.Logf("run directory: %.1f MB, %.1f MB an hour", float64(size)/1e6, float64(size)/1e6/soakFor.Hours())
	if float64(size)/soakFor.Hours() > hourly {
		t.Errorf("the run directory grows by %.0f MB an hour", float64(size)/1e6/soakFor.Hours())
	}
}

// within are the values that were measured after from and up to the end.
func within(at, values []float64, from, to time.Duration) (of []float64) {
	for i, v := range values {
		if at[i] > from.Seconds() && at[i] <= to.Seconds() {
			of = append(of, v)
		}
	}
	return of
}

// line fits a straight line by least squares.
func line(x, y []float64) (start, slope float64) {
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	n := float64(len(x))
	slope = (n*sxy - sx*sy) / (n*sxx - sx*sx)
	return (sy - slope*sx) / n, slope
}

func sizeOf(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// 50,000 sessions at the same time, each with a connection of its own, in at
// most 8 KiB of brunt's memory each, all of brunt included. As a process may
// mostly have 20,000 files or so, three brunts share them, each against a
// server of its own, from two addresses.
func TestSoakSessions(t *testing.T) {
	const most = 8 << 10
	for _, test := range []struct {
		name  string
		path  string
		http  string // what it says but for where it goes
		steps string
	}{
		{"lane", "lane", `get: /fixed/4s`, ``},
		{"in flight", "goroutines", `get: /fixed/4s, cookies: true`, ``},
		{"thinking", "goroutines", `cookies: true`, `steps: [ { get: /fixed/1ms, name: page }, { think: 4s } ], `},
	} {
		t.Run(test.name, func(t *testing.T) {
			memory, sessions := soakSessions(t, test.path, test.http, test.steps)
			t.Logf("%d sessions in %.1f MB: %d bytes each", sessions, float64(memory)/1e6, memory/max(sessions, 1))
			if sessions < 50_000 {
				t.Errorf("%d sessions were open", sessions)
			}
			if memory > most*sessions {
				t.Errorf("a session takes %d bytes, more than %d", memory/max(sessions, 1), most)
			}
		})
	}
}

// soakSessions returns the memory of all brunts, each at its highest, and how
// many sessions they had open.
func soakSessions(t *testing.T, path, http, steps string) (memory, sessions int64) {
	const (
		brunts  = 3
		users   = 50_000/brunts + 1
		climb   = 40 * time.Second
		plateau = 20 * time.Second
	)
	dir := t.TempDir()
	var waits []func() ended
	var runs []string
	for i := range brunts {
		host := startTruth(t)
		run := filepath.Join(dir, fmt.Sprint("run", i))
		_, wait := start(t, "run", write(t, dir, fmt.Sprintf("many%d.yaml", i), fmt.Sprintf(`version: 1
name: many
target: { hosts: [%[1]q] }
safety: { max_in_flight: %[2]d }
loads:
  web: { http: { base: "http://%[1]s", source: [127.0.0.2, 127.0.0.3], timeout: 60s, %[5]s }, %[6]smax_in_flight: %[2]d }
phases:
  - { name: climb, for: %[3]s, exclude: true, load: { web: { users: 0 -> %[2]d } } }
  - { name: plateau, for: %[4]s, load: { web: { users: %[2]d } }, expect: [ web.errors < 0.01%% ] }
report: [json]
`, host, users, climb, plateau, http, steps)), "--out", run)
		waits, runs = append(waits, wait), append(runs, run)
	}
	for i, wait := range waits {
		got := wait()
		recorded, err := journal.Open(runs[i])
		if err != nil {
			t.Fatalf("%v\n%s%s", err, got.stdout, got.stderr)
		}
		if warned := strings.Contains(got.stderr, "warning"); warned {
			t.Errorf("this machine has too little for it:\n%s", got.stderr)
		}
		l := reports.Build(recorded).Loads["web"]
		if len(l.Errors) > 0 || l.Completed != l.Offered {
			t.Errorf("offered %d, completed %d, errors %v", l.Offered, l.Completed, l.Errors)
		}
		if !strings.HasPrefix(l.Path, path) {
			t.Errorf("played on %s, not by %s", l.Path, path)
		}
		rss, open := int64(0), int64(0)
		for _, e := range recorded.Events() {
			if e.Kind == journal.HealthSecond && e.At <= climb+plateau {
				rss = max(rss, e.Health.RSS)
			}
			if e.Kind == journal.LoadSecond && e.At > climb && e.At <= climb+plateau {
				open = max(open, e.Load.Sessions)
			}
		}
		memory, sessions = memory+rss, sessions+open
	}
	return memory, sessions
}
