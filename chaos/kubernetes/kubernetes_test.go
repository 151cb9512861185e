package kubernetes

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
)

var faults = Faults{Connect: kubetest.ConnectAny}

// TestMain undoes, as another process, whatever kind a receipt is of.
func TestMain(m *testing.M) {
	chaostest.MainOf(m, func(kind string) (chaos.Fault, bool) { return faults.Mend(kind)(), slices.Contains(Names(), kind) })
}

// all are all pods of an application.
func all(app string) kube.Selector { return kube.Selector{App: app, Pick: "all"} }

// A cluster is a fake one with two zones of a node each, and the pods of two
// workloads on them. Its controllers are the least that the kinds look for.
func cluster(t *testing.T) *kubetest.API {
	t.Helper()
	api := kubetest.New(t)
	api.React = react
	for _, n := range []string{"a", "b"} {
		api.Put("/api/v1/nodes/node-"+n, `{"metadata":{"labels":{"topology.kubernetes.io/zone":"`+n+`"}},"spec":{}}`)
	}
	for i, name := range []string{"pay-0", "pay-1", "pay-2"} {
		node := []string{"node-a", "node-b"}[i%2]
		api.Put("/api/v1/namespaces/shop/pods/"+name, fmt.Sprintf(`{"metadata":{"labels":{"app":"pay","role":"%s"},"ownerReferences":[{"kind":"ReplicaSet","name":"pay","uid":"rs","controller":true}]},
			"spec":{"nodeName":"%s","containers":[{"name":"web","image":"pay:1"},{"name":"side","image":"side:1"}]},
			"status":{"phase":"Running","containerStatuses":[{"name":"web","image":"pay:1","ready":true},{"name":"side","image":"side:1","ready":true}]}}`,
			[]string{"primary", "replica", "replica"}[i], node))
	}
	api.Put("/apis/apps/v1/namespaces/shop/deployments/pay", `{"metadata":{"labels":{"app":"pay"}},"spec":{"replicas":3,"template":{"spec":{}}},"status":{"replicas":3,"observedGeneration":1}}`)
	api.Put("/apis/apps/v1/namespaces/shop/statefulsets/db", `{"metadata":{"labels":{"app.kubernetes.io/name":"db"}},"spec":{"replicas":2,"template":{"spec":{}}},"status":{"replicas":2,"observedGeneration":1}}`)
	api.Put("/api/v1/namespaces/shop/configmaps/checkout", `{"data":{"TIMEOUT":"5s"}}`)
	api.Put("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io",
		`{"spec":{"group":"metrics.k8s.io","service":{"name":"metrics","namespace":"kube-system"}},"status":{"conditions":[{"type":"Available","status":"True"}]}}`)
	return api
}

// react does what controllers and kubelets do at once.
func react(path string, o kubetest.Object) {
	if o == nil {
		return
	}
	status, _ := o["status"].(kubetest.Object)
	spec, _ := o["spec"].(kubetest.Object)
	meta := o["metadata"].(kubetest.Object)
	switch {
	case strings.Contains(path, "/deployments/"), strings.Contains(path, "/statefulsets/"):
		status["replicas"], status["observedGeneration"] = spec["replicas"], meta["generation"]
	case strings.Contains(path, "/apiservices/"):
		up := map[bool]string{true: "True", false: "False"}[spec["service"].(kubetest.Object)["name"] == "metrics"]
		status["conditions"] = []any{kubetest.Object{"type": "Available", "status": up}}
	case strings.Contains(path, "/pods/"):
		var statuses []any
		for _, c := range spec["containers"].([]any) {
			c := c.(kubetest.Object)
			statuses = append(statuses, kubetest.Object{"name": c["name"], "image": c["image"], "ready": !strings.Contains(c["image"].(string), "pause")})
		}
		status["containerStatuses"] = statuses
	}
}

func env(api *kubetest.API) chaos.Env {
	return chaos.Env{Fault: "broken", Seed: 7, Kubernetes: api.Target()}
}

