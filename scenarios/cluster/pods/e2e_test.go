//go:build e2e && linux

package pods

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/brunt-dev/brunt/reports/journal"
)

const (
	secret    = "p0d-s3cret"
	namespace = "default"
)

// A target is a server that notes who asked for what.
type target struct {
	address string

	mu       sync.Mutex
	requests map[string]int
	wrong    int // without the secret
}

func (r *rig) serve() *target {
	r.t.Helper()
	l := r.listen()
	s := &target{address: l.Addr().String(), requests: map[string]int{}}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests[q.URL.Path]++
		if q.Header.Get("Authorization") != "Bearer "+secret {
			s.wrong++
		}
		fmt.Fprint(w, "ok")
	})}
	go server.Serve(l)
	r.t.Cleanup(func() { _ = server.Close() })
	return s
}

func (s *target) served() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.requests {
		n += int64(times)
	}
	return n
}

// A played run.
type run struct {
	*rig
	dir            string
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	done           chan struct{}
}

// play starts a run of four pods that lasts so long, and returns when it plays.
func (r *rig) play(s *target, lasts time.Duration, more string) *run {
	r.t.Helper()
	dir := r.t.TempDir()
	users := "id\n"
	for i := range 20_000 {
		users += fmt.Sprintf("u%d\n", i)
	}
	r.must("write users", os.WriteFile(filepath.Join(dir, "users.csv"), []byte(users), 0o644))
	file := filepath.Join(dir, "pods.yaml")
	r.must("write scenario", os.WriteFile(file, fmt.Appendf(nil, `
version: 1
name: real-pods
target: { hosts: [%[1]q], kubernetes: { namespace: %[2]s } }
safety: { lease: 3s, renew: 1s }
data: { users: { csv: users.csv, pick: unique } }
loads:
  web:
    http: { base: "http://%[1]s", headers: { Authorization: "Bearer ${BRUNT_E2E_TOKEN}" } }
    steps: [{ get: "/${users.id}", name: get }]
phases:
  - name: all
    for: %[3]s
    load: { web: { rate: 100/s, arrivals: poisson } }
%[4]s`, s.address, namespace, lasts, more), 0o644))
	p := &run{rig: r, dir: filepath.Join(dir, "run"), done: make(chan struct{})}
	p.cmd = r.command(r.brunt, "run", file, "--workers", "4", "--on", "kubernetes", "--image", workerImage, "--worker-cpu", "50m", "--worker-memory", "64Mi", "--out", p.dir)
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig, "BRUNT_E2E_TOKEN="+secret, "XDG_STATE_HOME="+dir)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.WaitDelay = &p.stdout, &p.stderr, time.Second
	r.must("start brunt", p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	r.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	r.until(3*time.Minute, "the run plays", func() bool {
		select {
		case <-p.done:
			r.t.Fatalf("brunt ended: %s\n%s\n%s", p.cmd.ProcessState, &p.stdout, &p.stderr)
		default:
		}
		info, err := os.Stat(filepath.Join(p.dir, "latency.hlog"))
		return err == nil && info.Size() > 2048
	})
	return p
}

func (p *run) wait() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

func (p *run) events() []journal.Event {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "events.jsonl"))
	p.must("read events", err)
	var all []journal.Event
	for line := range bytes.Lines(text) {
		var e journal.Event
		if json.Unmarshal(line, &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// now is how far the run is.
func (p *run) now() time.Duration {
	for _, e := range p.events() {
		if e.Wall != nil {
			return time.Since(*e.Wall)
		}
	}
	return 0
}

// worker is the process of one worker, as this machine sees it.
func (r *rig) worker(index int) int {
	r.t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/environ")
	r.must("look for processes", err)
	for _, link := range links {
		env, err := os.ReadFile(link)
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
		if err == nil && bytes.Contains(env, fmt.Appendf(nil, "JOB_COMPLETION_INDEX=%d\x00", index)) && bytes.Equal(cmdline, []byte("/brunt\x00worker\x00")) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			r.must("read pid", err)
			return pid
		}
	}
	r.t.Fatalf("no process of worker %d", index)
	return 0
}

// connect is the way to the API server, which listens in the rig's network.
func (r *rig) connect() *connection {
	r.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", r.kubeconfig)
	r.must("read kubeconfig", err)
	config.Dial = func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		var dialing sync.WaitGroup
		dialing.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
			var f *os.File
			if f, err = os.Open("/run/netns/" + r.netns); err != nil {
				return
			}
			defer f.Close()
			if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return
			}
			// No happy eyeballs, which would dial from another thread.
			conn, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, "tcp4", address)
		})
		dialing.Wait()
		return conn, err
	}
	c, err := connect(config, namespace)
	r.must("connect", err)
	return c
}

