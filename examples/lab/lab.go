package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/brunt-dev/brunt/examples/lab/meter"
	"github.com/brunt-dev/brunt/examples/lab/serve"
)

// A lab is the running whole. The goroutine that calls start also calls close.
type lab struct {
	options

	ca              *authority
	apiPort         int    // of the API server itself; the relay's is in options.port
	innerKubeconfig string // past the relay, for the lab's own parts
	config          *rest.Config
	client          *kubernetes.Clientset
	log             *os.File

	end      context.CancelCauseFunc
	children []int // process ids
	parts    sync.WaitGroup
	closers  []func() // run backwards
}

// start brings everything up. end is called with what fails later.
func (l *lab) start(ctx context.Context, end context.CancelCauseFunc) error {
	l.end = end
	if err := l.makeDir(); err != nil {
		return err
	}
	var err error
	if l.log, err = logTo(filepath.Join(l.dir, "kubernetes.log")); err != nil {
		return err
	}
	l.onClose(func() { l.log.Close() })
	if l.ca, err = newAuthority(); err != nil {
		return err
	}

	// The control plane outlives ctx by a moment: close ends it, in order.
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	etcd, url, err := startEtcd(ctx, l.dir)
	if err != nil {
		stop()
		return err
	}
	l.onClose(etcd.Close)
	l.onClose(func() { stop(); l.wait(5 * time.Second) })
	if err := l.startAPIServer(inner, url); err != nil {
		return err
	}
	l.innerKubeconfig = filepath.Join(l.dir, "inner.kubeconfig")
	if err := writeKubeconfig(l.innerKubeconfig, l.config.Host, l.ca.pem, users[:1]); err != nil {
		return err
	}
	defined := make(chan error, 1) // it takes a while, and little waits for it
	go func() { defined <- l.installCRDs(ctx) }()
	err = l.startRest(ctx, inner)
	if failed := <-defined; failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	if l.chaosMesh {
		if err := l.startChaosMesh(ctx); err != nil {
			return err
		}
	}
	for _, file := range l.objects {
		if err := l.apply(ctx, file); err != nil {
			return err
		}
	}
	if l.kubeconfig == "" {
		l.kubeconfig = filepath.Join(l.dir, "kubeconfig")
	} else {
		l.onClose(func() { os.Remove(l.kubeconfig) })
	}
	return writeKubeconfig(l.kubeconfig, l.config.Host, l.ca.pem, users)
}

// startRest starts what runs beside the API server and needs no definitions.
func (l *lab) startRest(ctx, inner context.Context) error {
	if err := l.startControllers(inner); err != nil {
		return err
	}
	if err := l.startScheduler(inner); err != nil {
		return err
	}
	if err := l.startKwok(inner); err != nil {
		return err
	}
	if err := l.startServing(ctx, inner); err != nil {
		return err
	}
	if err := l.bindViewers(ctx); err != nil {
		return err
	}
	return l.waitNodes(ctx)
}

// startServing gives the pods their work, the metrics their source, and both
// a door.
func (l *lab) startServing(ctx, inner context.Context) error {
	table := serve.NewTable()
	pods, err := l.watch(inner, table)
	if err != nil {
		return err
	}
	m := meter.New(measured{pods: pods, table: table})
	if err := l.startMetrics(ctx, m); err != nil {
		return err
	}
	for _, door := range []struct {
		name    string
		port    *int
		handler http.Handler
	}{{"front door", &l.front, table}, {"controls", &l.control, controls(table, m, &daemons{fail: map[string]string{}})}} {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *door.port))
		if err != nil {
			return fmt.Errorf("listen for the %s: %w", door.name, err)
		}
		*door.port = listener.Addr().(*net.TCPAddr).Port
		l.serve(listener, &http.Server{Handler: door.handler, ReadHeaderTimeout: 10 * time.Second})
	}
	return nil
}

// serve runs a server until the lab closes.
func (l *lab) serve(listener net.Listener, s *http.Server) {
	s.ErrorLog = log.New(io.Discard, "", 0) // aborted requests are what it is for
	l.onClose(func() { s.Close() })
	l.parts.Go(func() {
		var err error
		if s.TLSConfig != nil {
			err = s.ServeTLS(listener, "", "")
		} else {
			err = s.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			l.end(fmt.Errorf("serve %s: %w", listener.Addr(), err))
		}
	})
}

