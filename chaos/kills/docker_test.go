//go:build e2e && linux

package kills

import (
	"encoding/json"
	"errors"
	"fmt"
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

// An engine is a dockerd of the tests' own, in a network namespace of its own,
// with all its data in a temporary folder.
type engine struct {
	host, dir, name string
	cmd             *exec.Cmd
	ended           chan struct{}
}

// dockerd is started when the first container is needed; main_test.go ends it.
var dockerd = sync.OnceValues(startEngine)

// started is the engine that has been started, if one has.
var started *engine

func startEngine() (e *engine, err error) {
	dir, err := os.MkdirTemp("", "brunt") // a short path, for dockerd's own sockets
	if err != nil {
		return nil, err
	}
	e = &engine{dir: dir, host: "unix://" + dir + "/s", name: "brunt-kills-" + strconv.Itoa(os.Getpid()), ended: make(chan struct{})}
	started = e
	for _, args := range [][]string{{"netns", "add", e.name}, {"-n", e.name, "link", "set", "lo", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	log, err := os.Create(dir + "/log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// Not ip netns exec: it hides the cgroups.
	e.cmd = exec.Command("nsenter", "--net=/run/netns/"+e.name, "dockerd", "--host", e.host,
		"--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid", "--storage-driver", "vfs", "--cgroup-parent", "/"+e.name)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start dockerd: %w: install docker.io, iptables and util-linux", err)
	}
	go func() {
		_ = e.cmd.Wait()
		close(e.ended)
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := e.docker("version"); err == nil {
			break
		}
		select {
		case <-e.ended:
			text, _ := os.ReadFile(dir + "/log")
			return nil, fmt.Errorf("dockerd does not start: %s", text)
		default:
		}
		if time.Now().After(deadline) {
			return nil, errors.New("dockerd does not answer")
		}
	}
	// An image of nothing but this test binary, which plays the role of idling.
	build := exec.Command("sh", "-c", `cd "$0" && mkdir image && CGO_ENABLED=0 go build -o image/idle ./idle.go && tar -C image -c idle | docker -H "$1" import - idle`, dir, e.host)
	if err := os.WriteFile(dir+"/idle.go", []byte(idle), 0o600); err != nil {
		return nil, err
	}
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make image: %w: %s", err, out)
	}
	_, err = e.docker("network", "create", "--subnet", "172.31.9.0/24", "back")
	return e, err
}

// idle is the whole content of the containers' image.
const idle = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
}
`

func (e *engine) docker(args ...string) (string, error) {
	out, err := exec.Command("docker", append([]string{"-H", e.host}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// stop ends dockerd and removes all that it leaves.
func (e *engine) stop() error {
	var errs []error
	if e.cmd != nil && e.cmd.Process != nil {
		_ = e.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-e.ended:
		case <-time.After(time.Minute):
			_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
			errs = append(errs, errors.New("dockerd had to be killed"))
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], e.dir) {
			_ = syscall.Unmount(fields[1], syscall.MNT_DETACH)
		}
	}
	errs = append(errs, os.RemoveAll(e.dir), exec.Command("ip", "netns", "del", e.name).Run())
	for _, pattern := range []string{"/sys/fs/cgroup/" + e.name, "/sys/fs/cgroup/*/" + e.name} {
		found, _ := filepath.Glob(pattern)
		for _, cgroup := range found {
			errs = append(errs, os.Remove(cgroup))
		}
	}
	return errors.Join(errs...)
}

// dockerFaults are the forms of the fault; the matrix has the first.
var dockerFaults = []string{"pause", "stop", "disconnect", "limit"}

func dockerArena(t *testing.T, c *cell) *arena {
	e, err := dockerd()
	if err != nil {
		t.Fatal(err)
	}
	label := fmt.Sprintf("cell=%d", number.Add(1))
	var ids []string
	for range 2 {
		// An address of its own: one that the engine picks may be another's by the
		// time it is started again.
		address := fmt.Sprintf("172.31.9.%d", 10+number.Add(1)%240)
		id, err := e.docker("run", "-d", "--network", "back", "--ip", address, "--label", label, "idle", "/idle")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		t.Cleanup(func() { _, _ = e.docker("rm", "-f", id) })
	}
	form := dockerFaults[c.form%len(dockerFaults)]
	more := map[string]string{"stop": ", grace: 1s", "limit": ", cpus: 0.2, memory: 64MiB"}[form]
	return &arena{
		in:      fmt.Sprintf("containers: [%q]", "label:"+label),
		fault:   fmt.Sprintf("docker: { %s: { label: %q, pick: all }, host: %q%s }", form, label, e.host, more),
		targets: func() []int { return []int{e.pid(ids[0])} },
		look:    func() string { return e.look(ids) },
	}
}

func (e *engine) pid(id string) int {
	text, _ := e.docker("inspect", "-f", "{{.State.Pid}}", id)
	pid, _ := strconv.Atoi(text)
	return pid
}

// A bound is a limit as the engine tells it. It has no word for taking one away
// but the highest there is, which it then tells instead of none.
type bound int64

func (b bound) String() string {
	if b <= 0 || b >= 1<<62 {
		return "none"
	}
	return strconv.FormatInt(int64(b), 10)
}

// look is what the engine tells of containers, and what their cgroups do.
func (e *engine) look(ids []string) string {
	out, err := exec.Command("docker", append([]string{"-H", e.host, "inspect"}, ids...)...).Output()
	if err != nil {
		return err.Error()
	}
	var all []struct {
		ID    string
		State struct {
			Status string
			Paused bool
		}
		HostConfig      struct{ Memory, MemorySwap, NanoCpus, CpuQuota bound }
		NetworkSettings struct {
			Networks map[string]struct {
				Aliases   []string
				IPAddress string
			}
		}
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return err.Error()
	}
	text := ""
	for n, c := range all {
		text += fmt.Sprintf("container %d paused %t\ntarget %d %s %+v %+v\n", n, c.State.Paused, n, c.State.Status, c.HostConfig, c.NetworkSettings)
		for _, name := range []string{"freezer/*/freezer.state", "memory/*/memory.limit_in_bytes", "cpu/*/cpu.cfs_quota_us", "*/cgroup.freeze", "*/memory.max", "*/cpu.max"} {
			found, _ := filepath.Glob("/sys/fs/cgroup/" + strings.Replace(name, "*", e.name+"/"+c.ID, 1))
			for _, path := range found {
				value, _ := os.ReadFile(path)
				text += fmt.Sprintf("target %d %s %s\n", n, filepath.Base(path), strings.TrimSpace(string(value)))
			}
		}
	}
	return text
}