func (c *connection) all(t *testing.T, job bool) []unstructured.Unstructured {
	t.Helper()
	kind := pods
	if job {
		kind = jobs
	}
	list, err := c.dynamic.Resource(kind).Namespace(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: Label})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestPodsE2E(t *testing.T) {
	r := startRig(t)
	t.Run("four", func(t *testing.T) { fourPods(t, r.with(t)) })
	t.Run("killed", func(t *testing.T) { lostPod(t, r.with(t), syscall.SIGKILL, "exit code 137") })
	t.Run("stopped", func(t *testing.T) { lostPod(t, r.with(t), syscall.SIGSTOP, "has said nothing for") })
	t.Run("controller killed", func(t *testing.T) { controllerKilled(t, r.with(t)) })
}

func (r *rig) with(t *testing.T) *rig {
	other := *r
	other.t = t
	return &other
}

// What four pods did is in the run directory, to the count: each arrival once,
// each user once, each operation in the merged histogram. Then all is gone.
func fourPods(t *testing.T, r *rig) {
	s, c := r.serve(), r.connect()
	p := r.play(s, 12*time.Second, "")
	for _, job := range append(c.all(t, true), c.all(t, false)...) {
		if text, err := json.Marshal(job.Object); err != nil || bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s %s holds the secret (or %v)", job.GetKind(), job.GetName(), err)
		}
	}
	code := p.wait()
	if code != 0 && code != 3 { // a busy machine may have been the bottleneck
		t.Errorf("exit %d\n%s\n%s", code, &p.stdout, &p.stderr)
	}
	recorded, err := journal.Open(p.dir)
	r.must("open journal", err)
	served := s.served()
	n, w := recorded.Counts("web", 0, time.Hour), recorded.Window("web", "", 0, time.Hour)
	if n.Offered != served || n.Completed != served || w.Failed() != 0 || w.Histogram(journal.Response, journal.All).TotalCount() != served {
		t.Errorf("served %d; counts %+v; %d in the histogram, %d failed", served, n, w.Ops(), w.Failed())
	}
	for path, times := range s.requests {
		if times != 1 {
			t.Errorf("%s was asked for %d times", path, times)
		}
	}
	if s.wrong > 0 {
		t.Errorf("%d requests without the secret", s.wrong)
	}
	done, sum := 0, int64(0)
	for _, e := range recorded.Events() {
		if e.Kind == journal.WorkerState && e.State == journal.WorkerDone {
			done++
			sum += e.Worker.Offered
			t.Logf("%s in %s: offered %d, clock %v ±%v, worst lag %v", e.Name, e.Worker.Where, e.Worker.Offered, e.Worker.ClockOffset, e.Worker.ClockError, e.Worker.DispatchLag)
		}
	}
	if done != 4 || sum != served {
		t.Errorf("%d workers account for %d of %d", done, sum, served)
	}
	t.Logf("served %d, in the merged histogram %d", served, w.Ops())
	if left := append(c.all(t, true), c.all(t, false)...); len(left) > 0 {
		t.Errorf("left behind: %d objects, %s first", len(left), left[0].GetName())
	}
}

// One pod's worker is killed or stopped: seen within five seconds, told with
// what became of it, and what it did not offer counts.
func lostPod(t *testing.T, r *rig, signal syscall.Signal, want string) {
	s, c := r.serve(), r.connect()
	p := r.play(s, 15*time.Second, "")
	r.must("signal the worker", syscall.Kill(r.worker(2), signal))
	at := p.now()
	if code := p.wait(); code != 3 {
		t.Errorf("exit %d\n%s\n%s", code, &p.stdout, &p.stderr)
	}
	var first journal.Event
	for _, e := range p.events() {
		if e.Kind == journal.WorkerState && e.State == journal.WorkerLost && first.Name == "" {
			first = e
		}
	}
	t.Logf("%v at %v, seen at %v, %v later: %s", signal, at, first.At, first.At-at, first.Text)
	if first.Name != "worker-2" || first.At-at > 5*time.Second || !strings.Contains(first.Text, want) {
		t.Errorf("told as %s, %q, %v after it happened; want worker-2 and %q", first.Name, first.Text, first.At-at, want)
	}
	recorded, err := journal.Open(p.dir)
	r.must("open journal", err)
	n := recorded.Counts("web", 0, time.Hour)
	if n.Lost == 0 || n.Offered != n.Sent+n.Lost+n.Dropped {
		t.Errorf("%+v does not add up", n)
	}
	if !strings.Contains(p.stdout.String(), "INCONCLUSIVE") || !strings.Contains(strings.Join(strings.Fields(p.stdout.String()), " "), "of its share") {
		t.Errorf("the report does not say so:\n%s", &p.stdout)
	}
	if left := append(c.all(t, true), c.all(t, false)...); len(left) > 0 {
		t.Errorf("left behind: %d objects", len(left))
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
	p := r.play(s, 5*time.Minute, fmt.Sprintf("    faults: { frozen: { at: 1s, for: 4m, process: { pause: { pid_file: %q } } } }\n", pidFile))
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
