package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/cluster/pods"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// A party is a part of a run that needs to be let do things in a cluster.
type party struct {
	what    string // "fault kill", "watch api", "the workers"
	needs   []chaos.Access
	watches bool // and changes nothing
}

// parties are the plan's faults and probes, and its workers where they are to be
// on kubernetes.
func parties(plan *scenarios.Plan, on string) []party {
	var all []party
	for _, f := range plan.Faults {
		if a, ok := f.Fault.(chaos.Accessor); ok {
			all = append(all, party{what: "fault " + f.Name, needs: a.Access()})
		}
	}
	for _, p := range plan.Probes {
		a, ok := p.Probe.(probes.Accessor)
		if !ok {
			continue
		}
		watcher := party{what: "watch " + p.Name, watches: true}
		for _, need := range a.Access() {
			watcher.needs = append(watcher.needs, chaos.Access{Group: need.Group, Resource: need.Resource, Namespace: need.Namespace, Verbs: need.Verbs})
		}
		all = append(all, watcher)
	}
	if on == onKubernetes {
		workers := party{what: "the workers"}
		for _, need := range pods.Needs() {
			workers.needs = append(workers.needs, chaos.Access{Group: need.Group, Resource: need.Resource, Namespace: plan.Kubernetes.Namespace, Verbs: need.Verbs})
		}
		all = append(all, workers)
	}
	return all
}

// accessOf is what parties need, each permission once.
func accessOf(all []party) []chaos.Access {
	var needs []chaos.Access
	for _, p := range all {
		needs = append(needs, p.needs...)
	}
	return merged(needs)
}

// needing names the parties that need some of an access.
func needing(all []party, a chaos.Access) string {
	var names []string
	for _, p := range all {
		if slices.ContainsFunc(p.needs, func(n chaos.Access) bool {
			return n.Group == a.Group && n.Resource == a.Resource && n.Namespace == a.Namespace && n.Name == a.Name &&
				slices.ContainsFunc(n.Verbs, func(v string) bool { return slices.Contains(a.Verbs, v) })
		}) && !slices.Contains(names, p.what) {
			names = append(names, p.what)
		}
	}
	return strings.Join(names, ", ")
}

// A deniedError is what a run would need and is not let do, one line for each.
type deniedError struct {
	lines []string
	on    string
}

func (e *deniedError) Error() string {
	return "not allowed in Kubernetes:\n  " + strings.Join(e.lines, "\n  ") + "\n" + e.hint()
}

func (e *deniedError) hint() string {
	if e.on == onKubernetes {
		return "brunt rbac SCENARIO --on kubernetes prints the role that it needs"
	}
	return "brunt rbac SCENARIO prints the role that it needs"
}

// askAccess asks the cluster whether the run would be let do all that it needs. A
// *deniedError names what not.
func askAccess(ctx context.Context, plan *scenarios.Plan, all []party, on string) error {
	needs := accessOf(all)
	if len(needs) == 0 || plan.Kubernetes.Namespace == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, clusterBound)
	defer cancel()
	denied, err := kube.Connect(clusterFor).Denied(ctx, plan.Kubernetes, needs)
	if err != nil || len(denied) == 0 {
		return err
	}
	refused := &deniedError{on: on}
	for _, a := range denied {
		refused.lines = append(refused.lines, kube.Permission(a)+": "+needing(all, a))
	}
	return refused
}

// checkAccess refuses a run that would not be let do what it needs, before
// anything starts. A cluster that cannot be asked is no reason where it is only
// watched: it may come back.
func checkAccess(ctx context.Context, plan *scenarios.Plan, on string) error {
	all := parties(plan, on)
	err := askAccess(ctx, plan, all, on)
	if err == nil || !isDenied(err) && watchedOnly(all) {
		return nil
	}
	return fmt.Errorf("brunt: refused before any traffic: %w", err)
}

func isDenied(err error) bool {
	var denied *deniedError
	return errors.As(err, &denied)
}

func watchedOnly(all []party) bool {
	return !slices.ContainsFunc(all, func(p party) bool { return !p.watches })
}

// printAccess prints what the cluster would not let the run do, and says whether
// the run would be refused for it.
func printAccess(ctx context.Context, w io.Writer, plan *scenarios.Plan, on string) (refused bool) {
	all := parties(plan, on)
	err := askAccess(ctx, plan, all, on)
	var denied *deniedError
	switch {
	case err == nil:
		return false
	case errors.As(err, &denied):
		fmt.Fprintf(w, "\nnot allowed in Kubernetes\n  %s\n  %s\n", strings.Join(denied.lines, "\n  "), denied.hint())
		return true
	}
	fmt.Fprintf(w, "\nKubernetes\n  %v\n", err)
	return !watchedOnly(all)
}

var errNoNamespace = errors.New("--on kubernetes: the workers run in target.kubernetes.namespace, and the scenario has none; add target: { kubernetes: { namespace: NAME } }")
