//go:build e2e && linux

package clock

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
)

// clockRun starts a command under clock-run, which this binary is too.
func clockRun(t testing.TB, args ...string) (io.Writer, *bufio.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return begin(t, exec.Command(exe, append([]string{Command}, args...)...))
}

// needLibrary fails in one line where libfaketime is missing.
func needLibrary(t testing.TB) {
	t.Helper()
	if _, err := findLibrary(os.DirFS("/")); err != nil {
		t.Fatalf("clock e2e tests need libfaketime: %v", err)
	}
}

// Tellers say the time, in seconds since 1970, whenever they are asked. They
// start no process for that.
var (
	teller = []string{"perl", "-e", `$| = 1; print "up\n"; while (<STDIN>) { print time, "\n" }`}
	basher = []string{"bash", "-c", `echo up; while read -r _; do printf '%(%s)T\n' -1; done`}
)

// ask asks a teller how far its clock is ahead, to the second.
func ask(t testing.TB, in io.Writer, out *bufio.Reader) time.Duration {
	t.Helper()
	if _, err := fmt.Fprintln(in); err != nil {
		t.Fatal(err)
	}
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(time.Unix(seconds, 0)).Round(10 * time.Second)
}

// TestE2E runs the contract with libfaketime in a process that lives on while
// its clock is set and set back; what it says itself is the state.
func TestE2E(t *testing.T) {
	needLibrary(t)
	t.Setenv(realVariable, "1")
	for name, offset := range map[string]time.Duration{"behind": -time.Hour, "ahead": 48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: Kind, Mend: Mend,
				Target: func(t *testing.T) chaostest.Target {
					path := filepath.Join(t.TempDir(), "clock")
					in, out := clockRun(t, append([]string{"--file", path, "--"}, teller...)...)
					fault, err := New(Config{File: path, Offset: offset}, chaos.Env{Fault: "skew"})
					if err != nil {
						t.Fatal(err)
					}
					return chaostest.Target{Fault: fault, Look: func(t *testing.T) string { return ask(t, in, out).String() }}
				},
			})
		})
	}
}

// The target's own clock is off by what was asked for, and what Measure says,
// also where the target keeps its environment by itself.
func TestE2EEffect(t *testing.T) {
	needLibrary(t)
	for _, target := range [][]string{teller, basher} {
		t.Run(target[0], func(t *testing.T) { effect(t, target) })
	}
}

// sweep removes, in the end, what libfaketime leaves of the processes under the
// file.
func sweep(t *testing.T, path string) {
	t.Helper()
	found, err := under(path)
	if err != nil || len(found) == 0 {
		t.Fatalf("under the file: %v, %v", found, err)
	}
	t.Cleanup(func() {
		for _, p := range found {
			_ = os.Remove(fmt.Sprintf("/dev/shm/faketime_shm_%d", p.pid))
			_ = os.Remove(fmt.Sprintf("/dev/shm/sem.faketime_sem_%d", p.pid))
		}
	})
}

func effect(t *testing.T, target []string) {
	path := filepath.Join(t.TempDir(), "clock")
	in, out := clockRun(t, append([]string{"--file", path, "--"}, target...)...)
	sweep(t, path)
	fault, err := New(Config{File: path, Offset: -time.Hour}, chaos.Env{Fault: "skew"})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := fault.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		do    func() error
		state chaos.State
		want  time.Duration
	}{
		{func() error { return fault.Inject(bounded(t), receipt) }, chaos.Active, -time.Hour},
		{func() error { return fault.Undo(bounded(t), receipt) }, chaos.Gone, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if _, err := chaos.Await(bounded(t), fault, receipt, step.state); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, in, out); got != step.want {
			t.Errorf("when the fault is %s, the target's clock is %s ahead, want %s", step.state, got, step.want)
		}
		measured, err := fault.(chaos.Measurer).Measure(bounded(t), receipt)
		if err != nil {
			t.Error(err)
		}
		t.Log(measured)
	}
}

// A static binary is refused by clock-run; one that a command under the file
// starts is noticed by Prepare.
func TestE2EStatic(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	source := "package main\n\nimport (\n\t\"io\"\n\t\"os\"\n)\n\nfunc main() {\n\tos.Stdout.WriteString(\"up\\n\")\n\tio.Copy(io.Discard, os.Stdin)\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "idle.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(bounded(t), "go", "build", "-o", "idle", "idle.go")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	path := filepath.Join(dir, "clock")
	if err := run([]string{"--file", path, "--", filepath.Join(dir, "idle")}); err == nil || !strings.Contains(err.Error(), "linked statically") {
		t.Errorf("clock-run of a static binary: %v", err)
	}
	clockRun(t, "--file", path, "--", "sh", "-c", filepath.Join(dir, "idle")+"; true")
	sweep(t, path)
	fault, err := New(Config{File: path, Offset: time.Hour}, chaos.Env{Fault: "skew"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fault.Prepare(bounded(t)); err == nil || !strings.Contains(err.Error(), "(idle): statically linked") {
		t.Errorf("prepare: %v", err)
	}
}

// A time namespace sets the monotonic and boot clocks off, of that command
// alone. It needs root.
func TestE2EMonotonic(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("time namespaces need root")
	}
	uptime := func(out *bufio.Reader) float64 {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		seconds, err := strconv.ParseFloat(strings.Fields(line)[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		return seconds
	}
	_, out := clockRun(t, "--monotonic", "48h", "--", "sh", "-c", "echo up; cat /proc/uptime")
	within := uptime(out)
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	outside := uptime(bufio.NewReader(strings.NewReader(string(text))))
	if ahead := within - outside; ahead < 47*3600 || ahead > 49*3600 {
		t.Errorf("the boot clock is %.0fs ahead, want 48h", ahead)
	}
}
