package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// A NodeSelector says which nodes are meant.
type NodeSelector struct {
	Node     string `yaml:"node" scalar:"true" doc:"One node, by its name." example:"worker-1"`
	Selector string `yaml:"selector" doc:"Nodes with these labels, as kubectl takes them." example:"pool=spot"`
	App      string `yaml:"app" doc:"Nodes that run pods of this application: label app or app.kubernetes.io/name." example:"payments"`
	Pick     string `yaml:"pick" doc:"How many of them, chosen by the scenario's seed: one, all, a number, or a share such as 30%, rounded up; one unless told."`
}

// by is how nodes are found by their own names and labels.
func (s NodeSelector) by() kube.Selector {
	return kube.Selector{Name: s.Node, Selector: s.Selector, App: s.App, Pick: s.Pick}
}

// Validate reports what no node can be found by.
func (s NodeSelector) Validate(report func(field, message, hint string)) {
	if s.Node == "" && s.Selector == "" && s.App == "" {
		report("", "one of node, selector and app is needed", "say which: `node: worker-1`, `selector: pool=spot`, or `app: payments` for nodes that run it")
		return
	}
	s.by().Validate(func(field, message, hint string) {
		report(field, strings.ReplaceAll(message, "name", "node"), hint)
	})
}

// String is the selector for people.
func (s NodeSelector) String() string {
	if s.Node != "" {
		return "node " + s.Node
	}
	return "nodes of " + s.by().String()
}

// node is what matters here of one.
type node struct {
	Metadata kube.Meta `json:"metadata"`
	Spec     struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"spec"`
}

func (n node) meta() kube.Meta { return n.Metadata }

// find finds the nodes that are meant, and picks among them.
func (s NodeSelector) find(ctx context.Context, c *kube.Cluster, seed uint64) ([]node, error) {
	if s.App == "" {
		nodes, err := kube.Find(ctx, c, kube.Nodes, "", s.by(), node.meta)
		if errors.Is(err, kube.ErrAbsent) {
			return nil, fmt.Errorf("the cluster has no node called %s", s.Node)
		}
		if err != nil {
			return nil, err
		}
		return kube.Choose(nodes, s.by(), "node", seed)
	}
	pods, err := c.FindPods(ctx, kube.Selector{App: s.App, Pick: "all"}, seed)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range pods {
		if p.Spec.NodeName != "" && !slices.Contains(names, p.Spec.NodeName) {
			names = append(names, p.Spec.NodeName)
		}
	}
	slices.Sort(names)
	if names, err = kube.Choose(names, s.by(), "node that runs pods", seed); err != nil {
		return nil, err
	}
	nodes := make([]node, len(names))
	for i, name := range names {
		if err := c.GetInto(ctx, kube.Nodes, "", name, &nodes[i]); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

// access is what finding and changing nodes takes.
func (s NodeSelector) access(namespace string) []chaos.Access {
	if s.App != "" {
		return []chaos.Access{needs("", kube.Nodes, "get", "patch"), needs(namespace, kube.Pods, "list")}
	}
	return []chaos.Access{s.by().Access(kube.Nodes, "", "patch")}
}

// Cordon keeps new pods from nodes.
type Cordon struct{ NodeSelector }

var cordon = kube.Kind{Name: "cordon"}

// WhatCordon says what the fault does.
func WhatCordon(c Cordon) string { return "cordon " + c.String() }

// Cordon makes the fault.
func (f Faults) Cordon(c Cordon, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	return kube.New(f.Connect, cordon, kube.Plan{Env: env, Access: c.access(env.Kubernetes.Namespace),
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			nodes, err := c.find(ctx, cluster, env.Seed)
			if err != nil {
				return kube.Data{}, nil, err
			}
			return cordoning(ctx, cluster, nodes)
		}}), nil
}

// cordoning is the edits that cordon nodes. One that is cordoned already belongs
// to someone else.
func cordoning(ctx context.Context, c *kube.Cluster, nodes []node) (kube.Data, []string, error) {
	var d kube.Data
	var targets []string
	for _, n := range nodes {
		e, err := changing(ctx, c, kube.Nodes, "", n.Metadata.Name, map[string]any{"spec.unschedulable": true})
		if err != nil {
			return d, nil, err
		}
		d.Edits, targets = append(d.Edits, e), append(targets, "node "+n.Metadata.Name)
	}
	return d, targets, nil
}
