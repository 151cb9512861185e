//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// These tests play whole runs with the real binary against real processes.

// binary builds brunt once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "brunt-e2e")
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "brunt")
	out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build brunt: %w\n%s", err, out)
	}
	return exe, nil
})

func build(t *testing.T) string {
	t.Helper()
	exe, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// An ended command.
type ended struct {
	code           int
	stdout, stderr string
}

// start starts brunt; the returned function waits for its end.
func start(t *testing.T, args ...string) (*exec.Cmd, func() ended) {
	t.Helper()
	cmd := exec.Command(build(t), args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(filepath.Dir(build(t)), "state"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A proxy that outlives brunt holds its stderr; do not wait for that.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, func() ended {
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
			t.Fatal(err)
		}
		return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

// leftovers are the processes that still run brunt's binary.
func leftovers(t *testing.T) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == build(t) {
			cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
			if err != nil {
				continue // it ended just now
			}
			found = append(found, filepath.Dir(link)+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}

// until waits for what must come true within the bound.
func until(t *testing.T, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

func noneLeft(t *testing.T) {
	t.Helper()
	until(t, 5*time.Second, "every process is gone", func() bool { return len(leftovers(t)) == 0 })
}

type verdictFile struct {
	Verdict string `json:"verdict"`
	Cause   string `json:"cause"`
	Loads   map[string]struct {
		Offered, Sent, Completed, Dropped int64
	} `json:"loads"`
}

func verdict(t *testing.T, dir string) verdictFile {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v verdictFile
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestE2EHelloPasses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	_, wait := start(t, "run", "../../examples/hello.yaml", "--out", dir)
	got := wait()
	if got.code != exitPass || verdict(t, dir).Verdict != "pass" {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	noneLeft(t)
}

func TestE2EHelloFailFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	_, wait := start(t, "run", "../../examples/hello-fail.yaml", "--out", dir)
	got := wait()
	if got.code != exitFail || verdict(t, dir).Verdict != "fail" {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	noneLeft(t)
}

// Ctrl-C in the middle, with the stack up: interrupted, reported, all gone.
func TestE2EInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	cmd, wait := start(t, "run", "../../examples/hello.yaml", "--out", dir)
	until(t, 30*time.Second, "the run has begun", func() bool { return exists(filepath.Join(dir, "latency.hlog")) })
	time.Sleep(3 * time.Second)
	sendSignal(t, cmd.Process.Pid, syscall.SIGINT)
	if got := wait(); got.code != exitInterrupted {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	if v := verdict(t, dir).Verdict; v == "pass" {
		t.Error("an interrupted run must not pass")
	}
	noneLeft(t)
}

// kill -9 in the middle: the stack does not outlive brunt, and what was
// recorded up to then can be read.
func TestE2EKilledStackIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	// The run's proxy passes traffic until the run would have ended, a minute
	// later; the tests that follow look for processes of their own.
	t.Cleanup(func() {
		for _, p := range leftovers(t) {
			if pid, err := strconv.Atoi(filepath.Base(strings.Fields(p)[0])); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		noneLeft(t)
	})
	cmd, wait := start(t, "run", "../../examples/hello.yaml", "--out", dir)
	until(t, 30*time.Second, "the run has begun", func() bool { return size(filepath.Join(dir, "latency.hlog")) > 4096 })
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	wait()
	until(t, 5*time.Second, "the stack is gone", func() bool {
		for _, p := range leftovers(t) {
			if strings.Contains(p, " shop ") {
				return false
			}
		}
		return true
	})
	_, wait = start(t, "report", dir)
	if got := wait(); got.code != 0 || !strings.Contains(got.stdout, "INCONCLUSIVE") {
		t.Errorf("exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
	_, wait = start(t, "undo", dir)
	if got := wait(); got.code != 0 {
		t.Errorf("undo: exit %d\n%s\n%s", got.code, got.stdout, got.stderr)
	}
}

// kill -9 while a proxy slows its upstream: the proxy drops its toxics and
// passes traffic through.
func TestE2EProxyOutlivesBrunt(t *testing.T) {
	dir := t.TempDir()
	upstream := echo(t)
	listen := freePort(t)
	scenario := write(t, dir, "slow.yaml", fmt.Sprintf(`
version: 1
name: slow
target:
  hosts: [%q]
  proxies: { web: { listen: %q, upstream: %q } }
loads:
  web: { http: { base: "http://%s" }, steps: [{ get: / }] }
phases:
  - name: all
    for: 20s
    load: { web: 5/s }
    faults:
      slow: { at: 1s, for: 15s, proxy: { on: web, latency: 2s } }
`, listen, listen, upstream, listen))
	run := filepath.Join(dir, "run")
	cmd, wait := start(t, "run", scenario, "--out", run)
	until(t, 15*time.Second, "the proxy is slow", func() bool { return roundTrip(listen) > time.Second })
	sendSignal(t, cmd.Process.Pid, syscall.SIGKILL)
	wait()
	until(t, 10*time.Second, "the proxy passes traffic untouched", func() bool {
		took := roundTrip(listen)
		return took > 0 && took < time.Second
	})
	until(t, 60*time.Second, "the proxy ends when the run would have ended", func() bool { return roundTrip(listen) == 0 })
}

// echo is an HTTP server of one answer, on loopback.
func echo(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buffer := make([]byte, 4096)
				for {
					if _, err := conn.Read(buffer); err != nil {
						return
					}
					if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// roundTrip is how long a request takes; 0 when it fails.
func roundTrip(address string) time.Duration {
	began := time.Now()
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return 0
	}
	defer conn.Close()
	if err := conn.SetDeadline(began.Add(5 * time.Second)); err != nil {
		return 0
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return 0
	}
	if _, err := conn.Read(make([]byte, 64)); err != nil {
		return 0
	}
	return time.Since(began)
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func sendSignal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// processState is the letter of /proc/PID/stat.
func processState(t *testing.T, pid int) byte {
	t.Helper()
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[0]
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func exists(path string) bool { return size(path) >= 0 }

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}
