//go:build linux

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/process"
)

// needRoot: what is limited here is limited for real, in real control groups.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("limiting processes needs root")
	}
}

// limits tells everything that a limit may change about a process, and which
// control groups brunt has on this machine for it.
func (c child) limits(t *testing.T) string {
	t.Helper()
	var parts []string
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.pid))
	if errors.Is(err, os.ErrNotExist) {
		parts = append(parts, "no process")
	}
	for _, line := range strings.Split(string(groups), "\n") {
		if strings.Contains(line, "cpu") || strings.Contains(line, "memory") || strings.HasPrefix(line, "0:") {
			parts = append(parts, line)
		}
	}
	if limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.pid)); err == nil {
		_, files, _ := strings.Cut(string(limits), "Max open files")
		files, _, _ = strings.Cut(files, "\n")
		parts = append(parts, "files "+strings.Join(strings.Fields(files), " "))
	}
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", c.pid))
	nices := map[int]bool{}
	for _, task := range tasks {
		tid, _ := strconv.Atoi(filepath.Base(task))
		// The system call gives 20 − nice.
		if nice, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil {
			nices[20-nice] = true
		}
	}
	parts = append(parts, fmt.Sprint("nice ", nices))
	parts = append(parts, ownGroups(t, c.pid)...)
	return strings.Join(parts, "; ")
}

// ownGroups are brunt's control groups for a process.
func ownGroups(t *testing.T, pid int) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), "brunt-limit-") && strings.HasSuffix(strings.Split(entry.Name(), "@")[0], fmt.Sprint("-", pid)) {
			found = append(found, path)
		}
		return nil // what vanishes meanwhile is somebody else's
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestContractLimits(t *testing.T) {
	needRoot(t)
	for name, config := range map[string]process.Config{
		"cpus":   {CPUs: 0.2},
		"memory": {Memory: 64 << 20},
		"files":  {Files: 20},
		"nice":   {Nice: 12},
		"all":    {CPUs: 0.5, Memory: 128 << 20, Files: 30, Nice: -3},
	} {
		t.Run(name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: process.Kind, Mend: process.Mend, OneProcess: name != "all",
				Target: func(t *testing.T) chaostest.Target {
					c := start(t)
					config := config
					config.Limit = &process.Target{Pid: c.pid}
					return chaostest.Target{Fault: make1(t, config, chaos.Env{}), Look: c.limits}
				},
			})
		})
	}
}

// One of two processes dies between Prepare and Inject: the other is as it was
// after the undo, and no group is left.
func TestContractLimitsHalfWay(t *testing.T) {
	needRoot(t)
	chaostest.Run(t, chaostest.Subject{
		Kind: process.Kind, Mend: process.Mend, OneProcess: true,
		Target: func(t *testing.T) chaostest.Target {
			file, port := listener(t)
			first, second := start(t, file), start(t, file)
			_ = file.Close()
			return chaostest.Target{
				Fault: make1(t, process.Config{Limit: &process.Target{Port: port, Pick: "all"}, CPUs: 0.3, Files: 25, Nice: 4}, chaos.Env{}),
				Look:  func(t *testing.T) string { return first.limits(t) + " | " + second.limits(t) },
				Spoil: func(t *testing.T) { second.kill(t) },
			}
		},
	})
}

// The process dies while it is limited: its group is removed, and it is gone.
func TestLimitedVanishes(t *testing.T) {
	needRoot(t)
	c := start(t)
	fault := make1(t, process.Config{Limit: &process.Target{Pid: c.pid}, CPUs: 0.2, Memory: 64 << 20, Nice: 3}, chaos.Env{})
	receipt := mustInject(t, fault)
	c.kill(t)
	if err := process.Mend().Undo(t.Context(), receipt); err != nil {
		t.Errorf("undo: %v", err)
	}
	if state, err := fault.Verify(t.Context(), receipt); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
	if left := c.limits(t); strings.Contains(left, "brunt") {
		t.Errorf("left behind: %s", left)
	}
}

