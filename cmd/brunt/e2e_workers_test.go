//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

// userTarget is an HTTP server that counts the requests for each path.
type userTarget struct {
	address string
	all     atomic.Int64
	seen    chan string // every path, in the order of arrival
}

func serveUsers(t *testing.T) *userTarget {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := &userTarget{address: listener.Addr().String(), seen: make(chan string, 100_000)}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target.all.Add(1)
		target.seen <- r.URL.Path + " " + r.Header.Get("Authorization")
		fmt.Fprint(w, "ok")
	})}
	go server.Serve(listener)
	t.Cleanup(func() { _ = server.Close() })
	return target
}

const workerSecret = "w0rker-s3cret"

// teamScenario is 100/s of unique users for so long, on what is to be 4 workers.
func teamScenario(t *testing.T, target *userTarget, length time.Duration, more string) string {
	t.Helper()
	dir := t.TempDir()
	users := "id\n"
	for i := range 5000 {
		users += fmt.Sprintf("u%d\n", i)
	}
	write(t, dir, "users.csv", users)
	return write(t, dir, "team.yaml", fmt.Sprintf(`
version: 1
name: team
target: { hosts: [%q] }
data: { users: { csv: users.csv, pick: unique } }
loads:
  web:
    http: { base: "http://%s", headers: { Authorization: "Bearer ${BRUNT_E2E_TOKEN}" } }
    steps: [{ get: "/${users.id}", name: get }]
phases: [{ name: all, for: %s, load: { web: { rate: 100/s, arrivals: poisson } } }]
%s`, target.address, target.address, length, more))
}

// team starts a run on 4 workers and returns when they play.
func team(t *testing.T, scenario string, dir string) (*exec.Cmd, func() ended, []int) {
	t.Helper()
	t.Setenv("BRUNT_E2E_TOKEN", workerSecret)
	cmd, wait := start(t, "run", scenario, "--workers", "4", "--out", dir)
	until(t, 60*time.Second, "the workers play", func() bool { return size(filepath.Join(dir, "latency.hlog")) > 1024 })
	pids := make([]int, 4)
	for _, e := range events(t, dir) {
		if e.Kind == journal.WorkerState && e.State == journal.WorkerReady {
			var index, pid int
			if _, err := fmt.Sscanf(e.Name+" "+e.Worker.Where, "worker-%d process %d", &index, &pid); err != nil {
				t.Fatal(err)
			}
			pids[index] = pid
		}
	}
	return cmd, wait, pids
}

