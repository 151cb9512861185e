package istio

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
)

func TestMain(m *testing.M) {
	chaostest.MainOf(m, func(kind string) (chaos.Fault, bool) {
		return Mend(kubetest.ConnectAny, kind)(), slices.Contains(Names(), kind)
	})
}

const (
	virtualService = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/pay"
	route          = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/pay"
)

// cluster is a fake one with two services and, routed, a route for one of them.
func cluster(t *testing.T, routed bool) *kubetest.API {
	t.Helper()
	api := kubetest.New(t)
	for _, name := range []string{"pay", "errors"} {
		api.Put("/api/v1/namespaces/shop/services/"+name, `{"spec":{}}`)
	}
	if routed {
		api.Put(virtualService, `{"spec":{"hosts":["pay.shop.svc.cluster.local"],"http":[{"match":[{"uri":{"prefix":"/v2"}}],"route":[{"destination":{"host":"pay2"}}]},{"route":[{"destination":{"host":"pay"}}]}]}}`)
		api.Put(route, `{"spec":{"parentRefs":[{"group":"","kind":"Service","name":"pay","port":80}],"rules":[{"backendRefs":[{"name":"pay","port":80,"weight":3},{"name":"pay2","port":80}]}]}}`)
	}
	return api
}

func env(api *kubetest.API) chaos.Env {
	return chaos.Env{Fault: "slow", Kubernetes: api.Target()}
}

// forms are the kinds, over a route that is there and one that is made.
var forms = map[string]struct {
	kind   string
	routed bool
	make   func(chaos.Env) (chaos.Fault, error)
	during string // part of the state while it is on
}{
	"a virtual service that is there": {IstioKind, true, istio, `"fault":{"abort":{"httpStatus":503,"percentage":{"value":25}},"delay":{"fixedDelay":"2.5s","percentage":{"value":25}}}`},
	"a virtual service of its own":    {IstioKind, false, istio, `"hosts":["pay"]`},
	"a route that is there":           {LinkerdKind, true, linkerd, `[{"name":"pay","port":80,"weight":5625},{"name":"pay2","port":80,"weight":1875},{"name":"brunt-no-such-service","port":80,"weight":2500}]`},
	"a route of its own":              {LinkerdKind, false, linkerd, `"weight":7500`},
}

func istio(e chaos.Env) (chaos.Fault, error) {
	return New(kubetest.Connect)(Istio{Service: "pay", Delay: 2500 * time.Millisecond, Abort: 503, Share: 0.25}, e)
}

func linkerd(e chaos.Env) (chaos.Fault, error) {
	return NewLinkerd(kubetest.Connect)(Linkerd{Service: "pay", Port: 80, Share: 0.25}, e)
}

func TestContract(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{Kind: form.kind, Mend: Mend(kubetest.Connect, form.kind), Target: func(t *testing.T) chaostest.Target {
				api := cluster(t, form.routed)
				fault, err := form.make(env(api))
				if err != nil {
					t.Fatal(err)
				}
				return chaostest.Target{Fault: fault, Look: func(*testing.T) string { return api.State() }}
			}})
		})
	}
}