// Someone else changes what the fault has set: it is theirs now, and both are
// named.
func TestLimitConflicts(t *testing.T) {
	needRoot(t)
	for name, test := range map[string]struct {
		config process.Config
		change func(t *testing.T, pid int)
		want   []string // in the error
	}{
		"nice": {
			config: process.Config{Nice: 5},
			change: func(t *testing.T, pid int) {
				tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
				for _, task := range tasks {
					tid, _ := strconv.Atoi(filepath.Base(task))
					if err := unix.Setpriority(unix.PRIO_PROCESS, tid, 9); err != nil {
						t.Fatal(err)
					}
				}
			},
			want: []string{"nice 5", "nice 9"},
		},
		"files": {
			config: process.Config{Files: 20},
			change: func(t *testing.T, pid int) {
				if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 77, Max: 99}, nil); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"20 open files", "77 of 99"},
		},
		"group": {
			config: process.Config{CPUs: 0.2},
			change: func(t *testing.T, pid int) {
				other := filepath.Join(cpuMount(t), fmt.Sprintf("elsewhere-%d", pid))
				if err := os.Mkdir(other, 0o755); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { emptyGroup(t, other) })
				if err := os.WriteFile(filepath.Join(other, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
					t.Fatal(err)
				}
			},
			want: []string{"brunt-limit-", "elsewhere-"},
		},
	} {
		c := start(t)
		test.config.Limit = &process.Target{Pid: c.pid}
		fault := make1(t, test.config, chaos.Env{})
		receipt := mustInject(t, fault)
		test.change(t, c.pid)
		theirs := c.limits(t)
		err := fault.Undo(t.Context(), receipt)
		if !errors.Is(err, chaos.ErrConflict) {
			t.Errorf("%s: undo: %v, want a conflict", name, err)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not name %q", name, err, part)
			}
		}
		if now := c.limits(t); name != "group" && now != theirs {
			t.Errorf("%s: undo changed what was someone else's from %s to %s", name, theirs, now)
		}
	}
}

// cpuMount is where the cpu controller is mounted.
func cpuMount(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			return dir
		}
	}
	t.Fatal("no control groups are mounted")
	return ""
}

// emptyGroup gives a group's processes back to the one above, and removes it.
func emptyGroup(t *testing.T, dir string) {
	t.Helper()
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for _, pid := range strings.Fields(string(text)) {
		_ = os.WriteFile(filepath.Join(filepath.Dir(dir), "cgroup.procs"), []byte(pid), 0o644)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("remove group: %v", err)
	}
}

// A unit's processes are those of the control group with its name: here one
// that the test makes, since no systemd runs on every machine. What systemctl
// says is not asked.
func TestByUnit(t *testing.T) {
	needRoot(t)
	root := "/sys/fs/cgroup/systemd"
	if _, err := os.Stat(root); err != nil {
		root = cpuMount(t)
	}
	unit := fmt.Sprintf("brunt-test-%d.service", os.Getpid())
	dir := filepath.Join(root, "brunt-test.slice", unit, "workers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	main, worker := start(t), start(t)
	t.Cleanup(func() {
		emptyGroup(t, dir)
		emptyGroup(t, filepath.Dir(dir))
		emptyGroup(t, filepath.Dir(filepath.Dir(dir)))
	})
	for group, c := range map[string]child{filepath.Dir(dir): main, dir: worker} {
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(c.pid)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	receipt, err := make1(t, process.Config{Kill: &process.Target{Unit: unit, Pick: "all"}}, chaos.Env{}).Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []child{main, worker} {
		if !strings.Contains(strings.Join(receipt.Targets, " "), fmt.Sprintf("process %d ", c.pid)) {
			t.Errorf("targets %v lack %d", receipt.Targets, c.pid)
		}
	}
	_, err = make1(t, process.Config{Kill: &process.Target{Unit: "brunt-no-such.service"}}, chaos.Env{}).Prepare(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no unit called brunt-no-such.service") {
		t.Errorf("a unit that is not there: %v", err)
	}
}

// A program is named by its file, and what came since the fault began is found.
func TestFollowProgram(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), fmt.Sprintf("victim-%d", os.Getpid()))
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	target := process.Target{Program: filepath.Base(link), Pick: "all"}
	fault := make1(t, process.Config{Pause: &target}, chaos.Env{}).(chaos.Follower)
	if err := fault.Follows(); err != nil {
		t.Errorf("follows: %v", err)
	}
	if _, err := fault.Prepare(t.Context()); !errors.Is(err, chaos.ErrNoTarget) {
		t.Errorf("nothing runs it yet: %v", err)
	}
	first := startAs(t, link, nil)
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fault.Follow(t.Context(), []chaos.Receipt{receipt}); !errors.Is(err, chaos.ErrNoTarget) {
		t.Errorf("nothing came: %v", err)
	}
	second := startAs(t, link, nil)
	more, err := fault.Follow(t.Context(), []chaos.Receipt{receipt})
	if err != nil || len(more.Targets) != 1 || !strings.Contains(more.Targets[0], strconv.Itoa(second.pid)) || more.ID == receipt.ID {
		t.Errorf("follow: %+v, %v; want %d alone and not %d", more, err, second.pid, first.pid)
	}
	for want, target := range map[string]process.Target{
		"is one process":   {Pid: first.pid},
		"say pick: all":    {Program: "x", Pick: "oldest"},
		"shop-2 is one pr": {Name: "shop-2"},
	} {
		err := make1(t, process.Config{Pause: &target}, chaos.Env{}).(chaos.Follower).Follows()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", target, err, want)
		}
	}
}

