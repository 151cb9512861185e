package kubernetes

import (
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// Pods watches the pods of a selector.
//
//	watch:
//	  workers: { pods: "app=worker,tier=back" }
//
// It needs list and watch on pods.
type Pods struct {
	Selector string `yaml:"selector" scalar:"true" required:"true" example:"app=api" doc:"Labels of the pods, as kubectl's -l takes them."`
	Of       `yaml:",inline"`
}

// Validate reports what the types do not rule out.
func (c Pods) Validate(report func(field, message, hint string)) {
	validateSelector(c.Selector, report)
}

func validateSelector(selector string, report func(field, message, hint string)) {
	if selector == "" {
		return // required says so
	}
	parsed, err := labels.Parse(selector)
	switch {
	case err != nil:
		report("selector", "not a selector of labels: "+err.Error(), "write app=api or app in (api, web)")
	case parsed.Empty():
		report("selector", "a selector that chooses everything", "name labels, such as app=api")
	}
}

// WhatPods says what is watched.
func WhatPods(c Pods) string { return "pods " + c.Selector }

// Pods makes the probe.
func (k Watchers) Pods(c Pods, env probes.Env) (probes.Probe, error) {
	if err := problems(c.Validate); err != nil {
		return nil, err
	}
	return k.probe(env, c.Every, func(namespace string) subject {
		return &podsSubject{source: source{resource: podList, namespace: namespace, labels: c.Selector}, pods: newPodSet()}
	}, podList), nil
}

func problems(validate func(report func(field, message, hint string))) error {
	var all []error
	validate(func(field, message, _ string) { all = append(all, fmt.Errorf("%s: %s", field, message)) })
	return errors.Join(all...)
}

func (k Watchers) probe(env probes.Env, every time.Duration, make func(namespace string) subject, needs ...resource) probes.Probe {
	if every <= 0 {
		every = time.Second
	}
	return &probe{connect: k.Connect, env: env, every: every, make: make, needs: needs}
}

type podsSubject struct {
	source source
	pods   *podSet
}

func (s *podsSubject) start(w *watching)         { w.watch(s.source) }
func (s *podsSubject) see(w *watching, c change) { s.pods.see(w, c) }

func (s *podsSubject) read() (float64, string, map[string]float64, error) {
	there, ready := s.pods.count()
	return float64(ready), fmt.Sprintf("%d of %d ready", ready, there), map[string]float64{
		"ready": float64(ready), "replicas": float64(there), "pods": float64(there)}, nil
}

// podObject is what is read of a pod.
type podObject struct {
	Metadata struct {
		Name              string       `json:"name"`
		UID               string       `json:"uid"`
		CreationTimestamp metav1.Time  `json:"creationTimestamp"`
		DeletionTimestamp *metav1.Time `json:"deletionTimestamp"`
		DeletionGrace     *int64       `json:"deletionGracePeriodSeconds"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Phase      string      `json:"phase"`
		Reason     string      `json:"reason"`
		Conditions []condition `json:"conditions"`
		Containers []struct {
			State struct {
				Running *struct {
					StartedAt metav1.Time `json:"startedAt"`
				} `json:"running"`
			} `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

type condition struct {
	Type               string      `json:"type"`
	Status             string      `json:"status"`
	Reason             string      `json:"reason"`
	Message            string      `json:"message"`
	LastTransitionTime metav1.Time `json:"lastTransitionTime"`
}

func find(conditions []condition, name string) condition {
	for _, c := range conditions {
		if c.Type == name {
			return c
		}
	}
	return condition{}
}

// A podSet follows pods through their lives.
type podSet struct{ pods roster[podState] } // by UID

type podState struct {
	name                                               string
	scheduled, unschedulable, started, ready, deleting bool
	over                                               bool // it succeeded or failed
}

func newPodSet() *podSet { return &podSet{newRoster[podState]()} }

// see takes in a change and tells what happened to which pod. Of the pods that
// were there before the watching began, only what happens to them later.
func (s *podSet) see(w *watching, c change) {
	s.pods.follow(c, uidOf, func(u *unstructured.Unstructured, old bool) {
		s.update(w, u, c.seen, old)
	}, func(_ string, p *podState) {
		if !p.deleting {
			w.happened(probes.Event{Object: "pod/" + p.name, What: probes.Deleted}, time.Time{}, c.seen)
		}
	})
}

// update takes in one pod's present state; old ones are taken as they are.
func (s *podSet) update(w *watching, u *unstructured.Unstructured, seen time.Time, old bool) {
	o, err := convert[podObject](u)
	if err != nil {
		return // no pod of any API server
	}
	p := s.pods.known[o.Metadata.UID]
	fresh := p == nil
	if fresh {
		p = &podState{name: o.Metadata.Name}
		s.pods.known[o.Metadata.UID] = p
	}
	tell := func(what, text string, at time.Time) {
		if !old {
			w.happened(probes.Event{Object: "pod/" + p.name, What: what, On: o.Spec.NodeName, Text: text}, at, seen)
		}
	}
	if fresh {
		tell(probes.Created, "", o.Metadata.CreationTimestamp.Time)
	}
	placed := find(o.Status.Conditions, "PodScheduled")
	switch {
	case placed.Status == "True" && !p.scheduled:
		p.scheduled = true
		tell(probes.Scheduled, "", placed.LastTransitionTime.Time)
	case placed.Status == "False" && placed.Reason == "Unschedulable" && !p.unschedulable:
		p.unschedulable = true
		tell(probes.Unschedulable, placed.Message, placed.LastTransitionTime.Time)
	case placed.Status == "" && o.Spec.NodeName != "" && !p.scheduled:
		p.scheduled = true // bound by something that writes no conditions
		tell(probes.Scheduled, "", time.Time{})
	}
	if at, all := running(o); all && !p.started {
		p.started = true
		tell(probes.Started, "", at)
	}
	p.over = o.Status.Phase == "Succeeded" || o.Status.Phase == "Failed"
	ready := find(o.Status.Conditions, "Ready")
	if now := ready.Status == "True"; now != p.ready {
		p.ready = now
		what, text := probes.Ready, ""
		if !now {
			what, text = probes.Unready, ready.Message
		}
		tell(what, text, ready.LastTransitionTime.Time)
	}
	if at := o.Metadata.DeletionTimestamp; at != nil && !p.deleting {
		p.deleting = true
		asked := at.Time
		if o.Metadata.DeletionGrace != nil {
			asked = asked.Add(-time.Duration(*o.Metadata.DeletionGrace) * time.Second)
		}
		tell(probes.Deleted, o.Status.Reason, asked)
	}
}

// running is since when all containers of a pod run.
func running(o podObject) (since time.Time, all bool) {
	for _, c := range o.Status.Containers {
		if c.State.Running == nil {
			return since, false
		}
		if at := c.State.Running.StartedAt.Time; at.After(since) {
			since = at
		}
	}
	return since, len(o.Status.Containers) > 0
}

// count is how many pods there are that are not over or on their way out, and
// how many of these are ready.
func (s *podSet) count() (there, ready int) {
	for _, p := range s.pods.known {
		if p.deleting || p.over {
			continue
		}
		there++
		if p.ready {
			ready++
		}
	}
	return there, ready
}
