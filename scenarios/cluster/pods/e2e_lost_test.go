//go:build e2e && linux

package pods

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A breaking is what becomes of one worker.
type breaking struct {
	what string
	do   func(r *rig, c *connection) (worker string) // empty: any one
	want string                                      // in what the run says of it
}

var (
	killed = breaking{"SIGKILL", func(r *rig, _ *connection) string {
		r.must("kill the worker", syscall.Kill(r.worker(2), syscall.SIGKILL))
		return "worker-2"
	}, "exit code 137"}
	stopped = breaking{"SIGSTOP", func(r *rig, _ *connection) string {
		r.must("stop the worker", syscall.Kill(r.worker(2), syscall.SIGSTOP))
		return "worker-2"
	}, "has answered nothing for"}
	evicted = breaking{"eviction", func(r *rig, c *connection) string {
		pod := c.podOf(r.t, 1)
		text := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, namespace)
		err := c.rest.Post().Namespace(namespace).Resource("pods").Name(pod).SubResource("eviction").
			SetHeader("Content-Type", "application/json").Body([]byte(text)).Do(r.t.Context()).Error()
		r.must("evict the pod", err)
		return "worker-1"
	}, "its pod was evicted (EvictionByEvictionAPI"}
	cutOff = breaking{"partition", func(r *rig, _ *connection) string {
		r.cut()
		return ""
	}, "has answered nothing for"}
)

// podOf is the name of a worker's pod.
func (c *connection) podOf(t *testing.T, index int) string {
	t.Helper()
	for _, u := range c.all(t, false) {
		if p := podOf(&u); p.index == index {
			return p.name
		}
	}
	t.Fatalf("no pod of worker %d", index)
	return ""
}

// cut drops all packets, both ways, of one of the connections between the API
// server and the kubelet: one worker's stream goes there.
func (r *rig) cut() {
	r.t.Helper()
	out, err := r.command("ss", "-Htn", "state", "established", "dport = :20250").CombinedOutput()
	r.must("list connections", err)
	fields := strings.Fields(string(out))
	if len(fields) < 4 {
		r.t.Fatalf("no connection to the kubelet: %q", out)
	}
	port := fields[2][strings.LastIndexByte(fields[2], ':')+1:]
	for _, ends := range [][]string{{"--sport", port, "--dport", "20250"}, {"--sport", "20250", "--dport", port}} {
		r.t.Cleanup(r.drop(ends...))
	}
}

// drop drops packets of TCP until what it returns is called.
func (r *rig) drop(matching ...string) (mend func()) {
	r.t.Helper()
	rule := append([]string{"OUTPUT", "-p", "tcp"}, append(matching, "-j", "DROP")...)
	iptables := func(what string) {
		out, err := r.command("iptables", append([]string{"-w", "5", what}, rule...)...).CombinedOutput()
		if err != nil {
			r.t.Fatalf("iptables %s: %v: %s", what, err, out)
		}
	}
	iptables("-I")
	return sync.OnceFunc(func() { iptables("-D") })
}

// One pod's worker is lost: seen within five seconds, told with what became of
// it, and what it did not offer counts.
func lostPod(t *testing.T, r *rig, b breaking) {
	s, c := r.serve(), r.connect()
	p := r.play(s, game{lasts: 15 * time.Second})
	name := b.do(r, c)
	at := p.now()
	if code := p.wait(); code != 3 {
		t.Errorf("exit %d\n%s\n%s", code, &p.stdout, &p.stderr)
	}
	var first journal.Event
	lost := map[string]bool{}
	for _, e := range p.events() {
		if e.Kind == journal.WorkerState && e.State == journal.WorkerLost {
			if lost[e.Name] = true; first.Name == "" {
				first = e
			}
		}
	}
	t.Logf("%s at %v, %s seen at %v, %v later: %s", b.what, at, first.Name, first.At, first.At-at, first.Text)
	if len(lost) != 1 || name != "" && first.Name != name || first.At-at > 5*time.Second || !strings.Contains(first.Text, b.want) {
		t.Errorf("told as %s, %q, %v after it happened, of %d lost; want %s and %q", first.Name, first.Text, first.At-at, len(lost), name, b.want)
	}
	recorded, err := journal.Open(p.dir)
	r.must("open journal", err)
	n := recorded.Counts("web", 0, time.Hour)
	if n.Lost == 0 || n.Offered != n.Sent+n.Lost+n.Dropped {
		t.Errorf("%+v does not add up", n)
	}
	report := strings.Join(strings.Fields(p.stdout.String()), " ")
	for _, want := range []string{"INCONCLUSIVE", "of its share", first.Worker.Where, b.want} {
		if !strings.Contains(report, want) {
			t.Errorf("the report does not say %q:\n%s", want, &p.stdout)
		}
	}
	if left := append(c.all(t, true), c.all(t, false)...); len(left) > 0 {
		t.Errorf("left behind: %d objects", len(left))
	}
}

