//go:build linux

package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/process"
)

// childVariable makes the test binary a victim: "idle", or "listen", which
// listens on file descriptor 3 that it inherited.
const childVariable = "BRUNT_PROCESS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		fmt.Println("up")
		if os.Getenv(childVariable) == "open" {
			openAll()
		}
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes it
		syscall.Exit(0)                      // without the race detector's pause
	}
	chaostest.Main(m, process.Kind, process.Mend)
}

// openAll opens files, once it is told to, until it may not open more, and
// prints how many it has.
func openAll() {
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	highest := 0
	for {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0)
		if err != nil {
			fmt.Println(highest+1, err)
			syscall.Exit(0)
		}
		highest = fd
	}
}

// A child is a real process to break. Its parent reaps it at once, so that it
// vanishes when it dies.
type child struct {
	pid  int
	done chan struct{}
}

func start(t *testing.T, files ...*os.File) child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startAs(t, exe, nil, files...)
}

// startAs starts the program under another name or with arguments.
func startAs(t *testing.T, exe string, args []string, files ...*os.File) child {
	t.Helper()
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.ExtraFiles = files
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
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		t.Fatalf("child says %q, %v", line, err)
	}
	c := child{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = stdin.Close()
		<-c.done
	})
	return c
}

// state is the word in /proc/PID/status; "none" when there is no process.
func (c child) state(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
	if errors.Is(err, os.ErrNotExist) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	_, state, _ := strings.Cut(string(text), "State:\t")
	state, _, _ = strings.Cut(state, " ")
	if state == "R" || state == "S" || state == "D" {
		return "alive"
	}
	return state
}

func (c child) pidFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pid")
	if err := os.WriteFile(path, []byte(strconv.Itoa(c.pid)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func make1(t *testing.T, c process.Config, env chaos.Env) chaos.Fault {
	t.Helper()
	env.Fault = "victim"
	fault, err := process.New(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

func TestContract(t *testing.T) {
	for _, test := range []struct {
		name                string
		config              func(t *testing.T, c child) (process.Config, chaos.Env)
		oneShot, oneProcess bool
	}{
		{
			name: "pause by stack name",
			config: func(t *testing.T, c child) (process.Config, chaos.Env) {
				return process.Config{Pause: &process.Target{Name: "shop-1"}}, chaos.Env{Processes: map[string]string{"shop-1": c.pidFile(t)}}
			},
		},
		{
			name: "kill by pid",
			config: func(_ *testing.T, c child) (process.Config, chaos.Env) {
				return process.Config{Kill: &process.Target{Pid: c.pid}}, chaos.Env{}
			},
			oneShot: true,
		},
		{
			name: "terminate by pid file",
			config: func(t *testing.T, c child) (process.Config, chaos.Env) {
				return process.Config{Terminate: &process.Target{PidFile: c.pidFile(t)}}, chaos.Env{}
			},
			oneShot: true, oneProcess: true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: process.Kind, Mend: process.Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					c := start(t)
					config, env := test.config(t, c)
					if process.OneShot(config) != test.oneShot {
						t.Errorf("OneShot = %t", !test.oneShot)
					}
					return chaostest.Target{Fault: make1(t, config, env), Look: c.state}
				},
			})
		})
	}
}

// A fault on several processes, one of which dies between Prepare and Inject:
// inject fails half-way, and undo mends the other.
func TestContractHalfWay(t *testing.T) {
	chaostest.Run(t, chaostest.Subject{
		Kind: process.Kind, Mend: process.Mend,
		Target: func(t *testing.T) chaostest.Target {
			file, port := listener(t)
			first, second := start(t, file), start(t, file)
			_ = file.Close()
			return chaostest.Target{
				Fault: make1(t, process.Config{Pause: &process.Target{Port: port, Pick: "all"}}, chaos.Env{}),
				Look:  func(t *testing.T) string { return first.state(t) + " " + second.state(t) },
				Spoil: func(t *testing.T) { second.kill(t) },
			}
		},
	})
}

