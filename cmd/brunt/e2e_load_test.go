//go:build e2e

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports"
	"github.com/brunt-dev/brunt/reports/journal"
)

// startTruth starts a server whose delays are known, and returns its host:port.
func startTruth(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(build(t), "truth")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends with its input
		_ = cmd.Wait()
	})
	var greeting struct {
		URL string `json:"url"`
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &greeting)
	}
	if err != nil {
		t.Fatalf("the server did not say where it listens: %v", err)
	}
	return greeting.URL[len("http://"):]
}

// fourLoads are both models on both of brunt's paths, for length, against a
// server that takes 5 ms for each request.
func fourLoads(host string, length time.Duration) string {
	return fmt.Sprintf(`version: 1
name: four
target: { hosts: [%[1]q] }
loads:
  open_lane: { http: { get: "http://%[1]s/fixed/5ms" } }
  open_goroutines: { http: { get: "http://%[1]s/fixed/5ms", cookies: true } }
  users_lane: { http: { get: "http://%[1]s/fixed/5ms" } }
  users_goroutines: { http: { get: "http://%[1]s/fixed/5ms", cookies: true } }
phases:
  - name: all
    for: %[2]s
    load: { open_lane: 1000/s, open_goroutines: 200/s, users_lane: { users: 4 }, users_goroutines: { users: 4 } }
report: [json]
`, host, length)
}

// playFour plays the four loads with a binary and gives the report. It checks
// what must be so whatever the machine is busy with.
func playFour(t *testing.T, exe string, env ...string) *reports.Report {
	t.Helper()
	const length = 7 * time.Second
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	cmd := exec.Command(exe, "run", write(t, dir, "four.yaml", fourLoads(startTruth(t), length)), "--out", run)
	cmd.Env = append(os.Environ(), append(env, "XDG_STATE_HOME="+filepath.Join(dir, "state"))...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	recorded, openErr := journal.Open(run)
	if openErr != nil {
		t.Fatalf("%v, %v\n%s", openErr, err, out)
	}
	r := reports.Build(recorded)
	if r.Run.State != "completed" || took < length || r.Run.Ended < length || r.Run.Ended > took {
		t.Errorf("%s after %s of a run that took %s\n%s", r.Run.State, r.Run.Ended, took, out)
	}
	for name, l := range r.Loads {
		path := map[bool]string{true: "lane", false: "goroutines"}[name == "open_lane" || name == "users_lane"]
		for _, p := range recorded.Plan.Loads {
			if p.Name == name && p.Path[:len(path)] != path {
				t.Errorf("%s is played by %s, want %s", name, p.Path, path)
			}
		}
		if l.Offered == 0 || l.Sent != l.Offered || l.Completed != l.Offered || l.Dropped+l.Canceled != 0 || len(l.Errors) > 0 {
			t.Errorf("%s: offered %d, sent %d, completed %d, dropped %d, canceled %d, errors %v", name, l.Offered, l.Sent, l.Completed, l.Dropped, l.Canceled, l.Errors)
		}
		// A clock that moved by an hour would show; a busy machine does not.
		if s := l.Service; s == nil || s.Min < 4900*time.Microsecond || s.Max > time.Minute || s.P50 > time.Second {
			t.Errorf("%s: service times %+v of a server that takes 5ms", name, s)
		}
		if w := l.Wait; w == nil || w.Max > time.Minute {
			t.Errorf("%s: waits %+v", name, w)
		}
	}
	if open := r.Loads["open_lane"]; open.Offered != 7000 {
		t.Errorf("offered %d of 7000", open.Offered)
	}
	if open := r.Loads["open_goroutines"]; open.Offered != 1400 {
		t.Errorf("offered %d of 1400", open.Offered)
	}
	return r
}

// The machine's clock moved by an hour in the middle of a run, forwards and
// back, changes nothing: not when arrivals fall due, nor how long they take,
// nor when the run ends.
func TestE2ELoadClockMoved(t *testing.T) {
	playFour(t, buildJumpy(t))
}

// One processor is enough: both paths get on beside each other.
func TestE2ELoadOneProcessor(t *testing.T) {
	r := playFour(t, build(t), "GOMAXPROCS=1")
	if r.Trust.Worst.Cores != 1 {
		t.Errorf("played on %d cores", r.Trust.Worst.Cores)
	}
}
