package istio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// HTTPRoutes are the Gateway API's, and Linkerd's own from before it took those.
// Linkerd goes by both, the oldest first, so both are looked at.
var (
	httpRoutes    = kube.Resource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
	linkerdRoutes = kube.Resource{Group: "policy.linkerd.io", Version: "v1beta3", Resource: "httproutes"}
)

// Linkerd leads a share of the requests to a service astray: to another service,
// or to none, which routers answer with 500. That is how Linkerd injects faults:
// by the weights of an HTTPRoute's backends.
type Linkerd struct {
	Service string  `yaml:"service" required:"true" doc:"The service of the namespace, by its name." example:"payments"`
	Port    int64   `yaml:"port" required:"true" doc:"The service's port; a route that is there for all of its ports takes the others along." min:"1" max:"65535" example:"8080"`
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

// NewLinkerd makes a fault in HTTPRoutes.
func NewLinkerd(connect kube.Connect) func(Linkerd, chaos.Env) (chaos.Fault, error) {
	return func(c Linkerd, env chaos.Env) (chaos.Fault, error) {
		if err := validated(env, c.Validate); err != nil {
			return nil, err
		}
		return kube.New(connect, kube.Kind{Name: LinkerdKind}, kube.Plan{Env: env, Access: access(env, httpRoutes, linkerdRoutes),
			Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
				edits, err := c.edits(ctx, cluster, env)
				return kube.Data{Edits: edits}, []string{"service " + c.Service}, err
			}}), nil
	}
}

func (c Linkerd) edits(ctx context.Context, cluster *kube.Cluster, env chaos.Env) ([]kube.Edit, error) {
	of, err := service(ctx, cluster, c.Service)
	if err != nil {
		return nil, err
	}
	if c.To != "" {
		if _, err := service(ctx, cluster, c.To); err != nil {
			return nil, err
		}
	}
	var (
		edits   []kube.Edit
		known   []kube.Resource
		unknown error
	)
	for _, r := range []kube.Resource{httpRoutes, linkerdRoutes} {
		routes, err := cluster.List(ctx, r, cluster.Place.Namespace, kube.Query{})
		if errors.Is(err, kube.ErrAbsent) {
			unknown = cmp.Or(unknown, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		known = append(known, r)
		for _, route := range routes {
			set, err := c.backends(route, portName(of, c.Port))
			if err != nil {
				return nil, err
			}
			if len(set) == 0 {
				continue
			}
			e, err := kube.Changing(r, &route, set)
			if err == nil {
				// Schemas fill in what is left out of a backend, so what is looked for
				// later is what the API server would make of it.
				e, err = cluster.Settle(ctx, e)
			}
			if err != nil {
				return nil, err
			}
			edits = append(edits, e)
		}
	}
	switch {
	case len(known) == 0:
		return nil, needed(LinkerdKind, "HTTPRoutes", unknown)
	case len(edits) > 0:
		return edits, nil
	}
	e, err := c.own(known[0], cluster.Place.Namespace, env.Fault)
	return []kube.Edit{e}, err
}

// weights divide requests in ten-thousandths, the finest that a share may say.
const weights = 10_000

// own is a route of the fault's own.
func (c Linkerd) own(r kube.Resource, namespace, fault string) (kube.Edit, error) {
	parent := map[string]any{"group": "", "kind": "Service", "name": c.Service, "port": c.Port}
	if r == linkerdRoutes {
		parent["group"] = "core" // how Linkerd writes it
	}
	return kube.Making(r, body(r.Group+"/"+r.Version, "HTTPRoute", namespace, fault, map[string]any{
		"parentRefs": []any{parent}, "rules": []any{map[string]any{"backendRefs": c.divided(nil)}}}))
}

// backends are what the backends of a route's rules become, by their paths; none
// when the route is not the service's.
func (c Linkerd) backends(route unstructured.Unstructured, portName string) (map[string]any, error) {
	parents, _, _ := unstructured.NestedSlice(route.Object, "spec", "parentRefs")
	other := slices.IndexFunc(parents, func(p any) bool { return !c.parent(p, route.GetNamespace(), portName) })
	switch {
	case !slices.ContainsFunc(parents, func(p any) bool { return c.parent(p, route.GetNamespace(), portName) }):
		return nil, nil
	case other >= 0:
		return nil, fmt.Errorf("httproute %s is not of service %s alone, but of %s too, whose requests would be led astray as well; give the service a route of its own",
			route.GetName(), c.Service, parentName(parents[other]))
	}
	set := map[string]any{}
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules")
	for i, r := range rules {
		rule, _ := r.(map[string]any)
		if answers(rule) {
			continue
		}
		backends, _ := rule["backendRefs"].([]any)
		set[fmt.Sprintf("spec.rules[%d].backendRefs", i)] = c.divided(backends)
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("httproute %s leads no requests to any service", route.GetName())
	}
	return set, nil
}

// answers says whether a rule answers by itself: it may have no backends then.
func answers(rule map[string]any) bool {
	filters, _ := rule["filters"].([]any)
	return slices.ContainsFunc(filters, func(f any) bool {
		m, _ := f.(map[string]any)
		return m["type"] == "RequestRedirect"
	})
}

// parent says whether a route's parent is the service at the port.
func (c Linkerd) parent(p any, namespace, portName string) bool {
	m, _ := p.(map[string]any)
	in, hasNamespace := m["namespace"]
	port, hasPort := m["port"]
	section, hasSection := m["sectionName"]
	return m["kind"] == "Service" && m["name"] == c.Service && (!hasNamespace || in == namespace) &&
		(!hasPort || fmt.Sprint(port) == strconv.FormatInt(c.Port, 10)) && (!hasSection || section == portName)
}

// parentName is a route's parent for people.
func parentName(p any) string {
	m, _ := p.(map[string]any)
	name := fmt.Sprintf("%s %v", strings.ToLower(fmt.Sprint(m["kind"])), m["name"])
	for _, key := range []string{"port", "sectionName"} {
		if v, ok := m[key]; ok {
			name += fmt.Sprintf(" port %v", v)
		}
	}
	return name
}

// portName is the name of a service's port; empty when it has none.
func portName(service *unstructured.Unstructured, number int64) string {
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	for _, p := range ports {
		if m, _ := p.(map[string]any); fmt.Sprint(m["port"]) == strconv.FormatInt(number, 10) {
			name, _ := m["name"].(string)
			return name
		}
	}
	return ""
}

// divided are a rule's backends with the share taken from them in proportion,
// and the one that gets it. A rule without backends leads to the service itself.
func (c Linkerd) divided(backends []any) []any {
	if len(backends) == 0 {
		backends = []any{map[string]any{"name": c.Service, "port": c.Port}}
	}
	astray := int64(math.Round(c.Share * weights))
	return append(scaled(backends, weights-astray), c.astray(astray))
}

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
		copied := maps.Clone(m)
		if total > 0 {
			copied["weight"] = int64(math.Round(float64(weight(b)) / float64(total) * float64(sum)))
		}
		out[i] = copied
	}
	return out
}