func (c child) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-c.done
}

// listener is a listening socket to be handed to children; this process does
// not listen itself once the file is closed.
func listener(t *testing.T) (*os.File, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file, l.Addr().(*net.TCPAddr).Port
}

func TestByPort(t *testing.T) {
	file, port := listener(t)
	oldest := start(t, file)
	// Start times have hundredths of a second; the second child must be
	// younger by one of them.
	for started := startTicks(t, oldest.pid); startTicks(t, start(t).pid) == started; {
	}
	newest := start(t, file)
	_ = file.Close()
	for _, test := range []struct {
		pick string
		want []int  // pids in the receipt's targets
		err  string // part of the error
	}{
		{pick: "", err: "there are 2"}, // never a guess
		{pick: "oldest", want: []int{oldest.pid}},
		{pick: "newest", want: []int{newest.pid}},
		{pick: "all", want: []int{oldest.pid, newest.pid}},
	} {
		receipt, err := make1(t, process.Config{Kill: &process.Target{Port: port, Pick: test.pick}}, chaos.Env{}).Prepare(t.Context())
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("pick %q: error %v, want one with %q", test.pick, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("pick %q: %v", test.pick, err)
			continue
		}
		got := strings.Join(receipt.Targets, " ")
		for _, pid := range test.want {
			if !strings.Contains(got, fmt.Sprintf("process %d ", pid)) {
				t.Errorf("pick %q: targets %s, want %v", test.pick, got, test.want)
			}
		}
		if len(receipt.Targets) != len(test.want) {
			t.Errorf("pick %q: targets %s, want %v", test.pick, got, test.want)
		}
	}
}

func startTicks(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))[20]
}

func TestPrepareRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()

	dead := start(t)
	dead.kill(t)
	young := start(t)
	stale := young.pidFile(t)
	if err := os.Chtimes(stale, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	senseless := filepath.Join(t.TempDir(), "bad.pid")
	if err := os.WriteFile(senseless, []byte("nginx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		target process.Target
		want   string
	}{
		"init":                 {process.Target{Pid: 1}, "never touched"},
		"brunt itself":         {process.Target{Pid: os.Getpid()}, "brunt itself"},
		"brunt itself by port": {process.Target{Port: l.Addr().(*net.TCPAddr).Port}, "brunt itself"},
		"what started brunt":   {process.Target{Pid: os.Getppid()}, "started brunt"},
		"a dead process":       {process.Target{Pid: dead.pid}, "gone"},
		"a stale pid file":     {process.Target{PidFile: stale}, "stale"}, // the pid was used again
		"a senseless pid file": {process.Target{PidFile: senseless}, "not a process id"},
		"no pid file":          {process.Target{PidFile: senseless + ".not"}, "no such file"},
		"a port nobody has":    {process.Target{Port: free.Addr().(*net.TCPAddr).Port}, "nothing listens"},
	} {
		_, err := make1(t, process.Config{Kill: &test.target}, chaos.Env{}).Prepare(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

// Someone else has stopped the process: pausing it would end with our undo
// letting run what they meant to keep stopped.
func TestPauseOfStopped(t *testing.T) {
	c := start(t)
	if err := syscall.Kill(c.pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for c.state(t) != "T" {
	}
	_, err := make1(t, process.Config{Pause: &process.Target{Pid: c.pid}}, chaos.Env{}).Prepare(t.Context())
	if !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("prepare: %v, want a conflict", err)
	}
	if c.state(t) != "T" {
		t.Error("prepare let the process run")
	}
}

// The process dies while it is paused: there is nothing left to undo.
func TestPausedVanishes(t *testing.T) {
	c := start(t)
	fault := make1(t, process.Config{Pause: &process.Target{Pid: c.pid}}, chaos.Env{})
	receipt := mustInject(t, fault)
	c.kill(t)
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Errorf("undo: %v", err)
	}
	if state, err := fault.Verify(t.Context(), receipt); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
}

// The receipt's pid belongs to another process now, or the machine has been
// started anew: nothing is sent to it.
func TestReusedPid(t *testing.T) {
	c := start(t)
	fault := make1(t, process.Config{Pause: &process.Target{Pid: c.pid}}, chaos.Env{})
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := receipt
	other.Data = []byte(strings.Replace(string(receipt.Data), `"start_ticks":`, `"start_ticks":1`, 1))
	if err := fault.Inject(t.Context(), other); err == nil {
		t.Error("inject: no error")
	}
	if state, err := fault.Verify(t.Context(), other); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
	if c.state(t) != "alive" {
		t.Error("another process was paused")
	}

	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	rebooted := receipt
	rebooted.Data = []byte(strings.Replace(string(receipt.Data), `"boot":"`, `"boot":"0`, 1))
	for _, r := range []chaos.Receipt{other, rebooted} {
		if err := fault.Undo(t.Context(), r); err != nil {
			t.Errorf("undo: %v", err)
		}
	}
	if state, err := chaos.Await(t.Context(), fault, receipt, chaos.Active); state != chaos.Active {
		t.Errorf("another process was let run: %s, %v", state, err)
	}
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
}

// A process that ignores SIGTERM was not terminated, whatever kill(2) said.
func TestTerminateIgnored(t *testing.T) {
	c := start(t)
	fault := make1(t, process.Config{Terminate: &process.Target{Pid: c.pid}}, chaos.Env{})
	if err := syscall.Kill(c.pid, syscall.SIGSTOP); err != nil { // as deaf as can be
		t.Fatal(err)
	}
	receipt := mustInject(t, fault)
	if state, err := fault.Verify(t.Context(), receipt); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
}

func mustInject(t *testing.T, fault chaos.Fault) chaos.Receipt {
	t.Helper()
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(context.WithoutCancel(t.Context()), receipt); err != nil {
		t.Fatal(err)
	}
	return receipt
}

func TestConfig(t *testing.T) {
	defer goleak.VerifyNone(t)
	shop := &process.Target{Name: "shop-2"}
	for _, test := range []struct {
		config process.Config
		what   string
		err    string // part of New's error
	}{
		{config: process.Config{Kill: shop}, what: "kill shop-2"},
		{config: process.Config{Pause: &process.Target{Port: 8080}}, what: "pause the process on port 8080"},
		{config: process.Config{Terminate: &process.Target{Pid: 12}}, what: "terminate process 12"},
		{config: process.Config{Kill: &process.Target{PidFile: "a.pid"}}, what: "kill the process of a.pid"},
		{config: process.Config{}, what: "nothing", err: "exactly one of kill, terminate, pause and limit"},
		{config: process.Config{Kill: &process.Target{}}, what: "kill the process on port 0", err: "kill: exactly one of name"},
		{config: process.Config{Kill: &process.Target{Name: "shop-2", Port: 1}}, what: "kill shop-2", err: "there are 2"},
		{config: process.Config{Kill: &process.Target{Name: "shop-2", Pick: "all"}}, what: "kill shop-2", err: "kill.pick"},
		{config: process.Config{Kill: &process.Target{Name: "shop-9"}}, what: "kill shop-9", err: "there are lb, shop-2"},
	} {
		_, err := process.New(test.config, chaos.Env{Fault: "x", Processes: map[string]string{"shop-2": "", "lb": ""}})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("New(%s): error %v, want %q", test.what, err, test.err)
		}
		if got := process.What(test.config); got != test.what {
			t.Errorf("What = %q, want %q", got, test.what)
		}
	}
	// Both actions at once: What may name either.
	if _, err := process.New(process.Config{Kill: shop, Pause: shop}, chaos.Env{}); err == nil {
		t.Error("kill and pause at once: no error")
	}
	// Names are not known yet: that is for Prepare to find out.
	if _, err := process.New(process.Config{Kill: shop}, chaos.Env{}); err != nil {
		t.Errorf("before the stack runs: %v", err)
	}
}
