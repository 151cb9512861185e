package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// hereKinds are the kinds of fault that act on the machine brunt runs on.
var hereKinds = []string{"process", "stress", "network", "clock", "docker", "exec"}

// checkMachine refuses to break a machine whose own name looks like
// production, unless the scenario says that this is meant.
func checkMachine(plan *scenarios.Plan) error {
	name, err := os.Hostname()
	if err != nil {
		return nil // a machine without a name looks like nothing
	}
	return productionMachine(plan, name)
}

// clusterBound is how long the API server may take to say that it is there.
const clusterBound = 8 * time.Second

// checkCluster refuses a run whose cluster cannot be reached, and one that would
// break things in a cluster whose context or server look like production, unless
// the scenario says that this is meant. Only the kubeconfig knows what the
// current context is.
func checkCluster(ctx context.Context, plan *scenarios.Plan) error {
	who, breaks := inCluster(plan)
	if who == "" {
		return nil
	}
	config, found, err := clusterFor(plan.Kubernetes)
	if err != nil {
		return fmt.Errorf("brunt: %s: %w", who, err)
	}
	for _, name := range []struct{ what, name string }{{"context", found.Context}, {"API server", config.Host}} {
		if word, looks := chaos.ProductionWord(name.name); looks && breaks && !plan.AllowProduction {
			return fmt.Errorf("brunt: refused: the %s %s looks like production (%s), and %s acts on it; if that is meant, say so in the scenario: safety: { allow_production: true }",
				name.what, name.name, word, who)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, clusterBound)
	defer cancel()
	if err := kube.Reach(ctx, clusterFor, plan.Kubernetes); err != nil {
		return fmt.Errorf("brunt: %s: %w", who, err)
	}
	return nil
}

// inCluster names the first of a plan's faults that acts on a cluster, or else
// the first of what it watches there; empty when it needs no cluster.
func inCluster(plan *scenarios.Plan) (who string, breaks bool) {
	for _, f := range plan.Faults {
		if _, ok := f.Fault.(chaos.Accessor); ok {
			return "fault " + f.Name, true
		}
	}
	// Without a target.kubernetes the probe itself says so.
	for _, p := range plan.Probes {
		if _, ok := p.Probe.(probes.Accessor); ok && plan.Kubernetes.Namespace != "" {
			return "watch " + p.Name, false
		}
	}
	return "", false
}

// checkProbes refuses to watch what the cluster does not know: the run would see
// nothing to its end. A cluster that does not answer may yet do so while the run
// goes on, and the probe's readings tell until then.
func checkProbes(ctx context.Context, plan *scenarios.Plan) error {
	ctx, cancel := context.WithTimeout(ctx, clusterBound)
	defer cancel()
	var cluster *kube.Cluster
	for _, p := range plan.Probes {
		a, ok := p.Probe.(probes.Accessor)
		if !ok || plan.Kubernetes.Namespace == "" {
			continue // the probe itself says so
		}
		if cluster == nil {
			var err error
			if cluster, err = kube.Connect(clusterFor).Open(plan.Kubernetes); err != nil {
				return nil // the probe tells why
			}
			defer cluster.Close()
		}
		for _, need := range a.Access() {
			err := cluster.Known(ctx, kube.Resource{Group: need.Group, Version: need.Version, Resource: need.Resource})
			if unknown := new(kube.UnknownError); errors.As(err, &unknown) {
				return fmt.Errorf("brunt: watch %s: %w", p.Name, unknown)
			}
			if err != nil {
				return nil
			}
		}
	}
	return nil
}

func productionMachine(plan *scenarios.Plan, name string) error {
	word, found := chaos.ProductionWord(name)
	i := slices.IndexFunc(plan.Faults, func(f scenarios.Fault) bool { return slices.Contains(hereKinds, f.Kind) })
	if !found || plan.AllowProduction || i < 0 {
		return nil
	}
	return fmt.Errorf("brunt: refused: this machine is called %s, which looks like production (%s), and fault %s acts on it; if that is meant, say so in the scenario: safety: { allow_production: true }",
		name, word, plan.Faults[i].Name)
}
