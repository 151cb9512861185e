// Package inventory says what is wrong with what a namespace runs before any
// load does: what blinds an autoscaler, blocks a drain, or leaves a single
// point of failure. It also writes a scenario to start from. Plain data in,
// findings and text out; who reads the cluster is not its business.
package inventory

import (
	"maps"
	"slices"
	"time"
)

// Namespace is what one namespace runs.
type Namespace struct {
	Name        string
	Workloads   []Workload
	Autoscalers []Autoscaler
	Budgets     []Budget
	Services    []Service
}

// Workload is a Deployment or a StatefulSet.
type Workload struct {
	Kind       string // Deployment or StatefulSet
	Name       string
	Replicas   int               // asked for
	Labels     map[string]string // of its pods
	Containers []Container
	Spread     bool // its pods are spread over nodes or zones, or kept apart
}

// Ref is how findings name it.
func (w Workload) Ref() string { return w.Kind + "/" + w.Name }

// Container is one container of a workload's pods.
type Container struct {
	Name      string
	CPU       bool // it requests CPU
	Memory    bool // it requests memory
	Readiness bool // it has a readiness probe
	Delayed   bool // the probe waits at first, or a startup probe comes before it
}

// Autoscaler is a HorizontalPodAutoscaler.
type Autoscaler struct {
	Name      string
	Target    string // KIND/NAME of what it scales
	Min, Max  int
	Current   int
	OnCPU     bool          // as a share of what is requested
	OnMemory  bool          // the same
	ScaleDown time.Duration // its stabilisation window; 0 where it has none of its own
	Failing   []string      // what it says of itself, such as "ScalingActive: no metrics"
}

// Budget is a PodDisruptionBudget.
type Budget struct {
	Name    string
	Match   func(labels map[string]string) bool
	Pods    int  // that it covers now
	Allowed int  // how many of them may go now
	Never   bool // it can never allow any
}

// Service leads to pods.
type Service struct {
	Name  string
	Match func(labels map[string]string) bool
	Port  int  // the first one
	HTTP  bool // that port speaks HTTP, by its name, number or appProtocol
}

// scaler is the autoscaler of a workload.
func (n Namespace) scaler(w Workload) (Autoscaler, bool) {
	for _, a := range n.Autoscalers {
		if a.Target == w.Ref() {
			return a, true
		}
	}
	return Autoscaler{}, false
}

// served says whether a Service leads to a workload's pods.
func (n Namespace) served(w Workload) bool {
	for _, s := range n.Services {
		if s.Match(w.Labels) {
			return true
		}
	}
	return false
}

// sorted are a map's keys in order.
func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
