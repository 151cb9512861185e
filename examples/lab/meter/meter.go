// Package meter answers the three metrics APIs of Kubernetes (resource, custom
// and external metrics) from what a Source measured, and from values set by
// hand, which win.
package meter

import (
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
)

// A Source knows what was measured.
type Source interface {
	// Pods lists the running pods of a namespace ("" for all) that match.
	Pods(namespace string, match labels.Selector) []Pod
	// Pod metrics by name, such as requests_per_second, of a pod that Pods listed.
	PodMetric(p Pod, name string) (resource.Quantity, bool)
	// ServiceMetric is a metric of the Service that match picks by the label
	// "service" in a namespace.
	ServiceMetric(namespace, service, name string) (resource.Quantity, time.Time, bool)
}

// Pod is one pod's measured use. A pod that was not measured yet has no At.
type Pod struct {
	Namespace, Name, Node string
	Labels                map[string]string
	Containers            []string
	At                    time.Time
	Window                time.Duration
	CPU, Memory           resource.Quantity // of the whole pod
}

// Meter serves the APIs. Safe for concurrent use.
type Meter struct {
	source Source
	// Down makes every request fail with 503, as a metrics server that is not there.
	Down atomic.Bool

	mu  sync.RWMutex
	set map[Setting]resource.Quantity
}

// Setting names a value set by hand.
type Setting struct {
	Kind      string // cpu, memory, custom or external
	Name      string // of the custom or external metric
	Namespace string // "": every one
	Pod       string // "": every one; not for external metrics
}

// New returns a meter for a source.
func New(s Source) *Meter {
	return &Meter{source: s, set: map[Setting]resource.Quantity{}}
}

// Set forces a value, or lets go of it when q is nil.
func (m *Meter) Set(s Setting, q *resource.Quantity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if q == nil {
		delete(m.set, s)
		return
	}
	m.set[s] = *q
}

// forced is the value set by hand, the most exact one first.
func (m *Meter) forced(kind, name, namespace, pod string) (resource.Quantity, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, s := range []Setting{
		{kind, name, namespace, pod},
		{kind, name, namespace, ""},
		{kind, name, "", ""},
	} {
		if q, ok := m.set[s]; ok {
			return q, true
		}
	}
	return resource.Quantity{}, false
}
