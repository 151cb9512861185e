//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/reaper"
)

// These tests kill, stop and starve what stands between a fault and its undo.
// The oracle is the system's own state: /proc, and round trips.

const (
	e2eLease = 2 * time.Second
	e2eRenew = 500 * time.Millisecond
	// e2eUndo is what noticing and undoing may take on top of the lease.
	e2eUndo = 2 * time.Second
)

// A game is a scenario on a victim of its own, with a state folder of its own.
type game struct {
	dir, run, state, scenario string
	victim                    *exec.Cmd
	proxy                     string // where the proxy listens; it slows when the victim is paused
}

// newGame writes a scenario that freezes the victim, and slows a proxy, from at
// for length.
func newGame(t *testing.T, at, length, total time.Duration) *game {
	t.Helper()
	g := &game{dir: t.TempDir(), victim: exec.Command("sleep", "3000"), proxy: freePort(t)}
	g.run, g.state = filepath.Join(g.dir, "run"), filepath.Join(g.dir, "state")
	if err := g.victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = g.victim.Process.Kill()
		_ = g.victim.Wait()
	})
	upstream := echo(t)
	g.scenario = write(t, g.dir, "game.yaml", fmt.Sprintf(`
version: 1
name: game
target:
  hosts: [%q, %q]
  proxies: { web: { listen: %q, upstream: %q } }
safety: { lease: %s, renew: %s }
loads:
  web: { http: { base: "http://%s" }, steps: [{ get: / }] }
phases:
  - name: all
    for: %s
    load: { web: 20/s }
    faults:
      frozen: { at: %s, for: %s, process: { pause: { pid: %d } } }
      slow: { at: %s, for: %s, proxy: { on: web, latency: %s } }
`, upstream, g.proxy, g.proxy, upstream, e2eLease, e2eRenew, g.proxy, total, at, length, g.victim.Process.Pid, at, length, slowness))
	return g
}

// slowness is the latency of the game's proxy.
const slowness = 400 * time.Millisecond

// play starts the game's run; the returned function waits for its end.
func (g *game) play(t *testing.T, prefix ...string) (*exec.Cmd, func() ended) {
	t.Helper()
	return g.brunt(t, build(t), prefix, "run", g.scenario, "--out", g.run)
}

// call runs brunt to its end.
func (g *game) call(t *testing.T, args ...string) ended {
	t.Helper()
	_, wait := g.brunt(t, build(t), nil, args...)
	return wait()
}

// brunt starts brunt in the game's state folder.
func (g *game) brunt(t *testing.T, exe string, prefix []string, args ...string) (*exec.Cmd, func() ended) {
	t.Helper()
	words := append(append(prefix, exe), args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+g.state)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, func() ended {
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
			t.Error(err)
		}
		return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

// leases are those in the game's state folder.
func (g *game) leases(t *testing.T) []reaper.Info {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(g.state, "brunt", "leases", "*", "lease.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []reaper.Info
	for _, file := range files {
		var info reaper.Info
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &info)
		}
		if err == nil {
			all = append(all, info)
		}
	}
	return all
}

// reaper is the pid of the run's reaper; 0 while there is none.
func (g *game) reaper(t *testing.T) int {
	t.Helper()
	for _, info := range g.leases(t) {
		return info.Reaper.Pid
	}
	return 0
}

// processes are the game's processes by the name of their command.
func (g *game) processes(t *testing.T, command string) []int {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, environ := range environs {
		text, err := os.ReadFile(environ)
		if err != nil || !bytes.Contains(text, []byte("XDG_STATE_HOME="+g.state+"\x00")) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(environ), "cmdline"))
		words := strings.Split(string(line), "\x00")
		if err != nil || len(words) < 2 || words[1] != command {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(environ, "/proc/%d/environ", &pid); err == nil {
			found = append(found, pid)
		}
	}
	return found
}

func (g *game) frozen(t *testing.T) bool {
	t.Helper()
	return processState(t, g.victim.Process.Pid) == 'T'
}

// injected waits until both faults are in place.
func (g *game) injected(t *testing.T) {
	t.Helper()
	until(t, 20*time.Second, "the victim is paused", func() bool { return g.frozen(t) })
	until(t, 5*time.Second, "the proxy is slow", func() bool { return roundTrip(g.proxy) >= slowness })
}