func TestWhatIsSet(t *testing.T) {
	for name, form := range forms {
		api := cluster(t, form.routed)
		fault, err := form.make(env(api))
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := fault.Prepare(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := fault.Inject(t.Context(), receipt); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(api.State(), form.during) {
			t.Errorf("%s: no %s in %s", name, form.during, api.State())
		}
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(chaos.Env) (chaos.Fault, error)
		put  func(*kubetest.API)
		want string
	}{
		{"no such service", func(e chaos.Env) (chaos.Fault, error) {
			return New(kubetest.Connect)(Istio{Service: "x", Abort: 503, Share: 1}, e)
		}, nil, "no service called x"},
		{"no Istio", istio, func(a *kubetest.API) { a.Unknown = func(r string) bool { return strings.Contains(r, "istio") } }, "istio needs VirtualServices: the cluster has no CRD virtualservices.networking.istio.io with version v1: install Istio there"},
		{"no Gateway API", linkerd, func(a *kubetest.API) { a.Unknown = func(r string) bool { return strings.Contains(r, "httproutes") } }, "linkerd needs HTTPRoutes: the cluster has no CRD httproutes.gateway.networking.k8s.io"},
		{"somebody's fault", istio, func(a *kubetest.API) {
			a.Put(virtualService, `{"spec":{"hosts":["pay"],"http":[{"fault":{"abort":{"httpStatus":500}}}]}}`)
		}, "one with somebody's"},
		{"no HTTP", istio, func(a *kubetest.API) { a.Put(virtualService, `{"spec":{"hosts":["pay"],"tcp":[{}]}}`) }, "routes no HTTP"},
		{"only answers", istio, func(a *kubetest.API) {
			a.Put(virtualService, `{"spec":{"hosts":["pay"],"http":[{"redirect":{"uri":"/x"}},{"directResponse":{"status":200}}]}}`)
		}, "routes no HTTP"},
		{"another service's too", linkerd, func(a *kubetest.API) {
			a.Put(route, `{"spec":{"parentRefs":[{"kind":"Service","name":"cart","port":81},{"kind":"Service","name":"pay"}],"rules":[{}]}}`)
		}, "httproute pay is not of service pay alone, but of service cart port 81 too"},
		{"only redirects", linkerd, func(a *kubetest.API) {
			a.Put(route, `{"spec":{"parentRefs":[{"kind":"Service","name":"pay"}],"rules":[{"filters":[{"type":"RequestRedirect"}]}]}}`)
		}, "httproute pay leads no requests to any service"},
	} {
		api := cluster(t, false)
		if test.put != nil {
			test.put(api)
		}
		fault, err := test.make(env(api))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fault.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", test.name, err, test.want)
		}
	}
}

// All routes of a service are changed, wherever they are, and no others; a rule
// without backends leads to the service itself, and one that redirects stays.
func TestEveryRoute(t *testing.T) {
	api := cluster(t, false)
	api.Put("/api/v1/namespaces/shop/services/pay", `{"spec":{"ports":[{"name":"admin","port":81},{"name":"http","port":80}]}}`)
	const gateway, own = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/", "/apis/policy.linkerd.io/v1beta3/namespaces/shop/httproutes/"
	api.Put(gateway+"bare", `{"spec":{"parentRefs":[{"kind":"Service","name":"pay"}],"rules":[{},{"filters":[{"type":"RequestRedirect"}]}]}}`)
	api.Put(gateway+"named", `{"spec":{"parentRefs":[{"kind":"Service","name":"pay","sectionName":"http"}],"rules":[{"backendRefs":[{"name":"v2","port":80}]}]}}`)
	api.Put(gateway+"other-port", `{"spec":{"parentRefs":[{"kind":"Service","name":"pay","sectionName":"admin"}],"rules":[{}]}}`)
	api.Put(gateway+"other-kind", `{"spec":{"parentRefs":[{"kind":"Gateway","name":"pay"}],"rules":[{}]}}`)
	api.Put(own+"linkerds", `{"spec":{"parentRefs":[{"group":"core","kind":"Service","name":"pay","port":80}],"rules":[{"backendRefs":[{"name":"pay","port":80}]}]}}`)
	fault, err := linkerd(env(api))
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
	const self, astray = `{"name":"pay","port":80,"weight":7500}`, `{"name":"brunt-no-such-service","port":80,"weight":2500}`
	for path, want := range map[string]string{
		gateway + "bare":       `"rules":[{"backendRefs":[` + self + `,` + astray + `]},{"filters":[{"type":"RequestRedirect"}]}]`,
		gateway + "named":      `"rules":[{"backendRefs":[{"name":"v2","port":80,"weight":7500},` + astray + `]}]`,
		gateway + "other-port": `"rules":[{}]`,
		gateway + "other-kind": `"rules":[{}]`,
		own + "linkerds":       `"rules":[{"backendRefs":[` + self + `,` + astray + `]}]`,
	} {
		text, err := json.Marshal(api.Get(path)["spec"])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s: no %s in %s", path, want, text)
		}
	}
}
