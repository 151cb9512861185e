//go:build e2e

package main

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// A clusterGame is a scenario with faults in the lab.
type clusterGame struct {
	*kubetest.Real
	lab      *labtest.Lab
	scenario string
	out      string
}

// newClusterGame scales a workload to zero and cordons a node for half a minute,
// a second after the start.
func newClusterGame(t *testing.T, namespace string) *clusterGame {
	t.Helper()
	lab := labtest.Shared(t)
	g := &clusterGame{Real: kubetest.NewReal(t, lab.Kubeconfig, namespace), lab: lab, out: filepath.Join(t.TempDir(), "out")}
	g.Pods(t, "pay", 2)
	front, err := url.Parse(lab.Front)
	if err != nil {
		t.Fatal(err)
	}
	g.scenario = filepath.Join(t.TempDir(), "cluster.yaml")
	text := fmt.Sprintf(`
version: 1
name: cluster
target:
  hosts: [%q]
  kubernetes: { kubeconfig: %q, context: lab, namespace: %s }
safety: { lease: 2s, max_targets: 1 }
loads: { browse: { http: %q } }
phases:
  - name: steady
    for: 40s
    load: { browse: 5/s }
    faults:
      none: { at: 1s, for: 30s, scale: { deployment: pay } }
      shut: { at: 1s, for: 30s, cordon: node-b-1 }
`, front.Host, lab.Kubeconfig, namespace, lab.Front+"/"+namespace+"/pay")
	if err := os.WriteFile(g.scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// broken says what of the faults is in place.
func (g *clusterGame) broken(t *testing.T) (scaled, cordoned bool) {
	t.Helper()
	pay := g.Get(t, "/apis/apps/v1/namespaces/$NS/deployments/pay")["spec"].(kubetest.Object)
	node := g.Get(t, "/api/v1/nodes/node-b-1")["spec"].(kubetest.Object)
	return pay["replicas"] == 0.0, node["unschedulable"] == true
}

func (g *clusterGame) isBroken(t *testing.T) bool {
	scaled, cordoned := g.broken(t)
	return scaled && cordoned
}

func (g *clusterGame) isWhole(t *testing.T) bool {
	scaled, cordoned := g.broken(t)
	return !scaled && !cordoned
}

// start plays the scenario until both faults are in place.
func (g *clusterGame) start(t *testing.T) (*exec.Cmd, func() ended) {
	t.Helper()
	cmd, wait := start(t, "run", g.scenario, "--out", g.out)
	g.Until(t, "both faults are in place", func() bool { return g.isBroken(t) })
	return cmd, wait
}

// noMarks fails when anything of the fault is left on an object.
func (g *clusterGame) noMarks(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/apis/apps/v1/namespaces/$NS/deployments/pay", "/api/v1/nodes/node-b-1"} {
		if meta := fmt.Sprint(g.Get(t, path)["metadata"].(kubetest.Object)["labels"], g.Get(t, path)["metadata"].(kubetest.Object)["annotations"]); strings.Contains(meta, "brunt.dev/fault") || strings.Contains(meta, "brunt.dev/undo") {
			t.Errorf("marks are left on %s: %s", path, meta)
		}
	}
}

// elsewhere calls brunt as another machine would: with nothing but a kubeconfig.
func elsewhere(t *testing.T, kubeconfig string, args ...string) ended {
	t.Helper()
	cmd := exec.Command(build(t), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + kubeconfig}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// When brunt is killed, its reaper mends what it broke in the cluster.
func TestKubeE2EReaperMends(t *testing.T) {
	g := newClusterGame(t, "kill-brunt")
	cmd, wait := g.start(t)
	killed := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wait()
	g.Until(t, "the reaper has mended it", func() bool { return g.isWhole(t) })
	t.Logf("from SIGKILL to whole: %s", time.Since(killed).Round(time.Millisecond))
	until(t, time.Minute, "the reaper has ended", func() bool { return len(leftovers(t)) == 0 })
	g.noMarks(t)
}

// When the reaper is killed too, anybody with the right to do so finds the faults
// by their marks and mends them.
func TestKubeE2EUndoFromElsewhere(t *testing.T) {
	g := newClusterGame(t, "kill-both")
	cmd, wait := g.start(t)
	// Stopped, it cannot mend anything when its reaper dies.
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, pid := range reapersOf(t, cmd.Process.Pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wait()
	if !g.isBroken(t) {
		t.Fatal("somebody mended it, so there is nothing to be found")
	}
	seen := elsewhere(t, g.Kubeconfig, "faults")
	if seen.code != 0 || !strings.Contains(seen.stdout, "deployment pay") || !strings.Contains(seen.stdout, "node node-b-1") {
		t.Errorf("faults: exit %d\n%s%s", seen.code, seen.stdout, seen.stderr)
	}
	t.Logf("faults:\n%s", seen.stdout)
	mended := elsewhere(t, g.Kubeconfig, "undo", "--all")
	if mended.code != 0 || !g.isWhole(t) {
		t.Errorf("undo --all: exit %d\n%s%s", mended.code, mended.stdout, mended.stderr)
	}
	t.Logf("undo --all:\n%s", mended.stdout)
	g.noMarks(t)
	if again := elsewhere(t, g.Kubeconfig, "undo", "--all"); again.code != 0 || !strings.Contains(again.stdout, "nothing to undo") {
		t.Errorf("undo --all again: exit %d\n%s%s", again.code, again.stdout, again.stderr)
	}
	// What is left of the run on its own machine settles too.
	if _, wait := start(t, "undo", "--all", "--kubeconfig", g.Kubeconfig); wait().code != 0 {
		t.Error("undo --all on the machine itself fails")
	}
}

// reapersOf are the reapers that a brunt has started.
func reapersOf(t *testing.T, pid int) []int {
	t.Helper()
	var pids []int
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	for _, line := range lines {
		text, err := os.ReadFile(line)
		if err != nil || !strings.HasSuffix(strings.TrimRight(string(text), "\x00"), "\x00reaper") {
			continue
		}
		var one, parent int
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(line), "stat"))
		if err != nil {
			continue
		}
		if _, err := fmt.Sscan(filepath.Base(filepath.Dir(line)), &one); err != nil {
			continue
		}
		if _, err := fmt.Sscanf(string(stat[strings.LastIndexByte(string(stat), ')')+2:]), "%c %d", new(rune), &parent); err == nil && parent == pid {
			pids = append(pids, one)
		}
	}
	if len(pids) == 0 {
		t.Fatal("brunt has no reaper")
	}
	return pids
}

// The role that rbac prints is enough, and less is refused before the run.
func TestKubeE2ERole(t *testing.T) {
	g := newClusterGame(t, "role")
	text, err := os.ReadFile(g.scenario)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.scenario, []byte(strings.Replace(string(text), "context: lab,", "context: lab-user-1,", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, wait := start(t, "plan", g.scenario)
	if before := wait(); before.code != exitUsage || !strings.Contains(before.stdout, "forbidden") || !strings.Contains(before.stdout, "brunt rbac") {
		t.Errorf("plan without rights: exit %d\n%s%s", before.code, before.stdout, before.stderr)
	}
	_, wait = start(t, "rbac", g.scenario, "--user", "user-1")
	printed := wait()
	if printed.code != 0 {
		t.Fatalf("rbac: exit %d\n%s", printed.code, printed.stderr)
	}
	t.Logf("rbac:\n%s", printed.stdout)
	g.Post(t, "/apis/rbac.authorization.k8s.io/v1/namespaces/$NS/roles", `{"metadata":{"name":"brunt-cluster"},"rules":[{"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["pay"],"verbs":["get","patch"]}]}`)
	g.Post(t, "/apis/rbac.authorization.k8s.io/v1/namespaces/$NS/rolebindings", `{"metadata":{"name":"brunt-cluster"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"brunt-cluster"},"subjects":[{"kind":"User","name":"user-1","apiGroup":"rbac.authorization.k8s.io"}]}`)
	g.Post(t, "/apis/rbac.authorization.k8s.io/v1/clusterroles", `{"metadata":{"name":"brunt-cluster"},"rules":[{"apiGroups":[""],"resources":["nodes"],"resourceNames":["node-b-1"],"verbs":["get","patch"]}]}`)
	g.Post(t, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", `{"metadata":{"name":"brunt-cluster"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"brunt-cluster"},"subjects":[{"kind":"User","name":"user-1","apiGroup":"rbac.authorization.k8s.io"}]}`)
	for _, want := range []string{`resources: [deployments], resourceNames: ["pay"], verbs: [get, patch]`, `resources: [nodes], resourceNames: ["node-b-1"], verbs: [get, patch]`, "kind: ClusterRoleBinding"} {
		if !strings.Contains(printed.stdout, want) {
			t.Errorf("rbac printed no %q", want)
		}
	}
	g.Until(t, "the role is enough", func() bool {
		_, wait := start(t, "plan", g.scenario)
		return wait().code == 0
	})
}

// Credentials that have expired, and a server that is not there, are said so.
func TestKubeE2ENoWayIn(t *testing.T) {
	g := newClusterGame(t, "no-way-in")
	text, err := os.ReadFile(g.scenario)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.scenario, []byte(strings.Replace(string(text), "context: lab,", "context: lab-expired,", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, wait := start(t, "plan", g.scenario)
	if got := wait(); got.code != exitUsage || !strings.Contains(got.stderr, "refuses the credentials (401)") {
		t.Errorf("plan with expired credentials: exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}
}
