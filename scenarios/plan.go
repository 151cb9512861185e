package scenarios

import (
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// A Plan is a scenario compiled: every offset fixed, every kind made, nothing
// touched yet. Package engine plays it.
type Plan struct {
	Info     journal.Plan // the same in plain data, for the run directory
	Loads    []Load
	Faults   []Fault // every occurrence, by At
	Probes   []Probe
	AbortOn  []objective.Objective // safety.abort: the run stops when one of them holds
	MustHold []objective.Objective // expectations with abort: the run stops when one can hold no longer
	Reports  []string              // formats asked for: html, junit, json, markdown, vegeta

	// Allow refuses an address outside the target. Every kind in the plan has
	// it already. Safe for concurrent use.
	Allow func(address string) error
	// MaxTargets is how many things one fault may hit: a fault whose receipt
	// names more is refused before it is injected. 0: no limit.
	MaxTargets int
	// AllowProduction lets faults be injected where names look like production.
	AllowProduction bool
	// Kubernetes is the cluster and the namespace of the target; its zero value
	// says that there is none.
	Kubernetes chaos.Kubernetes
	// Lease is how long the run's faults may stay without a sign of life from
	// the run, and Renew how often it gives one.
	Lease, Renew time.Duration
}

// A Load is a named stream of operations: an open model (Schedule) or a
// closed one (Users), exactly one.
type Load struct {
	Name      string
	Kind      string
	Steps     []string // at least one
	Generator generators.Generator
	Loop      generators.Loop     // nil, or the fast path that plays the whole load
	Path      string              // how it is played, for people: "lane", or "goroutines" and why
	Schedule  generators.Schedule // open model
	Users     []generators.Piece  // closed model: how many users at each time
	Pieces    []generators.Piece  // the plan itself, for "planned" in the journal
	Seed      uint64              // of the schedule's rng

	MaxInFlight int           // sessions at the most
	Patience    time.Duration // how long an arrival waits for a session before it is dropped
	Timeout     time.Duration // how long an operation may take; 0 where the kind does not say
	Precision   time.Duration // how late an arrival may go out so that several share one waking
}

// A Fault is one occurrence of a fault on the run's clock.
type Fault struct {
	Name string
	// Occurrence counts the occurrences of the name from 1; 0 when it has only
	// one.
	Occurrence int
	Kind       string
	At         time.Duration // from the run's start; with After if all goes as planned
	For        time.Duration // 0: one-shot, or until the run ends
	OneShot    bool
	Fault      chaos.Fault
	// After are the faults that must be over first, all their occurrences, Lag
	// is how much later than that it is due, and NotBefore the earliest that it
	// is, whenever they are over.
	After          []string
	Lag, NotBefore time.Duration
	// Until ends the fault when it holds; nil where only time does.
	Until *objective.Objective
	// Follow hits targets that come to be while the fault is there. Fault is
	// then a chaos.Follower.
	Follow bool
	// AllowIrreversible lets the fault leave something behind for good.
	AllowIrreversible bool
	// On is what it acts on that brunt starts for the run: "resolver cluster".
	// Empty for what is there already, and for processes of the stack.
	On string
}

// Label is what people call it: its name, and which occurrence it is.
func (f Fault) Label() string { return journal.FaultLabel(f.Name, f.Occurrence) }

// A Probe is one thing watched for the whole run.
type Probe struct {
	Name  string
	Probe probes.Probe
}
