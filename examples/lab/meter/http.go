package meter

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
)

type object = map[string]any

// The API versions served; the last part of each is what an APIService names.
var Versions = [][2]string{
	{"metrics.k8s.io", "v1beta1"},
	{"custom.metrics.k8s.io", "v1beta2"},
	{"external.metrics.k8s.io", "v1beta1"},
}

// ServeHTTP answers what an API server's aggregator forwards.
func (m *Meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.Down.Load() {
		fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "the metrics are switched off")
		return
	}
	match, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		fail(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	// apis GROUP VERSION [nodes [NAME] | pods | namespaces NS …]
	p := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(p) < 3 || p[0] != "apis" {
		fail(w, http.StatusNotFound, "NotFound", r.URL.Path)
		return
	}
	group, rest := p[1], p[3:]
	switch {
	case len(rest) == 0:
		m.discovery(w, group, p[2])
	case group == "metrics.k8s.io":
		m.resource(w, rest, match)
	case group == "custom.metrics.k8s.io" && len(rest) == 5 && rest[0] == "namespaces" && rest[2] == "pods":
		m.custom(w, rest[1], rest[3], rest[4], match)
	case group == "external.metrics.k8s.io" && len(rest) == 3 && rest[0] == "namespaces":
		m.external(w, rest[1], rest[2], match)
	default:
		fail(w, http.StatusNotFound, "NotFound", r.URL.Path)
	}
}

func (m *Meter) discovery(w http.ResponseWriter, group, version string) {
	resources := map[string][]object{
		"metrics.k8s.io": {
			{"name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": []string{"get", "list"}},
			{"name": "nodes", "singularName": "", "namespaced": false, "kind": "NodeMetrics", "verbs": []string{"get", "list"}},
		},
		// Any metric's name is taken, so those named here are examples.
		"custom.metrics.k8s.io": {
			{"name": "pods/requests_per_second", "singularName": "", "namespaced": true, "kind": "MetricValueList", "verbs": []string{"get"}},
			{"name": "pods/requests_in_flight", "singularName": "", "namespaced": true, "kind": "MetricValueList", "verbs": []string{"get"}},
		},
		"external.metrics.k8s.io": {
			{"name": "requests_per_second", "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": []string{"get"}},
		},
	}[group]
	if resources == nil {
		fail(w, http.StatusNotFound, "NotFound", group)
		return
	}
	answer(w, object{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group + "/" + version, "resources": resources})
}

// resource serves metrics.k8s.io: pods of all namespaces or one, one pod, nodes, one node.
func (m *Meter) resource(w http.ResponseWriter, rest []string, match labels.Selector) {
	const version = "metrics.k8s.io/v1beta1"
	namespace, name := "", ""
	if rest[0] == "namespaces" && len(rest) >= 3 {
		namespace, rest = rest[1], rest[2:]
	}
	if len(rest) == 2 {
		name = rest[1]
	}
	switch rest[0] {
	case "pods":
		items := []object{}
		for _, p := range m.source.Pods(namespace, match) {
			if name != "" && p.Name != name {
				continue
			}
			if item := m.podMetrics(p); item != nil {
				items = append(items, item)
			}
		}
		one(w, name, items, object{"kind": "PodMetricsList", "apiVersion": version, "metadata": object{}}, "PodMetrics", version)
	case "nodes":
		items := m.nodeMetrics(name)
		one(w, name, items, object{"kind": "NodeMetricsList", "apiVersion": version, "metadata": object{}}, "NodeMetrics", version)
	default:
		fail(w, http.StatusNotFound, "NotFound", strings.Join(rest, "/"))
	}
}

// one answers with the list, or with its only item when a name was asked for.
func one(w http.ResponseWriter, name string, items []object, list object, kind, version string) {
	switch {
	case name == "":
		list["items"] = items
		answer(w, list)
	case len(items) == 1:
		items[0]["kind"], items[0]["apiVersion"] = kind, version
		answer(w, items[0])
	default:
		fail(w, http.StatusNotFound, "NotFound", "no metrics of "+name)
	}
}

