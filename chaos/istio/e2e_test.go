//go:build e2e

package istio

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// Where routes are, in a real API server with the real definitions.
const (
	realVirtual = "/apis/networking.istio.io/v1/namespaces/$NS/virtualservices"
	realRoutes  = "/apis/gateway.networking.k8s.io/v1/namespaces/$NS/httproutes"
	realLinkerd = "/apis/policy.linkerd.io/v1beta3/namespaces/$NS/httproutes"
)

// Routes that are there, as people write them: the API server fills in the rest.
const (
	virtual = `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"pay"},"spec":{"hosts":["pay"],"http":[
		{"match":[{"uri":{"prefix":"/old"}}],"redirect":{"uri":"/new"}},
		{"match":[{"uri":{"prefix":"/v2"}}],"route":[{"destination":{"host":"errors"}}],"timeout":"3s"},
		{"route":[{"destination":{"host":"pay","subset":"v1"},"weight":90},{"destination":{"host":"pay","subset":"v2"},"weight":10}]}]}}`
	split = `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"pay"},"spec":{"parentRefs":[{"group":"","kind":"Service","name":"pay","port":80}],"rules":[
		{"matches":[{"path":{"value":"/old"}}],"filters":[{"type":"RequestRedirect","requestRedirect":{"path":{"type":"ReplaceFullPath","replaceFullPath":"/new"}}}]},
		{"matches":[{"path":{"value":"/v2"}}],"backendRefs":[{"name":"pay","port":80,"weight":3},{"name":"errors","port":80}]},
		{}]}}`
	linkerds = `{"apiVersion":"policy.linkerd.io/v1beta3","kind":"HTTPRoute","metadata":{"name":"pay"},"spec":{"parentRefs":[{"group":"core","kind":"Service","name":"pay","port":80}],"rules":[
		{"backendRefs":[{"name":"pay","port":80}]}]}}`
)

// Every form passes the contract against the definitions that Istio and the
// Gateway API ship, so what is injected is what their schemas and rules take.
// Linkerd's route is checked by a definition made from the Gateway API's.
func TestKubeE2EContract(t *testing.T) {
	lab := labtest.Shared(t)
	const (
		fault   = `"fault":{"abort":{"httpStatus":503,"percentage":{"value":25}},"delay":{"fixedDelay":"2.5s","percentage":{"value":25}}}`
		service = `"group":"","kind":"Service",`
	)
	for name, form := range map[string]struct {
		kind, collection, route string
		make                    func(chaos.Env) (chaos.Fault, error)
		during                  []string // parts of the state while it is on
	}{
		"virtual-service-there": {IstioKind, realVirtual, virtual, realIstio, []string{
			`"redirect":{"uri":"/new"}}`, fault + `,"match":[{"uri":{"prefix":"/v2"}}]`, fault + `,"route":[{"destination":{"host":"pay","subset":"v1"},"weight":90}`}},
		"virtual-service-own": {IstioKind, realVirtual, "", realIstio, []string{`"hosts":["pay"]`, fault}},
		"route-there": {LinkerdKind, realRoutes, split, realRoute(""), []string{
			`"weight":5625},{` + service + `"name":"errors","port":80,"weight":1875},{` + service + `"name":"brunt-no-such-service","port":80,"weight":2500}]`,
			`[{` + service + `"name":"pay","port":80,"weight":7500},{` + service + `"name":"brunt-no-such-service","port":80,"weight":2500}]`}},
		"route-own":           {LinkerdKind, realRoutes, "", realRoute("errors"), []string{`"name":"errors","port":80,"weight":2500}]`}},
		"linkerd-route-there": {LinkerdKind, realLinkerd, linkerds, realRoute("errors"), []string{`"name":"pay","port":80,"weight":7500},{` + service + `"name":"errors","port":80,"weight":2500}]`}},
	} {
		t.Run(name, func(t *testing.T) {
			r := kubetest.NewReal(t, lab.Kubeconfig, name)
			for _, service := range []string{"pay", "errors"} {
				r.Post(t, "/api/v1/namespaces/$NS/services", fmt.Sprintf(`{"metadata":{"name":%q},"spec":{"ports":[{"name":"http","port":80}]}}`, service))
			}
			if form.route != "" {
				r.Apply(t, form.collection+"/pay", "team", form.route)
			}
			look := func(t *testing.T) string { return routes(t, r, form.collection) }
			chaostest.Run(t, chaostest.Subject{Kind: form.kind, Mend: Mend(kubetest.ConnectAny, form.kind), Target: func(t *testing.T) chaostest.Target {
				fault, err := form.make(chaos.Env{Fault: "slow", Kubernetes: r.Target()})
				if err != nil {
					t.Fatal(err)
				}
				return chaostest.Target{Fault: fault, Look: look}
			}})
			before, owners := look(t), r.Managers(t, form.collection+"/pay")
			f, err := form.make(chaos.Env{Fault: "slow", Kubernetes: r.Target()})
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := f.Prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Inject(t.Context(), receipt); err != nil {
				t.Fatal(err)
			}
			during := look(t)
			for _, part := range form.during {
				if !strings.Contains(during, part) {
					t.Errorf("no %s while it is on:\n%s", part, during)
				}
			}
			if outcome := chaos.UndoOne(t.Context(), nil, f, receipt); !outcome.Gone() || look(t) != before {
				t.Errorf("undo: %v, left\n%s\nbefore\n%s", outcome, look(t), before)
			}
			if now := r.Managers(t, form.collection+"/pay"); now != owners {
				t.Errorf("owners:\n%s\nbefore:\n%s", now, owners)
			}
		})
	}
}

