package kubernetes

import (
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// KEDA watches a ScaledObject of KEDA, the HorizontalPodAutoscaler that KEDA
// keeps for it, what that scales, and its pods.
//
//	watch:
//	  worker: { keda: worker }
//
// It needs list and watch on scaledobjects.keda.sh and on all that an hpa probe
// needs.
type KEDA struct {
	Name string `yaml:"name" scalar:"true" required:"true" example:"worker" doc:"The ScaledObject's name."`
	Of   `yaml:",inline"`
}

// KEDASeries are what it reads beside its number.
var KEDASeries = append(append([]string{}, Series...), "active", "paused")

// WhatKEDA says what is watched.
func WhatKEDA(c KEDA) string { return "ScaledObject " + c.Name }

// KEDA makes the probe.
func (k Watchers) KEDA(c KEDA, env probes.Env) (probes.Probe, error) {
	return k.probe(env, c.Every, func(string) subject { return &kedaSubject{name: c.Name} }, append([]resource{scaledObject}, hpaNeeds...)...), nil
}

type kedaObject struct {
	Status struct {
		HPA        string      `json:"hpaName"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type kedaSubject struct {
	name   string
	own    source
	object *kedaObject
	hpa    *hpaSubject
}

func (s *kedaSubject) start(w *watching) {
	s.own = named(scaledObject, w.namespace, s.name)
	w.watch(s.own)
}

func (s *kedaSubject) see(w *watching, c change) {
	if c.from != s.own {
		if s.hpa != nil {
			s.hpa.see(w, c)
		}
		return
	}
	if c.kind == gone || len(c.objs) == 0 {
		s.object = nil
		return
	}
	o, err := convert[kedaObject](c.objs[0])
	if err != nil {
		return
	}
	before := s.object
	s.object = &o
	s.follow(w, o.Status.HPA)
	if before == nil {
		return
	}
	// Below one replica KEDA itself scales, and not the HPA.
	for name, what := range map[string][2]string{"Active": {"activated", "deactivated"}, "Fallback": {"fallback", "no_fallback"}, "Paused": {"paused", "resumed"}} {
		was, is := find(before.Status.Conditions, name), find(o.Status.Conditions, name)
		if (was.Status == "True") == (is.Status == "True") {
			continue // also when it is told for the first time that it is not so
		}
		word := what[1]
		if is.Status == "True" {
			word = what[0]
		}
		w.happened(probes.Event{Object: "scaledobject/" + s.name, What: word, Text: is.Message}, is.LastTransitionTime.Time, c.seen)
	}
}

// follow watches the HPA that KEDA keeps.
func (s *kedaSubject) follow(w *watching, hpa string) {
	if s.hpa != nil && s.hpa.name == hpa {
		return
	}
	if s.hpa != nil {
		s.hpa.stop(w)
		s.hpa = nil
	}
	if hpa != "" {
		s.hpa = newHPA(hpa)
		s.hpa.start(w)
	}
}

func (s *kedaSubject) read() (float64, string, map[string]float64, error) {
	switch {
	case s.object == nil:
		return 0, "", nil, fmt.Errorf("there is no ScaledObject %s in namespace %s", s.name, s.own.namespace)
	case s.hpa == nil:
		return 0, "", nil, fmt.Errorf("the ScaledObject %s has no HPA yet: %s", s.name, find(s.object.Status.Conditions, "Ready").Message)
	}
	value, text, series, err := s.hpa.read()
	if err != nil {
		return 0, "", nil, err
	}
	for name, condition := range map[string]string{"active": "Active", "paused": "Paused"} {
		series[name] = 0
		if find(s.object.Status.Conditions, condition).Status == "True" {
			series[name] = 1
		}
	}
	return value, text, series, nil
}

// ClusterAutoscaler watches what the cluster autoscaler does for pods of the
// namespace: it asks for nodes, or finds no group to grow.
//
//	watch:
//	  growth: { cluster_autoscaler: {} }
//
// A reading is how many scale-ups it has asked for. It needs list and watch on
// events; the nodes themselves are for a nodes probe.
type ClusterAutoscaler struct {
	Every time.Duration `yaml:"every" default:"1s" min:"100ms" doc:"How often there is a reading when nothing changes; changes are told at once."`
}

// ClusterAutoscalerSeries are what it reads beside its number.
var ClusterAutoscalerSeries = []string{"triggered", "refused"}

// WhatClusterAutoscaler says what is watched.
func WhatClusterAutoscaler(ClusterAutoscaler) string { return "what the cluster autoscaler does" }

// ClusterAutoscaler makes the probe.
func (k Watchers) ClusterAutoscaler(c ClusterAutoscaler, env probes.Env) (probes.Probe, error) {
	return k.probe(env, c.Every, func(namespace string) subject { return newSaid(namespace, clusterAutoscalerSays) }, eventList), nil
}

// clusterAutoscalerSays are the reasons of its events on pods.
var clusterAutoscalerSays = map[string]saying{
	"TriggeredScaleUp":     {what: probes.NodeRequested, series: "triggered"},
	"NotTriggerScaleUp":    {what: "node_refused", series: "refused"},
	"FailedToScaleUpGroup": {what: "node_refused", series: "refused"},
}

// A saying is an event of Kubernetes with a certain reason, on pods.
type saying struct{ what, series string }

// saidSubject counts and tells events of some reasons.
type saidSubject struct {
	sources   map[source]saying
	attentive map[source]bool // what was said before the run has been passed over
	heard     map[string]int32
	counts    map[string]float64
}

func newSaid(namespace string, reasons map[string]saying) *saidSubject {
	s := &saidSubject{sources: map[source]saying{}, attentive: map[source]bool{}, heard: map[string]int32{}, counts: map[string]float64{}}
	for reason, what := range reasons {
		s.sources[source{resource: eventList, namespace: namespace, fields: "involvedObject.kind=Pod,reason=" + reason}] = what
		s.counts[what.series] = 0
	}
	return s
}

func (s *saidSubject) start(w *watching) {
	for from := range s.sources {
		w.watch(from)
	}
}

func (s *saidSubject) see(w *watching, c change) {
	what := s.sources[c.from]
	for _, u := range c.objs {
		e, err := convert[eventObject](u)
		if err != nil || c.kind == gone {
			continue
		}
		at, count := e.when()
		count = max(count, 1)
		news := count - s.heard[e.Metadata.Name]
		if news <= 0 {
			continue
		}
		s.heard[e.Metadata.Name] = count
		if c.kind == listed && !s.attentive[c.from] {
			continue
		}
		s.counts[what.series] += float64(news)
		w.happened(probes.Event{Object: "pod/" + e.Involved.Name, What: what.what, Text: e.Message}, at, c.seen)
	}
	s.attentive[c.from] = true
}

func (s *saidSubject) read() (float64, string, map[string]float64, error) {
	series := map[string]float64{}
	for name, n := range s.counts {
		series[name] = n
	}
	return series["triggered"], fmt.Sprintf("%.0f asked for, %.0f refused", series["triggered"], series["refused"]), series, nil
}
