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
	"path/filepath"
	"sync"
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

	dir             string // of the state
	again           bool   // the state is that of a lab before this one
	ports           ports
	ca              *authority
	api             *doors
	innerKubeconfig string       // for the lab's own parts
	config          *rest.Config // likewise
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
	if err := l.openState(); err != nil {
		return err
	}
	var err error
	if l.log, err = logTo(filepath.Join(l.dir, "kubernetes.log")); err != nil {
		return err
	}
	l.onClose(func() { l.log.Close() })
	if l.ca, err = authorityIn(l.dir); err != nil {
		return err
	}

	// The control plane outlives ctx by a moment: close ends it, in order.
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	etcd, url, err := startEtcd(ctx, l.dir, l.ports)
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
		if l.again {
			break // the state has what became of them
		}
		if err := l.apply(ctx, file); err != nil {
			return err
		}
	}
	if l.kubeconfig == "" {
		l.kubeconfig = filepath.Join(l.dir, "kubeconfig")
	} else {
		l.onClose(func() { os.Remove(l.kubeconfig) })
	}
	return writeKubeconfig(l.kubeconfig, l.server(), l.ca.pem, users)
}

// server is where the API server's clients find it.
func (l *lab) server() string { return fmt.Sprintf("https://127.0.0.1:%d", l.ports.API) }

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
		port    int
		handler http.Handler
	}{{"front door", l.ports.Front, table}, {"controls", l.ports.Control, controls(table, m, &daemons{fail: map[string]string{}}, l.api)}} {
		listener, err := listen("the "+door.name, door.port)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: door.handler, ReadHeaderTimeout: 10 * time.Second}
		if l.pin && door.port == l.ports.Front {
			server.ConnContext = serve.Pin
		}
		l.serve(listener, server)
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
	if made(err) != nil {
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
		Kubeconfig: l.kubeconfig, Server: l.server(),
		Front:     fmt.Sprintf("http://127.0.0.1:%d", l.ports.Front),
		Control:   fmt.Sprintf("http://127.0.0.1:%d", l.ports.Control),
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