// Nobody reaches the API server for a time: every worker is seen to be lost within
// five seconds, which ends the run, and when it is back the Job is removed.
func allCutOff(t *testing.T, r *rig) {
	s, c := r.serve(), r.connect()
	p := r.play(s, game{lasts: time.Minute})
	server, err := url.Parse(c.config.Host)
	r.must("read the API server's address", err)
	mend := r.drop("--dport", server.Port())
	defer mend()
	at := p.now()
	r.until(time.Minute, "all workers are lost", func() bool {
		lost := 0
		for _, e := range p.events() {
			if e.Kind == journal.WorkerState && e.State == journal.WorkerLost && e.At > 0 {
				lost++
				if e.At-at > 5*time.Second {
					t.Errorf("%s seen to be lost %v after it was cut off", e.Name, e.At-at)
				}
			}
		}
		return lost >= 4
	})
	mend()
	if code := p.wait(); code != 3 || !strings.Contains(strings.Join(strings.Fields(p.stdout.String()), " "), "all 4 workers were lost") {
		t.Errorf("exit %d\n%s\n%s", code, &p.stdout, &p.stderr)
	}
	t.Logf("%s", &p.stderr)
	if left := append(c.all(t, true), c.all(t, false)...); len(left) > 0 {
		t.Errorf("left behind: %d objects\n%s", len(left), &p.stderr)
	}
}

// kill -9 of the controller while a fault is in place: the workers end, the Job
// with them, and the fault is undone, with nobody's help.
func controllerKilled(t *testing.T, r *rig) {
	victim := exec.Command("sleep", "600")
	r.must("start victim", victim.Start())
	defer func() {
		_ = victim.Process.Kill()
		_ = victim.Wait()
	}()
	state := func() byte {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", victim.Process.Pid))
		r.must("read state", err)
		_, after, _ := strings.Cut(string(text), ") ")
		return after[0]
	}
	pidFile := filepath.Join(t.TempDir(), "victim.pid")
	r.must("write pid", os.WriteFile(pidFile, []byte(strconv.Itoa(victim.Process.Pid)), 0o644))
	s, c := r.serve(), r.connect()
	p := r.play(s, game{lasts: 5 * time.Minute, faults: fmt.Sprintf("    faults: { frozen: { at: 1s, for: 4m, process: { pause: { pid_file: %q } } } }\n", pidFile)})
	r.until(30*time.Second, "the fault is in place", func() bool { return state() == 'T' })
	killed := time.Now()
	r.must("kill the controller", p.cmd.Process.Kill())
	<-p.done
	r.until(time.Minute, "the workers' pods have ended", func() bool {
		for _, u := range c.all(t, false) {
			if phase, _, _ := unstructured.NestedString(u.Object, "status", "phase"); phase != "Failed" && phase != "Succeeded" {
				return false
			}
		}
		return true
	})
	t.Logf("pods ended %v after the controller was killed", time.Since(killed))
	served := s.served()
	r.until(time.Minute, "the Job has ended", func() bool {
		for _, u := range c.all(t, true) {
			conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
			for _, condition := range conditions {
				if m, ok := condition.(map[string]any); ok && (m["type"] == "Failed" || m["type"] == "Complete") && m["status"] == "True" {
					return true
				}
			}
		}
		return false
	})
	t.Logf("Job ended %v after", time.Since(killed))
	r.until(time.Minute, "the fault is undone", func() bool { return state() != 'T' })
	t.Logf("fault undone %v after", time.Since(killed))
	if more := s.served() - served; more > 0 {
		t.Errorf("%d requests after the pods had ended", more)
	}
	r.foundAndRemoved(c)
}

// foundAndRemoved has brunt find and remove what is left of the workers, as on
// another machine: with nothing but a kubeconfig.
func (r *rig) foundAndRemoved(c *connection) {
	r.t.Helper()
	home := r.t.TempDir()
	call := func(args ...string) string {
		cmd := r.command(r.brunt, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + r.kubeconfig}
		out, err := cmd.CombinedOutput()
		if err != nil {
			r.t.Errorf("brunt %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	seen := call("faults")
	removed := call("undo", "--all")
	if !strings.Contains(seen, "brunt undo --all removes it") || !strings.Contains(removed, "removed after") || len(c.all(r.t, true))+len(c.all(r.t, false)) > 0 {
		r.t.Errorf("left by the killed run, and not found or not removed:\n%s\n%s", seen, removed)
	}
	r.t.Logf("faults:\n%s\nundo --all:\n%s", seen, removed)
}
