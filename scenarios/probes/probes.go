// Package probes holds the contract of things watched during a run. One
// folder below it holds one kind each. It uses the standard library only.
package probes

import (
	"context"
	"time"
)

// A Probe watches one thing until ctx ends. The engine calls Watch from a
// goroutine of its own and waits for it. Watch emits readings as it sees
// them, from that goroutine; it returns nil when ctx ended, and an error only
// when it can never see anything again. A reading that failed is a Reading
// with Err set, not a return.
type Probe interface {
	Watch(ctx context.Context, emit func(Reading)) error
}

// A Reading is one look at the thing watched.
type Reading struct {
	Value float64 // in the unit the probe's kind declares
	Text  string  // what was seen, for people ("200 OK"); may be empty
	Err   error   // the look failed: Value means nothing

	// Series are more numbers of the same look, by name: of an autoscaler
	// desired, replicas, ready. Which a kind has, its docs say.
	Series map[string]float64
	// Events are what happened since the reading before, in any order. They
	// count even when Err is set.
	Events []Event
}

// An Event is one thing that happened to one object: a pod became ready, an
// autoscaler decided.
type Event struct {
	Object string // its kind and name: "pod/api-7c9f-x2"
	What   string // one of the words below, or the kind's own
	On     string // the node that a pod is on; may be empty

	// At is when it happened, on the clock of the run, and Within how far off
	// that may be, either way. Interfaces that stamp in whole seconds leave
	// half a second of doubt, and one that is asked now and then as much as
	// lies between two answers.
	At     time.Time
	Within time.Duration

	From, To *float64 // a number of replicas before and after; nil: not about numbers
	Text     string   // why, in the words of whoever did it; may be empty
}

// What happens to pods, autoscalers, workloads and nodes, as far as the
// analysis of an autoscaler's reaction knows it.
const (
	Created       = "created"
	Scheduled     = "scheduled"     // a pod has its node
	Unschedulable = "unschedulable" // no node has room for a pod
	Started       = "started"       // a pod's containers run
	Ready         = "ready"
	Unready       = "unready"
	Served        = "served" // a pod answered its first request
	Deleted       = "deleted"
	Scaled        = "scaled"      // an autoscaler or a person asked for another number of replicas
	Limited       = "limited"     // an autoscaler wants more, or less, than it may
	Unlimited     = "unlimited"   // and no longer does
	MetricLost    = "metric_lost" // an autoscaler cannot read its metric
	MetricBack    = "metric_back"
	Edited        = "edited"         // the rules of an autoscaler were changed
	RolloutBegan  = "rollout_began"  // pods are replaced by newer ones
	RolloutEnded  = "rollout_ended"  // all of them are
	NodeRequested = "node_requested" // a new node was asked for
)
