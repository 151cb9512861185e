//go:build e2e && linux

package pods

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// A rig is a node with real pods: a control plane (the lab), containerd, runc, a
// kubelet and a bridge, all in a network namespace without an uplink. It takes
// root. Everything that it starts and makes, it ends and removes.
type rig struct {
	t     *testing.T
	dir   string
	netns string // its name
	brunt string // a static binary

	kubeconfig string
}

const (
	nodeAddress = "10.88.255.1" // the node's name, too: nothing here resolves names
	podGateway  = "10.88.0.1"   // where pods reach this test
	workerImage = "brunt.test/brunt:1"
	pauseImage  = "brunt.test/pause:1"
)

// sysctls are what a kubelet sets on the host, and what is put back.
var sysctls = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"}

func startRig(t *testing.T) *rig {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("real pods take root")
	}
	lab, kubelet, brunt := os.Getenv("BRUNT_LAB"), os.Getenv("BRUNT_KUBELET"), os.Getenv("BRUNT_STATIC")
	if lab == "" || kubelet == "" || brunt == "" {
		t.Fatal("real pods take a lab, a kubelet and a static brunt: make e2e-pods builds them")
	}
	for _, tool := range []string{"containerd", "ctr", "runc", "ip", "ss", "nsenter", "iptables"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("real pods take %s: make e2e-pods installs it", tool)
		}
	}
	// Paths of sockets are short.
	dir, err := os.MkdirTemp("/var/tmp", "bp")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, netns: "brunt-pods-" + strconv.Itoa(os.Getpid()), brunt: brunt}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r.keepSysctls()
	r.makeNetwork()
	r.makeLab(lab)
	r.makeContainerd()
	r.makeKubelet(kubelet)
	return r
}

func (r *rig) must(what string, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
}

func (r *rig) run(name string, args ...string) string {
	r.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (r *rig) keepSysctls() {
	for _, name := range sysctls {
		path := filepath.Join("/proc/sys", name)
		before, err := os.ReadFile(path)
		r.must("read sysctl", err)
		r.t.Cleanup(func() {
			if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, before) {
				return
			}
			if err := os.WriteFile(path, before, 0o644); err != nil {
				r.t.Errorf("put back %s: %v", name, err)
			}
		})
	}
}

func (r *rig) makeNetwork() {
	r.run("ip", "netns", "add", r.netns)
	r.t.Cleanup(func() { r.run("ip", "netns", "del", r.netns) })
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "knode0", "type", "bridge"},
		{"addr", "add", nodeAddress + "/32", "dev", "knode0"},
		{"link", "set", "knode0", "up"},
		// The pods' bridge, made before the first of them, so that this test can
		// listen where they reach it.
		{"link", "add", "cni0", "type", "bridge"},
		{"addr", "add", podGateway + "/24", "dev", "cni0"},
		{"link", "set", "cni0", "up"},
	} {
		r.run("ip", append([]string{"-n", r.netns}, args...)...)
	}
	r.run("nsenter", "--net=/run/netns/"+r.netns, "sysctl", "-qw", "net.ipv4.ip_forward=1")
}

// command is a command within the rig's network.
func (r *rig) command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + r.netns, name}, args...)...)
}

// daemon starts one and ends it, and its children, with the test.
func (r *rig) daemon(log, name string, args ...string) *exec.Cmd {
	r.t.Helper()
	out, err := os.Create(filepath.Join(r.dir, log))
	r.must("create log", err)
	cmd := r.command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r.must("start "+name, cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // it is ended with a signal
		_ = out.Close()
	}()
	r.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		if r.t.Failed() {
			text, _ := os.ReadFile(out.Name())
			r.t.Logf("the end of %s:\n%s", log, text[max(0, len(text)-2000):])
		}
	})
	return cmd
}

