//go:build e2e

package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// Every kind passes the contract on a real API server with real controllers;
// nodes and pods are simulated.
func TestKubeE2EContract(t *testing.T) {
	lab := labtest.Shared(t)
	real := Faults{Connect: kubetest.ConnectAny}
	for kind, form := range map[string]struct {
		make func(chaos.Env) (chaos.Fault, error)
		look func(*testing.T, *kubetest.Real) string
		stir func(*testing.T, *kubetest.Real)
	}{
		"pod_kill": {make: func(e chaos.Env) (chaos.Fault, error) { return real.PodKill(PodKill{Selector: all("pay")}, e) }, look: pods},
		"pod_failure": {make: func(e chaos.Env) (chaos.Fault, error) {
			return real.PodFailure(PodFailure{Selector: kube.Selector{App: "pay"}, Image: "pause:1"}, e)
		}, look: images, stir: kubelet},
		"cordon": {make: func(e chaos.Env) (chaos.Fault, error) { return real.Cordon(Cordon{NodeSelector{Node: "node-a-0"}}, e) }, look: nodes},
		"drain": {make: func(e chaos.Env) (chaos.Fault, error) {
			return real.Drain(Drain{NodeSelector: NodeSelector{App: "pay"}}, e)
		}, look: nodes},
		"taint": {make: func(e chaos.Env) (chaos.Fault, error) {
			return real.Taint(Taint{NodeSelector: NodeSelector{Selector: zoneLabel + "=lab-b", Pick: "all"}, Key: "broken", Effect: "NoSchedule"}, e)
		}, look: nodes},
		"scale": {make: func(e chaos.Env) (chaos.Fault, error) {
			return real.Scale(Scale{Workload: Workload{Deployment: "pay"}}, e)
		}, look: deployments},
		"rollout_restart": {make: func(e chaos.Env) (chaos.Fault, error) {
			return real.RolloutRestart(RolloutRestart{Workload{Deployment: "pay"}}, e)
		}, look: deployments},
		"zone_outage": {make: func(e chaos.Env) (chaos.Fault, error) { return real.ZoneOutage(ZoneOutage{Zone: "lab-c"}, e) }, look: nodes},
		"config": {make: func(e chaos.Env) (chaos.Fault, error) {
			return real.Config(Config{Object: "deployment/pay", Field: "spec.template.spec.containers[name=web].resources.requests.cpu", To: "0.5"}, e)
		}, look: deployments},
		"metrics_outage": {make: func(e chaos.Env) (chaos.Fault, error) {
			return real.MetricsOutage(MetricsOutage{API: "metrics.k8s.io", ClusterWide: true}, e)
		}, look: apiServices},
	} {
		t.Run(kind, func(t *testing.T) {
			r := kubetest.NewReal(t, lab.Kubeconfig, "faults-"+strings.ReplaceAll(kind, "_", "-"))
			r.Pods(t, "pay", 3)
			chaostest.Run(t, chaostest.Subject{Kind: kind, Mend: real.Mend(kind), Target: func(t *testing.T) chaostest.Target {
				r.Ready(t, "pay", 3)
				r.Until(t, "every API is in service", func() bool { return strings.Contains(apiServices(t, r), "True") })
				fault, err := form.make(chaos.Env{Fault: "broken", Seed: 7, Kubernetes: r.Target()})
				if err != nil {
					t.Fatal(err)
				}
				target := chaostest.Target{Fault: fault, Look: func(t *testing.T) string { return form.look(t, r) }}
				if form.stir != nil {
					target.Stir = func(t *testing.T) { form.stir(t, r) }
				}
				return target
			}})
			if left := nodes(t, r) + deployments(t, r) + images(t, r); strings.Contains(left, "brunt.dev") {
				t.Errorf("marks are left: %s", left)
			}
		})
	}
}

// items are a list's objects, each as text.
func items(t *testing.T, r *kubetest.Real, path string, text func(kubetest.Object) string) string {
	t.Helper()
	var b strings.Builder
	for _, o := range r.Get(t, path)["items"].([]any) {
		o := o.(kubetest.Object)
		meta := o["metadata"].(kubetest.Object)
		fmt.Fprintf(&b, "%v %v %s\n", meta["name"], meta["labels"], text(o))
	}
	return b.String()
}

func pods(t *testing.T, r *kubetest.Real) string {
	return items(t, r, "/api/v1/namespaces/$NS/pods", func(o kubetest.Object) string { return "" })
}

func images(t *testing.T, r *kubetest.Real) string {
	return items(t, r, "/api/v1/namespaces/$NS/pods", func(o kubetest.Object) string {
		return fmt.Sprint(o["spec"].(kubetest.Object)["containers"].([]any)[0].(kubetest.Object)["image"])
	})
}

func nodes(t *testing.T, r *kubetest.Real) string {
	return items(t, r, "/api/v1/nodes", func(o kubetest.Object) string {
		spec := o["spec"].(kubetest.Object)
		var taints []string
		for _, taint := range asList(spec["taints"]) {
			// Its controller takes this one off by itself, a moment later.
			if key := fmt.Sprint(taint.(kubetest.Object)["key"]); key != "node.kubernetes.io/unschedulable" {
				taints = append(taints, key)
			}
		}
		return fmt.Sprint(spec["unschedulable"], taints)
	})
}

func deployments(t *testing.T, r *kubetest.Real) string {
	return items(t, r, "/apis/apps/v1/namespaces/$NS/deployments", func(o kubetest.Object) string { return fmt.Sprint(o["spec"]) })
}

func apiServices(t *testing.T, r *kubetest.Real) string {
	o := r.Get(t, "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
	status := ""
	for _, c := range asList(o["status"].(kubetest.Object)["conditions"]) {
		status = fmt.Sprint(c.(kubetest.Object)["status"])
	}
	return fmt.Sprint(o["spec"].(kubetest.Object)["service"], o["metadata"].(kubetest.Object)["labels"], status)
}

func asList(v any) []any { l, _ := v.([]any); return l }

// kubelet does to pods what theirs does with another image: the simulated one
// does not look at images.
func kubelet(t *testing.T, r *kubetest.Real) {
	for _, o := range r.Get(t, "/api/v1/namespaces/$NS/pods")["items"].([]any) {
		o := o.(kubetest.Object)
		image := o["spec"].(kubetest.Object)["containers"].([]any)[0].(kubetest.Object)["image"]
		r.Patch(t, "/api/v1/namespaces/$NS/pods/"+fmt.Sprint(o["metadata"].(kubetest.Object)["name"])+"/status",
			fmt.Sprintf(`{"status":{"containerStatuses":[{"name":"web","image":%q,"imageID":"","restartCount":1,"ready":%t}]}}`, image, image != "pause:1"))
	}
}