// clean waits until the victim runs and the proxy, if it is there, is fast, and
// says how long that took.
func (g *game) clean(t *testing.T, bound time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for g.frozen(t) || roundTrip(g.proxy) >= slowness {
		if time.Since(began) > bound {
			t.Fatalf("not clean after %s: victim %c, round trip %s", bound, processState(t, g.victim.Process.Pid), roundTrip(g.proxy))
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// settled waits until no lease is left, and the run directory knows of no
// pending fault.
func (g *game) settled(t *testing.T) {
	t.Helper()
	until(t, e2eLease+5*time.Second, "the lease is over and left nothing", func() bool { return len(g.leases(t)) == 0 })
	if pending, damage, err := chaos.ReadPending(g.run); len(pending) > 0 || len(damage) > 0 || err != nil {
		t.Errorf("the run directory knows of pending faults %v, damage %v, %v", pending, damage, err)
	}
}

func notPassed(t *testing.T, got ended) {
	t.Helper()
	if got.code == exitPass || got.code == exitInternal || got.code < 0 {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
}

func TestE2EFaultsNothingHappens(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, time.Second, 2*time.Second)
	_, wait := g.play(t)
	g.injected(t)
	if got := g.call(t, "faults"); got.code != 0 || !strings.Contains(got.stdout, "frozen") || !strings.Contains(got.stdout, "held for 2s") {
		t.Errorf("faults: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	// The panic button leaves a run alone that is alive and well.
	if got := g.call(t, "undo", "--all"); got.code != 0 || !strings.Contains(got.stdout, "is alive") {
		t.Errorf("undo --all: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	// A busy machine makes a bottleneck of the generator, which is no fault of
	// the faults.
	if got := wait(); got.code != exitPass && !(got.code == exitInconclusive && strings.Contains(got.stdout, "it was the bottleneck")) {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	if left := g.leases(t); len(left) > 0 || len(g.processes(t, "reaper")) > 0 {
		t.Errorf("the run has ended, and its lease has not: %v", left)
	}
	if got := g.call(t, "faults", "--json"); got.code != 0 || !strings.Contains(got.stdout, `"faults": []`) {
		t.Errorf("faults: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	g.settled(t)
}

// kill -9 of brunt: everything is undone without anybody calling undo.
func TestE2EFaultsBruntKilled(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	cmd, wait := g.play(t)
	g.injected(t)
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	took := g.clean(t, e2eLease+e2eUndo)
	t.Logf("clean %s after SIGKILL", took)
	wait()
	// The proxy lost its brunt and says so.
	if got := g.call(t, "faults"); !strings.Contains(got.stdout, "has lost its brunt") {
		t.Errorf("faults: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	g.settled(t)
	g.clean(t, 0)
	g.endProxies(t)
}

// endProxies ends the proxies that outlive their brunt until the run would have
// ended.
func (g *game) endProxies(t *testing.T) {
	t.Helper()
	for _, pid := range g.processes(t, "proxy") {
		sendSignal(t, pid, syscall.SIGKILL)
	}
}

// brunt is stopped past its lease: the reaper undoes; brunt wakes up, is fenced
// off, and does not pass.
func TestE2EFaultsBruntStopped(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 8*time.Second, 10*time.Second)
	cmd, wait := g.play(t)
	g.injected(t)
	sendSignal(t, cmd.Process.Pid, syscall.SIGSTOP)
	g.clean(t, e2eLease+e2eUndo)
	if got := g.call(t, "undo", g.run); got.code != exitUsage || !strings.Contains(got.stderr, "its reaper, process") {
		t.Errorf("undo of a stopped run: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	time.Sleep(e2eRenew)
	sendSignal(t, cmd.Process.Pid, syscall.SIGCONT)
	got := wait()
	notPassed(t, got)
	if !strings.Contains(got.stdout, "lease") {
		t.Errorf("the report does not say why\n%s", got.stdout)
	}
	g.settled(t)
	g.clean(t, 0)
	records, _, err := chaos.ReadReceipts(g.run)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Stage == chaos.StageUndone && r.Epoch < 2 {
			t.Errorf("undone in epoch %d, by a brunt whose lease had run out: %+v", r.Epoch, r)
		}
	}
}

// brunt is stopped past its lease and never wakes up.
func TestE2EFaultsBruntStoppedThenKilled(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	cmd, wait := g.play(t)
	g.injected(t)
	sendSignal(t, cmd.Process.Pid, syscall.SIGSTOP)
	g.clean(t, e2eLease+e2eUndo)
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	wait()
	g.settled(t)
	g.endProxies(t)
}

// kill -9 of the reaper: brunt notices, undoes and does not pass.
func TestE2EFaultsReaperKilled(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	_, wait := g.play(t)
	g.injected(t)
	sendSignal(t, g.reaper(t), syscall.SIGKILL)
	g.clean(t, e2eRenew+e2eUndo)
	notPassed(t, wait())
	g.settled(t)
}

// The reaper is stopped: brunt hears nothing, undoes and does not pass.
func TestE2EFaultsReaperStopped(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	_, wait := g.play(t)
	g.injected(t)
	sendSignal(t, g.reaper(t), syscall.SIGSTOP)
	g.clean(t, 2*e2eRenew+e2eUndo)
	notPassed(t, wait())
	if left := g.processes(t, "reaper"); len(left) > 0 {
		t.Errorf("the stopped reaper was left behind: %v", left)
	}
	g.settled(t)
}

// Both are dead: what they left is in the state folder.
func TestE2EFaultsBothKilled(t *testing.T) {
	for _, how := range []string{"undo --all", "undo RUNDIR"} {
		t.Run(how, func(t *testing.T) {
			g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
			cmd, wait := g.play(t)
			g.injected(t)
			reaper := g.reaper(t)
			// Stopped first, so that neither sees the other die.
			sendSignal(t, reaper, syscall.SIGSTOP)
			sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
			sendSignal(t, reaper, syscall.SIGKILL)
			wait()
			if !g.frozen(t) {
				t.Fatal("the victim runs before the undo")
			}
			if got := g.call(t, "faults"); !strings.Contains(got.stdout, "frozen") || !strings.Contains(got.stdout, "brunt undo --all") {
				t.Errorf("faults: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
			}
			args := map[string][]string{"undo --all": {"undo", "--all"}, "undo RUNDIR": {"undo", g.run}}[how]
			for range 2 {
				if got := g.call(t, args...); got.code != 0 {
					t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
				}
				g.clean(t, 0)
			}
			g.settled(t)
			g.endProxies(t)
		})
	}
}

// Both are dead, and the machine died in the middle of a record.
func TestE2EFaultsTornRecord(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	cmd, wait := g.play(t)
	g.injected(t)
	reaper := g.reaper(t)
	sendSignal(t, reaper, syscall.SIGSTOP)
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	sendSignal(t, reaper, syscall.SIGKILL)
	wait()
	copies, err := filepath.Glob(filepath.Join(g.state, "brunt", "leases", "*", chaos.ReceiptsFile))
	if err != nil || len(copies) != 1 {
		t.Fatal(copies, err)
	}
	for _, file := range append(copies, filepath.Join(g.run, chaos.ReceiptsFile)) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, text[:len(text)/3]...)
		if err := os.WriteFile(file, bytes.TrimRight(text, "\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := g.call(t, "undo", "--all"); got.code != 0 {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	g.clean(t, 0)
	g.settled(t)
	g.endProxies(t)
}

// The run directory was removed under everyone's feet, and both were killed.
func TestE2EFaultsRunDirGone(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	cmd, wait := g.play(t)
	g.injected(t)
	reaper := g.reaper(t)
	sendSignal(t, reaper, syscall.SIGSTOP)
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	sendSignal(t, reaper, syscall.SIGKILL)
	wait()
	g.endProxies(t)
	if err := os.RemoveAll(g.run); err != nil {
		t.Fatal(err)
	}
	if got := g.call(t, "undo", "--all"); got.code != 0 {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	g.clean(t, 0)
	g.settled(t)
}

// brunt was stopped past its lease, and its reaper was killed while it slept:
// there is nobody else, so it undoes its faults itself.
func TestE2EFaultsStoppedWithoutReaper(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	cmd, wait := g.play(t)
	g.injected(t)
	reaper := g.reaper(t)
	sendSignal(t, cmd.Process.Pid, syscall.SIGSTOP)
	sendSignal(t, reaper, syscall.SIGKILL)
	time.Sleep(e2eLease + e2eRenew)
	if !g.frozen(t) {
		t.Fatal("the victim runs, and nobody is there to have let it")
	}
	sendSignal(t, cmd.Process.Pid, syscall.SIGCONT)
	g.clean(t, e2eUndo)
	notPassed(t, wait())
	// Its reaper's copy does not know yet.
	if got := g.call(t, "undo", "--all"); got.code != 0 {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	g.settled(t)
}

// smallDisk is a command line that plays the game with its run directory on a
// disk of a megabyte, which no other process sees.
func (g *game) smallDisk(t *testing.T) []string {
	t.Helper()
	if err := os.Mkdir(g.run, 0o755); err != nil {
		t.Fatal(err)
	}
	private := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		private = []string{"unshare", "--user", "--map-root-user", "--mount"}
	}
	return append(private, "sh", "-c", `mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"`, g.run)
}

// fill leaves no room on the run's disk.
func (g *game) fill(t *testing.T, pid int) {
	t.Helper()
	file, err := os.Create(filepath.Join("/proc", fmt.Sprint(pid), "root", g.run, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 4096); ; {
		if _, err := file.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// The run directory's disk is full: brunt cannot record, undoes and does not
// pass.
func TestE2EFaultsDiskFull(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	cmd, wait := g.play(t, g.smallDisk(t)...)
	g.injected(t)
	g.fill(t, cmd.Process.Pid)
	g.clean(t, 5*time.Second)
	notPassed(t, wait())
	until(t, 5*time.Second, "the lease is over", func() bool { return len(g.leases(t)) == 0 })
}

// The disk is full, and brunt is killed.
func TestE2EFaultsDiskFullAndKilled(t *testing.T) {
	g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
	cmd, wait := g.play(t, g.smallDisk(t)...)
	g.injected(t)
	sendSignal(t, cmd.Process.Pid, syscall.SIGSTOP)
	g.fill(t, cmd.Process.Pid)
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	g.clean(t, e2eLease+e2eUndo)
	wait()
	// What could not be recorded in the run directory stays in the state
	// folder until somebody asks.
	until(t, 15*time.Second, "the reaper has ended", func() bool { return len(g.processes(t, "reaper")) == 0 })
	g.endProxies(t)
	if got := g.call(t, "undo", "--all"); got.code != 0 {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	if left := g.leases(t); len(left) != 0 {
		t.Errorf("leases %v", left)
	}
}
