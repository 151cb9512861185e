// Package journal is the narrow waist of brunt: the append-only record of a
// run. The engine writes it; reports, objectives and the game day read it, and
// nothing else connects them. Times in it are offsets from the run's origin,
// on the monotonic clock.
package journal

import "time"

// Kind says what an Event is about, and so which of its fields are set.
type Kind string

const (
	RunStarted   Kind = "run_started"   // Text: brunt's version; Wall: the origin in civil time; Environment
	RunEnded     Kind = "run_ended"     // State: completed, interrupted, aborted, failed; Text: why
	PhaseStarted Kind = "phase_started" // Name
	PhaseEnded   Kind = "phase_ended"   // Name
	LoadSecond   Kind = "load"          // Name, Load: what one load did in the second that ends at At
	LoadError    Kind = "load_error"    // Name (load), Step, State (class), Text: one sample message; a bounded number of each
	FaultState   Kind = "fault"         // Name, State (see Fault… below), Text, Targets
	ProbeReading Kind = "probe"         // Name, Value, Text
	ProbeFailed  Kind = "probe_failed"  // Name, Text: one look failed, or (State: crashed) the probe is over
	HealthSecond Kind = "health"        // Health: how the generator itself was
	AbortBreach  Kind = "abort"         // Text: the safety.abort condition, or the expectation with abort, that was breached
	Note         Kind = "note"          // Text: a warning for people; State: info or warning
)

// The states a fault passes through, in this order when all goes well.
// Injected is a claim; only Effective and Gone were seen by another path.
const (
	FaultRequested   = "requested"
	FaultInjected    = "injected"
	FaultEffective   = "effective"
	FaultIneffective = "ineffective" // injected, but no effect was seen
	FaultUndone      = "undone"
	FaultGone        = "gone"
	FaultConflict    = "conflict"   // not ours any more; left alone
	FaultFailed      = "failed"     // to inject or to undo; Text says which and why
	FaultUnverified  = "unverified" // could not be proven gone
)

// An Event is one line of events.jsonl.
type Event struct {
	At      time.Duration `json:"t_ns"`
	Kind    Kind          `json:"event"`
	Name    string        `json:"name,omitempty"`
	Step    string        `json:"step,omitempty"`
	State   string        `json:"state,omitempty"`
	Text    string        `json:"text,omitempty"`
	Targets []string      `json:"targets,omitempty"`
	Value   *float64      `json:"value,omitempty"`
	Wall    *time.Time    `json:"wall,omitempty"`
	Load    *LoadCounts   `json:"load,omitempty"`
	Health  *Health       `json:"health,omitempty"`

	Environment map[string]string `json:"environment,omitempty"` // machine, versions
}

// LoadCounts is what one load did in one second. An arrival is counted in the
// second in which the thing counted happened: offered when it fell due, sent
// when it started, completed or dropped when it ended.
type LoadCounts struct {
	Offered   int64 `json:"offered"`            // arrivals that fell due
	Sent      int64 `json:"sent"`               // arrivals handed to a session
	Completed int64 `json:"completed"`          // arrivals that ended, well or badly, after being sent
	Dropped   int64 `json:"dropped"`            // arrivals given up before being sent
	Canceled  int64 `json:"canceled,omitempty"` // arrivals cut short by the end of the run

	Ops    int64            `json:"ops"`              // operations that ended (a flow has several an arrival)
	Failed map[string]int64 `json:"failed,omitempty"` // failed operations by class, drops included
	Status map[string]int64 `json:"status,omitempty"` // operations by the protocol's status

	BytesOut int64 `json:"bytes_out"`
	BytesIn  int64 `json:"bytes_in"`

	InFlight int64   `json:"in_flight"` // at the end of the second: sent, not ended
	Waiting  int64   `json:"waiting"`   // at the end of the second: due, not sent
	Sessions int64   `json:"sessions"`  // at the end of the second: open sessions
	Planned  float64 `json:"planned"`   // the plan at the end of the second: arrivals a second, or users
}

// Health is how the generator itself was during one second.
type Health struct {
	CPU          float64       `json:"cpu"`              // cores used by brunt
	Cores        int           `json:"cores"`            // cores it may use
	MachineCPU   float64       `json:"machine_cpu"`      // cores used by everything on the machine
	Steal        float64       `json:"steal"`            // cores taken by the hypervisor
	GCPause      time.Duration `json:"gc_pause_ns"`      // longest stop of the world
	SchedLatency time.Duration `json:"sched_latency_ns"` // p99 wait of a runnable goroutine
	DispatchLag  time.Duration `json:"dispatch_lag_ns"`  // p99 of dispatched − due
	Goroutines   int           `json:"goroutines"`
	RSS          int64         `json:"rss_bytes"`
	Files        int           `json:"files"`
	FileLimit    int           `json:"file_limit"`
}
