//go:build e2e

package kubernetes

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/brunt-dev/brunt/examples/labtest"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

func configOf(t *testing.T, l *labtest.Lab, name string) *rest.Config {
	t.Helper()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: l.Kubeconfig}, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 100, 200
	return config
}

// A real namespace with a Deployment of two and an HPA.
type realShop struct {
	t         *testing.T
	lab       *labtest.Lab
	client    dynamic.Interface
	namespace string
}

func gvr(r resource) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.group, Version: r.version, Resource: r.name}
}

func newRealShop(t *testing.T, l *labtest.Lab, namespace string) *realShop {
	t.Helper()
	client, err := dynamic.NewForConfig(configOf(t, l, "lab"))
	if err != nil {
		t.Fatal(err)
	}
	s := &realShop{t: t, lab: l, client: client, namespace: namespace}
	create := func(in dynamic.ResourceInterface, o object) {
		if _, err := in.Create(t.Context(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	create(client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}), object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": namespace}})
	labels := object{"app": "api"}
	create(client.Resource(gvr(deployments)).Namespace(namespace), object{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": object{"name": "api"},
		"spec": object{"replicas": int64(2), "selector": object{"matchLabels": labels}, "template": object{
			"metadata": object{"labels": labels},
			"spec":     object{"containers": []any{object{"name": "api", "image": "none", "resources": object{"requests": object{"cpu": "500m"}}}}}}}})
	create(client.Resource(gvr(autoscalers)).Namespace(namespace), object{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": object{"name": "api"},
		"spec": object{"scaleTargetRef": object{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}, "minReplicas": int64(2), "maxReplicas": int64(8),
			"metrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "Utilization", "averageUtilization": int64(50)}}}}}})
	return s
}

func (s *realShop) scale(n int) {
	s.t.Helper()
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, n)
	if _, err := s.client.Resource(gvr(deployments)).Namespace(s.namespace).Patch(s.t.Context(), "api", "application/merge-patch+json", []byte(patch), metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *realShop) watch(config *rest.Config, kind func(Watchers, probes.Env) (probes.Probe, error)) *watched {
	s.t.Helper()
	p, err := kind(Watchers{Connect: func(probes.Kubernetes) (*rest.Config, error) { return config, nil }}, probes.Env{Name: "api", Kubernetes: probes.Kubernetes{Namespace: s.namespace}})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	w := &watched{t: s.t, readings: make(chan probes.Reading)}
	done := make(chan error, 1)
	go func() {
		done <- p.Watch(ctx, func(r probes.Reading) {
			select {
			case w.readings <- r:
			case <-ctx.Done():
			}
		})
	}()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Watch: %v", err)
		}
	})
	return w
}

// The real controller decides; what is told of it is what it says itself, and
// the two agree on when.
func TestKubeE2EDecisionsAreTheControllers(t *testing.T) {
	l := labtest.Shared(t, "-hpa-sync=1s", "-hpa-downscale=5s")
	s := newRealShop(t, l, "probe-step")
	w := s.watch(configOf(t, l, "lab"), kinds()["hpa"])
	w.untilReady(2)
	l.Do(t, "/set", "kind", "cpu", "namespace", s.namespace, "value", "400m")
	w.until("more asked for, and ready", func() bool { return w.last.Err == nil && w.last.Value > 2 && w.last.Value == w.last.Series["desired"] })
	l.Do(t, "/set", "kind", "cpu", "namespace", s.namespace, "value", "10m")
	w.until("two again", func() bool { return w.last.Err == nil && w.last.Value == 2 && w.last.Series["desired"] == 2 })

	list, err := s.client.Resource(gvr(eventList)).Namespace(s.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=SuccessfulRescale"})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) < 2 {
		t.Fatalf("the controller tells of %d rescales, want two at least", len(list.Items))
	}
	for i := range list.Items {
		e, err := convert[eventObject](&list.Items[i])
		if err != nil {
			t.Fatal(err)
		}
		said, _ := e.when()
		found := false
		for _, told := range w.events {
			if told.What != probes.Scaled || !strings.Contains(e.Message, fmt.Sprintf("New size: %v;", *told.To)) {
				continue
			}
			// It writes its status and then the event, each stamped in whole seconds.
			early, late := told.At.Add(-told.Within), told.At.Add(told.Within)
			if !late.Before(said.Add(-time.Second)) && !early.After(said.Add(time.Second)) {
				found = true
				t.Logf("%s at %s, told %s ±%s", e.Message, said.Format("15:04:05"), told.At.Format("15:04:05.000"), told.Within.Round(time.Millisecond))
			}
		}
		if !found {
			t.Errorf("the controller says %q at %s, and that was not told:\n%s", e.Message, said, w.story())
		}
	}
	for _, what := range []string{probes.Created, probes.Scheduled, probes.Started, probes.Ready} {
		if !strings.Contains(w.story(), " "+what) {
			t.Errorf("no pod was told to be %s:\n%s", what, w.story())
		}
	}
}

// A relay stands between a probe and the real API server, and can be gone.
type relay struct {
	t       *testing.T
	address string
	to      string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	serving  sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, address: "127.0.0.1:0", to: u.Host, conns: map[net.Conn]bool{}}
	r.open()
	r.address = r.listener.Addr().String()
	t.Cleanup(r.close)
	return r
}

func (r *relay) open() {
	r.t.Helper()
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = listener
	r.mu.Unlock()
	r.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.serving.Go(func() { r.carry(conn) })
		}
	})
}

