//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// jumpy is a change to time.Now: two seconds after a process has started, its
// clock is put forward by an hour; two seconds later it is put back by two. A
// library that stands before libc's clock would not do: Go asks the kernel.
const jumpy = `	mono -= startNano
	switch {
	case mono > 4e9:
		sec -= 3600
	case mono > 2e9:
		sec += 3600
	}
`

// buildJumpy builds brunt with a clock that jumps, in every process of it.
func buildJumpy(t *testing.T) string {
	t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(source, []byte("\tmono -= startNano\n"), []byte(jumpy), 1)
	if bytes.Equal(changed, source) {
		t.Fatal("time.Now is not what it was: the clock cannot be moved")
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: write(t, dir, "time.go", string(changed))}})
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(dir, "brunt")
	out, err := exec.Command("go", "build", "-overlay", write(t, dir, "overlay.json", string(overlay)), "-o", exe, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build brunt with a clock that jumps: %v\n%s", err, out)
	}
	return exe
}

// The machine's clock is moved by an hour, both ways, while faults are in
// place. No lease runs out early or late.
func TestE2EFaultsClockMoved(t *testing.T) {
	exe := buildJumpy(t)

	t.Run("undisturbed", func(t *testing.T) {
		g := newGame(t, 500*time.Millisecond, 5*time.Second, 6*time.Second)
		_, wait := g.brunt(t, exe, nil, "run", g.scenario, "--out", g.run)
		g.injected(t)
		began := time.Now()
		until(t, 10*time.Second, "the victim runs again", func() bool { return !g.frozen(t) })
		if held := time.Since(began); held < 4*time.Second {
			t.Errorf("the fault of 5s was held for %s", held)
		}
		if got := wait(); strings.Contains(got.stdout, "lease") || got.code == exitFail || got.code == exitFaultLeft {
			t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
		}
		g.settled(t)
		records, _, err := chaos.ReadReceipts(g.run)
		if err != nil || len(records) == 0 {
			t.Fatal(records, err)
		}
		if ago := records[0].At.Sub(records[len(records)-1].At); ago < 30*time.Minute {
			t.Errorf("the clock was not moved: the last record is %s before the first", ago)
		}
	})

	t.Run("stopped", func(t *testing.T) {
		g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
		cmd, wait := g.brunt(t, exe, nil, "run", g.scenario, "--out", g.run)
		g.injected(t)
		time.Sleep(2 * time.Second) // the clock has been put forward
		sendSignal(t, cmd.Process.Pid, syscall.SIGSTOP)
		stopped := time.Now()
		g.clean(t, e2eLease+e2eUndo)
		if took := time.Since(stopped); took < e2eLease-2*e2eRenew {
			t.Errorf("the lease of %s ran out after %s", e2eLease, took)
		}
		sendSignal(t, cmd.Process.Pid, syscall.SIGCONT)
		notPassed(t, wait())
		g.settled(t)
	})

	t.Run("killed", func(t *testing.T) {
		g := newGame(t, 500*time.Millisecond, 50*time.Second, time.Minute)
		cmd, wait := g.brunt(t, exe, nil, "run", g.scenario, "--out", g.run)
		g.injected(t)
		time.Sleep(2 * time.Second)
		sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
		g.clean(t, e2eLease+e2eUndo)
		if got := wait(); got.code == exitPass {
			t.Error("a killed run passed")
		}
		g.settled(t)
		g.endProxies(t)
	})
}
