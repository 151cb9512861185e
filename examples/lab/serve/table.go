// Package serve gives the lab's simulated pods work to do: a front door on
// loopback spreads HTTP requests over the ready pods of a Service, each pod
// has a capacity, and what each really worked is what the metrics API reports.
//
// Which pods a Service has, and whether they are ready, is what the API
// server's EndpointSlices say, late or wrong as they may be: a request sent to
// a pod that has just died fails.
package serve

import (
	"cmp"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// A Table knows the pods and what each Service leads to. Safe for concurrent use.
type Table struct {
	mu       sync.RWMutex
	pods     map[Key]*pod
	slices   map[Key]*discoveryv1.EndpointSlice
	services map[Key]*service
}

// service is where one Service's requests go.
type service struct {
	backends []Key // ready pods, sorted
	next     uint64
	arrivals uint64 // requests that came, whatever became of them
	last     ServiceReading
	mark     struct {
		at       time.Time
		arrivals uint64
	}
}

// ServiceReading is what came for a Service over one window.
type ServiceReading struct {
	At   time.Time `json:"at"`
	Rate float64   `json:"rate"` // requests offered per second
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{pods: map[Key]*pod{}, slices: map[Key]*discoveryv1.EndpointSlice{}, services: map[Key]*service{}}
}

// PutPod tells of a pod that was made or changed.
func (t *Table) PutPod(p *corev1.Pod) {
	key := Key{p.Namespace, p.Name}
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.pods[key]
	if known != nil && p.DeletionTimestamp != nil {
		known.kill(abrupt(p))
		return
	}
	if known != nil && restarts(p) > known.restarts {
		// Its process is another one now.
		known.kill(true)
		delete(t.pods, key)
		known = nil
	}
	running := p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil
	switch {
	case running && known == nil:
		c, err := capacityOf(p)
		t.pods[key] = newPod(key, p.Spec.NodeName, c, err, time.Now())
		t.pods[key].restarts = restarts(p)
	case !running && known != nil:
		known.kill(true)
		delete(t.pods, key)
	}
}

// DeletePod tells of a pod that is gone.
func (t *Table) DeletePod(p *corev1.Pod) {
	key := Key{p.Namespace, p.Name}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.pods[key]; known != nil {
		known.kill(abrupt(p))
		delete(t.pods, key)
	}
}

// restarts counts how often containers of the pod were restarted.
func restarts(p *corev1.Pod) int32 {
	var sum int32
	for _, c := range p.Status.ContainerStatuses {
		sum += c.RestartCount
	}
	return sum
}

// abrupt says whether the pod was given no time to end.
func abrupt(p *corev1.Pod) bool {
	return p.DeletionGracePeriodSeconds == nil || *p.DeletionGracePeriodSeconds == 0
}

// PutSlice tells of an EndpointSlice that was made or changed.
func (t *Table) PutSlice(s *discoveryv1.EndpointSlice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.slices[Key{s.Namespace, s.Name}] = s
	t.rebuild(Key{s.Namespace, s.Labels[discoveryv1.LabelServiceName]})
}

// DeleteSlice tells of an EndpointSlice that is gone.
func (t *Table) DeleteSlice(s *discoveryv1.EndpointSlice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.slices, Key{s.Namespace, s.Name})
	t.rebuild(Key{s.Namespace, s.Labels[discoveryv1.LabelServiceName]})
}

// rebuild collects a Service's ready pods. The caller holds mu.
func (t *Table) rebuild(key Key) {
	s := t.services[key]
	if s == nil {
		s = &service{}
		s.mark.at = time.Now()
		t.services[key] = s
	}
	s.backends = s.backends[:0:0]
	for _, slice := range t.slices {
		if slice.Namespace != key.Namespace || slice.Labels[discoveryv1.LabelServiceName] != key.Name {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				s.backends = append(s.backends, Key{e.TargetRef.Namespace, e.TargetRef.Name})
			}
		}
	}
	slices.SortFunc(s.backends, func(a, b Key) int { return cmp.Compare(a.Name, b.Name) })
	s.backends = slices.Compact(s.backends)
}

// pick chooses the next pod of a Service in turn, or the one that the connection
// is pinned to. known is false for a Service
// that has no EndpointSlice; name is empty when none of its pods is ready; the
// pod is nil when the chosen one is gone.
func (t *Table) pick(key Key, pinned *pin) (p *pod, name string, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.services[key]
	if s == nil {
		return nil, "", false
	}
	s.arrivals++
	if len(s.backends) == 0 {
		return nil, "", true
	}
	chosen := pinned.choose(key, s.backends, func() Key {
		s.next++
		return s.backends[(s.next-1)%uint64(len(s.backends))]
	})
	return t.pods[chosen], chosen.Name, true
}

// Sample closes a window for every pod and Service. One goroutine calls it, at
// even intervals.
func (t *Table) Sample(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.pods {
		p.sample(now)
	}
	for _, s := range t.services {
		if window := now.Sub(s.mark.at); window > 0 {
			s.last = ServiceReading{At: now, Rate: float64(s.arrivals-s.mark.arrivals) / window.Seconds()}
			s.mark.at, s.mark.arrivals = now, s.arrivals
		}
	}
}

// Pod is the state of one pod.
type Pod struct {
	Namespace string  `json:"namespace"`
	Name      string  `json:"name"`
	Node      string  `json:"node"`
	Reading   Reading `json:"reading"` // the zero Reading before the first window has ended
	Counts
}

// Pods lists what each pod did.
func (t *Table) Pods() []Pod {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := make([]Pod, 0, len(t.pods))
	for _, p := range t.pods {
		p.mu.Lock()
		all = append(all, Pod{Namespace: p.key.Namespace, Name: p.key.Name, Node: p.node, Reading: p.last, Counts: p.sum})
		p.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Reading is a pod's last window; false before it has one.
func (t *Table) Reading(key Key) (Reading, bool) {
	t.mu.RLock()
	p := t.pods[key]
	t.mu.RUnlock()
	if p == nil {
		return Reading{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, !p.last.At.IsZero()
}

// Service is what came for a Service in the last window; false for one that is
// not known or has no window yet.
func (t *Table) Service(key Key) (ServiceReading, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.services[key]
	if s == nil {
		return ServiceReading{}, false
	}
	return s.last, !s.last.At.IsZero()
}