// podMetrics is nil for a pod that nothing is known of yet.
func (m *Meter) podMetrics(p Pod) object {
	cpu, memory, ok := m.use(&p)
	if !ok {
		return nil
	}
	containers := []object{}
	for i, c := range p.Containers {
		usage := object{"cpu": "0", "memory": "0"}
		if i == 0 { // the work is one process's
			usage = object{"cpu": cpu.String(), "memory": memory.String()}
		}
		containers = append(containers, object{"name": c, "usage": usage})
	}
	return object{
		"metadata":  object{"name": p.Name, "namespace": p.Namespace, "labels": p.Labels, "creationTimestamp": stamp(p.At)},
		"timestamp": stamp(p.At), "window": p.Window.String(), "containers": containers,
	}
}

// use is a pod's CPU and memory, set or measured; it fills in when a set value
// is taken to have been measured.
func (m *Meter) use(p *Pod) (cpu, memory resource.Quantity, ok bool) {
	cpu, memory, ok = p.CPU, p.Memory, !p.At.IsZero()
	if q, set := m.forced("cpu", "", p.Namespace, p.Name); set {
		cpu, ok = q, true
	}
	if q, set := m.forced("memory", "", p.Namespace, p.Name); set {
		memory, ok = q, true
	}
	if p.At.IsZero() {
		p.At, p.Window = time.Now(), time.Second
	}
	return cpu, memory, ok
}

func (m *Meter) nodeMetrics(name string) []object {
	type sum struct {
		at          time.Time
		window      time.Duration
		cpu, memory resource.Quantity
	}
	sums := map[string]*sum{}
	for _, p := range m.source.Pods("", labels.Everything()) {
		cpu, memory, ok := m.use(&p)
		if !ok || p.Node == "" || name != "" && p.Node != name {
			continue
		}
		s := sums[p.Node]
		if s == nil {
			s = &sum{at: p.At, window: p.Window}
			sums[p.Node] = s
		}
		s.cpu.Add(cpu)
		s.memory.Add(memory)
	}
	items := []object{}
	for node, s := range sums {
		items = append(items, object{
			"metadata":  object{"name": node, "creationTimestamp": stamp(s.at)},
			"timestamp": stamp(s.at), "window": s.window.String(),
			"usage": object{"cpu": s.cpu.String(), "memory": s.memory.String()},
		})
	}
	return items
}

// custom serves pods/METRIC of one pod, or of all that match for the name *.
func (m *Meter) custom(w http.ResponseWriter, namespace, pod, name string, match labels.Selector) {
	items := []object{}
	for _, p := range m.source.Pods(namespace, match) {
		if pod != "*" && p.Name != pod {
			continue
		}
		q, ok := m.forced("custom", name, p.Namespace, p.Name)
		if !ok {
			q, ok = m.source.PodMetric(p, name)
		}
		if !ok {
			continue
		}
		at := p.At
		if at.IsZero() {
			at = time.Now()
		}
		items = append(items, object{
			"describedObject": object{"kind": "Pod", "namespace": p.Namespace, "name": p.Name, "apiVersion": "/v1"},
			"metric":          object{"name": name}, "timestamp": stamp(at), "value": q.String(),
		})
	}
	if len(items) == 0 {
		fail(w, http.StatusNotFound, "NotFound", "no pod has a metric "+name)
		return
	}
	answer(w, object{"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": object{}, "items": items})
}

func (m *Meter) external(w http.ResponseWriter, namespace, name string, match labels.Selector) {
	q, ok := m.forced("external", name, namespace, "")
	at := time.Now()
	if !ok {
		service, _ := match.RequiresExactMatch("service")
		q, at, ok = m.source.ServiceMetric(namespace, service, name)
	}
	if !ok {
		fail(w, http.StatusNotFound, "NotFound", "no external metric "+name+`; measured is requests_per_second with a selector {service: NAME}`)
		return
	}
	answer(w, object{
		"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": object{},
		"items": []object{{"metricName": name, "metricLabels": object{}, "timestamp": stamp(at), "value": q.String()}},
	})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func answer(w http.ResponseWriter, v any) { write(w, http.StatusOK, v) }

func fail(w http.ResponseWriter, code int, reason, message string) {
	write(w, code, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

func write(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the aggregator is gone
}
