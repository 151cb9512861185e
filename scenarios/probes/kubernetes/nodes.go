package kubernetes

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// Nodes watches the nodes of a selector: which join, are ready, and leave.
//
//	watch:
//	  nodes: { nodes: "node.kubernetes.io/pool=web" }
//
// Nodes have no namespace, so the selector is what bounds it. It needs list and
// watch on nodes, of the cluster.
type Nodes struct {
	Selector string        `yaml:"selector" scalar:"true" required:"true" example:"pool=web" doc:"Labels of the nodes, as kubectl's -l takes them."`
	Every    time.Duration `yaml:"every" default:"1s" min:"100ms" doc:"How often there is a reading when nothing changes; changes are told at once."`
}

// NodesSeries are what nodes read beside their number, which is those ready.
var NodesSeries = []string{"nodes", "ready_nodes", "unschedulable"}

// Validate reports what the types do not rule out.
func (c Nodes) Validate(report func(field, message, hint string)) {
	validateSelector(c.Selector, report)
}

// WhatNodes says what is watched.
func WhatNodes(c Nodes) string { return "nodes " + c.Selector }

// Nodes makes the probe.
func (k Watchers) Nodes(c Nodes, env probes.Env) (probes.Probe, error) {
	if err := problems(c.Validate); err != nil {
		return nil, err
	}
	return k.probe(env, c.Every, func(string) subject {
		return &nodesSubject{source: source{resource: nodeList, labels: c.Selector}, nodes: newRoster[nodeState]()}
	}, nodeList), nil
}

type nodeObject struct {
	Metadata struct {
		CreationTimestamp metav1.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type nodeState struct{ ready, unschedulable bool }

type nodesSubject struct {
	source source
	nodes  roster[nodeState] // by name
}

func (s *nodesSubject) start(w *watching) { w.watch(s.source) }

func (s *nodesSubject) see(w *watching, c change) {
	s.nodes.follow(c, nameOf, func(u *unstructured.Unstructured, old bool) {
		s.update(w, u, c.seen, old)
	}, func(name string, _ *nodeState) {
		w.happened(probes.Event{Object: "node/" + name, What: probes.Deleted}, time.Time{}, c.seen)
	})
}

// update takes in one node's present state; old ones are taken as they are.
func (s *nodesSubject) update(w *watching, u *unstructured.Unstructured, seen time.Time, old bool) {
	o, err := convert[nodeObject](u)
	if err != nil {
		return // no node of any API server
	}
	name := u.GetName()
	tell := func(what, text string, at time.Time) {
		if !old {
			w.happened(probes.Event{Object: "node/" + name, What: what, Text: text}, at, seen)
		}
	}
	n := s.nodes.known[name]
	if n == nil {
		n = &nodeState{}
		s.nodes.known[name] = n
		tell(probes.Created, "", o.Metadata.CreationTimestamp.Time)
	}
	ready := find(o.Status.Conditions, "Ready")
	if now := ready.Status == "True"; now != n.ready {
		n.ready = now
		what := probes.Ready
		if !now {
			what = probes.Unready
		}
		tell(what, ready.Message, ready.LastTransitionTime.Time)
	}
	n.unschedulable = o.Spec.Unschedulable
}

func (s *nodesSubject) read() (float64, string, map[string]float64, error) {
	ready, unschedulable := 0.0, 0.0
	for _, n := range s.nodes.known {
		if n.ready {
			ready++
		}
		if n.unschedulable {
			unschedulable++
		}
	}
	all := float64(len(s.nodes.known))
	return ready, fmt.Sprintf("%.0f of %.0f nodes ready", ready, all), map[string]float64{"nodes": all, "ready_nodes": ready, "unschedulable": unschedulable}, nil
}
