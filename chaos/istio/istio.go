// Package istio breaks traffic where service meshes route it: delays and aborts
// in Istio's VirtualServices, and shares of requests led astray in HTTPRoutes of
// the Gateway API, as Linkerd and others read them.
//
// Where a route for the service is there, its fault is set on it and taken off
// again, by ownership; where there is none, one is made, and deleted. What the
// proxies make of it they tell nobody through the API server: Verify reads the
// route back, and whether requests fail is for the run's own loads to show.
package istio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// Kinds of this package.
const (
	IstioKind   = "istio"
	LinkerdKind = "linkerd"
)

// Names are the kinds of this package.
func Names() []string { return []string{IstioKind, LinkerdKind} }

// Mend makes faults of a kind that undo from receipts alone.
func Mend(connect kube.Connect, name string) func() chaos.Fault {
	return kube.Mend(connect, kube.Kind{Name: name})
}

// virtualServices are Istio's.
var virtualServices = kube.Resource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}

// Istio delays or aborts requests to a service, in Istio's proxies.
type Istio struct {
	Service string        `yaml:"service" required:"true" doc:"The service of the namespace, by its name." example:"payments"`
	Delay   time.Duration `yaml:"delay" doc:"How much later requests are." min:"1ms" max:"10m" example:"2s"`
	Abort   int64         `yaml:"abort" doc:"The status that requests are answered with, without reaching the service." min:"200" max:"599" example:"503"`
	Share   float64       `yaml:"share" unit:"ratio" doc:"How many of the requests." min:"0.0001" max:"1" default:"100%"`
}

// Validate reports what is no fault.
func (c Istio) Validate(report func(field, message, hint string)) {
	if c.Delay == 0 && c.Abort == 0 {
		report("", "delay or abort is needed", "write delay: 2s, or abort: 503, or both")
	}
}

// WhatIstio says what the fault does.
func WhatIstio(c Istio) string {
	var parts []string
	if c.Delay > 0 {
		parts = append(parts, "delay by "+c.Delay.String())
	}
	if c.Abort > 0 {
		parts = append(parts, "answer with "+strconv.FormatInt(c.Abort, 10))
	}
	return strings.Join(parts, " or ") + " " + percent(c.Share) + " of the requests to " + c.Service
}

func percent(share float64) string { return strconv.FormatFloat(share*100, 'f', -1, 64) + "%" }

// fault is it as VirtualServices have it.
func (c Istio) fault() map[string]any {
	share := map[string]any{"value": c.Share * 100}
	f := map[string]any{}
	if c.Delay > 0 {
		f["delay"] = map[string]any{"fixedDelay": strconv.FormatFloat(c.Delay.Seconds(), 'f', -1, 64) + "s", "percentage": share}
	}
	if c.Abort > 0 {
		f["abort"] = map[string]any{"httpStatus": c.Abort, "percentage": share}
	}
	return f
}

// New makes an Istio fault.
func New(connect kube.Connect) func(Istio, chaos.Env) (chaos.Fault, error) {
	return func(c Istio, env chaos.Env) (chaos.Fault, error) {
		if err := validated(env, c.Validate); err != nil {
			return nil, err
		}
		return kube.New(connect, kube.Kind{Name: IstioKind}, kube.Plan{Env: env, Access: access(env, virtualServices),
			Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
				e, err := c.edit(ctx, cluster, env)
				return kube.Data{Edits: []kube.Edit{e}}, []string{"service " + c.Service}, err
			}}), nil
	}
}

