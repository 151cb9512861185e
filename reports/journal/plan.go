package journal

import (
	"strconv"
	"time"
)

// PlanVersion is the version of plan.json's format.
const PlanVersion = 1

// A Plan says what a run set out to do, in plain data: all that a reader of
// the run directory needs to know of the scenario.
type Plan struct {
	Version     int             `json:"version"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	File        string          `json:"file,omitempty"` // the scenario's file name, as given
	Seed        uint64          `json:"seed"`
	Duration    time.Duration   `json:"duration_ns"`
	Target      []string        `json:"target,omitempty"` // hosts that may be loaded or broken, for people
	Phases      []PhasePlan     `json:"phases"`
	Loads       []LoadPlan      `json:"loads"`
	Faults      []FaultPlan     `json:"faults,omitempty"`
	Probes      []ProbePlan     `json:"probes,omitempty"`
	Objectives  []ObjectivePlan `json:"objectives,omitempty"`
	Aborts      []string        `json:"aborts,omitempty"` // conditions in the objective language
	Warnings    []string        `json:"warnings,omitempty"`
	Workers     *WorkersPlan    `json:"workers,omitempty"` // nil: brunt itself offers the load
}

// A WorkersPlan says that the load is offered by several processes.
type WorkersPlan struct {
	Count   int `json:"count"`
	MayLose int `json:"may_lose,omitempty"` // how many may be lost before the run shows nothing
}

type PhasePlan struct {
	Name    string        `json:"name"`
	Start   time.Duration `json:"start_ns"`
	End     time.Duration `json:"end_ns"`
	Exclude bool          `json:"exclude,omitempty"` // recorded, never judged
}

type LoadPlan struct {
	Name        string        `json:"name"`
	Kind        string        `json:"kind"`
	Model       string        `json:"model"`              // "open" or "closed"
	Steps       []string      `json:"steps"`              // at least one
	Arrivals    int64         `json:"arrivals,omitempty"` // open model: how many the schedule holds; -1 when it was too many to count
	MaxInFlight int           `json:"max_in_flight"`
	Patience    time.Duration `json:"patience_ns"`
	Timeout     time.Duration `json:"timeout_ns"`
	Path        string        `json:"path,omitempty"` // how it was sent: "lane", or "goroutines" and why not the lane
	Segments    []Segment     `json:"segments"`
}

// A Segment is one stretch of a load's plan: from one rate (arrivals a second)
// or number of users to another, linearly.
type Segment struct {
	Start    time.Duration `json:"start_ns"`
	End      time.Duration `json:"end_ns"`
	From     float64       `json:"from"`
	To       float64       `json:"to"`
	Arrivals string        `json:"arrivals,omitempty"` // constant, poisson, sine, trace
}

// A FaultPlan is one occurrence of a fault.
type FaultPlan struct {
	Name       string        `json:"name"`
	Occurrence int           `json:"occurrence,omitempty"` // which of the name's, from 1; 0: it has only one
	Kind       string        `json:"kind"`
	Phase      string        `json:"phase"`
	At         time.Duration `json:"at_ns"`  // from the run's start; with After if all goes as planned
	For        time.Duration `json:"for_ns"` // 0: one-shot, or until the run ends
	OneShot    bool          `json:"one_shot,omitempty"`
	After      []string      `json:"after,omitempty"` // faults that must be over first
	Until      string        `json:"until,omitempty"` // a condition that ends it, in the objective language
	Follow     bool          `json:"follow,omitempty"`
	Random     bool          `json:"random,omitempty"` // the seed decided when or what
	What       string        `json:"what"`             // for people: "pause shop-2", "latency 80ms ±20ms on payments"
}

// Label is what people call the occurrence.
func (f FaultPlan) Label() string { return FaultLabel(f.Name, f.Occurrence) }

// FaultLabel is what people call one occurrence of a fault: "kill_db" where
// there is only one, "kill_db#3" for the third.
func FaultLabel(name string, occurrence int) string {
	if occurrence == 0 {
		return name
	}
	return name + "#" + strconv.Itoa(occurrence)
}

type ProbePlan struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Unit string `json:"unit,omitempty"` // of its readings: "", "ns", "bytes", "ratio"
	What string `json:"what"`

	Series  []string     `json:"series,omitempty"`  // what it reads beside its number, by name
	Scaling *ScalingPlan `json:"scaling,omitempty"` // of a probe that watches replicas
}

// A ScalingPlan is what a scenario says of replicas that are watched.
type ScalingPlan struct {
	Loads      []string `json:"loads,omitempty"`       // the loads that they bear; none: all of the run
	PerReplica float64  `json:"per_replica,omitempty"` // arrivals a second that one bears; 0: not said
	Price      float64  `json:"price,omitempty"`       // of one for an hour, in whatever money; 0: not said
}

// An ObjectivePlan is one statement that must hold, in the language of package
// objective, whole in itself.
type ObjectivePlan struct {
	Source string `json:"source"`          // "browse.p99 < 300ms in steady within 30s"
	Phase  string `json:"phase,omitempty"` // the phase it hangs off; empty for steady state
	Line   int    `json:"line,omitempty"`  // in the scenario file
	Abort  bool   `json:"abort,omitempty"` // a breach stops the run at once
}