// until waits for what must come true within the bound.
func (r *rig) until(bound time.Duration, what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(bound); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

func (r *rig) makeLab(lab string) {
	ready := filepath.Join(r.dir, "lab.json")
	r.daemon("lab.log", lab, "-port", "26443", "-nodes", "1", "-state", filepath.Join(r.dir, "lab"), "-ready-file", ready)
	var told struct{ Kubeconfig string }
	r.until(2*time.Minute, "the lab is ready", func() bool {
		text, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(text, &told) == nil && told.Kubeconfig != ""
	})
	r.kubeconfig = told.Kubeconfig
	// The lab has one simulated node at the least; no pod is to go there.
	c := r.connect()
	defer c.close()
	nodes := c.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "nodes"})
	list, err := nodes.List(r.t.Context(), metav1.ListOptions{})
	r.must("list nodes", err)
	for _, n := range list.Items {
		_, err := nodes.Patch(r.t.Context(), n.GetName(), types.MergePatchType, []byte(`{"spec":{"unschedulable":true}}`), metav1.PatchOptions{})
		r.must("cordon "+n.GetName(), err)
	}
}

func (r *rig) makeContainerd() {
	cni := filepath.Join(r.dir, "cni.d")
	r.must("make folder", os.MkdirAll(cni, 0o755))
	config := filepath.Join(r.dir, "containerd.toml")
	r.must("write config", os.WriteFile(config, fmt.Appendf(nil, `version = 2
root = "%[1]s/root"
state = "%[1]s/state"
[grpc]
  address = "%[1]s/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%[2]s"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "%[3]s"
`, r.dir, pauseImage, cni), 0o644))
	r.must("write config", os.WriteFile(filepath.Join(cni, "10-bridge.conflist"), fmt.Appendf(nil, `{"cniVersion":"0.4.0","name":"brunt","plugins":[
 {"type":"bridge","bridge":"cni0","isGateway":true,"ipam":{"type":"host-local","dataDir":"%s/ipam","ranges":[[{"subnet":"10.88.0.0/24"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}`, r.dir), 0o644))
	groups, namespaces := cgroups(), networks()
	r.t.Cleanup(func() { // after containerd has ended
		r.removeContainers()
		for _, name := range without(networks(), namespaces) {
			r.run("ip", "netns", "del", filepath.Base(name))
		}
		for _, c := range without(cgroups(), groups) {
			removeCgroup(c)
		}
	})
	r.daemon("containerd.log", "containerd", "-c", config)
	r.until(time.Minute, "containerd answers", func() bool { return r.ctr("version") == nil })
	// Of the pause image nothing is asked but to stay.
	r.addImage(workerImage, "/brunt")
	r.addImage(pauseImage, "/brunt", "proxy", "--toxiproxy", "127.0.0.1:8474")
}

// addImage makes an image of brunt with an entrypoint.
func (r *rig) addImage(name string, entrypoint ...string) {
	r.t.Helper()
	archive := filepath.Join(r.dir, "image.tar")
	r.must("make image", makeImage(r.brunt, archive, name, entrypoint))
	r.must("import image", r.ctr("images", "import", archive))
}

