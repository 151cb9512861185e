//go:build linux

package stress_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/stress"
)

// bruntVariable makes the test binary a brunt that injects the fault whose
// configuration is named, says "injected" and waits to be killed.
const bruntVariable = "BRUNT_STRESS_TEST_BRUNT"

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == stress.Command:
		os.Exit(stress.Main(os.Args[2:]))
	case os.Getenv(bruntVariable) != "":
		fmt.Println(brunt(os.Getenv(bruntVariable)))
		select {}
	}
	chaostest.Main(m, stress.Kind, stress.Mend)
}

// brunt is the other process: it fills dir, and dies with the fault on.
func brunt(dir string) string {
	fault, err := stress.New(stress.Config{Fill: &stress.DiskFill{Dir: dir, Size: 4 << 20, Reserve: small}}, chaos.Env{Fault: "orphan"})
	if err != nil {
		return err.Error()
	}
	receipt, err := fault.Prepare(context.Background())
	if err == nil {
		err = fault.Inject(context.Background(), receipt)
	}
	if err != nil {
		return err.Error()
	}
	return "injected " + receipt.ID
}

// small is a reserve that every machine has.
const small = 1 << 20

// onDisk is an empty folder that is not in memory: beside the tests where the
// place for temporary files is.
func onDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	if s.Type != unix.TMPFS_MAGIC {
		return dir
	}
	dir, err := os.MkdirTemp(".", "ondisk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// look tells which helpers this process or a child of it has, from the words
// on command lines, and what is in the folder.
func look(dir string) func(t *testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d helpers, %d files", len(children(t)), len(entries))
	}
}

// children are the pids of live helpers whose parent is this process.
func children(t *testing.T) []int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, name := range lines {
		text, _ := os.ReadFile(name) // it may have ended meanwhile
		if !strings.Contains(string(text), "\x00stress\x00brunt-fault:") {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
		if parent(pid) == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func parent(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(text), "PPid:\t")
	n, _ := strconv.Atoi(strings.SplitN(rest, "\n", 2)[0])
	return n
}

func newFault(t *testing.T, c stress.Config, env chaos.Env) chaos.Fault {
	t.Helper()
	env.Fault = "squeeze"
	fault, err := stress.New(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

// bye ends helpers that a failed test left.
func bye(t *testing.T) {
	t.Cleanup(func() {
		for _, pid := range children(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
}

func TestContract(t *testing.T) {
	for _, test := range []struct {
		name       string
		config     func(dir string) stress.Config
		oneProcess bool
	}{
		{name: "cpu", config: func(string) stress.Config {
			return stress.Config{CPU: &stress.CPU{Workers: 1, Load: 0.2}}
		}},
		{name: "memory", config: func(string) stress.Config {
			return stress.Config{Memory: &stress.Memory{Size: 40 << 20, Reserve: small}}
		}},
		{name: "io", config: func(dir string) stress.Config {
			return stress.Config{IO: &stress.IO{Dir: dir, Size: 2 << 20, Workers: 2, Reserve: small}}
		}},
		{name: "disk fill", config: func(dir string) stress.Config {
			return stress.Config{Fill: &stress.DiskFill{Dir: dir, Size: 20 << 20, Reserve: small}}
		}},
		{name: "all at once", oneProcess: true, config: func(dir string) stress.Config {
			return stress.Config{
				CPU:    &stress.CPU{Workers: 1, Load: 0.1},
				Memory: &stress.Memory{Size: 8 << 20, Reserve: small},
				IO:     &stress.IO{Dir: dir, Size: 1 << 20, Reserve: small},
				Fill:   &stress.DiskFill{Dir: dir, Size: 1 << 20, Reserve: small},
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: stress.Kind, Mend: stress.Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					dir := onDisk(t)
					bye(t)
					return chaostest.Target{Fault: newFault(t, test.config(dir), chaos.Env{For: time.Minute}), Look: look(dir)}
				},
			})
		})
	}
}

// The folder goes between Prepare and Inject: the helper cannot begin.
func TestContractFolderGone(t *testing.T) {
	chaostest.Run(t, chaostest.Subject{
		Kind: stress.Kind, Mend: stress.Mend, OneProcess: true,
		Target: func(t *testing.T) chaostest.Target {
			dir := filepath.Join(t.TempDir(), "x")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			bye(t)
			config := stress.Config{Fill: &stress.DiskFill{Dir: dir, Size: 1 << 20, Reserve: small}}
			return chaostest.Target{
				Fault: newFault(t, config, chaos.Env{}), Look: look(dir),
				Spoil: func(t *testing.T) {
					if err := os.Remove(dir); err != nil {
						t.Fatal(err)
					}
				},
			}
		},
	})
}

func injected(t *testing.T, fault chaos.Fault) chaos.Receipt {
	t.Helper()
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	return receipt
}

func await(t *testing.T, receipt chaos.Receipt, want chaos.State) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if saw, err := chaos.Await(ctx, stress.Mend(), receipt, want); saw != want || err != nil {
		t.Fatalf("verify: %q, %v; want %q", saw, err, want)
	}
}

// A helper without brunt: its parent is killed with SIGKILL, and it ends by
// itself because its lifeline breaks.
func TestEndsWithBrunt(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), bruntVariable+"="+dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var word, id string
	if _, err := fmt.Fscan(stdout, &word, &id); err != nil || word != "injected" {
		t.Fatalf("the other brunt says %q %q, %v", word, id, err)
	}
	receipt, ok := owned(t, id)
	if !ok {
		t.Fatal("the helper is not found by its mark")
	}
	await(t, receipt, chaos.Active)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, receipt, chaos.Gone)
	if _, still := owned(t, id); still {
		t.Error("the helper is still there")
	}
}

func owned(t *testing.T, id string) (chaos.Receipt, bool) {
	t.Helper()
	receipts, err := stress.Owned()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		if r.ID == id {
			return r, true
		}
	}
	return chaos.Receipt{}, false
}

