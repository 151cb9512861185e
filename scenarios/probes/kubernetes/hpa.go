package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// HPA watches a HorizontalPodAutoscaler, what it scales, and the pods of that.
//
//	watch:
//	  api: { hpa: api }
//
// It needs list and watch on horizontalpodautoscalers.autoscaling, on
// deployments.apps, statefulsets.apps or replicasets.apps, whichever it scales,
// on pods and on events.
type HPA struct {
	Name string `yaml:"name" scalar:"true" required:"true" example:"api" doc:"The HorizontalPodAutoscaler's name."`
	Of   `yaml:",inline"`
}

// WhatHPA says what is watched.
func WhatHPA(c HPA) string { return "HPA " + c.Name }

// hpaNeeds is what an HPA of a Deployment takes; for another kind of workload
// its resource stands in the place of deployments.
var hpaNeeds = []resource{autoscalers, deployments, podList, eventList}

// HPA makes the probe.
func (k Watchers) HPA(c HPA, env probes.Env) (probes.Probe, error) {
	return k.probe(env, c.Every, func(string) subject { return newHPA(c.Name) }, hpaNeeds...), nil
}

// hpaObject is what is read of a HorizontalPodAutoscaler.
type hpaObject struct {
	Spec struct {
		Target struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		Min     *int32      `json:"minReplicas"`
		Max     int32       `json:"maxReplicas"`
		Metrics []hpaMetric `json:"metrics"`
	} `json:"spec"`
	Status struct {
		Current    int32        `json:"currentReplicas"`
		Desired    int32        `json:"desiredReplicas"`
		LastScale  *metav1.Time `json:"lastScaleTime"`
		Metrics    []hpaMetric  `json:"currentMetrics"`
		Conditions []condition  `json:"conditions"`
	} `json:"status"`
}

// hpaMetric is one metric, as a target in the spec or as its present value.
type hpaMetric struct {
	Type      string        `json:"type"`
	Resource  *metricSource `json:"resource"`
	Container *metricSource `json:"containerResource"`
	Pods      *metricSource `json:"pods"`
	Object    *metricSource `json:"object"`
	External  *metricSource `json:"external"`
}

type metricSource struct {
	Name      string       `json:"name"`      // of a resource
	Container string       `json:"container"` // of a container's
	Metric    metricName   `json:"metric"`
	Target    *metricValue `json:"target"`
	Current   *metricValue `json:"current"`
}

type metricName struct {
	Name string `json:"name"`
}

type metricValue struct {
	Utilization  *int32             `json:"averageUtilization"`
	AverageValue *quantity.Quantity `json:"averageValue"`
	Value        *quantity.Quantity `json:"value"`
}

func (m hpaMetric) source() *metricSource {
	for _, s := range []*metricSource{m.Resource, m.Container, m.Pods, m.Object, m.External} {
		if s != nil {
			return s
		}
	}
	return nil
}

func (m hpaMetric) name() string {
	s := m.source()
	if s == nil {
		return m.Type
	}
	return strings.Trim(s.Container+"/"+s.Name+s.Metric.Name, "/")
}

// over is a value over its target.
func (v *metricValue) over(target *metricValue) (float64, bool) {
	ratio := func(a, b float64) (float64, bool) { return a / b, b > 0 }
	switch {
	case v == nil || target == nil:
		return 0, false
	case target.Utilization != nil && v.Utilization != nil:
		return ratio(float64(*v.Utilization), float64(*target.Utilization))
	case target.AverageValue != nil && v.AverageValue != nil:
		return ratio(v.AverageValue.AsApproximateFloat64(), target.AverageValue.AsApproximateFloat64())
	case target.Value != nil && v.Value != nil:
		return ratio(v.Value.AsApproximateFloat64(), target.Value.AsApproximateFloat64())
	}
	return 0, false
}

// pressure is the metric that is furthest over its target: the one an HPA goes by.
func (o *hpaObject) pressure() (ratio float64, name string, ok bool) {
	for _, m := range o.Spec.Metrics {
		i := slices.IndexFunc(o.Status.Metrics, func(s hpaMetric) bool { return s.Type == m.Type && s.name() == m.name() })
		if i < 0 || m.source() == nil || o.Status.Metrics[i].source() == nil {
			continue
		}
		if r, good := o.Status.Metrics[i].source().Current.over(m.source().Target); good && (!ok || r > ratio) {
			ratio, name, ok = r, m.name(), true
		}
	}
	return ratio, name, ok
}

