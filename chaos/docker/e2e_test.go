//go:build e2e

package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/docker"
)

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

// A realEngine is a dockerd of the test's own, in a network namespace of its
// own, with all its data in a temporary folder.
type realEngine struct {
	host   string
	socket string
	parent string // cgroup of its containers
}

// startReal starts a dockerd; everything is gone when the test has ended.
func startReal(t *testing.T) *realEngine {
	t.Helper()
	for _, tool := range []string{"dockerd", "containerd", "runc", "ip", "nsenter", "iptables"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("docker e2e tests need %s, which is not there: apt-get install docker.io iproute2 iptables util-linux", tool)
		}
	}
	if os.Geteuid() != 0 {
		t.Fatal("docker e2e tests need root")
	}
	name := "brunt-e2e-" + strconv.Itoa(os.Getpid())
	// Not t.TempDir: its path would be too long for dockerd's own sockets.
	dir, err := os.MkdirTemp("", "brunt")
	if err != nil {
		t.Fatal(err)
	}
	e := &realEngine{socket: filepath.Join(dir, "s"), parent: "/" + name}
	e.host = "unix://" + e.socket
	shell(t, "ip", "netns", "add", name)
	t.Cleanup(func() { shell(t, "ip", "netns", "del", name) })
	shell(t, "ip", "-n", name, "link", "set", "lo", "up")

	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	// Not ip netns exec: it hides the cgroups.
	cmd := exec.Command("nsenter", "--net=/run/netns/"+name, "dockerd", "--host", e.host,
		"--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--storage-driver", "vfs", "--cgroup-parent", e.parent)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("dockerd ends with %v", err)
			}
		case <-time.After(time.Minute):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			t.Error("dockerd had to be killed")
		}
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			for line := range strings.Lines(string(text)) {
				if strings.Contains(line, "level=error") || strings.Contains(line, "level=fatal") {
					t.Logf("dockerd says: %s", line)
				}
			}
		}
		e.sweep(t, dir)
	})
	for e.ping() != nil {
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			ended <- err
			t.Fatalf("dockerd does not start: %v\n%s", err, text)
		case <-bounded(t).Done():
			t.Fatal("dockerd does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
	e.build(t)
	return e
}

// sweep removes what dockerd leaves: its folder and its empty cgroups.
func (e *realEngine) sweep(t *testing.T, dir string) {
	t.Helper()
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], dir) {
			_ = syscall.Unmount(fields[1], syscall.MNT_DETACH)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Errorf("remove dockerd's folder: %v", err)
	}
	for _, pattern := range []string{"/sys/fs/cgroup" + e.parent, "/sys/fs/cgroup/*" + e.parent} {
		found, _ := filepath.Glob(pattern)
		for _, cgroup := range found {
			if err := os.Remove(cgroup); err != nil {
				t.Errorf("remove cgroup: %v", err)
			}
		}
	}
}

func shell(t *testing.T, name string, args ...string) {
	t.Helper()
	if output, err := exec.CommandContext(bounded(t), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, output)
	}
}

func (e *realEngine) client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", e.socket)
	}}}
}