// makeDir makes the state folder, and somebody to remove it should this
// process not live to do so.
func (l *lab) makeDir() error {
	var err error
	if l.dir == "" {
		l.dir, err = os.MkdirTemp("", "brunt-lab-")
	} else if l.dir, err = filepath.Abs(l.dir); err == nil {
		err = os.Mkdir(l.dir, 0o700)
	}
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make state folder: %s exists already; the lab removes its folder at exit, so it takes a new one only", l.dir)
	}
	if err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	if l.keep {
		return nil
	}
	// The sweeper's standard input ends when this process does, however it ends.
	sweeper := exec.Command("/bin/sh", "-c", `cat >/dev/null; rm -rf -- "$1"`, "brunt-lab-sweeper", l.dir)
	sweeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // not reached by the terminal's Ctrl-C
	in, err := sweeper.StdinPipe()
	if err != nil {
		return fmt.Errorf("start sweeper: %w", err)
	}
	if err := sweeper.Start(); err != nil {
		return fmt.Errorf("start sweeper: %w", err)
	}
	l.children = append(l.children, sweeper.Process.Pid)
	l.onClose(func() { in.Close(); _ = sweeper.Wait() })
	return nil
}

// spawn runs a part of the lab; should it end before the lab does, the lab ends.
func (l *lab) spawn(name string, run func() error) {
	l.parts.Add(1)
	go func() {
		defer l.parts.Done()
		err := run()
		if err == nil {
			err = errors.New("ended by itself")
		}
		l.end(fmt.Errorf("%s: %w", name, err))
	}()
}

// wait gives the parts time to end. What does not end in time ends with the process.
func (l *lab) wait(bound time.Duration) {
	done := make(chan struct{})
	go func() { l.parts.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(bound):
	}
}

func (l *lab) onClose(f func()) { l.closers = append(l.closers, f) }

// close ends everything that start started, also after a start that failed.
func (l *lab) close() {
	for len(l.closers) > 0 {
		last := len(l.closers) - 1
		l.closers[last]()
		l.closers = l.closers[:last]
	}
}

// bindViewers lets the view user read what may be read.
func (l *lab) bindViewers(ctx context.Context) error {
	_, err := l.client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "lab-viewers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "lab:viewers"}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("bind viewers: %w", err)
	}
	return nil
}

// readiness is what the lab offers, as the ready file has it.
type readiness struct {
	Kubeconfig string            `json:"kubeconfig"`
	Server     string            `json:"server"`
	Front      string            `json:"front"`   // http://127.0.0.1:PORT, see package serve
	Control    string            `json:"control"` // http://127.0.0.1:PORT, see control.go
	ChaosMesh  bool              `json:"chaos_mesh"`
	Dir        string            `json:"dir"`
	PID        int               `json:"pid"`
	Children   []int             `json:"children"` // processes that end with it
	Seconds    float64           `json:"seconds"`  // from start to ready
	Tokens     map[string]string `json:"tokens"`
}

func (l *lab) ready(took time.Duration) readiness {
	r := readiness{
		Kubeconfig: l.kubeconfig, Server: l.config.Host,
		Front:     fmt.Sprintf("http://127.0.0.1:%d", l.front),
		Control:   fmt.Sprintf("http://127.0.0.1:%d", l.control),
		ChaosMesh: l.chaosMesh,
		Dir:       l.dir, PID: os.Getpid(), Children: l.children, Seconds: took.Seconds(), Tokens: map[string]string{},
	}
	for _, u := range users {
		r.Tokens[u.name] = u.token
	}
	return r
}

// write puts the ready file in place whole.
func (r readiness) write(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	if err := os.WriteFile(file+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	return nil
}

func (r readiness) print(w io.Writer) {
	fmt.Fprintf(w, "kubeconfig: %s\n", r.Kubeconfig)
	fmt.Fprintf(w, "front door: %s/NAMESPACE/SERVICE/\n", r.Front)
	fmt.Fprintf(w, "controls:   %s\n", r.Control)
	fmt.Fprintf(w, "ready in %.1f s\n", r.Seconds)
}