func (r *rig) ctr(args ...string) error {
	out, err := exec.Command("ctr", append([]string{"-a", filepath.Join(r.dir, "c.sock"), "-n", "k8s.io"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func (r *rig) makeKubelet(kubelet string) {
	config := filepath.Join(r.dir, "kubelet.yaml")
	r.must("write config", os.WriteFile(config, fmt.Appendf(nil, `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
address: %[2]s
port: 20250
healthzPort: 0
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
failSwapOn: false
containerRuntimeEndpoint: unix://%[1]s/c.sock
imageServiceEndpoint: unix://%[1]s/c.sock
resolvConf: ""
clusterDNS: []
podLogsDir: %[1]s/logs
volumePluginDir: %[1]s/plugins
evictionHard: {memory.available: "100Mi", nodefs.available: "1%%", imagefs.available: "1%%"}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 2s
syncFrequency: 1s
runtimeRequestTimeout: 30s
`, r.dir, nodeAddress), 0o644))
	r.daemon("kubelet.log", kubelet, "--config="+config, "--kubeconfig="+r.kubeconfig, "--root-dir="+filepath.Join(r.dir, "kubelet"),
		"--hostname-override="+nodeAddress, "--node-ip="+nodeAddress, "--cert-dir="+filepath.Join(r.dir, "pki"), "--v=2")
	r.until(2*time.Minute, "the node is ready", func() bool {
		log, _ := os.ReadFile(filepath.Join(r.dir, "kubelet.log"))
		return bytes.Contains(log, []byte("Node became ready")) || bytes.Contains(log, []byte(`event="NodeReady"`)) || bytes.Contains(log, []byte("Fast updating node status as it just became ready"))
	})
}

// cgroups are those of pods, in every hierarchy.
func cgroups() []string {
	found, _ := filepath.Glob("/sys/fs/cgroup/*/kubepods")
	return found
}

// networks are the network namespaces of pods.
func networks() []string {
	found, _ := filepath.Glob("/run/netns/cni-*")
	return found
}

// without is what of all was not there before.
func without(all, before []string) []string {
	return slices.DeleteFunc(all, func(one string) bool { return slices.Contains(before, one) })
}

// removeCgroup removes a cgroup and what is below it.
func removeCgroup(path string) {
	var all []string
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, p)
		}
		return nil
	})
	slices.Reverse(all)
	for _, p := range all {
		_ = syscall.Rmdir(p)
	}
}

// removeContainers ends the shims that are left, and what they hold: they live
// on after containerd, by design.
func (r *rig) removeContainers() {
	links, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, link := range links {
		text, err := os.ReadFile(link)
		if err != nil || !bytes.Contains(text, []byte("containerd-shim")) || !bytes.Contains(text, []byte(filepath.Join(r.dir, "c.sock"))) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			continue
		}
		for _, child := range children(pid) {
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	time.Sleep(200 * time.Millisecond)
	mounts, _ := os.ReadFile("/proc/self/mounts")
	var below []string
	for _, line := range strings.Split(string(mounts), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], r.dir+"/") {
			below = append(below, fields[1])
		}
	}
	slices.Reverse(below)
	for _, m := range below {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			r.t.Errorf("unmount %s: %v", m, err)
		}
	}
}

func children(pid int) []int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var out []int
	for _, f := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(f); err == nil {
			out = append(out, append(children(child), child)...)
		}
	}
	return out
}

// listen listens in the rig's network, where its pods reach it.
func (r *rig) listen() net.Listener {
	r.t.Helper()
	var l net.Listener
	var err error
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		var f *os.File
		if f, err = os.Open("/run/netns/" + r.netns); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err == nil {
			l, err = net.Listen("tcp", podGateway+":0")
		}
	})
	wg.Wait()
	r.must("listen", err)
	r.t.Cleanup(func() { _ = l.Close() })
	return l
}

// makeImage writes a docker archive with one layer: a static binary.
func makeImage(binary, out, name string, entrypoint []string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	add := func(h *tar.Header, data []byte) {
		h.Size = int64(len(data))
		err = errors.Join(err, w.WriteHeader(h))
		_, e := w.Write(data)
		err = errors.Join(err, e)
	}
	add(&tar.Header{Name: "brunt", Mode: 0o755}, program)
	add(&tar.Header{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	digest := sum(layer.Bytes())
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": entrypoint, "Env": []string{"PATH=/"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": sum(config) + ".json", "RepoTags": []string{name}, "Layers": []string{digest + "/layer.tar"}}})
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	w = tar.NewWriter(f)
	add(&tar.Header{Name: sum(config) + ".json", Mode: 0o644}, config)
	add(&tar.Header{Name: digest + "/layer.tar", Mode: 0o644}, layer.Bytes())
	add(&tar.Header{Name: "manifest.json", Mode: 0o644}, manifest)
	return errors.Join(err, w.Close(), f.Close())
}
