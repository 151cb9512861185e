package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The ways of using brunt that are measured. The names of the others follow
// the name of the first.
const (
	bruntLane       = "brunt"
	bruntRough      = "brunt-1ms"
	bruntGoroutines = "brunt-go"
	bruntFlow       = "brunt-flow"
)

// The steps that are played. A request that differs from arrival to arrival
// needs a goroutine a session, and so does a flow.
const (
	constantStep = "      - { get: PATH, name: one }\n"
	changingStep = `      - { get: "PATH?n=${seq()}", name: one }` + "\n"
	flowSteps    = `      - { get: "PATH?n=${seq()}", name: one, extract: { size: "header:Content-Length" }, check: { status: 200 } }
      - { get: "PATH?size=${size}", name: two, headers: { X-Request: "${seq()}" }, check: { body_contains: "as long as" } }
`
)

// brunt makes one way of using brunt: what it plays, how it must say that it
// sends, and more of its http section.
func brunt(name, steps, sends, more string) tool {
	return tool{
		name:  name,
		args:  func(job) []string { return []string{"run", "bench.yaml", "--out", "run"} },
		files: func(j job) map[string]string { return map[string]string{"bench.yaml": scenario(j, steps, more)} },
		read:  func(dir string, _ []byte) (figures, error) { return readBrunt(filepath.Join(dir, "run"), sends) },
	}
}

// scenario asks brunt for a job.
func scenario(j job, steps, more string) string {
	load := fmt.Sprintf("{ users: %d }", j.connections)
	if j.rate > 0 {
		load = fmt.Sprintf("%d/s", j.rate)
	}
	return fmt.Sprintf(`version: 1
name: bench
target: { hosts: [%q] }
loads:
  bench:
    http: { base: %q%s }
    steps:
%sphases:
  - { name: bench, for: %s, load: { bench: %s } }
`, strings.TrimPrefix(j.base, "http://"), j.base, more, strings.ReplaceAll(steps, "PATH", j.path), j.length, load)
}

// readBrunt reads a run directory. sends is how the plan must say that the
// load was sent, so that what was measured is what was meant.
func readBrunt(dir, sends string) (f figures, err error) {
	var plan struct {
		Loads []struct {
			Path string `json:"path"`
		} `json:"loads"`
	}
	type quantiles struct {
		P50 time.Duration `json:"p50_ns"`
		P99 time.Duration `json:"p99_ns"`
	}
	var report struct {
		Loads map[string]struct {
			Planned  int64     `json:"planned"`
			Sent     int64     `json:"sent"`
			Dropped  int64     `json:"dropped"`
			Errors   any       `json:"errors"`
			Judged   int64     `json:"judged_operations"`
			Failed   int64     `json:"judged_failed"`
			Response quantiles `json:"response"`
			Wait     quantiles `json:"wait"`
		} `json:"loads"`
	}
	if err := errors.Join(readJSON(filepath.Join(dir, "plan.json"), &plan), readJSON(filepath.Join(dir, "report.json"), &report)); err != nil {
		return f, err
	}
	if len(plan.Loads) != 1 || !strings.HasPrefix(plan.Loads[0].Path, sends) {
		return f, fmt.Errorf("it was to send by way of the %s, and the plan says %+v", sends, plan.Loads)
	}
	r := report.Loads["bench"]
	f = figures{p50: r.Response.P50, p99: r.Response.P99, wait: r.Wait.P50, planned: r.Planned, sent: r.Sent, succeeded: r.Judged - r.Failed}
	if f.p50 == 0 {
		return f, errNoPercentiles
	}
	return f, nil
}

func readJSON(file string, v any) error {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("read what brunt recorded: %w", err)
	}
	return nil
}
