//go:build e2e

package kubernetes

import (
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// Who owned what a fault changes owns it again afterwards, to the letter and the
// second, and may apply another value without a conflict. brunt owns nothing.
func TestKubeE2EOwnersGetTheirFieldsBack(t *testing.T) {
	lab := labtest.Shared(t)
	real := Faults{Connect: kubetest.ConnectAny}
	const deployment = "/apis/apps/v1/namespaces/$NS/deployments/pay"
	pay := func(replicas, image string) string {
		return `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"pay","labels":{"app":"pay"}},"spec":{"replicas":` + replicas + `,"selector":{"matchLabels":{"app":"pay"}},
			"template":{"metadata":{"labels":{"app":"pay"}},"spec":{"containers":[{"name":"web","image":"` + image + `","resources":{"requests":{"cpu":"250m"}}},{"name":"side","image":"side:1"}]}}}}`
	}
	settings := func(timeout string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"pay"},"data":{"timeout":"` + timeout + `"}}`
	}
	const node = "/api/v1/nodes/owners-node"
	owned := func(spec string) string {
		return `{"apiVersion":"v1","kind":"Node","metadata":{"name":"owners-node","labels":{"team":"pay"}},"spec":{` + spec + `}}`
	}
	for name, form := range map[string]struct {
		path, is, becomes string
		make              func(chaos.Env) (chaos.Fault, error)
	}{
		"owners-scale": {deployment, pay("2", "web:1"), pay("3", "web:1"), func(e chaos.Env) (chaos.Fault, error) {
			return real.Scale(Scale{Workload: Workload{Deployment: "pay"}}, e)
		}},
		"owners-item": {deployment, pay("1", "web:1"), pay("1", "web:2"), func(e chaos.Env) (chaos.Fault, error) {
			return real.Config(Config{Object: "deployment/pay", Field: "spec.template.spec.containers[name=web].image", To: "broken:1"}, e)
		}},
		"owners-all": {"/api/v1/namespaces/$NS/configmaps/pay", settings("1s"), settings("2s"), func(e chaos.Env) (chaos.Fault, error) {
			return real.Config(Config{Object: "configmap/pay", Field: "data.timeout", To: "1ms"}, e)
		}},
		"owners-cordon": {node, owned(""), owned(`"unschedulable":true`), func(e chaos.Env) (chaos.Fault, error) {
			return real.Cordon(Cordon{NodeSelector{Node: "owners-node"}}, e)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := kubetest.NewReal(t, lab.Kubeconfig, name)
			if form.path == node {
				t.Cleanup(func() { r.Delete(t, node) })
			}
			r.Apply(t, form.path, "team", form.is)
			if form.path == deployment {
				r.Until(t, "it is rolled out", func() bool {
					status, _ := r.Get(t, deployment)["status"].(kubetest.Object)
					return status["readyReplicas"] != nil && status["readyReplicas"] == status["replicas"]
				})
			}
			before := r.Managers(t, form.path)
			fault, err := form.make(chaos.Env{Fault: "broken", Kubernetes: r.Target()})
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := fault.Prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := fault.Inject(t.Context(), receipt); err != nil {
				t.Fatal(err)
			}
			if during := r.Managers(t, form.path); !strings.Contains(during, `"manager":"brunt"`) {
				t.Errorf("brunt does not own what it changed, so this proves nothing:\n%s", during)
			}
			if outcome := chaos.UndoOne(t.Context(), nil, fault, receipt); !outcome.Gone() {
				t.Errorf("undo: %v", outcome)
			}
			if after := r.Managers(t, form.path); after != before {
				t.Errorf("owners:\n%s\nbefore:\n%s", after, before)
			}
			r.Apply(t, form.path, "team", form.becomes)
		})
	}
}