// events are those of a run, as far as they are on disk.
func events(t *testing.T, dir string) []journal.Event {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []journal.Event
	for _, line := range strings.Split(string(data), "\n") {
		var e journal.Event
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// now is how far a run is, by its own clock.
func now(t *testing.T, dir string) time.Duration {
	t.Helper()
	for _, e := range events(t, dir) {
		if e.Wall != nil {
			return time.Since(*e.Wall)
		}
	}
	t.Fatal("the run has no origin")
	return 0
}

// lost is when a worker was seen to be lost, and how.
func lost(t *testing.T, dir, name string) journal.Event {
	t.Helper()
	for _, e := range events(t, dir) {
		if e.Kind == journal.WorkerState && e.Name == name && e.State == journal.WorkerLost {
			return e
		}
	}
	t.Fatalf("%s is not told to be lost", name)
	return journal.Event{}
}

// Four real processes: every arrival once, no user twice, every operation in
// the merged histogram, the secret nowhere on disk, and nobody left.
func TestE2EWorkers(t *testing.T) {
	target := serveUsers(t)
	dir := filepath.Join(t.TempDir(), "run")
	_, wait, _ := team(t, teamScenario(t, target, 8*time.Second, ""), dir)
	got := wait()
	if got.code != exitPass && got.code != exitInconclusive { // a busy machine may have been the bottleneck
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	recorded, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, w := recorded.Counts("web", 0, time.Hour), recorded.Window("web", "", 0, time.Hour)
	served := target.all.Load()
	if c.Offered != served || c.Completed != served || w.Ops() != served || w.Failed() != 0 || w.Histogram(journal.Response, journal.All).TotalCount() != served {
		t.Errorf("served %d; %+v; %d in the histogram, %d failed", served, c, w.Ops(), w.Failed())
	}
	close(target.seen)
	users := map[string]bool{}
	for s := range target.seen {
		if user, ok := strings.CutSuffix(s, " Bearer "+workerSecret); !ok || users[user] {
			t.Fatalf("request %q: used twice, or without the secret", s)
		} else {
			users[user] = true
		}
	}
	var sum int64
	for _, e := range recorded.Events() {
		if e.Kind == journal.WorkerState && e.State == journal.WorkerDone {
			sum += e.Worker.Offered
			t.Logf("%s: offered %d, clock %v ±%v, worst lag %v", e.Name, e.Worker.Offered, e.Worker.ClockOffset, e.Worker.ClockError, e.Worker.DispatchLag)
		}
	}
	if sum != served {
		t.Errorf("the workers account for %d of %d", sum, served)
	}
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), workerSecret) {
			t.Errorf("%s holds the secret (or %v)", path, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	noneLeft(t)
}

// One is killed, or stopped: seen within five seconds, told with its cause and
// with what it did not offer, inconclusive; where it may be lost, only told.
func TestE2EWorkerLost(t *testing.T) {
	for name, tt := range map[string]struct {
		signal syscall.Signal
		more   string
		text   string
	}{
		"killed":     {syscall.SIGKILL, "", "signal: killed"},
		"stopped":    {syscall.SIGSTOP, "", "has answered nothing for"},
		"one may be": {syscall.SIGKILL, "workers: { may_lose: 1 }\n", "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			target := serveUsers(t)
			dir := filepath.Join(t.TempDir(), "run")
			_, wait, pids := team(t, teamScenario(t, target, 14*time.Second, tt.more), dir)
			sendSignal(t, pids[2], tt.signal)
			at := now(t, dir)
			got := wait()
			e := lost(t, dir, "worker-2")
			t.Logf("%s at %v, seen at %v: %v", tt.signal, at, e.At, e.At-at)
			if late := e.At - at; late > 5*time.Second {
				t.Errorf("seen %v after it happened", late)
			}
			if !strings.Contains(e.Text, tt.text) {
				t.Errorf("told as %q, want %q", e.Text, tt.text)
			}
			v := verdict(t, dir)
			statement := fmt.Sprintf("worker-2 of 4 (process %d) was lost at ", pids[2])
			// The text is wrapped, wherever its figures make it so.
			said := strings.ToLower(strings.Join(strings.Fields(got.stdout), " "))
			if !strings.Contains(said, statement) || !strings.Contains(said, "of its share") {
				t.Errorf("the report does not say that %s…\n%s", statement, got.stdout)
			}
			if tt.more == "" && (got.code != exitInconclusive || v.Verdict != "inconclusive") {
				t.Errorf("exit %d, %s: %s", got.code, v.Verdict, v.Cause)
			}
			// The schedule is fixed: a lost worker takes nothing from what was offered.
			recorded, err := journal.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			c := recorded.Counts("web", 0, time.Hour)
			if planned := arrivalsOf(t, dir); c.Offered != planned || c.Lost == 0 || c.Offered != c.Sent+c.Lost {
				t.Errorf("offered %d of %d, sent %d, lost %d", c.Offered, planned, c.Sent, c.Lost)
			}
			noneLeft(t)
		})
	}
}

// arrivalsOf is how many arrivals the same scenario has on no worker at all.
func arrivalsOf(t *testing.T, dir string) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	users := "id\n" + strings.Repeat("u\n", 5000)
	write(t, folder, "users.csv", users)
	file := write(t, folder, "whole.yaml", string(text))
	scenario, err := loadScenario(file, nil, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := scenario.Compile(nil, placeholderEnv(scenario))
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for range (engine.Slice{}).Arrivals(plan.Loads[0]) {
		n++
	}
	return n
}

// kill -9 of the controller, with one worker stopped that cannot read the end
// of anything: no process is left.
func TestE2EControllerKilled(t *testing.T) {
	target := serveUsers(t)
	dir := filepath.Join(t.TempDir(), "run")
	cmd, wait, pids := team(t, teamScenario(t, target, time.Minute, ""), dir)
	sendSignal(t, pids[1], syscall.SIGSTOP)
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	wait()
	noneLeft(t)
	served := target.all.Load()
	time.Sleep(time.Second)
	if more := target.all.Load() - served; more > 0 {
		t.Errorf("%d requests after the controller's death", more)
	}
	_, wait = start(t, "report", dir)
	if got := wait(); !strings.Contains(got.stdout, "INCONCLUSIVE") {
		t.Errorf("exit %d\n%s", got.code, got.stdout)
	}
}
