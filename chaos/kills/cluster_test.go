//go:build e2e && linux

package kills

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// clusterArenas are targets in a real API server, with real controllers: that of
// the lab, and for mesh the real controller of Chaos Mesh.
var clusterArenas = []arenaOf{
	{"scale", scaleArena}, {"config", configArena}, {"cordon", cordonArena}, {"mesh", meshArena}, {"istio", istioArena}, {"linkerd", linkerdArena},
}

// isCluster says whether a kind's target is in a cluster.
func isCluster(kind string) bool {
	return slices.ContainsFunc(clusterArenas, func(a arenaOf) bool { return a.kind == kind })
}

// A shop is a namespace of the lab that a cell has to itself.
type shop struct {
	*kubetest.Real
	lab    *labtest.Lab
	client *http.Client
}

func newShop(t *testing.T) *shop {
	t.Helper()
	lab := labtest.Shared(t, "-chaos-mesh")
	s := &shop{Real: kubetest.NewReal(t, lab.Kubeconfig, fmt.Sprintf("kills-%d", number.Add(1))), lab: lab}
	// It is asked often, so its connection is kept. The server is on loopback.
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// arena is the shop with a fault, and a look at what the fault is about.
func (s *shop) arena(fault string, look func() string) *arena {
	return &arena{
		in:         fmt.Sprintf("kubernetes: { kubeconfig: %q, context: lab, namespace: %s }", s.lab.Kubeconfig, s.Namespace),
		fault:      fault,
		look:       look,
		kubeconfig: s.lab.Kubeconfig,
		slack:      4 * time.Second, // the API server and its controllers have their own pace
	}
}

// items are the objects at a path: what brunt marked, and what keep leaves of
// them.
func (s *shop) items(path string, keep func(kubetest.Object) any) string {
	request, err := http.NewRequest(http.MethodGet, s.lab.Server+strings.ReplaceAll(path, "$NS", s.Namespace), nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+s.lab.Tokens["admin"])
	response, err := s.client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	var list struct{ Items []kubetest.Object }
	if err := json.Unmarshal(text, &list); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Sprintf("%s: %s", response.Status, text)
	}
	var b strings.Builder
	for _, o := range list.Items {
		meta := o["metadata"].(kubetest.Object)
		annotations, _ := meta["annotations"].(kubetest.Object)
		for _, key := range []string{"deployment.kubernetes.io/revision", "node.alpha.kubernetes.io/ttl"} { // controllers'
			delete(annotations, key)
		}
		if len(annotations) == 0 {
			annotations = nil
		}
		kept := keep(o)
		line, err := json.Marshal([]any{meta["name"], meta["labels"], annotations, kept})
		if err != nil {
			return err.Error()
		}
		fmt.Fprintf(&b, "%s\n", line)
	}
	return b.String()
}

func spec(o kubetest.Object) any { return o["spec"] }

func scaleArena(t *testing.T, _ *cell) *arena {
	s := newShop(t)
	s.Pods(t, "pay", 1)
	return s.arena("scale: { deployment: pay }", func() string { return s.items("/apis/apps/v1/namespaces/$NS/deployments", spec) })
}

func configArena(t *testing.T, _ *cell) *arena {
	s := newShop(t)
	s.Post(t, "/api/v1/namespaces/$NS/configmaps", `{"metadata":{"name":"pay","labels":{"app":"pay"}},"data":{"timeout":"1s","retries":"3"}}`)
	return s.arena(`config: { object: configmap/pay, field: data.timeout, to: "1ms" }`, func() string {
		return s.items("/api/v1/namespaces/$NS/configmaps?fieldSelector=metadata.name%3Dpay", func(o kubetest.Object) any { return o["data"] })
	})
}

// cordonArena has a node of its own, on which nothing runs.
func cordonArena(t *testing.T, _ *cell) *arena {
	s := newShop(t)
	name := s.Namespace + "-node"
	s.Post(t, "/api/v1/nodes", fmt.Sprintf(`{"metadata":{"name":%q}}`, name))
	t.Cleanup(func() { s.Delete(t, "/api/v1/nodes/"+name) })
	return s.arena("cordon: "+name, func() string {
		return s.items("/api/v1/nodes?fieldSelector=metadata.name%3D"+name, func(o kubetest.Object) any {
			labels, _ := o["metadata"].(kubetest.Object)["labels"].(kubetest.Object)
			for key := range labels {
				if !strings.Contains(key, "brunt") {
					delete(labels, key) // controllers give nodes some of theirs
				}
			}
			if len(labels) == 0 {
				delete(o["metadata"].(kubetest.Object), "labels")
			}
			return o["spec"].(kubetest.Object)["unschedulable"] // its taint comes and goes a moment later
		})
	})
}

// meshArena is looked at by what Chaos Mesh was asked for, and by what it has
// told the daemon of each pod to do.
func meshArena(t *testing.T, _ *cell) *arena {
	s := newShop(t)
	s.Pods(t, "pay", 1)
	const at = "/apis/chaos-mesh.org/v1alpha1/namespaces/$NS/"
	return s.arena("net_delay: { app: pay, pick: all, delay: 100ms }", func() string {
		return s.items(at+"networkchaos", func(kubetest.Object) any { return "there" }) + s.podChaos(at+"podnetworkchaos")
	})
}

// podChaos is what is in the pods' own objects, which stay when they are empty.
func (s *shop) podChaos(path string) string {
	text := s.items(path, func(o kubetest.Object) any {
		set := kubetest.Object{}
		rules, _ := o["spec"].(kubetest.Object)
		for key, value := range rules {
			if list, ok := value.([]any); ok && len(list) > 0 {
				set[key] = list
			}
		}
		return set
	})
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, ",{}]\n") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func istioArena(t *testing.T, _ *cell) *arena {
	s := newShop(t)
	s.Post(t, "/api/v1/namespaces/$NS/services", `{"metadata":{"name":"pay"},"spec":{"ports":[{"port":80}]}}`)
	s.Post(t, "/apis/networking.istio.io/v1/namespaces/$NS/virtualservices", `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"pay","annotations":{"owner":"pay"}},
		"spec":{"hosts":["pay"],"http":[{"match":[{"uri":{"prefix":"/v2"}}],"route":[{"destination":{"host":"pay","subset":"v2"}}]},{"route":[{"destination":{"host":"pay"}}]}]}}`)
	return s.arena("istio: { service: pay, abort: 503, delay: 1s, share: 50% }", func() string {
		return s.items("/apis/networking.istio.io/v1/namespaces/$NS/virtualservices", spec)
	})
}

// linkerdArena has no route, so the fault makes one.
func linkerdArena(t *testing.T, _ *cell) *arena {
	s := newShop(t)
	s.Post(t, "/api/v1/namespaces/$NS/services", `{"metadata":{"name":"pay"},"spec":{"ports":[{"port":80}]}}`)
	return s.arena("linkerd: { service: pay, port: 80, share: 50% }", func() string {
		return s.items("/apis/gateway.networking.k8s.io/v1/namespaces/$NS/httproutes", spec)
	})
}
