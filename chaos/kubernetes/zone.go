package kubernetes

import (
	"context"
	"fmt"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// ZoneOutage takes a zone away: its nodes are cordoned, and the namespace's pods
// on them deleted at once, whatever their disruption budgets say.
type ZoneOutage struct {
	Zone string `yaml:"zone" scalar:"true" required:"true" doc:"The zone, as nodes have it in the label topology.kubernetes.io/zone." example:"eu-central-1a"`
}

var zoneOutage = kube.Kind{Name: "zone_outage", Inject: deletePods, Seen: drained}

// zoneLabel is the well-known label of a node's zone.
const zoneLabel = "topology.kubernetes.io/zone"

// WhatZoneOutage says what the fault does.
func WhatZoneOutage(c ZoneOutage) string { return "take zone " + c.Zone + " away" }

// ZoneOutage makes the fault.
func (f Faults) ZoneOutage(c ZoneOutage, env chaos.Env) (chaos.Fault, error) {
	nodes := NodeSelector{Selector: zoneLabel + "=" + c.Zone, Pick: "all"}
	if err := validated(env, nodes.Validate); err != nil {
		return nil, err
	}
	access := append(nodes.access(""), needs(env.Kubernetes.Namespace, kube.Pods, "get", "list", "delete"))
	return kube.New(f.Connect, zoneOutage, kube.Plan{Env: env, Access: access,
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			found, err := nodes.find(ctx, cluster, env.Seed)
			if err != nil {
				return kube.Data{}, nil, fmt.Errorf("find the nodes of zone %s: %w", c.Zone, err)
			}
			d, targets, err := cordoning(ctx, cluster, found)
			if err != nil {
				return d, nil, err
			}
			pods, err := podsOn(ctx, cluster, found)
			if err != nil {
				return d, nil, err
			}
			for _, p := range pods {
				d.Pods = append(d.Pods, p.Image())
			}
			return d, targets, nil
		}}), nil
}
