package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Severity of a finding, the worst first.
type Severity int

// An Error makes a run's result meaningless or an operation impossible, a
// Warning is likely to hurt under load or faults, a Note is worth knowing.
const (
	Error Severity = iota
	Warning
	Note
)

func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// Finding is one thing that is wrong.
type Finding struct {
	Severity Severity
	Code     string // stable, such as hpa-blind
	Object   string // KIND/NAME
	Message  string
	Hint     string // what to do about it
}

// Need is what a scenario asks of the namespace; the zero value asks nothing.
type Need struct {
	Phase    time.Duration // its longest phase
	Replicas int           // how many replicas the load was measured or reckoned to need
}

// Lint returns what is wrong, the worst first.
func (n Namespace) Lint(need Need) []Finding {
	var all []Finding
	say := func(s Severity, code, object, hint, message string, args ...any) {
		all = append(all, Finding{s, code, object, fmt.Sprintf(message, args...), hint})
	}
	for _, w := range n.Workloads {
		n.lintWorkload(w, say)
	}
	for _, a := range n.Autoscalers {
		n.lintAutoscaler(a, need, say)
	}
	for _, b := range n.Budgets {
		ref := "PodDisruptionBudget/" + b.Name
		switch {
		case b.Never:
			say(Error, "pdb-blocks-drain", ref, "allow at least one: maxUnavailable: 1", "it never lets any pod go, so no node under its pods can be drained")
		case b.Pods > 0 && b.Allowed == 0:
			say(Warning, "pdb-exhausted", ref, "see which pods are not ready, or add replicas", "it lets none of its %d pods go now, so a drain would wait", b.Pods)
		case b.Pods == 0:
			say(Note, "pdb-covers-nothing", ref, "correct its selector, or remove it", "no pod matches its selector")
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Code, b.Code))
	})
	return all
}

type sayer func(s Severity, code, object, hint, message string, args ...any)

func (n Namespace) lintWorkload(w Workload, say sayer) {
	ref, served := w.Ref(), n.served(w)
	least := w.Replicas
	if a, ok := n.scaler(w); ok {
		least = a.Min
	}
	if least == 1 && served {
		say(Warning, "single-replica", ref, "run at least two, or the autoscaler's minReplicas: 2", "a Service leads to one replica alone: each kill or drain of it is an outage")
	}
	if least > 1 && !w.Spread {
		say(Note, "not-spread", ref, "add topologySpreadConstraints over topology.kubernetes.io/zone", "nothing keeps its replicas from sharing one node or zone")
	}
	if least > 1 && !slices.ContainsFunc(n.Budgets, func(b Budget) bool { return b.Match(w.Labels) }) {
		say(Note, "no-pdb", ref, "add a PodDisruptionBudget with maxUnavailable: 1", "a drain may take all its replicas at once")
	}
	if !served {
		return
	}
	ready := slices.ContainsFunc(w.Containers, func(c Container) bool { return c.Readiness })
	if !ready && len(w.Containers) > 0 {
		say(Warning, "no-readiness", ref, "add a readinessProbe", "it has no readiness probe: new pods get requests before they can answer")
	}
	for _, c := range w.Containers {
		if c.Readiness && !c.Delayed {
			say(Note, "readiness-without-delay", ref, "add a startupProbe, or initialDelaySeconds", "the readiness probe of %s begins at once: a pod that flaps while it starts is counted as unready by the autoscaler, and its early CPU with it", c.Name)
		}
	}
}

func (n Namespace) lintAutoscaler(a Autoscaler, need Need, say sayer) {
	ref := "HorizontalPodAutoscaler/" + a.Name
	at := slices.IndexFunc(n.Workloads, func(w Workload) bool { return w.Ref() == a.Target })
	if at < 0 {
		say(Error, "hpa-target-missing", ref, "correct its scaleTargetRef", "it scales %s, which is not there", a.Target)
	} else {
		for _, c := range n.Workloads[at].Containers {
			for resource, blind := range map[string]bool{"CPU": a.OnCPU && !c.CPU, "memory": a.OnMemory && !c.Memory} {
				if blind {
					say(Error, "hpa-blind", ref, "give the container a request", "it scales on a share of the requested %s, and container %s of %s requests none: it cannot scale at all", resource, c.Name, a.Target)
				}
			}
		}
	}
	if a.Min == a.Max {
		say(Error, "hpa-fixed", ref, "raise maxReplicas", "minReplicas and maxReplicas are both %d: it never scales", a.Max)
	} else if a.Current >= a.Max {
		say(Warning, "hpa-at-max", ref, "raise maxReplicas before the load comes", "it is at its %d replicas already", a.Max)
	}
	if need.Replicas > a.Max {
		say(Error, "hpa-max-below-need", ref, fmt.Sprintf("raise maxReplicas to %d or more", need.Replicas), "the load needs %d replicas, and it stops at %d", need.Replicas, a.Max)
	}
	window, whose := a.ScaleDown, ""
	if window == 0 {
		window, whose = 5*time.Minute, " (the default of most clusters)"
	}
	if need.Phase > 0 && window > need.Phase {
		say(Warning, "hpa-window-longer-than-phase", ref, "play a longer last phase, or do not judge back_to", "it waits %s%s before it scales down, longer than the scenario's longest phase of %s: no run will see it", window, whose, need.Phase)
	}
	for _, f := range a.Failing {
		say(Error, "hpa-failing", ref, "kubectl describe hpa "+a.Name, "it says %s", f)
	}
}
