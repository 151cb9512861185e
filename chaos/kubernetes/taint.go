package kubernetes

import (
	"context"
	"fmt"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// Taint puts a taint on nodes.
type Taint struct {
	NodeSelector
	Key    string `yaml:"key" doc:"The taint's key." default:"brunt.dev/tainted"`
	Value  string `yaml:"value" doc:"The taint's value."`
	Effect string `yaml:"effect" doc:"What it does to pods that do not tolerate it. NoExecute evicts them, and is refused where a node runs pods of other namespaces." enum:"NoSchedule,PreferNoSchedule,NoExecute" default:"NoSchedule"`
}

var taint = kube.Kind{Name: "taint"}

// WhatTaint says what the fault does.
func WhatTaint(c Taint) string { return "taint " + c.String() + " with " + c.Key + ":" + c.Effect }

// Taint makes the fault.
func (f Faults) Taint(c Taint, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	access := c.access(env.Kubernetes.Namespace)
	if c.Effect == "NoExecute" {
		access = append(access, needs("", kube.Pods, "list"))
	}
	return kube.New(f.Connect, taint, kube.Plan{Env: env, Access: access,
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			var d kube.Data
			nodes, err := c.find(ctx, cluster, env.Seed)
			if err != nil {
				return d, nil, err
			}
			if c.Effect == "NoExecute" {
				if err := onlyOurs(ctx, cluster, nodes); err != nil {
					return d, nil, err
				}
			}
			member := map[string]any{"key": c.Key, "effect": c.Effect}
			if c.Value != "" {
				member["value"] = c.Value
			}
			var targets []string
			for _, n := range nodes {
				object, err := cluster.Get(ctx, kube.Nodes, "", n.Metadata.Name)
				if err != nil {
					return d, nil, err
				}
				e, err := kube.Adding(kube.Nodes, object, "spec.taints", member)
				if err != nil {
					return d, nil, err
				}
				d.Edits, targets = append(d.Edits, e), append(targets, "node "+n.Metadata.Name)
			}
			return d, targets, nil
		}}), nil
}

// onlyOurs refuses nodes that run pods outside the target's namespace, but for
// those of DaemonSets, which tolerate more.
func onlyOurs(ctx context.Context, c *kube.Cluster, nodes []node) error {
	for _, n := range nodes {
		pods, err := kube.ListInto[kube.Pod](ctx, c, kube.Pods, "", kube.Query{Fields: "spec.nodeName=" + n.Metadata.Name})
		if err != nil {
			return fmt.Errorf("see whom NoExecute would evict: %w", err)
		}
		for _, p := range pods {
			daemon := false
			for _, o := range p.Metadata.OwnerReferences {
				daemon = daemon || o.Kind == "DaemonSet" || o.Kind == "Node"
			}
			if p.Alive() && !daemon && p.Metadata.Namespace != c.Place.Namespace {
				return fmt.Errorf("NoExecute on node %s would evict pod %s of namespace %s, which is outside the target", n.Metadata.Name, p.Metadata.Name, p.Metadata.Namespace)
			}
		}
	}
	return nil
}