// What is limited is felt. Times and sizes are compared with what the same
// process does without the limit, or with the limit itself.
func TestLimitEffects(t *testing.T) {
	needRoot(t)
	shell := func(t *testing.T, script string) (int, *exec.Cmd, *os.File) {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", "read go; "+script)
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = read
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = read.Close()
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = write.Close() })
		return cmd.Process.Pid, cmd, write
	}
	inject := func(t *testing.T, pid int, config process.Config) (chaos.Fault, chaos.Receipt) {
		t.Helper()
		config.Limit = &process.Target{Pid: pid}
		fault := make1(t, config, chaos.Env{})
		receipt := mustInject(t, fault)
		t.Cleanup(func() { _ = fault.Undo(context.Background(), receipt) })
		return fault, receipt
	}
	t.Run("cpus", func(t *testing.T) {
		pid, _, stdin := shell(t, "while :; do :; done")
		fault, receipt := inject(t, pid, process.Config{CPUs: 0.1})
		if _, err := stdin.WriteString("go\n"); err != nil {
			t.Fatal(err)
		}
		// The kernel's own account of having held it back.
		for {
			text, err := fault.(chaos.Measurer).Measure(t.Context(), receipt)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "held back in") && !strings.Contains(text, "held back in 0 ") {
				t.Log(text)
				return
			}
			if t.Context().Err() != nil {
				t.Fatalf("never held back: %s", text)
			}
		}
	})
	t.Run("memory", func(t *testing.T) {
		pid, cmd, stdin := shell(t, "x=$(head -c 64000000 /dev/zero | tr '\\0' x); sleep 60")
		inject(t, pid, process.Config{Memory: 8 << 20})
		if _, err := stdin.WriteString("go\n"); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() && status.ExitStatus() == 0 {
			t.Errorf("it took 64 MB with a limit of 8 MiB: %v", cmd.ProcessState)
		}
	})
	t.Run("files", func(t *testing.T) {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childVariable+"=open")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		out := bufio.NewReader(stdout)
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		inject(t, cmd.Process.Pid, process.Config{Files: 25})
		if _, err := stdin.Write([]byte("go\n")); err != nil {
			t.Fatal(err)
		}
		if said, err := out.ReadString('\n'); said != "25 too many open files\n" {
			t.Errorf("it said %q, %v; want 25 files open and no more", said, err)
		}
	})
}

// What Owned finds by the groups' names alone can be undone from there.
func TestOwned(t *testing.T) {
	needRoot(t)
	c := start(t)
	before := c.limits(t)
	fault := make1(t, process.Config{Limit: &process.Target{Pid: c.pid}, CPUs: 0.2, Memory: 64 << 20}, chaos.Env{})
	receipt := mustInject(t, fault)
	owned, err := process.Owned()
	if err != nil {
		t.Fatal(err)
	}
	mark := receipt.ID[strings.LastIndexByte(receipt.ID, '-'):]
	owned = slices.DeleteFunc(owned, func(r chaos.Receipt) bool { return !strings.HasSuffix(r.ID, mark) })
	if len(owned) != 1 || !slices.Equal(owned[0].Targets, receipt.Targets) {
		t.Fatalf("found %+v, want one for %s", owned, receipt.ID)
	}
	for _, r := range owned {
		if state, err := process.Mend().Verify(t.Context(), r); state != chaos.Active || err != nil {
			t.Errorf("verify %s: %s, %v", r.ID, state, err)
		}
		if err := process.Mend().Undo(t.Context(), r); err != nil {
			t.Errorf("undo %s: %v", r.ID, err)
		}
	}
	if after := c.limits(t); after != before {
		t.Errorf("after undoing what was found: %s; before: %s", after, before)
	}
}
