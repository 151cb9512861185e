//go:build e2e

package main

import (
	"encoding/json"
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

// A podRun is a run whose workers are to be pods of the lab. Its nodes are
// simulated, so none of them ever plays.
type podRun struct {
	*kubetest.Real
	lab      *labtest.Lab
	scenario string
}

func newPodRun(t *testing.T, namespace, more string) *podRun {
	t.Helper()
	lab := labtest.Shared(t)
	p := &podRun{Real: kubetest.NewReal(t, lab.Kubeconfig, namespace), lab: lab, scenario: filepath.Join(t.TempDir(), "pods.yaml")}
	front, err := url.Parse(lab.Front)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`
version: 1
name: pods
target:
  hosts: [%q]
  kubernetes: { kubeconfig: %q, context: lab, namespace: %s }
loads: { browse: { http: %q } }
%sphases: [{ name: steady, for: 10s, load: { browse: 5/s } }]
`, front.Host, lab.Kubeconfig, namespace, lab.Front+"/"+namespace+"/pay", more)
	if err := os.WriteFile(p.scenario, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// start plays it on three workers that no node has room for, until their pods wait.
func (p *podRun) start(t *testing.T) (*exec.Cmd, func() ended) {
	t.Helper()
	cmd, wait := start(t, "run", p.scenario, "--workers", "3", "--on", "kubernetes", "--image", "brunt.test/brunt:1", "--worker-cpu", "1000", "--out", filepath.Join(t.TempDir(), "out"))
	p.Until(t, "the workers' pods wait for a node", func() bool { return p.count(t, "/api/v1/namespaces/$NS/pods") == 3 })
	return cmd, wait
}

// count is how many objects of the workers there are of a kind.
func (p *podRun) count(t *testing.T, path string) int {
	t.Helper()
	items, _ := p.Get(t, path+"?labelSelector=brunt.dev/workers")["items"].([]any)
	return len(items)
}

func (p *podRun) left(t *testing.T) int {
	t.Helper()
	return p.count(t, "/apis/batch/v1/namespaces/$NS/jobs") + p.count(t, "/api/v1/namespaces/$NS/pods")
}

// The workers of a run that is alive are left alone, from whatever machine they
// are looked at; when it is killed they are found and removed from there.
func TestKubeE2EWorkersLeft(t *testing.T) {
	p := newPodRun(t, "workers-left", "")
	cmd, wait := p.start(t)
	held := fmt.Sprintf("made by process %d on ", cmd.Process.Pid)
	seen := elsewhere(t, p.Kubeconfig, "faults")
	if seen.code != 0 || !strings.Contains(seen.stdout, held) || !strings.Contains(seen.stdout, "its run renewed its lease") {
		t.Errorf("faults: exit %d\n%s%s", seen.code, seen.stdout, seen.stderr)
	}
	if kept := elsewhere(t, p.Kubeconfig, "undo", "--all"); kept.code != 0 || !strings.Contains(kept.stdout, "their run is alive and renews its lease") || p.left(t) != 4 {
		t.Errorf("undo --all beside the run: exit %d, %d objects\n%s%s", kept.code, p.left(t), kept.stdout, kept.stderr)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	wait()
	var left inPlace
	listed := elsewhere(t, p.Kubeconfig, "faults", "--json")
	if err := json.Unmarshal([]byte(listed.stdout), &left); err != nil || len(left.Workers) != 1 || left.Workers[0].Namespace != p.Namespace || left.Workers[0].Workers != 3 {
		t.Errorf("faults --json: %v\n%s%s", err, listed.stdout, listed.stderr)
	}
	removed := elsewhere(t, p.Kubeconfig, "undo", "--all", "--json")
	var undone struct {
		Workers []dismissed
		Left    bool
	}
	if err := json.Unmarshal([]byte(removed.stdout), &undone); err != nil || removed.code != 0 || undone.Left || len(undone.Workers) != 1 || undone.Workers[0].State != workersRemoved || p.left(t) != 0 {
		t.Errorf("undo --all --json after it: exit %d, %d objects: %v\n%s%s", removed.code, p.left(t), err, removed.stdout, removed.stderr)
	}
	t.Logf("faults:\n%sundo --all, once the run was killed:\n%s", seen.stdout, removed.stdout)
	if after := elsewhere(t, p.Kubeconfig, "faults"); !strings.Contains(after.stdout, "no faults are in place") {
		t.Errorf("faults in the end:\n%s%s", after.stdout, after.stderr)
	}
}

// Ctrl-C while the pods wait for a node ends it, with the scheduler's reason told
// and nothing left.
func TestKubeE2EWorkersWait(t *testing.T) {
	p := newPodRun(t, "workers-wait", "")
	cmd, wait := p.start(t)
	time.Sleep(2 * time.Second) // the scheduler says why a moment after the pod is there; brunt looks twice a second
	sendSignal(t, cmd.Process.Pid, syscall.SIGINT)
	got := wait()
	if got.code != exitInterrupted || !strings.Contains(got.stderr, "0 of 3 do") || !strings.Contains(got.stderr, "Insufficient cpu") || p.left(t) != 0 {
		t.Errorf("exit %d, %d objects left\n%s%s", got.code, p.left(t), got.stdout, got.stderr)
	}
	t.Log(got.stderr)
}
