//go:build e2e

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/reports"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// overload plays one load of 5 s and gives its report. A run of that length
// must end soon after, however far past its ceiling it was.
func overload(t *testing.T, prefix []string, load, rate, host string, env ...string) *reports.Report {
	t.Helper()
	const length, patience = 5 * time.Second, time.Second
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	scenario := write(t, dir, "over.yaml", fmt.Sprintf(`version: 1
name: over
target: { hosts: [%q] }
safety: { max_rate: 1000000/s }
loads:
  web: { patience: %s, %s }
phases:
  - { name: over, for: %s, load: { web: %s }, expect: [ web.p99 < 50ms, web.p99 < 1h, web.errors < 1%% ] }
report: [json]
`, host, patience, load, length, rate))
	args := slices.Concat(prefix, []string{build(t), "run", scenario, "--out", run})
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), append(env, "XDG_STATE_HOME="+filepath.Join(dir, "state"))...)
	out, err := cmd.CombinedOutput()
	recorded, openErr := journal.Open(run)
	if openErr != nil {
		t.Fatalf("%v, %v\n%s", openErr, err, out)
	}
	r := reports.Build(recorded)
	l := r.Loads["web"]
	if r.Run.State != "completed" || l.Offered != l.Planned || l.Completed+l.Dropped != l.Offered || l.Canceled != 0 {
		t.Errorf("%s: planned %d, offered %d, completed %d, dropped %d, canceled %d\n%s", r.Run.State, l.Planned, l.Offered, l.Completed, l.Dropped, l.Canceled, out)
	}
	if r.Run.Ended > 2*length+patience {
		t.Errorf("a run of %s ended after %s", length, r.Run.Ended)
	}
	if r.Verdict == reports.Pass {
		t.Errorf("the verdict is pass\n%s", out)
	}
	if r.Trust.HeldBack == nil {
		t.Fatalf("nothing held it back\n%s", out)
	}
	t.Log(r.Trust.HeldBack.Text)
	return r
}

// bothPaths are what a request needs beside its URL to be sent on each path.
var bothPaths = map[string]string{"lane": "", "goroutines": `, headers: { X-N: "${seq()}" }`}

// Several times what one processor can send: brunt sends what it can all the
// time, counts the rest, and calls nothing that it measured the target's.
func TestE2EOverloadCPU(t *testing.T) {
	host := startTruth(t)
	for path, also := range bothPaths {
		for _, rate := range []string{"400000/s", "800000/s"} {
			t.Run(path+" "+rate, func(t *testing.T) {
				r := overload(t, nil, fmt.Sprintf(`http: { get: "http://%s/none" %s }`, host, also), rate, host, "GOMAXPROCS=1")
				if by := r.Trust.HeldBack.By; by != "cpu" && by != "machine" && by != "gc" {
					t.Errorf("held back by %s: %s", by, r.Trust.HeldBack.Text)
				}
				if !r.Trust.Bottleneck || r.Trust.HeldBack.Limit == 0 {
					t.Errorf("bottleneck %v, %g/s sent", r.Trust.Bottleneck, r.Trust.HeldBack.Limit)
				}
				for _, o := range r.Objectives {
					if o.State != objective.Unknown {
						t.Errorf("%s is %s: %s", o.Source, o.State, o.Reason)
					}
				}
			})
		}
	}
}

// Out of files: the operations fail on brunt's own side, and the report says so.
func TestE2EOverloadFiles(t *testing.T) {
	host := startTruth(t)
	r := overload(t, []string{"sh", "-c", `ulimit -n 120; exec "$@"`, "sh"}, fmt.Sprintf(`http: { get: "http://%s/fixed/1s" }`, host), "500/s", host)
	if h := r.Trust.HeldBack; h.By != "files" || !h.Own {
		t.Errorf("held back by %s: %s", h.By, h.Text)
	}
	if o := r.Objectives[2]; o.State != objective.Unknown {
		t.Errorf("%s is %s: %s", o.Source, o.State, o.Reason)
	}
}

// Out of local ports, in a network namespace that has a hundred. It is one of
// the tests that need more than Go: make e2e-peers.
func TestPeersOverloadPorts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("a network namespace needs root")
	}
	// The server is in the namespace as well, and ends with its input.
	script := `ip link set lo up && echo 40000 40099 >/proc/sys/net/ipv4/ip_local_port_range || exit 9
(sleep 60 | "$1" truth -listen 127.0.0.1:8080) >/dev/null 2>&1 &
until grep -q :1F90 /proc/self/net/tcp; do sleep 0.1; done
exec "$@"`
	r := overload(t, []string{"unshare", "-n", "sh", "-c", script, "sh"}, `http: { get: "http://127.0.0.1:8080/fixed/1s" }`, "500/s", "127.0.0.1:8080")
	if h := r.Trust.HeldBack; h.By != "ports" || !h.Own || !strings.Contains(h.Text, "of 100 in use to 127.0.0.1:8080") {
		t.Errorf("held back by %s: %s", h.By, h.Text)
	}
}

// A target that accepts nothing: its queue is full, and it is not brunt's fault.
func TestE2EOverloadAcceptQueue(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	host := fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
	for path, also := range bothPaths {
		t.Run(path, func(t *testing.T) {
			r := overload(t, nil, fmt.Sprintf(`http: { get: "http://%s/", timeout: 2s %s }`, host, also), "100/s", host)
			if h := r.Trust.HeldBack; h.By != "accept_queue" || h.Own {
				t.Errorf("held back by %s: %s", h.By, h.Text)
			}
			if o := r.Objectives[2]; o.State != objective.Fail {
				t.Errorf("%s is %s: %s", o.Source, o.State, o.Reason)
			}
			if l := r.Loads["web"]; l.Errors["timeout"] != l.Completed || len(l.Errors) > 1 {
				t.Errorf("errors %v of %d operations that nobody answered", l.Errors, l.Completed)
			}
		})
	}
}