func (c Istio) edit(ctx context.Context, cluster *kube.Cluster, env chaos.Env) (kube.Edit, error) {
	if err := hasService(ctx, cluster, c.Service); err != nil {
		return kube.Edit{}, err
	}
	all, err := cluster.List(ctx, virtualServices, cluster.Place.Namespace, kube.Query{})
	if errors.Is(err, kube.ErrAbsent) {
		return kube.Edit{}, fmt.Errorf("the cluster has no Istio: it does not know %s", virtualServices)
	}
	if err != nil {
		return kube.Edit{}, err
	}
	for _, v := range all {
		hosts, _, _ := unstructured.NestedStringSlice(v.Object, "spec", "hosts")
		if !slices.ContainsFunc(hosts, func(h string) bool { return isHost(h, c.Service, cluster.Place.Namespace) }) {
			continue
		}
		routes, _, _ := unstructured.NestedSlice(v.Object, "spec", "http")
		if len(routes) == 0 {
			return kube.Edit{}, fmt.Errorf("virtualservice %s routes no HTTP", v.GetName())
		}
		set := map[string]any{}
		for i, r := range routes {
			if route, ok := r.(map[string]any); ok && route["fault"] != nil {
				return kube.Edit{}, &chaos.ConflictError{Target: "virtualservice " + v.GetName(), Want: "routes without a fault", Found: "one with somebody's"}
			}
			set[fmt.Sprintf("spec.http[%d].fault", i)] = c.fault()
		}
		return kube.Changing(virtualServices, &v, set)
	}
	return kube.Making(virtualServices, body("networking.istio.io/v1", "VirtualService", cluster.Place.Namespace, env.Fault, map[string]any{
		"hosts": []any{c.Service},
		"http":  []any{map[string]any{"fault": c.fault(), "route": []any{map[string]any{"destination": map[string]any{"host": c.Service}}}}},
	}))
}

// isHost says whether a route's host is a service of the namespace.
func isHost(host, service, namespace string) bool {
	return host == service || host == service+"."+namespace || strings.HasPrefix(host, service+"."+namespace+".svc")
}

// hasService refuses a service that is not there.
func hasService(ctx context.Context, c *kube.Cluster, name string) error {
	_, err := c.Get(ctx, kube.Services, c.Place.Namespace, name)
	if errors.Is(err, kube.ErrAbsent) {
		return fmt.Errorf("namespace %s has no service called %s", c.Place.Namespace, name)
	}
	return err
}

// body is an object of the fault's own.
func body(apiVersion, kind, namespace, fault string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind,
		"metadata": map[string]any{"name": kube.NameFor(fault), "namespace": namespace}, "spec": spec}}
}

func access(env chaos.Env, resources ...kube.Resource) []chaos.Access {
	all := []chaos.Access{{Verbs: []string{"get"}, Resource: "services", Namespace: env.Kubernetes.Namespace}}
	for _, r := range resources {
		all = append(all, chaos.Access{Verbs: []string{"get", "list", "create", "patch", "delete"}, Group: r.Group, Resource: r.Resource, Namespace: env.Kubernetes.Namespace})
	}
	return all
}

func validated(env chaos.Env, validate func(func(field, message, hint string))) error {
	var problem error
	validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	switch {
	case problem != nil:
		return fmt.Errorf("make fault %s: %w", env.Fault, problem)
	case env.Kubernetes.Namespace == "":
		return errors.New("target.kubernetes is missing, so nothing in any cluster may be broken; add target: { kubernetes: { namespace: NAME } }")
	}
	return nil
}

// httpRoutes are those of the Gateway API.
var httpRoutes = kube.Resource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

// Linkerd leads a share of the requests to a service astray: to another service,
// or to none, which routers answer with 500.
type Linkerd struct {
	Service string  `yaml:"service" required:"true" doc:"The service of the namespace, by its name." example:"payments"`
	Port    int64   `yaml:"port" required:"true" doc:"The service's port." min:"1" max:"65535" example:"8080"`
	Share   float64 `yaml:"share" unit:"ratio" doc:"How many of the requests." min:"0.0001" max:"1" default:"100%"`
	To      string  `yaml:"to" doc:"A service that gets them instead, at the same port unless to_port says; without it they are answered with 500." example:"error-injector"`
	ToPort  int64   `yaml:"to_port" doc:"The port of that service." min:"1" max:"65535"`
}

// Validate reports what is no fault.
func (c Linkerd) Validate(report func(field, message, hint string)) {
	if c.ToPort != 0 && c.To == "" {
		report("to_port", "a port without its service", "say to: SERVICE")
	}
}

// WhatLinkerd says what the fault does.
func WhatLinkerd(c Linkerd) string {
	if c.To == "" {
		return "answer " + percent(c.Share) + " of the requests to " + c.Service + " with 500"
	}
	return "lead " + percent(c.Share) + " of the requests to " + c.Service + " to " + c.To
}

// weights divide requests in ten-thousandths, the finest that a share may say.
const weights = 10_000

