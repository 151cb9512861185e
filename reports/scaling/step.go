package scaling

import (
	"time"
)

// A Step is one move of the load, and how the autoscaler answered.
type Step struct {
	Start time.Duration `json:"start_ns"` // the load begins to move
	Full  time.Duration `json:"full_ns"`  // it has arrived
	End   time.Duration `json:"end_ns"`   // the next step begins, or the run ends
	From  float64       `json:"from"`     // arrivals a second, or users
	To    float64       `json:"to"`
	Up    bool          `json:"up"`
	Phase string        `json:"phase,omitempty"`
	// Excluded is a step in a phase that is not judged; Cut one whose end the
	// run did not reach.
	Excluded bool `json:"excluded,omitempty"`
	Cut      bool `json:"cut,omitempty"`

	// Of a step up:
	Absorbed bool     `json:"absorbed,omitempty"` // what was there was enough: nothing to react to
	Before   *float64 `json:"ready_before,omitempty"`
	Wanted   *float64 `json:"wanted,omitempty"` // replicas needed at To
	Stages   []Stage  `json:"stages,omitempty"`
	Pinning  *Pinning `json:"pinning,omitempty"`
	Notes    []string `json:"notes,omitempty"` // what else happened that matters, a sentence each
}

// The stages of a waterfall, in their order.
const (
	Seen      = "metric seen"
	Decided   = "decided"
	Created   = "created"
	Node      = "node"
	Scheduled = "scheduled"
	Started   = "started"
	Ready     = "ready"
	Served    = "first served"
	Capacity  = "capacity"
)

// A State says what is known of when a stage was reached.
type State string

const (
	Reached  State = "reached"
	Not      State = "not_reached" // by the end of the step: right-censored
	Unknown  State = "unknown"
	Unneeded State = "not_needed"
)

// A Stage is one stage of a waterfall.
type Stage struct {
	Name   string        `json:"stage"`
	State  State         `json:"state"`
	After  time.Duration `json:"after_ns"`            // since the step began; when not reached, at least that
	Within time.Duration `json:"within_ns,omitempty"` // how far off it may be, either way
	Object string        `json:"object,omitempty"`    // what reached it first
	Text   string        `json:"text,omitempty"`      // why, in the words of who did it; or why it is not known

	// Due and Unserved are the operations that fell due since the stage before,
	// and those of them that failed or were dropped, by the second.
	Due      int64 `json:"due_operations"`
	Unserved int64 `json:"unserved_operations"`
}

// Pinning compares what new replicas were given with their fair share.
type Pinning struct {
	New    int64   `json:"new_replicas"`  // ready, for long enough to tell
	Idle   int64   `json:"idle_replicas"` // of them, those that served nothing
	Share  float64 `json:"share"`         // of the requests, that went to them
	Fair   float64 `json:"fair_share"`    // of the replicas ready, that they are
	Pinned bool    `json:"pinned"`        // their share is less than a fifth of the fair one
}

// Stage gives a stage by its name; nil when the step has no waterfall.
func (s *Step) Stage(name string) *Stage {
	for i := range s.Stages {
		if s.Stages[i].Name == name {
			return &s.Stages[i]
		}
	}
	return nil
}