func (o *hpaObject) least() float64 {
	if o.Spec.Min == nil {
		return 1
	}
	return float64(*o.Spec.Min)
}

type hpaSubject struct {
	name      string
	own       source
	said      source // its Kubernetes events
	object    *hpaObject
	spec      string // as it was, to see edits
	workload  *workload
	heard     map[string]bool // events told, by name and count
	attentive bool            // what was said before the run has been passed over
}

func newHPA(name string) *hpaSubject { return &hpaSubject{name: name, heard: map[string]bool{}} }

func (s *hpaSubject) start(w *watching) {
	s.own = named(autoscalers, w.namespace, s.name)
	s.said = source{resource: eventList, namespace: w.namespace, fields: "involvedObject.kind=HorizontalPodAutoscaler,involvedObject.name=" + s.name}
	w.watch(s.own)
	w.watch(s.said)
}

func (s *hpaSubject) stop(w *watching) {
	w.drop(s.own)
	w.drop(s.said)
	if s.workload != nil {
		s.workload.stop(w)
	}
}

func (s *hpaSubject) see(w *watching, c change) {
	switch c.from {
	case s.own:
		if c.kind == gone || len(c.objs) == 0 {
			if s.object != nil {
				w.happened(s.event(probes.Deleted, ""), time.Time{}, c.seen)
			}
			s.object = nil
			return
		}
		s.update(w, c.objs[0], c.seen)
	case s.said:
		s.hear(w, c)
	default:
		if s.workload != nil {
			s.workload.see(w, c, false)
		}
	}
}

func (s *hpaSubject) event(what, text string) probes.Event {
	return probes.Event{Object: "hpa/" + s.name, What: what, Text: text}
}

func (s *hpaSubject) update(w *watching, u *unstructured.Unstructured, seen time.Time) {
	o, err := convert[hpaObject](u)
	if err != nil {
		return
	}
	spec := rules(u)
	before := s.object
	s.object = &o
	s.follow(w, o)
	if before == nil {
		s.spec = spec
		return
	}
	if spec != s.spec {
		w.happened(s.event(probes.Edited, edits(before, &o)), time.Time{}, seen)
		s.spec = spec
	}
	from, to := float64(before.Status.Desired), float64(o.Status.Desired)
	if len(before.Status.Conditions) == 0 {
		from = float64(o.Status.Current) // its controller had not looked at it yet
	}
	if from != to {
		e := s.event(probes.Scaled, "")
		e.From, e.To = &from, &to
		var at time.Time
		if last := o.Status.LastScale; last != nil && (before.Status.LastScale == nil || last.After(before.Status.LastScale.Time)) {
			at = last.Time
		}
		if _, name, ok := o.pressure(); ok {
			e.Text = "going by " + name
		}
		w.happened(e, at, seen)
	}
	s.turned(w, before, &o, seen, "ScalingLimited", "True", probes.Limited, probes.Unlimited)
	s.turned(w, before, &o, seen, "ScalingActive", "False", probes.MetricLost, probes.MetricBack)
}

// turned tells that a condition went to, or left, a status.
func (s *hpaSubject) turned(w *watching, before, o *hpaObject, seen time.Time, name, bad, to, back string) {
	was, is := lacking(find(before.Status.Conditions, name)), lacking(find(o.Status.Conditions, name))
	switch {
	case was.Status == is.Status || is.Status == "":
	case is.Status == bad:
		w.happened(s.event(to, is.Message), is.LastTransitionTime.Time, seen)
	case was.Status == bad:
		w.happened(s.event(back, ""), is.LastTransitionTime.Time, seen)
	}
}

// lacking is a condition as it matters here: an HPA that is held at its minimum,
// as most are at rest, is held from nothing that anybody lacks.
func lacking(c condition) condition {
	if c.Reason == "TooFewReplicas" {
		c.Status = "False"
	}
	return c
}

// rules are what an HPA goes by, in one text to compare.
func rules(u *unstructured.Unstructured) string {
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	b, err := json.Marshal(spec) // keys in order
	if err != nil {
		return ""
	}
	return string(b)
}