func realIstio(e chaos.Env) (chaos.Fault, error) {
	return New(kubetest.ConnectAny)(Istio{Service: "pay", Delay: 2500 * time.Millisecond, Abort: 503, Share: 0.25}, e)
}

func realRoute(to string) func(chaos.Env) (chaos.Fault, error) {
	return func(e chaos.Env) (chaos.Fault, error) {
		return NewLinkerd(kubetest.ConnectAny)(Linkerd{Service: "pay", Port: 80, Share: 0.25, To: to}, e)
	}
}

// routes are those of a kind, as text: their marks and all that they say.
func routes(t *testing.T, r *kubetest.Real, collection string) string {
	t.Helper()
	var b strings.Builder
	for _, o := range r.Get(t, collection)["items"].([]any) {
		o := o.(kubetest.Object)
		meta := o["metadata"].(kubetest.Object)
		text, err := json.Marshal([]any{meta["labels"], meta["annotations"], o["spec"]})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}

// What the definition refuses is told before anything is touched.
func TestKubeE2ESchemaRefuses(t *testing.T) {
	r := kubetest.NewReal(t, labtest.Shared(t).Kubeconfig, "route-full")
	r.Post(t, "/api/v1/namespaces/$NS/services", `{"metadata":{"name":"pay"},"spec":{"ports":[{"port":80}]}}`)
	full := strings.Repeat(`{"name":"pay","port":80},`, 16)
	r.Post(t, realRoutes, `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{"name":"full"},"spec":{
		"parentRefs":[{"group":"","kind":"Service","name":"pay"}],"rules":[{"backendRefs":[`+strings.TrimSuffix(full, ",")+`]}]}}`)
	before := routes(t, r, realRoutes)
	f, err := realRoute("")(chaos.Env{Fault: "slow", Kubernetes: r.Target()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Prepare(t.Context())
	if err == nil || !strings.Contains(err.Error(), "must have at most 16 items") || strings.Contains(err.Error(), "\n") {
		t.Errorf("prepare with 16 backends there already: %v", err)
	}
	t.Log(err)
	if after := routes(t, r, realRoutes); after != before {
		t.Errorf("touched:\n%s", after)
	}
}
