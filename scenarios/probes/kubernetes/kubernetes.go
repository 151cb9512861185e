// Package kubernetes watches what a cluster does while a run goes on: how
// autoscalers decide, which pods come, when they are ready, which nodes join.
//
// Everything is watched with a selector, by name or by label, and in the
// target's namespace alone; only nodes and NodeClaims have no namespace, and so
// need a selector of labels. Each kind says in its docs which verbs on which
// resources it needs.
//
// # When things happened
//
// API servers stamp in whole seconds, on their own clock. A time is taken to lie
// in that second, moved by how far the server's clock is off (learned from the
// Date of its answers), and before the moment at which the watch told of it.
// What has no stamp is given the moment it was seen, and the time since the last
// sign of life as its doubt. Times that kubelets stamp are taken as if their
// clocks were the server's.
//
// # When the API server does not answer
//
// A watch that ends is resumed, one whose place is forgotten (410 Gone) starts
// again from a list, and what changed in between is told late, with the time of
// its stamp. Until then every reading is a failed look that says why, so that
// nobody takes the last number seen for the present one.
package kubernetes

import (
	"time"

	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// Watchers makes the probes of this package. Connect says how the cluster of a
// target is reached; it must not connect yet. It is called once for each Watch.
type Watchers struct {
	Connect func(probes.Kubernetes) (*rest.Config, error)
}

// Of is what a scenario may say of replicas that are watched.
type Of struct {
	Every      time.Duration `yaml:"every" default:"1s" min:"100ms" doc:"How often there is a reading when nothing changes; changes are told at once."`
	PerReplica float64       `yaml:"per_replica" unit:"rate" example:"50/s" doc:"How much load one replica bears; how many were wanted is counted from it. Without, it is learned where the autoscaler settled."`
	Loads      []string      `yaml:"loads" example:"[browse]" doc:"The loads that these replicas bear; all when not given."`
	Price      float64       `yaml:"price" min:"0" example:"0.12" doc:"What one replica costs an hour, in any money, for the cost in reports."`
}

// Series are what the kinds that watch replicas read beside their number, which
// is ready.
var Series = []string{"ready", "replicas", "desired", "pods", "metric", "min", "max"}

// A resource is one of the API's.
type resource struct{ group, version, name string }

var (
	autoscalers  = resource{"autoscaling", "v2", "horizontalpodautoscalers"}
	deployments  = resource{"apps", "v1", "deployments"}
	statefulSets = resource{"apps", "v1", "statefulsets"}
	replicaSets  = resource{"apps", "v1", "replicasets"}
	podList      = resource{"", "v1", "pods"}
	nodeList     = resource{"", "v1", "nodes"}
	eventList    = resource{"", "v1", "events"}
	scaledObject = resource{"keda.sh", "v1alpha1", "scaledobjects"}
	nodeClaims   = resource{"karpenter.sh", "v1", "nodeclaims"}
)

// String is how people and roles write it: scaledobjects.keda.sh.
func (r resource) String() string {
	if r.group == "" {
		return r.name
	}
	return r.name + "." + r.group
}
