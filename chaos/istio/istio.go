// Package istio breaks traffic where service meshes route it: delays and aborts
// in Istio's VirtualServices, and shares of requests led astray in HTTPRoutes,
// the Gateway API's and Linkerd's own.
//
// Where routes for the service are there, the fault is set on all of them and
// taken off again, by ownership; where there is none, one is made, and deleted.
// What the proxies make of it they tell nobody through the API server: Verify
// reads the routes back, and whether requests fail is for the run's own loads to
// show.
package istio

import (
	"context"
	"errors"
	"fmt"
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
				edits, err := c.edits(ctx, cluster, env)
				return kube.Data{Edits: edits}, []string{"service " + c.Service}, err
			}}), nil
	}
}

func (c Istio) edits(ctx context.Context, cluster *kube.Cluster, env chaos.Env) ([]kube.Edit, error) {
	if _, err := service(ctx, cluster, c.Service); err != nil {
		return nil, err
	}
	all, err := cluster.List(ctx, virtualServices, cluster.Place.Namespace, kube.Query{})
	if err != nil {
		return nil, needed(IstioKind, "VirtualServices", err)
	}
	var (
		edits      []kube.Edit
		unroutable string
	)
	for _, v := range all {
		hosts, _, _ := unstructured.NestedStringSlice(v.Object, "spec", "hosts")
		if !slices.ContainsFunc(hosts, func(h string) bool { return isHost(h, c.Service, cluster.Place.Namespace) }) {
			continue
		}
		set, faulty := c.faults(v)
		if len(set) == 0 {
			unroutable = v.GetName()
			continue
		}
		e, err := kube.Changing(virtualServices, &v, set)
		if err == nil && faulty {
			err = &chaos.ConflictError{Target: e.String(), Want: "routes without a fault", Found: "one with somebody's"}
		}
		if err == nil {
			e, err = cluster.Settle(ctx, e)
		}
		if err != nil {
			return nil, err
		}
		edits = append(edits, e)
	}
	switch {
	case len(edits) > 0:
		return edits, nil
	case unroutable != "":
		return nil, fmt.Errorf("virtualservice %s routes no HTTP to any service", unroutable)
	}
	e, err := kube.Making(virtualServices, body("networking.istio.io/v1", "VirtualService", cluster.Place.Namespace, env.Fault, map[string]any{
		"hosts": []any{c.Service},
		"http":  []any{map[string]any{"fault": c.fault(), "route": []any{map[string]any{"destination": map[string]any{"host": c.Service}}}}},
	}))
	return []kube.Edit{e}, err
}

// faults are the faults to set on a VirtualService, by their paths, and whether
// a route has one already. Routes that answer by themselves reach no service, and
// Istio takes no fault on them.
func (c Istio) faults(v unstructured.Unstructured) (set map[string]any, faulty bool) {
	routes, _, _ := unstructured.NestedSlice(v.Object, "spec", "http")
	set = map[string]any{}
	for i, r := range routes {
		route, _ := r.(map[string]any)
		if route["redirect"] != nil || route["directResponse"] != nil {
			continue
		}
		faulty = faulty || route["fault"] != nil
		set[fmt.Sprintf("spec.http[%d].fault", i)] = c.fault()
	}
	return set, faulty
}

// needed says for which kind of fault the cluster lacks something.
func needed(kind, what string, err error) error {
	var unknown *kube.UnknownError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%s needs %s: %w", kind, what, unknown)
	}
	return err
}

// isHost says whether a route's host is a service of the namespace.
func isHost(host, service, namespace string) bool {
	return host == service || host == service+"."+namespace || strings.HasPrefix(host, service+"."+namespace+".svc")
}

// service finds one by its name.
func service(ctx context.Context, c *kube.Cluster, name string) (*unstructured.Unstructured, error) {
	found, err := c.Get(ctx, kube.Services, c.Place.Namespace, name)
	if errors.Is(err, kube.ErrAbsent) {
		return nil, fmt.Errorf("namespace %s has no service called %s", c.Place.Namespace, name)
	}
	return found, err
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