// The helper ends by itself at the fault's end, whatever brunt does. The
// expiry is what the receipt says.
func TestEndsInTime(t *testing.T) {
	bye(t)
	fault := newFault(t, stress.Config{Memory: &stress.Memory{Size: 1 << 20, Reserve: small}}, chaos.Env{For: time.Minute})
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := string(receipt.Data)
	receipt.Data = []byte(strings.Replace(text, `"ttl_ns":70000000000`, `"ttl_ns":10000000`, 1))
	if string(receipt.Data) == text {
		t.Fatalf("the time to live is not the fault's time and 10 s: %s", text)
	}
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	await(t, receipt, chaos.Gone)
}

// What Owned finds is enough to undo: `brunt undo --all` has nothing else.
func TestOwned(t *testing.T) {
	bye(t)
	before := time.Now()
	mine := injected(t, newFault(t, stress.Config{CPU: &stress.CPU{Workers: 1, Load: 0.05}}, chaos.Env{}))
	found, ok := owned(t, mine.ID)
	if !ok {
		t.Fatal("the helper is not found")
	}
	if string(found.Data) != string(mine.Data) || found.Fault != "squeeze" || found.Kind != stress.Kind {
		t.Errorf("found %+v; it was injected as %+v", found, mine)
	}
	if d := found.Made.Sub(before); d < -time.Minute || d > time.Minute {
		t.Errorf("found to have started at %s, at %s", found.Made, before)
	}
	if err := stress.Mend().Undo(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	await(t, mine, chaos.Gone)
}

// A helper that is stopped holds what it took, and is undone all the same.
func TestUndoOfStopped(t *testing.T) {
	bye(t)
	fault := newFault(t, stress.Config{Memory: &stress.Memory{Size: 4 << 20, Reserve: small}}, chaos.Env{})
	receipt := injected(t, fault)
	for _, pid := range children(t) {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	await(t, receipt, chaos.Gone)
}

// A stopped worker has no effect, and Verify does not say it has.
func TestStoppedIsIneffective(t *testing.T) {
	bye(t)
	fault := newFault(t, stress.Config{CPU: &stress.CPU{Workers: 1, Load: 0.5}}, chaos.Env{})
	receipt := injected(t, fault)
	for _, pid := range children(t) {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	if state, err := fault.Verify(t.Context(), receipt); !errors.Is(err, chaos.ErrNoEvidence) {
		t.Errorf("verify: %q, %v; want no evidence", state, err)
	}
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
}

// The helper died between making its file and unlinking it.
func TestFileLeftBehind(t *testing.T) {
	dir := t.TempDir()
	fault := newFault(t, stress.Config{Fill: &stress.DiskFill{Dir: dir, Size: 1 << 20, Reserve: small}}, chaos.Env{})
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, ".brunt-stress-"+receipt.ID+"-fill")
	others := filepath.Join(dir, ".brunt-stress-another-0123456789abcdef-fill")
	for _, name := range []string{mine, others} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := fault.Inject(t.Context(), receipt); err == nil {
		t.Error("inject took a file that it did not make")
	}
	if state, err := fault.Verify(t.Context(), receipt); err == nil {
		t.Errorf("verify: %s, though a file is left behind", state)
	}
	if err := stress.Mend().Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	await(t, receipt, chaos.Gone)
	if _, err := os.Stat(others); err != nil {
		t.Errorf("another receipt's file: %v", err)
	}

	// Someone put a folder of that name there: it is not ours.
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := stress.Mend().Undo(t.Context(), receipt); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("undo: %v; want a conflict", err)
	}
}

// From another pid namespace, or as another user, no helper seen means nothing.
func TestElsewhere(t *testing.T) {
	fault := newFault(t, stress.Config{CPU: &stress.CPU{Workers: 1}}, chaos.Env{})
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	other := receipt
	other.Data = []byte(strings.Replace(string(receipt.Data), namespace, "pid:[1]", 1))
	if state, err := stress.Mend().Verify(t.Context(), other); err == nil {
		t.Errorf("verify from another pid namespace: %s", state)
	}
	if err := stress.Mend().Undo(t.Context(), other); err == nil {
		t.Error("undo from another pid namespace: no error")
	}
}

// The machine has been started anew: the helper cannot be there.
func TestAfterReboot(t *testing.T) {
	bye(t)
	fault := newFault(t, stress.Config{CPU: &stress.CPU{Workers: 1}}, chaos.Env{})
	receipt := injected(t, fault)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	old := receipt
	old.Data = []byte(strings.Replace(string(receipt.Data), strings.TrimSpace(string(boot)), "another", 1))
	if state, err := fault.Verify(t.Context(), old); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config stress.Config
		want   string
	}{
		"more workers than cores":      {stress.Config{CPU: &stress.CPU{Workers: 100_000}}, "there are"},
		"all memory there is and more": {stress.Config{Memory: &stress.Memory{Size: 1 << 60}}, "are to stay available"},
		"memory's reserve":             {stress.Config{Memory: &stress.Memory{Size: 1 << 20, Reserve: 1 << 60}}, "are to stay available"},
		"disk's reserve":               {stress.Config{Fill: &stress.DiskFill{Dir: dir, Size: 1 << 20, Reserve: 1 << 60}}, "are to stay free"},
		"more than the disk has":       {stress.Config{Fill: &stress.DiskFill{Dir: dir, Size: 1 << 62}}, "are to stay free"},
		"writers' reserve":             {stress.Config{IO: &stress.IO{Dir: onDisk(t), Size: 1 << 20, Reserve: 1 << 60}}, "are to stay free"},
		"a disk that is full enough":   {stress.Config{Fill: &stress.DiskFill{Dir: dir, UntilFree: 1 << 60}}, "nothing to fill"},
		"no folder":                    {stress.Config{Fill: &stress.DiskFill{Dir: dir + "/none", Size: 1 << 20}}, "no such file"},
		"a file":                       {stress.Config{Fill: &stress.DiskFill{Dir: file, Size: 1 << 20}}, "not a folder"},
		"a disk that is none":          {stress.Config{IO: &stress.IO{Dir: "/dev/shm"}}, "in memory"},
	} {
		_, err := newFault(t, test.config, chaos.Env{}).Prepare(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

func TestMeasure(t *testing.T) {
	bye(t)
	fault := newFault(t, stress.Config{
		CPU:    &stress.CPU{Workers: 1, Load: 0.1},
		Memory: &stress.Memory{Size: 1 << 20, Reserve: small},
		IO:     &stress.IO{Dir: onDisk(t), Size: 1 << 20, Reserve: small},
		Fill:   &stress.DiskFill{Dir: t.TempDir(), Size: 1 << 20, Reserve: small},
	}, chaos.Env{})
	receipt := injected(t, fault)
	text, err := fault.(chaos.Measurer).Measure(t.Context(), receipt)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"cores busy", "memory taken", "written", "disk space taken"} {
		if !strings.Contains(text, want) {
			t.Errorf("measured %q, and nothing of %q", text, want)
		}
	}
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if text, err := fault.(chaos.Measurer).Measure(t.Context(), receipt); err == nil {
		t.Errorf("measured %q of a helper that has ended", text)
	}
}

// What no helper is to be started with ends at once, and says why.
func TestMainRefuses(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"nothing":           nil,
		"no mark":           {"x", "{}"},
		"no orders":         {"brunt-fault:x-0123456789abcdef", "{}"},
		"no ID":             {"brunt-fault:../x", `{"boot":"b","pid_namespace":"n","ttl_ns":1,"cpu":{"workers":1,"load":0.1}}`},
		"too much of a cpu": {"brunt-fault:x-0123456789abcdef", `{"boot":"b","pid_namespace":"n","ttl_ns":1000000,"cpu":{"workers":100000,"load":0.1}}`},
	} {
		cmd := exec.Command(exe, append([]string{stress.Command}, args...)...)
		if out, err := cmd.CombinedOutput(); err == nil || len(out) == 0 {
			t.Errorf("%s: %v, %q", name, err, out)
		}
	}
}
