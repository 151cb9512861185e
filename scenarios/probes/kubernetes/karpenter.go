package kubernetes

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
		return &karpenterSubject{source: source{resource: nodeClaims, labels: c.Selector}, claims: map[string]*claimState{}}
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

type claimState struct {
	reached map[string]bool
	node    string
}

// claimStages are the conditions of a NodeClaim in their order. An initialized
// one is a node that pods may run on.
var claimStages = []string{"Launched", "Registered", "Initialized"}

type karpenterSubject struct {
	source source
	claims map[string]*claimState
	met    bool // the first list has been seen
}

func (s *karpenterSubject) start(w *watching) { w.watch(s.source) }

func (s *karpenterSubject) see(w *watching, c change) {
	kept := map[string]bool{}
	for _, u := range c.objs {
		name := u.GetName()
		kept[name] = true
		if c.kind == gone {
			s.remove(w, name, c.seen)
			continue
		}
		o, err := convert[claimObject](u)
		if err != nil {
			continue
		}
		old := c.kind == listed && !s.met
		tell := func(object, what, text string, at time.Time) {
			if !old {
				w.happened(probes.Event{Object: object, What: what, On: o.Status.NodeName, Text: text}, at, c.seen)
			}
		}
		claim := s.claims[name]
		if claim == nil {
			claim = &claimState{reached: map[string]bool{}}
			s.claims[name] = claim
			tell("nodeclaim/"+name, probes.NodeRequested, "", o.Metadata.CreationTimestamp.Time)
		}
		claim.node = o.Status.NodeName
		for _, stage := range claimStages {
			is := find(o.Status.Conditions, stage)
			if is.Status != "True" || claim.reached[stage] {
				continue
			}
			claim.reached[stage] = true
			if stage == "Initialized" {
				tell("node/"+claim.node, probes.Ready, "from NodeClaim "+name, is.LastTransitionTime.Time)
				continue
			}
			tell("nodeclaim/"+name, map[string]string{"Launched": "launched", "Registered": "registered"}[stage], "", is.LastTransitionTime.Time)
		}
	}
	if c.kind == listed {
		for name := range s.claims {
			if !kept[name] {
				s.remove(w, name, c.seen)
			}
		}
		s.met = true
	}
}

func (s *karpenterSubject) remove(w *watching, name string, seen time.Time) {
	if s.claims[name] != nil {
		w.happened(probes.Event{Object: "nodeclaim/" + name, What: probes.Deleted}, time.Time{}, seen)
		delete(s.claims, name)
	}
}

func (s *karpenterSubject) read() (float64, string, map[string]float64, error) {
	n := map[string]float64{}
	for _, c := range s.claims {
		for _, stage := range claimStages {
			if c.reached[stage] {
				n[stage]++
			}
		}
	}
	all := float64(len(s.claims))
	return n["Initialized"], fmt.Sprintf("%.0f of %.0f claims are nodes", n["Initialized"], all), map[string]float64{
		"nodes": n["Initialized"], "claims": all, "launched": n["Launched"], "registered": n["Registered"]}, nil
}
