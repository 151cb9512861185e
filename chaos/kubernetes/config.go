package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// Config sets one field of one object of the namespace.
type Config struct {
	Object     string `yaml:"object" required:"true" doc:"The object, as KIND/NAME." example:"configmap/checkout"`
	APIVersion string `yaml:"api_version" doc:"Where the kind is none of Kubernetes' well-known ones: its group and version." example:"networking.istio.io/v1"`
	Field      string `yaml:"field" required:"true" doc:"The field: keys with dots between them; [0] or [name=web] for an item of a list, [\"a.b\"] for a key with dots." example:"data.PAYMENTS_TIMEOUT"`
	To         any    `yaml:"to" doc:"The value that it is set to." example:"100ms"`
	Remove     bool   `yaml:"remove" doc:"Whether the field is taken away instead."`
}

var config = kube.Kind{Name: "config"}

// refused are kinds that hold credentials, or who may do what.
var refused = []string{"secret", "serviceaccount", "role", "rolebinding", "clusterrole", "clusterrolebinding"}

// Validate reports what no field can be.
func (c Config) Validate(report func(field, message, hint string)) {
	kind, name, ok := strings.Cut(c.Object, "/")
	switch {
	case !ok || kind == "" || name == "" || strings.Contains(name, "/"):
		report("object", fmt.Sprintf("%q is no object: it is KIND/NAME", c.Object), "write configmap/checkout or deployment/api")
	case slices.Contains(refused, strings.ToLower(kind)):
		report("object", "objects of kind "+kind+" hold credentials or permissions, and are never touched", "")
	case c.APIVersion == "" && !known(kind):
		report("object", kind+" is none of Kubernetes' well-known kinds", "say api_version too, such as networking.istio.io/v1")
	}
	path, err := kube.ParsePath(c.Field)
	switch {
	case err != nil:
		report("field", err.Error(), "write data.TIMEOUT or spec.template.spec.containers[name=web].image")
	case len(path) > 0 && (path[0] == "status" || path[0] == "apiVersion" || path[0] == "kind" || path[0] == "metadata" && len(path) < 3):
		report("field", c.Field+" is not for anyone to set", "set a field of spec or data, or one label or annotation")
	}
	if c.Remove == (c.To != nil) {
		report("to", "exactly one of to and remove is needed", "write to: VALUE, or remove: true")
	}
}

// wellKnown are the namespaced kinds of Kubernetes that people break.
var wellKnown = map[string]kube.Resource{
	"configmap": {Version: "v1", Resource: "configmaps"}, "service": kube.Services, "pod": kube.Pods,
	"resourcequota": {Version: "v1", Resource: "resourcequotas"}, "limitrange": {Version: "v1", Resource: "limitranges"},
	"deployment": kube.Deployments, "statefulset": kube.StatefulSets, "daemonset": kube.DaemonSets,
	"horizontalpodautoscaler": kube.HPAs, "hpa": kube.HPAs, "poddisruptionbudget": kube.PDBs, "pdb": kube.PDBs,
	"ingress":       {Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	"networkpolicy": {Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	"cronjob":       {Group: "batch", Version: "v1", Resource: "cronjobs"},
}

func known(kind string) bool {
	_, ok := wellKnown[strings.ToLower(kind)]
	return ok
}

// resource is the object's, as far as it can be told without the cluster.
func (c Config) resource() kube.Resource {
	kind, _, _ := strings.Cut(c.Object, "/")
	if r, ok := wellKnown[strings.ToLower(kind)]; ok && c.APIVersion == "" {
		return r
	}
	group, version, ok := strings.Cut(c.APIVersion, "/")
	if !ok {
		group, version = "", c.APIVersion
	}
	return kube.Resource{Group: group, Version: version, Resource: kube.Plural(kind)}
}

// WhatConfig says what the fault does.
func WhatConfig(c Config) string {
	if c.Remove {
		return "remove " + c.Field + " of " + c.Object
	}
	return fmt.Sprintf("set %s of %s to %v", c.Field, c.Object, c.To)
}

// Config makes the fault.
func (f Faults) Config(c Config, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	r := c.resource()
	_, name, _ := strings.Cut(c.Object, "/")
	access := []chaos.Access{kube.Selector{Name: name}.Access(r, env.Kubernetes.Namespace, "patch")}
	return kube.New(f.Connect, config, kube.Plan{Env: env, Access: access,
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			e, err := changing(ctx, cluster, r, cluster.Place.Namespace, name, map[string]any{c.Field: plain(c.To)})
			if err != nil {
				return kube.Data{}, nil, err
			}
			// The API server fills in and rewrites values (0.5 becomes 500m);
			// what it would make of this one is what is owned.
			if e, err = cluster.Settle(ctx, e); err != nil {
				return kube.Data{}, nil, err
			}
			return kube.Data{Edits: []kube.Edit{e}}, []string{c.Object}, nil
		}}), nil
}

// plain is a value of a scenario as JSON has it.
func plain(value any) any {
	if value == nil {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return value
	}
	return json.RawMessage(text)
}