// absent is the backend that is not there. The Gateway API: requests to a
// backend that does not exist must be answered with 500.
const absent = "brunt-no-such-service"

// astray is the backend that gets the share.
func (c Linkerd) astray(weight int64) map[string]any {
	name, port := absent, c.Port
	if c.To != "" {
		name = c.To
	}
	if c.ToPort != 0 {
		port = c.ToPort
	}
	return map[string]any{"name": name, "port": port, "weight": weight}
}

// NewLinkerd makes a fault in HTTPRoutes.
func NewLinkerd(connect kube.Connect) func(Linkerd, chaos.Env) (chaos.Fault, error) {
	return func(c Linkerd, env chaos.Env) (chaos.Fault, error) {
		if err := validated(env, c.Validate); err != nil {
			return nil, err
		}
		return kube.New(connect, kube.Kind{Name: LinkerdKind}, kube.Plan{Env: env, Access: access(env, httpRoutes),
			Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
				e, err := c.edit(ctx, cluster, env)
				return kube.Data{Edits: []kube.Edit{e}}, []string{"service " + c.Service}, err
			}}), nil
	}
}

func (c Linkerd) edit(ctx context.Context, cluster *kube.Cluster, env chaos.Env) (kube.Edit, error) {
	for _, name := range []string{c.Service, c.To} {
		if name == "" {
			continue
		}
		if err := hasService(ctx, cluster, name); err != nil {
			return kube.Edit{}, err
		}
	}
	all, err := cluster.List(ctx, httpRoutes, cluster.Place.Namespace, kube.Query{})
	if errors.Is(err, kube.ErrAbsent) {
		return kube.Edit{}, fmt.Errorf("the cluster has no Gateway API: it does not know %s", httpRoutes)
	}
	if err != nil {
		return kube.Edit{}, err
	}
	astray := int64(math.Round(c.Share * weights))
	for _, r := range all {
		if !c.parent(r) {
			continue
		}
		rules, _, _ := unstructured.NestedSlice(r.Object, "spec", "rules")
		set := map[string]any{}
		for i, rule := range rules {
			m, _ := rule.(map[string]any)
			backends, _ := m["backendRefs"].([]any)
			set[fmt.Sprintf("spec.rules[%d].backendRefs", i)] = append(scaled(backends, weights-astray), c.astray(astray))
		}
		if len(set) == 0 {
			return kube.Edit{}, fmt.Errorf("httproute %s has no rules", r.GetName())
		}
		return kube.Changing(httpRoutes, &r, set)
	}
	return kube.Making(httpRoutes, body("gateway.networking.k8s.io/v1", "HTTPRoute", cluster.Place.Namespace, env.Fault, map[string]any{
		"parentRefs": []any{map[string]any{"group": "", "kind": "Service", "name": c.Service, "port": c.Port}},
		"rules": []any{map[string]any{"backendRefs": []any{
			map[string]any{"name": c.Service, "port": c.Port, "weight": weights - astray}, c.astray(astray)}}},
	}))
}

// parent says whether a route is of the service's.
func (c Linkerd) parent(route unstructured.Unstructured) bool {
	parents, _, _ := unstructured.NestedSlice(route.Object, "spec", "parentRefs")
	return slices.ContainsFunc(parents, func(p any) bool {
		m, _ := p.(map[string]any)
		port, hasPort := m["port"]
		return m["kind"] == "Service" && m["name"] == c.Service && (!hasPort || fmt.Sprint(port) == strconv.FormatInt(c.Port, 10))
	})
}

// scaled are a rule's backends with their weights made to sum up to as much as is
// left for them.
func scaled(backends []any, sum int64) []any {
	weight := func(b any) int64 {
		m, _ := b.(map[string]any)
		w, found, _ := unstructured.NestedInt64(m, "weight")
		if !found {
			return 1 // the Gateway API's default
		}
		return w
	}
	total := int64(0)
	for _, b := range backends {
		total += weight(b)
	}
	out := make([]any, len(backends))
	for i, b := range backends {
		m, _ := b.(map[string]any)
		copied := map[string]any{}
		for k, v := range m {
			copied[k] = v
		}
		if total > 0 {
			copied["weight"] = int64(math.Round(float64(weight(b)) / float64(total) * float64(sum)))
		}
		out[i] = copied
	}
	return out
}