func (r *relay) carry(a net.Conn) {
	defer a.Close()
	b, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer b.Close()
	r.mu.Lock()
	r.conns[a], r.conns[b] = true, true
	r.mu.Unlock()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(a, b)
		_ = a.Close()
	}()
	_, _ = io.Copy(b, a)
	_ = b.Close()
	<-back
}

// close cuts every connection and refuses new ones.
func (r *relay) close() {
	r.mu.Lock()
	_ = r.listener.Close()
	for c := range r.conns {
		_ = c.Close()
	}
	clear(r.conns)
	r.mu.Unlock()
	r.serving.Wait()
}

// The API server is gone in the middle, for longer than anything is retried at
// once, and what happened meanwhile is told when it is back.
func TestKubeE2EServerGoneAndBack(t *testing.T) {
	l := labtest.Shared(t, "-hpa-sync=1s", "-hpa-downscale=5s")
	s := newRealShop(t, l, "probe-gone")
	r := newRelay(t, l.Server)
	config := configOf(t, l, "lab")
	config.Host = "https://" + r.address
	w := s.watch(config, kinds()["deployment"])
	w.untilReady(2)
	before := strings.Count(w.story(), " created")
	r.close()
	w.until("gone", func() bool { return w.last.Err != nil && strings.Contains(w.last.Err.Error(), "refused") })
	s.scale(5)
	for range 20 {
		w.until("still gone", func() bool { return w.last.Err != nil })
	}
	r.open()
	w.untilReady(5)
	w.until("told of the decision", func() bool { return w.has("deployment/api scaled 2→5") })
	if created := strings.Count(w.story(), " created") - before; created != 3 {
		t.Errorf("%d pods were told to be created, want 3; all:\n%s", created, w.story())
	}
}

// A server that hangs is no server, and one that goes on is.
func TestKubeE2EServerHangs(t *testing.T) {
	l := labtest.Start(t)
	s := newRealShop(t, l, "probe-hang")
	w := s.watch(configOf(t, l, "lab"), kinds()["deployment"])
	w.untilReady(2)
	if err := syscall.Kill(l.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.until("silence", func() bool { return w.last.Err != nil && strings.Contains(w.last.Err.Error(), "no sign of life") })
	if err := syscall.Kill(l.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.untilReady(2)
	s.scale(3)
	w.untilReady(3)
}

func TestKubeE2ERefusals(t *testing.T) {
	l := labtest.Shared(t, "-hpa-sync=1s", "-hpa-downscale=5s")
	s := newRealShop(t, l, "probe-refused")
	for context, says := range map[string]string{
		"lab-user-1":  "not allowed",
		"lab-expired": "nauthorized",
	} {
		t.Run(context, func(t *testing.T) {
			w := (&realShop{t: t, lab: l, namespace: s.namespace}).watch(configOf(t, l, context), kinds()["hpa"])
			w.until(says, func() bool { return w.last.Err != nil && strings.Contains(w.last.Err.Error(), says) })
			t.Log(w.last.Err)
		})
	}
	t.Run("another namespace", func(t *testing.T) {
		w := (&realShop{t: t, lab: l, namespace: "nowhere"}).watch(configOf(t, l, "lab"), kinds()["hpa"])
		w.until("missing", func() bool {
			return w.last.Err != nil && w.last.Err.Error() == "there is no HPA api in namespace nowhere"
		})
	})
	t.Run("down at the start", func(t *testing.T) {
		r := newRelay(t, l.Server)
		r.close()
		config := configOf(t, l, "lab")
		config.Host = "https://" + r.address
		w := (&realShop{t: t, lab: l, namespace: s.namespace}).watch(config, kinds()["hpa"])
		w.until("down", func() bool { return w.last.Err != nil && strings.Contains(w.last.Err.Error(), "refused") })
		r.open()
		w.untilReady(2)
	})
}
