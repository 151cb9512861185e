// Package labtest starts the Kubernetes lab (examples/lab) for tests that need
// a real API server. The lab is a module of its own with a heavy build, so
// tests take a program that was built before: `make e2e-kube` builds it and
// names it in BRUNT_LAB. Such tests carry the build tag e2e.
package labtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// bound is how long a lab may take to be ready or to end. It takes seconds.
const bound = 2 * time.Minute

// Lab is a running lab, as its ready file describes it.
type Lab struct {
	Kubeconfig string            `json:"kubeconfig"` // contexts: lab (may do all), lab-view, lab-user-1 to -4 (may do nothing until bound), lab-expired
	Server     string            `json:"server"`     // https://127.0.0.1:PORT
	Front      string            `json:"front"`      // http://127.0.0.1:PORT; /NAMESPACE/SERVICE/… leads to the Service's ready pods
	Control    string            `json:"control"`    // http://127.0.0.1:PORT; GET / says what it takes
	ChaosMesh  bool              `json:"chaos_mesh"`
	Dir        string            `json:"dir"` // of its state: ca.crt, inner.kubeconfig (the way of its own parts, which outages of=clients leave open), logs
	PID        int               `json:"pid"`
	Children   []int             `json:"children"` // processes that end with it
	Tokens     map[string]string `json:"tokens"`   // by user

	flags  []string
	cmd    *exec.Cmd
	stdin  io.Closer
	output *bytes.Buffer // safe to read once done is closed
	done   chan struct{}
	err    error // how it ended; read after done
}

// Start starts a lab of its own for a test, with flags such as -hpa-sync=1s,
// and ends it with the test. It fails the test when there is none to start.
func Start(t testing.TB, flags ...string) *Lab {
	t.Helper()
	l, err := start(flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.stop(); err != nil {
			t.Errorf("end the lab: %v", err)
		}
	})
	return l
}

// Kill ends the lab as a machine's failure does, at once. A lab that was started
// with -state can be started Again.
func (l *Lab) Kill(t testing.TB) {
	t.Helper()
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill the lab: %v", err)
	}
	<-l.done
}

// Again starts a lab that was killed on the state that it left.
func (l *Lab) Again(t testing.TB) {
	t.Helper()
	_ = l.stdin.Close() // nobody reads it any more
	next, err := start(l.flags)
	if err != nil {
		l.err = nil // it was meant
		t.Fatal(err)
	}
	*l = *next
}

var shared = struct {
	sync.Mutex
	labs map[string]*Lab
}{labs: map[string]*Lab{}}

// Shared returns one lab for all tests of a package that ask with the same
// flags; each should work in a namespace of its own. It ends when the test
// binary does, since its standard input does.
func Shared(t testing.TB, flags ...string) *Lab {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	key := strings.Join(flags, " ")
	if l := shared.labs[key]; l != nil {
		return l
	}
	l, err := start(flags)
	if err != nil {
		t.Fatal(err)
	}
	shared.labs[key] = l
	return l
}

func start(flags []string) (*Lab, error) {
	exe := os.Getenv("BRUNT_LAB")
	if exe == "" {
		return nil, errors.New("no Kubernetes lab: BRUNT_LAB is not set; run this test with `make e2e-kube`")
	}
	dir, err := os.MkdirTemp("", "brunt-labtest-")
	if err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	defer os.RemoveAll(dir) // read once
	ready := filepath.Join(dir, "ready.json")

	l := &Lab{flags: flags, output: new(bytes.Buffer), done: make(chan struct{})}
	l.cmd = exec.Command(exe, append([]string{"-lifeline", "-ready-file", ready}, flags...)...)
	l.cmd.Stdout, l.cmd.Stderr = l.output, l.output
	if l.stdin, err = l.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the lab: %w", err)
	}
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the lab: %w; `make e2e-kube` builds it", err)
	}
	go func() {
		l.err = l.cmd.Wait()
		close(l.done)
	}()
	deadline := time.After(bound)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, err := os.ReadFile(ready); err == nil {
			if err := json.Unmarshal(b, l); err != nil {
				_ = l.stop()
				return nil, fmt.Errorf("read the lab's ready file: %w", err)
			}
			return l, nil
		}
		select {
		case <-tick.C:
		case <-l.done:
			return nil, fmt.Errorf("start the lab: %w: %s", l.err, l.output)
		case <-deadline:
			_ = l.stop()
			return nil, fmt.Errorf("start the lab: not ready within %s: %s", bound, l.output)
		}
	}
}

// stop asks the lab to end and waits for it.
func (l *Lab) stop() error {
	_ = l.stdin.Close() // closed already when the lab is gone
	select {
	case <-l.done:
	case <-time.After(bound):
		_ = l.cmd.Process.Kill()
		<-l.done
		return fmt.Errorf("still there after %s", bound)
	}
	if l.err != nil {
		return fmt.Errorf("%w: %s", l.err, l.output)
	}
	return nil
}

// Client trusts the lab's authority alone, and keeps no connection.
func (l *Lab) Client(t testing.TB) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(l.Dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
}

// Do asks the lab's controls, such as Do(t, "/set", "kind", "cpu", "value", "500m").
func (l *Lab) Do(t testing.TB, path string, pairs ...string) {
	t.Helper()
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	resp, err := http.Post(l.Control+path+"?"+query.Encode(), "", nil)
	if err != nil {
		t.Fatalf("control the lab: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("control the lab: %s: %s", resp.Status, b)
	}
}