// forms are all kinds, each with what makes its inject fail half-way.
var forms = map[string]struct {
	kind   string
	make   func(chaos.Env) (chaos.Fault, error)
	spoil  func(*kubetest.API)
	ignore string // a folder whose objects undo does not bring back
}{
	"pod_kill": {"pod_kill", func(e chaos.Env) (chaos.Fault, error) {
		return faults.PodKill(PodKill{Selector: all("pay")}, e)
	}, refuse("DELETE", "pay-2"), ""},
	"pod_failure": {"pod_failure", func(e chaos.Env) (chaos.Fault, error) {
		return faults.PodFailure(PodFailure{Selector: all("pay"), Image: "pause"}, e)
	}, refuse("PATCH", "pay-2"), ""},
	"cordon": {"cordon", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Cordon(Cordon{NodeSelector{App: "pay", Pick: "all"}}, e)
	}, refuse("PATCH", "node-b"), ""},
	"drain": {"drain", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Drain(Drain{NodeSelector: NodeSelector{Node: "node-a"}}, e)
	}, refuse("POST", "eviction"), "/pods/"},
	"taint": {"taint", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Taint(Taint{NodeSelector: NodeSelector{Selector: "topology.kubernetes.io/zone", Pick: "all"}, Key: "broken", Effect: "NoSchedule"}, e)
	}, refuse("PATCH", "node-b"), ""},
	"scale": {"scale", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Scale(Scale{Workload: Workload{App: "pay"}}, e)
	}, refuse("PATCH", "pay"), ""},
	"scale a statefulset": {"scale", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Scale(Scale{Workload: Workload{StatefulSet: "db"}, To: 1}, e)
	}, refuse("PATCH", "db"), ""},
	"rollout_restart": {"rollout_restart", func(e chaos.Env) (chaos.Fault, error) {
		return faults.RolloutRestart(RolloutRestart{Workload{Deployment: "pay"}}, e)
	}, refuse("PATCH", "pay"), ""},
	"zone_outage": {"zone_outage", func(e chaos.Env) (chaos.Fault, error) {
		return faults.ZoneOutage(ZoneOutage{Zone: "b"}, e)
	}, refuse("DELETE", "pay-1"), "/pods/"},
	"config": {"config", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Config(Config{Object: "configmap/checkout", Field: "data.TIMEOUT", To: "1ms"}, e)
	}, refuse("PATCH", "checkout"), ""},
	"config that removes": {"config", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Config(Config{Object: "configmap/checkout", Field: "data.TIMEOUT", Remove: true}, e)
	}, refuse("PATCH", "checkout"), ""},
	"config that adds": {"config", func(e chaos.Env) (chaos.Fault, error) {
		return faults.Config(Config{Object: "configmap/checkout", Field: `metadata.annotations["team/slow.mode"]`, To: "on"}, e)
	}, refuse("PATCH", "checkout"), ""},
	"metrics_outage": {"metrics_outage", func(e chaos.Env) (chaos.Fault, error) {
		return faults.MetricsOutage(MetricsOutage{API: "metrics.k8s.io", ClusterWide: true}, e)
	}, refuse("PATCH", "v1beta1"), ""},
}

// refuse makes the fake forbid changes of what has a text in its path.
func refuse(method, part string) func(*kubetest.API) {
	return func(api *kubetest.API) {
		api.Set(func(api *kubetest.API) {
			api.Refuse = func(r *http.Request) int {
				if r.Method == method && strings.Contains(r.URL.Path, part) {
					api.Refuse = nil // once: undo is let
					return http.StatusForbidden
				}
				return 0
			}
		})
	}
}

func TestContract(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{Kind: form.kind, Mend: faults.Mend(form.kind), Target: func(t *testing.T) chaostest.Target {
				api := cluster(t)
				fault, err := form.make(env(api))
				if err != nil {
					t.Fatal(err)
				}
				return chaostest.Target{Fault: fault, Look: func(*testing.T) string { return without(api.State(), form.ignore) }, Spoil: func(*testing.T) { form.spoil(api) }}
			}})
		})
	}
}

// without leaves out the lines of what is in a folder: what was deleted or evicted
// is made again by its controllers, not by undo.
func without(state, folder string) string {
	var kept []string
	for line := range strings.Lines(state) {
		if folder == "" || !strings.Contains(line, folder) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