// edits says what is different.
func edits(a, b *hpaObject) string {
	var out []string
	if a.least() != b.least() {
		out = append(out, fmt.Sprintf("minReplicas %.0f → %.0f", a.least(), b.least()))
	}
	if a.Spec.Max != b.Spec.Max {
		out = append(out, fmt.Sprintf("maxReplicas %d → %d", a.Spec.Max, b.Spec.Max))
	}
	if a.Spec.Target != b.Spec.Target {
		out = append(out, fmt.Sprintf("it scales %s %s instead of %s %s", b.Spec.Target.Kind, b.Spec.Target.Name, a.Spec.Target.Kind, a.Spec.Target.Name))
	}
	if len(out) == 0 {
		out = append(out, "its metrics or its behavior")
	}
	return strings.Join(out, ", ")
}

// follow watches what the HPA scales.
func (s *hpaSubject) follow(w *watching, o hpaObject) {
	kind, ok := map[string]struct {
		name string
		of   resource
	}{"Deployment": {"deployment", deployments}, "StatefulSet": {"statefulset", statefulSets}, "ReplicaSet": {"replicaset", replicaSets}}[o.Spec.Target.Kind]
	if s.workload != nil && (!ok || s.workload.kind != kind.name || s.workload.name != o.Spec.Target.Name) {
		s.workload.stop(w)
		s.workload = nil
	}
	if ok && s.workload == nil {
		s.workload = newWorkload(kind.name, kind.of, o.Spec.Target.Name)
		s.workload.start(w)
	}
}

// eventObject is what is read of an Event of Kubernetes.
type eventObject struct {
	Metadata struct {
		Name              string      `json:"name"`
		CreationTimestamp metav1.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	Involved struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"involvedObject"`
	Reason  string           `json:"reason"`
	Message string           `json:"message"`
	Count   int32            `json:"count"`
	Last    metav1.Time      `json:"lastTimestamp"`
	Exact   metav1.MicroTime `json:"eventTime"`
	Series  *struct {
		Count int32            `json:"count"`
		Last  metav1.MicroTime `json:"lastObservedTime"`
	} `json:"series"`
}

// when is the latest occurrence, and how often there was one.
func (e eventObject) when() (time.Time, int32) {
	switch {
	case e.Series != nil:
		return e.Series.Last.Time, e.Series.Count
	case !e.Last.IsZero():
		return e.Last.Time, e.Count
	case !e.Exact.IsZero():
		return e.Exact.Time, 1
	}
	return e.Metadata.CreationTimestamp.Time, 1
}

// hear passes on what the controller says of its decisions, in its own words.
func (s *hpaSubject) hear(w *watching, c change) {
	for _, u := range c.objs {
		e, err := convert[eventObject](u)
		if err != nil || c.kind == gone {
			continue
		}
		at, count := e.when()
		key := fmt.Sprint(e.Metadata.Name, " ", count)
		if s.heard[key] {
			continue
		}
		if len(s.heard) < maxEvents {
			s.heard[key] = true
		}
		if c.kind == listed && !s.attentive {
			continue // from before the run
		}
		w.happened(s.event("said", e.Reason+": "+e.Message), at, c.seen)
	}
	s.attentive = true
}

func (s *hpaSubject) read() (float64, string, map[string]float64, error) {
	if s.object == nil {
		return 0, "", nil, fmt.Errorf("there is no HPA %s in namespace %s", s.name, s.own.namespace)
	}
	series := map[string]float64{"desired": float64(s.object.Status.Desired), "replicas": float64(s.object.Status.Current),
		"min": s.object.least(), "max": float64(s.object.Spec.Max)}
	text := fmt.Sprintf("%d desired", s.object.Status.Desired)
	if ratio, name, ok := s.object.pressure(); ok {
		series["metric"] = ratio
		text += fmt.Sprintf(", %s at %.0f%% of its target", name, ratio*100)
	}
	if active := find(s.object.Status.Conditions, "ScalingActive"); active.Status == "False" {
		text += ", it is not scaling: " + active.Reason
	}
	if s.workload == nil {
		return 0, "", nil, fmt.Errorf("HPA %s scales a %s, and only the pods of a Deployment, StatefulSet or ReplicaSet can be followed", s.name, s.object.Spec.Target.Kind)
	}
	of, err := s.workload.series()
	if err != nil {
		return 0, "", nil, fmt.Errorf("HPA %s: %w", s.name, err)
	}
	for _, name := range []string{"ready", "replicas", "pods"} {
		series[name] = of[name]
	}
	return series["ready"], text, series, nil
}
