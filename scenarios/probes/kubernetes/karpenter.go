package kubernetes

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// Karpenter watches the NodeClaims of a selector: each is a node on its way.
//
//	watch:
//	  pool: { karpenter: "karpenter.sh/nodepool=web" }
//
// A reading is how many claims are ready nodes. It needs list and watch on
// nodeclaims.karpenter.sh, of the cluster.
type Karpenter struct {
	Selector string        `yaml:"selector" scalar:"true" required:"true" example:"karpenter.sh/nodepool=web" doc:"Labels of the NodeClaims, as kubectl's -l takes them."`
	Every    time.Duration `yaml:"every" default:"1s" min:"100ms" doc:"How often there is a reading when nothing changes; changes are told at once."`
}

// KarpenterSeries are what it reads beside its number.
var KarpenterSeries = []string{"nodes", "claims", "launched", "registered"}

// Validate reports what the types do not rule out.
func (c Karpenter) Validate(report func(field, message, hint string)) {
	validateSelector(c.Selector, report)
}

// WhatKarpenter says what is watched.
func WhatKarpenter(c Karpenter) string { return "NodeClaims " + c.Selector }

// Karpenter makes the probe.
func (k Watchers) Karpenter(c Karpenter, env probes.Env) (probes.Probe, error) {
	if err := problems(c.Validate); err != nil {
		return nil, err
	}
	return k.probe(env, c.Every, func(string) subject {
		return &karpenterSubject{source: source{resource: nodeClaims, labels: c.Selector}, claims: newRoster[claimState]()}
	}, nodeClaims), nil
}

type claimObject struct {
	Metadata struct {
		CreationTimestamp metav1.Time  `json:"creationTimestamp"`
		DeletionTimestamp *metav1.Time `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		NodeName   string      `json:"nodeName"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

type claimState struct{ reached map[string]bool } // by condition

// claimStages are the conditions of a NodeClaim in their order. An initialized
// one is a node that pods may run on.
var claimStages = []string{"Launched", "Registered", "Initialized"}

type karpenterSubject struct {
	source source
	claims roster[claimState] // by name
}

func (s *karpenterSubject) start(w *watching) { w.watch(s.source) }

func (s *karpenterSubject) see(w *watching, c change) {
	s.claims.follow(c, nameOf, func(u *unstructured.Unstructured, old bool) {
		s.update(w, u, c.seen, old)
	}, func(name string, _ *claimState) {
		w.happened(probes.Event{Object: "nodeclaim/" + name, What: probes.Deleted}, time.Time{}, c.seen)
	})
}

// update takes in one claim's present state; old ones are taken as they are.
func (s *karpenterSubject) update(w *watching, u *unstructured.Unstructured, seen time.Time, old bool) {
	o, err := convert[claimObject](u)
	if err != nil {
		return // no NodeClaim of any API server
	}
	name := u.GetName()
	tell := func(object, what, text string, at time.Time) {
		if !old {
			w.happened(probes.Event{Object: object, What: what, On: o.Status.NodeName, Text: text}, at, seen)
		}
	}
	claim := s.claims.known[name]
	if claim == nil {
		claim = &claimState{reached: map[string]bool{}}
		s.claims.known[name] = claim
		tell("nodeclaim/"+name, probes.NodeRequested, "", o.Metadata.CreationTimestamp.Time)
	}
	for _, stage := range claimStages {
		is := find(o.Status.Conditions, stage)
		if is.Status != "True" || claim.reached[stage] {
			continue
		}
		claim.reached[stage] = true
		if stage == "Initialized" {
			tell("node/"+o.Status.NodeName, probes.Ready, "from NodeClaim "+name, is.LastTransitionTime.Time)
			continue
		}
		tell("nodeclaim/"+name, map[string]string{"Launched": "launched", "Registered": "registered"}[stage], "", is.LastTransitionTime.Time)
	}
}

func (s *karpenterSubject) read() (float64, string, map[string]float64, error) {
	n := map[string]float64{}
	for _, c := range s.claims.known {
		for _, stage := range claimStages {
			if c.reached[stage] {
				n[stage]++
			}
		}
	}
	all := float64(len(s.claims.known))
	return n["Initialized"], fmt.Sprintf("%.0f of %.0f claims are nodes", n["Initialized"], all), map[string]float64{
		"nodes": n["Initialized"], "claims": all, "launched": n["Launched"], "registered": n["Registered"]}, nil
}
