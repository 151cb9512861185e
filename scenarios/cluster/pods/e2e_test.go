//go:build e2e && linux

package pods

import (
	"bytes"
	"cmp"
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
	"sync"
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
	scenario, dir  string
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	done           chan struct{}
}

// A game is a run to be played.
type game struct {
	lasts      time.Duration
	workers    int    // 4 unless it says
	image      string // the workers'; workerImage unless it says
	kubeconfig string // the rig's unless it says
	faults     string // YAML
}

// play starts a run and returns when it plays.
func (r *rig) play(s *target, g game) *run {
	r.t.Helper()
	p := r.begin(s, g)
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

// begin starts a run.
func (r *rig) begin(s *target, g game) *run {
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
%[4]s`, s.address, namespace, g.lasts, g.faults), 0o644))
	p := &run{rig: r, scenario: file, dir: filepath.Join(dir, "run"), done: make(chan struct{})}
	p.cmd = r.command(r.brunt, "run", file, "--workers", strconv.Itoa(cmp.Or(g.workers, 4)), "--on", "kubernetes", "--image", cmp.Or(g.image, workerImage), "--worker-cpu", "50m", "--worker-memory", "64Mi", "--out", p.dir)
	p.cmd.Env = append(os.Environ(), "KUBECONFIG="+cmp.Or(g.kubeconfig, r.kubeconfig), "BRUNT_E2E_TOKEN="+secret, "XDG_STATE_HOME="+dir)
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
	for _, tt := range []struct {
		name string
		test func(*testing.T, *rig)
	}{
		{"four", func(t *testing.T, r *rig) { manyPods(t, r, 4) }},
		{"twenty", func(t *testing.T, r *rig) { manyPods(t, r, 20) }},
		{"killed", func(t *testing.T, r *rig) { lostPod(t, r, killed) }},
		{"stopped", func(t *testing.T, r *rig) { lostPod(t, r, stopped) }},
		{"evicted", func(t *testing.T, r *rig) { lostPod(t, r, evicted) }},
		{"cut off", func(t *testing.T, r *rig) { lostPod(t, r, cutOff) }},
		{"all cut off", allCutOff},
		{"controller killed", controllerKilled},
		{"exact role", exactRole},
		{"bad images", badImages},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, r.with(t)) })
	}
}

func (r *rig) with(t *testing.T) *rig {
	other := *r
	other.t = t
	return &other
}