func (e *realEngine) ping() error {
	response, err := e.client().Get("http://docker/_ping")
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// call makes one call of the tests' own.
func (e *realEngine) call(t *testing.T, method, path string, body, into any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	e.send(t, method, path, "application/json", bytes.NewReader(text), into)
}

func (e *realEngine) send(t *testing.T, method, path, kind string, body io.Reader, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(bounded(t), method, "http://docker/v1.41"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	response, err := e.client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, response.Status, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
}

// build makes the image, from nothing but one static program.
func (e *realEngine) build(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "idle.go"), []byte(idle), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(bounded(t), "go", "build", "-o", "idle", "idle.go")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	program, err := os.ReadFile(filepath.Join(dir, "idle"))
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, content := range map[string][]byte{"Dockerfile": []byte("FROM scratch\nCOPY idle /idle\nENTRYPOINT [\"/idle\"]\n"), "idle": program} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
		_, err2 := w.Write(content)
		err = errors.Join(err, err2)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	e.send(t, http.MethodPost, "/build?t=idle", "application/x-tar", &archive, nil)
}

// network makes a network; with a subnet, addresses can be asked for.
func (e *realEngine) network(t *testing.T, name, subnet string) {
	t.Helper()
	body := map[string]any{"Name": name, "CheckDuplicate": true}
	if subnet != "" {
		body["IPAM"] = map[string]any{"Config": []any{map[string]string{"Subnet": subnet}}}
	}
	var made struct{ ID string }
	e.call(t, http.MethodPost, "/networks/create", body, &made)
	t.Cleanup(func() { e.call(t, http.MethodDelete, "/networks/"+name, nil, nil) })
}

// run makes and starts a container.
func (e *realEngine) run(t *testing.T, name, network string, endpoint, hostConfig map[string]any) (id string) {
	t.Helper()
	if hostConfig == nil {
		hostConfig = map[string]any{}
	}
	hostConfig["NetworkMode"] = network
	body := map[string]any{"Image": "idle", "Labels": map[string]string{"app": "shop"}, "HostConfig": hostConfig}
	if endpoint != nil {
		body["NetworkingConfig"] = map[string]any{"EndpointsConfig": map[string]any{network: endpoint}}
	}
	var made struct{ ID string }
	e.call(t, http.MethodPost, "/containers/create?name="+url.QueryEscape(name), body, &made)
	t.Cleanup(func() { e.call(t, http.MethodDelete, "/containers/"+made.ID+"?force=1", nil, nil) })
	e.call(t, http.MethodPost, "/containers/"+made.ID+"/start", nil, nil)
	return made.ID
}

// look is a container's state, on the kernel's word where that has one: its
// cgroups' files and the addresses in its network namespace.
func (e *realEngine) look(t *testing.T, id string) string {
	t.Helper()
	var c struct {
		State struct {
			Status string
			Pid    int
		}
		NetworkSettings struct {
			Networks map[string]struct {
				Aliases   []string
				IPAddress string
			}
		}
	}
	e.call(t, http.MethodGet, "/containers/"+id+"/json", nil, &c)
	text := c.State.Status
	for _, file := range []string{
		"freezer/*/freezer.state", "memory/*/memory.limit_in_bytes", "memory/*/memory.memsw.limit_in_bytes",
		"cpu/*/cpu.cfs_quota_us", "cpu/*/cpu.cfs_period_us", "*/cgroup.freeze", "*/memory.max", "*/memory.swap.max", "*/cpu.max",
	} {
		found, _ := filepath.Glob("/sys/fs/cgroup/" + strings.Replace(file, "*", e.parent[1:]+"/"+id, 1))
		for _, path := range found {
			value, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text += " " + filepath.Base(path) + "=" + strings.TrimSpace(string(value))
		}
	}
	trie, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/fib_trie", c.State.Pid))
	for name, network := range c.NetworkSettings.Networks {
		if name == "none" {
			continue
		}
		text += fmt.Sprintf(" %s %v %s seen %t", name, network.Aliases, network.IPAddress, strings.Contains(string(trie), "|-- "+network.IPAddress+"\n"))
	}
	return text
}

// TestE2E runs the contract against a real dockerd.
func TestE2E(t *testing.T) {
	e := startReal(t)
	e.network(t, "auto", "")
	e.network(t, "pinned", "172.31.7.0/24")
	for _, test := range []struct {
		name       string
		config     docker.Config
		network    string
		endpoint   map[string]any
		hostConfig map[string]any
		oneProcess bool
	}{
		{name: "pause", config: docker.Config{Pause: shop}},
		{name: "kill", config: docker.Config{Kill: shop}, oneProcess: true},
		{name: "stop", config: docker.Config{Stop: shop, Grace: time.Second}, oneProcess: true},
		{name: "disconnect", config: docker.Config{Disconnect: shop}, network: "pinned", endpoint: map[string]any{"Aliases": []string{"db"}}, oneProcess: true},
		{name: "disconnect with a pinned address", config: docker.Config{Disconnect: shop}, network: "pinned",
			endpoint: map[string]any{"Aliases": []string{"db", "primary"}, "IPAMConfig": map[string]string{"IPv4Address": "172.31.7.9"}}, oneProcess: true},
		{name: "disconnect where no address can be asked for", config: docker.Config{Disconnect: shop}, network: "auto", endpoint: map[string]any{"Aliases": []string{"db"}}, oneProcess: true},
		{name: "disconnect from the default network", config: docker.Config{Disconnect: shop}, network: "bridge", oneProcess: true},
		{name: "limit", config: docker.Config{Limit: shop, CPUs: 0.2, Memory: 64 << 20}, oneProcess: true},
		{name: "lower limits", config: docker.Config{Limit: shop, CPUs: 0.25, Memory: 64 << 20}, hostConfig: map[string]any{"NanoCpus": 15e8, "Memory": 128 << 20}, oneProcess: true},
		{name: "lower quota", config: docker.Config{Limit: shop, CPUs: 0.333}, hostConfig: map[string]any{"CpuQuota": 75000, "CpuPeriod": 50000}, oneProcess: true},
		{name: "pause by label", config: docker.Config{Pause: &docker.Target{Label: "app=shop", Pick: "all"}}, oneProcess: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			network := test.network
			if network == "" {
				network = "none"
			}
			chaostest.Run(t, chaostest.Subject{
				Kind: docker.Kind, Mend: docker.Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					id := e.run(t, "shop-1", network, test.endpoint, test.hostConfig)
					return chaostest.Target{
						Fault: newFault(t, test.config, e.host),
						Look:  func(t *testing.T) string { return e.look(t, id) },
					}
				},
			})
		})
	}

	// Engines take a kill for a stop by hand, even under a restart policy; what
	// someone starts again was killed all the same.
	t.Run("killed and started again", func(t *testing.T) {
		id := e.run(t, "shop-1", "none", nil, map[string]any{"RestartPolicy": map[string]any{"Name": "always"}})
		fault := newFault(t, docker.Config{Kill: shop}, e.host)
		receipt := inject(t, fault)
		e.call(t, http.MethodPost, "/containers/"+id+"/wait", nil, nil)
		e.call(t, http.MethodPost, "/containers/"+id+"/start", nil, nil)
		if got := e.look(t, id); !strings.HasPrefix(got, "running") {
			t.Errorf("it is %s", got)
		}
		verify(t, fault, receipt, chaos.Active)
	})

	// A container made anew under the same name is not touched.
	t.Run("replaced", func(t *testing.T) {
		first := e.run(t, "shop-1", "none", nil, map[string]any{})
		fault := newFault(t, docker.Config{Pause: shop}, e.host)
		receipt := inject(t, fault)
		e.call(t, http.MethodPost, "/containers/"+first+"/rename?name=old", nil, nil)
		second := e.run(t, "shop-1", "none", nil, nil)
		e.call(t, http.MethodPost, "/containers/"+second+"/pause", nil, nil)
		if err := docker.Mend().Undo(bounded(t), receipt); err != nil {
			t.Error(err)
		}
		verify(t, fault, receipt, chaos.Gone)
		if got := e.look(t, second); !strings.HasPrefix(got, "paused") {
			t.Errorf("the new container is %s", got)
		}
	})
}
