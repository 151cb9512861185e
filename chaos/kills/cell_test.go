//go:build e2e && linux

package kills

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	lease = 2 * time.Second
	renew = 500 * time.Millisecond
	// undo is what noticing and undoing may take on top of the lease: the reaper
	// looks eight times a renewal, and undoing takes commands of the system's.
	undo = 2 * time.Second
	// at and length are the fault's.
	at     = 100 * time.Millisecond
	length = 1500 * time.Millisecond
	total  = 2 * time.Second
)

// Exit codes of brunt.
const (
	exitPass      = 0
	exitUsage     = 2
	exitFaultLeft = 4
	exitInternal  = 70
)

// A cell is one run of brunt against an arena of its own.
type cell struct {
	kind string
	form int // of the fault, for kinds that have several here
	exe  string

	dir, run, state string
	env             []string
	arena           *arena
	before          string

	at, length, total time.Duration // 0: as the kill matrix has it

	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	ended          chan struct{}
}

// prepare makes the cell's folders and its arena.
func (c *cell) prepare(t *testing.T, exe string, env ...string) {
	t.Helper()
	c.folders(t, exe)
	c.env = append(append(os.Environ(), "XDG_STATE_HOME="+c.state), env...)
	for _, a := range slices.Concat(arenas, clusterArenas) {
		if a.kind == c.kind && c.arena == nil {
			c.arena = a.make(t, c)
		}
	}
	if c.arena.load == "" {
		c.arena.load = play(t, "web").address
	}
	c.before = c.arena.look()
}

// folders makes the cell's own.
func (c *cell) folders(t *testing.T, exe string) {
	t.Helper()
	if c.dir == "" {
		c.exe, c.dir = exe, t.TempDir()
		c.run, c.state = filepath.Join(c.dir, "run"), filepath.Join(c.dir, "state")
	}
}

// start starts brunt.
func (c *cell) start(t *testing.T) {
	t.Helper()
	hosts := append(c.arena.hosts, c.arena.load)
	for i, host := range hosts {
		hosts[i] = fmt.Sprintf("%q", host)
	}
	if c.total == 0 {
		c.at, c.length, c.total = at, length, total
	}
	scenario := filepath.Join(c.dir, "kills.yaml")
	text := fmt.Sprintf(`
version: 1
name: kills
target:
  hosts: [%s]
  %s
safety: { lease: %s, renew: %s }
loads:
  web: { http: { base: "http://%s", timeout: 1s }, steps: [{ get: / }] }
phases:
  - name: all
    for: %s
    load: { web: 20/s }
    faults:
      broken: { at: %s, for: %s, %s }
`, strings.Join(hosts, ", "), c.arena.in, lease, renew, c.arena.load, c.total, c.at, c.length, c.arena.fault)
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(c.exe, "run", scenario, "--out", c.run)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = c.env, &c.stdout, &c.stderr
	c.cmd.WaitDelay = time.Second // a proxy that outlives brunt holds its stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.ended = make(chan struct{})
	go func() {
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		for _, pid := range append(c.processes(""), c.cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-c.ended
	})
}

// call runs brunt to its end.
func (c *cell) call(args ...string) (code int, said string) { return c.callWith(c.env, args...) }

func (c *cell) callWith(env []string, args ...string) (code int, said string) {
	cmd := exec.Command(c.exe, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return -1, err.Error()
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// wait returns brunt's exit code; -1 when it was killed.
func (c *cell) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(time.Minute):
		t.Fatalf("brunt does not end\n%s\n%s", c.stdout.String(), c.stderr.String())
	}
	return c.cmd.ProcessState.ExitCode()
}

// processes are the cell's own, of one command of brunt's or of any.
func (c *cell) processes(command string) []int {
	mark := []byte("XDG_STATE_HOME=" + c.state + "\x00")
	return matching(func(words []string, environ []byte) bool {
		return len(words) > 1 && words[0] == c.exe && (command == "" || words[1] == command) && bytes.Contains(environ, mark)
	})
}

// victims are the processes of who.
func (c *cell) victims(who string) []int {
	switch who {
	case "brunt":
		return []int{c.cmd.Process.Pid}
	case "reaper":
		return c.processes("reaper")
	case "helper":
		if c.arena.helpers != nil {
			return c.arena.helpers()
		}
	case "target":
		if c.arena.targets != nil {
			return slices.DeleteFunc(c.arena.targets(), func(pid int) bool { return pid <= 0 })
		}
	}
	return nil
}

// signal sends a signal to each.
func signal(t *testing.T, pids []int, s syscall.Signal) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatalf("send %s to %d: %v", s, pid, err)
		}
	}
}

// broken says whether the system is not as it was.
func (c *cell) broken() bool { return c.arena.look() != c.before }

// expect is the state that must be reached again; of a target that was killed
// nothing is expected.
func (c *cell) expect(state string, targetDead bool) string {
	if !targetDead {
		return state
	}
	kept := ""
	for line := range strings.Lines(state) {
		if !strings.HasPrefix(line, "target ") {
			kept += line
		}
	}
	return kept
}

// clean waits until the system is as it was and says how long that took.
func (c *cell) clean(t *testing.T, bound time.Duration, targetDead bool) time.Duration {
	t.Helper()
	began := time.Now()
	if bound > 0 {
		bound += c.arena.slack
	}
	want := c.expect(c.before, targetDead)
	for {
		got := c.expect(c.arena.look(), targetDead)
		if got == want {
			return time.Since(began)
		}
		if time.Since(began) > bound {
			t.Fatalf("not as before after %s:\n%s\nbefore:\n%s\n%s", bound, got, want, c.story())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// story is what brunt and its reaper have said, for a failure. It is called
// only once brunt has ended or cannot go on.
func (c *cell) story() string {
	text := ""
	select {
	case <-c.ended:
		text = fmt.Sprintf("brunt ended with %d\n%s\n%s\n", c.cmd.ProcessState.ExitCode(), c.stdout.String(), c.stderr.String())
	default:
		text = "brunt has not ended\n"
	}
	logs, _ := filepath.Glob(filepath.Join(c.state, "brunt", "leases", "*", "*.log"))
	for _, log := range append(logs, filepath.Join(c.run, "receipts.jsonl")) {
		content, _ := os.ReadFile(log)
		text += filepath.Base(log) + ":\n" + string(content)
	}
	return text
}

// settled makes sure that nothing is left of the cell: no process, no lease, no
// fault.
func (c *cell) settled(t *testing.T, targetDead bool) {
	t.Helper()
	// Orphaned middleboxes pass traffic through until the run would have ended.
	for _, command := range []string{"proxy", "resolver"} {
		signal(t, c.processes(command), syscall.SIGTERM)
	}
	within(t, lease+15*time.Second, "no process of brunt's is left", func() bool { return len(c.processes("")) == 0 })
	c.clean(t, 0, targetDead)
	if code, said := c.call("undo", c.run); code != 0 && !targetDead {
		if _, err := os.Stat(filepath.Join(c.run, "receipts.jsonl")); err == nil {
			t.Errorf("something is left to undo: exit %d\n%s\n%s", code, said, c.story())
		}
	}
	// A folder without this file is one whose reaper never got an order.
	if left, _ := filepath.Glob(filepath.Join(c.state, "brunt", "leases", "*", "lease.json")); len(left) > 0 && !targetDead {
		t.Errorf("leases are left: %s\n%s", left, c.story())
	}
}
