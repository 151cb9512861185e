package kubernetes

import (
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// Deployment watches a Deployment and its pods, whoever scales it.
//
//	watch:
//	  api: { deployment: api }
//
// It needs list and watch on deployments.apps and pods.
type Deployment struct {
	Name string `yaml:"name" scalar:"true" required:"true" example:"api" doc:"The Deployment's name."`
	Of   `yaml:",inline"`
}

// WhatDeployment says what is watched.
func WhatDeployment(c Deployment) string { return "deployment " + c.Name }

// Deployment makes the probe.
func (k Watchers) Deployment(c Deployment, env probes.Env) (probes.Probe, error) {
	return k.probe(env, c.Every, func(string) subject {
		return &deploymentSubject{workload: newWorkload("deployment", deployments, c.Name)}
	}, deployments, podList), nil
}

type deploymentSubject struct{ workload *workload }

func (s *deploymentSubject) start(w *watching)         { s.workload.start(w) }
func (s *deploymentSubject) see(w *watching, c change) { s.workload.see(w, c, true) }

func (s *deploymentSubject) read() (float64, string, map[string]float64, error) {
	series, err := s.workload.series()
	if err != nil {
		return 0, "", nil, err
	}
	return series["ready"], fmt.Sprintf("%.0f of %.0f ready", series["ready"], series["desired"]), series, nil
}

// workloadObject is what is read of a Deployment, StatefulSet or ReplicaSet.
type workloadObject struct {
	Metadata struct {
		Name          string            `json:"name"`
		Generation    int64             `json:"generation"`
		Annotations   map[string]string `json:"annotations"`
		ManagedFields []struct {
			Subresource string       `json:"subresource"`
			Time        *metav1.Time `json:"time"`
		} `json:"managedFields"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int32                `json:"replicas"`
		Selector *metav1.LabelSelector `json:"selector"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64       `json:"observedGeneration"`
		Replicas           int32       `json:"replicas"`
		UpdatedReplicas    int32       `json:"updatedReplicas"`
		ReadyReplicas      int32       `json:"readyReplicas"`
		AvailableReplicas  int32       `json:"availableReplicas"`
		Conditions         []condition `json:"conditions"`
	} `json:"status"`
}

// revision is the annotation by which a Deployment numbers its templates.
const revision = "deployment.kubernetes.io/revision"

// A workload is a Deployment, StatefulSet or ReplicaSet with its pods.
type workload struct {
	kind     string // deployment, for people
	resource resource
	name     string

	own    source
	pods   source
	set    *podSet
	object *workloadObject // nil while there is none

	rolling bool
}

func newWorkload(kind string, r resource, name string) *workload {
	return &workload{kind: kind, resource: r, name: name, set: newPodSet()}
}

func (l *workload) title() string { return l.kind + "/" + l.name }

func (l *workload) start(w *watching) {
	l.own = named(l.resource, w.namespace, l.name)
	w.watch(l.own)
}

// stop ends the watching of the workload and its pods.
func (l *workload) stop(w *watching) {
	w.drop(l.own)
	if l.pods != (source{}) {
		w.drop(l.pods)
	}
}

// see takes in a change of the workload or its pods. decides is whether a new
// number of replicas is a decision to tell of; with an autoscaler above it, the
// autoscaler's is.
func (l *workload) see(w *watching, c change, decides bool) {
	switch c.from {
	case l.pods:
		l.set.see(w, c)
	case l.own:
		if c.kind == gone || len(c.objs) == 0 {
			if l.object != nil {
				w.happened(probes.Event{Object: l.title(), What: probes.Deleted}, time.Time{}, c.seen)
			}
			l.object = nil
			return
		}
		l.update(w, c.objs[0], c.seen, decides)
	}
}

func (l *workload) update(w *watching, u *unstructured.Unstructured, seen time.Time, decides bool) {
	o, err := convert[workloadObject](u)
	if err != nil {
		return
	}
	before := l.object
	l.object = &o
	l.follow(w, o)
	if before == nil {
		return
	}
	if from, to := before.replicas(), o.replicas(); from != to && decides {
		w.happened(probes.Event{Object: l.title(), What: probes.Scaled, From: &from, To: &to}, o.written("scale"), seen)
	}
	// Nothing stamps it: the condition Progressing stays true from one rollout to
	// the next, and so does the time of its last transition.
	if a, b := before.Metadata.Annotations[revision], o.Metadata.Annotations[revision]; a != b && a != "" && b != "" && !l.rolling {
		l.rolling = true
		w.happened(probes.Event{Object: l.title(), What: probes.RolloutBegan, Text: "revision " + b}, time.Time{}, seen)
	}
	if l.rolling && o.rolledOut() {
		l.rolling = false
		w.happened(probes.Event{Object: l.title(), What: probes.RolloutEnded}, time.Time{}, seen)
	}
}

// follow watches the pods that the workload selects.
func (l *workload) follow(w *watching, o workloadObject) {
	selector, err := metav1.LabelSelectorAsSelector(o.Spec.Selector)
	if err != nil || selector.Empty() {
		return
	}
	pods := source{resource: podList, namespace: w.namespace, labels: selector.String()}
	if pods == l.pods {
		return
	}
	if l.pods != (source{}) {
		w.drop(l.pods)
	}
	l.pods, l.set = pods, newPodSet()
	w.watch(pods)
}

func (o *workloadObject) replicas() float64 {
	if o.Spec.Replicas == nil {
		return 1 // the API's default
	}
	return float64(*o.Spec.Replicas)
}

// written is when a subresource was last written, by the server's clock.
func (o *workloadObject) written(subresource string) time.Time {
	var last time.Time
	for _, m := range o.Metadata.ManagedFields {
		if m.Subresource == subresource && m.Time != nil && m.Time.After(last) {
			last = m.Time.Time
		}
	}
	return last
}

// rolledOut reports whether all replicas are of the newest template.
func (o *workloadObject) rolledOut() bool {
	want := int32(o.replicas())
	s := o.Status
	return s.ObservedGeneration >= o.Metadata.Generation && s.UpdatedReplicas == want && s.Replicas == want && s.AvailableReplicas == want
}

// series are the workload's numbers, or why there are none.
func (l *workload) series() (map[string]float64, error) {
	if l.object == nil {
		return nil, fmt.Errorf("there is no %s %s in namespace %s", l.kind, l.name, l.own.namespace)
	}
	there, ready := l.set.count()
	return map[string]float64{"ready": float64(ready), "replicas": float64(there), "pods": float64(there), "desired": l.object.replicas()}, nil
}

// Rollout watches how far a rollout of a Deployment is.
//
//	watch:
//	  release: { rollout: api }
//
// A reading is the share of the replicas wanted that are of the newest template
// and available. It needs list and watch on deployments.apps and pods.
type Rollout struct {
	Name  string        `yaml:"name" scalar:"true" required:"true" example:"api" doc:"The Deployment's name."`
	Every time.Duration `yaml:"every" default:"1s" min:"100ms" doc:"How often there is a reading when nothing changes; changes are told at once."`
}

// RolloutSeries are what a rollout reads beside its number.
var RolloutSeries = []string{"updated", "available", "old", "revision"}

// WhatRollout says what is watched.
func WhatRollout(c Rollout) string { return "rollout of deployment " + c.Name }

// Rollout makes the probe.
func (k Watchers) Rollout(c Rollout, env probes.Env) (probes.Probe, error) {
	return k.probe(env, c.Every, func(string) subject {
		return &rolloutSubject{workload: newWorkload("deployment", deployments, c.Name)}
	}, deployments, podList), nil
}

type rolloutSubject struct{ workload *workload }

func (s *rolloutSubject) start(w *watching)         { s.workload.start(w) }
func (s *rolloutSubject) see(w *watching, c change) { s.workload.see(w, c, false) }

func (s *rolloutSubject) read() (float64, string, map[string]float64, error) {
	if _, err := s.workload.series(); err != nil {
		return 0, "", nil, err
	}
	o := s.workload.object
	updated, available := float64(o.Status.UpdatedReplicas), float64(o.Status.AvailableReplicas)
	old := max(0, float64(o.Status.Replicas)-updated)
	if o.Status.ObservedGeneration < o.Metadata.Generation {
		updated = 0 // what the status counts is not the newest template's
	}
	share := 1.0
	if want := o.replicas(); want > 0 {
		share = min(1, max(0, min(updated, available-old))/want)
	}
	series := map[string]float64{"updated": updated, "available": available, "old": old}
	if n, err := strconv.ParseFloat(o.Metadata.Annotations[revision], 64); err == nil {
		series["revision"] = n
	}
	return share, fmt.Sprintf("%.0f of %.0f of the newest template", updated, o.replicas()), series, nil
}
