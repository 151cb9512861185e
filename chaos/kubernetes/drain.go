package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// Drain cordons nodes and evicts the namespace's pods from them, as far as their
// disruption budgets let it.
type Drain struct {
	NodeSelector
	Force bool `yaml:"force" doc:"Whether pods that no controller would make again are evicted too."`
}

var drain = kube.Kind{Name: "drain", Inject: evict, Seen: drained}

// WhatDrain says what the fault does.
func WhatDrain(c Drain) string { return "drain " + c.String() }

// Drain makes the fault.
func (f Faults) Drain(c Drain, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	namespace := env.Kubernetes.Namespace
	access := append(c.access(namespace), needs(namespace, kube.Pods, "get", "list"),
		chaos.Access{Verbs: []string{"create"}, Resource: "pods/eviction", Namespace: namespace})
	return kube.New(f.Connect, drain, kube.Plan{Env: env, Access: access,
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			nodes, err := c.find(ctx, cluster, env.Seed)
			if err != nil {
				return kube.Data{}, nil, err
			}
			d, targets, err := cordoning(ctx, cluster, nodes)
			if err != nil {
				return d, nil, err
			}
			pods, err := podsOn(ctx, cluster, nodes)
			if err != nil {
				return d, nil, err
			}
			for _, p := range pods {
				if !controlled(p) && !c.Force {
					return d, nil, fmt.Errorf("%s on node %s has no controller that would make it again; force: true evicts it all the same", p, p.Spec.NodeName)
				}
				d.Pods = append(d.Pods, p.Image())
			}
			return d, targets, nil
		}}), nil
}

// podsOn are the namespace's living pods on nodes, but for those that stay on
// every node: of DaemonSets, and the kubelet's own.
func podsOn(ctx context.Context, c *kube.Cluster, nodes []node) ([]kube.Pod, error) {
	var all []kube.Pod
	for _, n := range nodes {
		pods, err := kube.ListInto[kube.Pod](ctx, c, kube.Pods, c.Place.Namespace, kube.Query{Fields: "spec.nodeName=" + n.Metadata.Name})
		if err != nil {
			return nil, err
		}
		all = append(all, pods...)
	}
	return slices.DeleteFunc(all, func(p kube.Pod) bool {
		_, mirror := p.Metadata.Annotations["kubernetes.io/config.mirror"]
		return !p.Alive() || mirror || slices.ContainsFunc(p.Metadata.OwnerReferences, func(o kube.Owner) bool { return o.Kind == "DaemonSet" || o.Kind == "Node" })
	}), nil
}

func controlled(p kube.Pod) bool {
	return slices.ContainsFunc(p.Metadata.OwnerReferences, func(o kube.Owner) bool { return o.Controller })
}

// Bounds of evicting while a disruption budget refuses.
const (
	evictBound = 25 * time.Second
	evictPause = 500 * time.Millisecond
)

// eviction is that of policy/v1, as far as it matters here.
type eviction struct {
	APIVersion    string         `json:"apiVersion"`
	Kind          string         `json:"kind"`
	Metadata      evictionMeta   `json:"metadata"`
	DeleteOptions evictionDelete `json:"deleteOptions"`
}

type evictionMeta struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type evictionDelete struct {
	Preconditions struct {
		UID string `json:"uid"`
	} `json:"preconditions"`
}

// evict evicts the very pods of a receipt, and tries again where a disruption
// budget refuses for now.
func evict(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data) error {
	ctx, cancel := context.WithTimeoutCause(ctx, evictBound, errors.New("their disruption budgets did not let them go"))
	defer cancel()
	left := d.Pods
	for {
		var refused []kube.PodImage
		for _, p := range left {
			e := eviction{APIVersion: "policy/v1", Kind: "Eviction", Metadata: evictionMeta{p.Name, c.Place.Namespace}}
			e.DeleteOptions.Preconditions.UID = p.UID
			err := c.Post(ctx, kube.Pods, c.Place.Namespace, p.Name, "eviction", e)
			switch {
			case apierrors.IsTooManyRequests(err):
				refused = append(refused, p)
			case err != nil && !errors.Is(err, kube.ErrAbsent) && !apierrors.IsConflict(err):
				return err
			}
		}
		if len(refused) == 0 {
			return nil
		}
		left = refused
		select {
		case <-ctx.Done():
			names := make([]string, len(left))
			for i, p := range left {
				names[i] = p.Name
			}
			return fmt.Errorf("evict %s: %w", strings.Join(names, ", "), context.Cause(ctx))
		case <-time.After(evictPause):
		}
	}
}

// drained says Active once the nodes are cordoned and the pods are off them.
func drained(ctx context.Context, c *kube.Cluster, r chaos.Receipt, d kube.Data, edited chaos.State) (chaos.State, error) {
	if edited != chaos.Active {
		return edited, nil
	}
	gone, err := podsGone(ctx, c, r, d, edited)
	if err == nil && gone != chaos.Active {
		return "", fmt.Errorf("%w: the nodes are cordoned, and not all pods are off them", chaos.ErrNoEvidence)
	}
	return gone, err
}
