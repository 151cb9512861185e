package journal

import "time"

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

type FaultPlan struct {
	Name    string        `json:"name"`
	Kind    string        `json:"kind"`
	Phase   string        `json:"phase"`
	At      time.Duration `json:"at_ns"`  // from the run's start
	For     time.Duration `json:"for_ns"` // 0: one-shot
	OneShot bool          `json:"one_shot,omitempty"`
	What    string        `json:"what"` // for people: "pause shop-2", "latency 80ms ±20ms on payments"
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
