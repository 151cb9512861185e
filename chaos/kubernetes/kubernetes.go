// Package kubernetes breaks things in a Kubernetes namespace, and nodes that a
// fault names: pods killed or kept from running, nodes cordoned, drained or
// tainted, workloads scaled or restarted, a zone lost, one field of an object
// changed, the metrics API cut off.
//
// Every change follows package kube: marked on the object itself, restored where
// it is still as it was set, a conflict where someone else has changed it since.
// What is deleted or evicted is recreated by its controllers, not by undo.
//
// Killing one container of a pod takes a process on its node: that is Chaos
// Mesh's container_kill, in package mesh.
package kubernetes

import (
	"errors"
	"fmt"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// Faults makes the kinds of this package for one way to clusters.
type Faults struct{ Connect kube.Connect }

// Mend makes faults of a kind of this package that undo from receipts alone.
func (f Faults) Mend(kind string) func() chaos.Fault { return kube.Mend(f.Connect, kinds()[kind]) }

func kinds() map[string]kube.Kind {
	all := map[string]kube.Kind{}
	for _, k := range []kube.Kind{podKill, podFailure, cordon, drain, taint, scale, rolloutRestart, zoneOutage, config, metricsOutage} {
		all[k.Name] = k
	}
	return all
}

// Names are the kinds of this package.
func Names() []string {
	return []string{podKill.Name, podFailure.Name, cordon.Name, drain.Name, taint.Name, scale.Name, rolloutRestart.Name, zoneOutage.Name, config.Name, metricsOutage.Name}
}

// validated is what every New does first: a scenario's mistakes are found before,
// with their place.
func validated(env chaos.Env, validate func(func(field, message, hint string))) error {
	var problem error
	validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	if problem != nil {
		return fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	if env.Kubernetes.Namespace == "" {
		return fmt.Errorf("target.kubernetes is missing, so nothing in any cluster may be broken; add target: { kubernetes: { namespace: NAME } }")
	}
	return nil
}

// onPods says whether a receipt names pods.
func onPods(d kube.Data) bool { return len(d.Pods) > 0 }

func needs(namespace string, r kube.Resource, verbs ...string) chaos.Access {
	return chaos.Access{Verbs: verbs, Group: r.Group, Resource: r.Resource, Namespace: namespace}
}
