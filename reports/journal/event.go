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
	FaultState   Kind = "fault"         // Name, Occurrence, State (see Fault… below), Text, Targets
	ProbeReading Kind = "probe"         // Name, Value, Text, Series
	ProbeFailed  Kind = "probe_failed"  // Name, Text: one look failed, or (State: crashed) the probe is over
	ObjectEvent  Kind = "object"        // Name (probe), Object: what happened to one object that a probe watches
	HealthSecond Kind = "health"        // Health: how the generator itself was; of several workers the worst of each, Name: the one that was worst
	WorkerState  Kind = "worker"        // Name, State (see Worker… below), Text, Worker: one of several workers that offer the load
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
	FaultFollowed    = "followed"    // Targets came later and were hit too, which was seen
	FaultUndone      = "undone"
	FaultGone        = "gone"
	FaultConflict    = "conflict"   // not ours any more; left alone
	FaultFailed      = "failed"     // to inject or to undo; Text says which and why
	FaultUnverified  = "unverified" // could not be proven gone
)

// The states of a worker.
const (
	WorkerReady = "ready" // it has the plan and will start with the others; Text: where it is
	WorkerLost  = "lost"  // it died, fell silent or was cut off; Text: what is known of it
	WorkerDone  = "done"  // it played its part to the end
)

// An Event is one line of events.jsonl.
type Event struct {
	At         time.Duration `json:"t_ns"`
	Kind       Kind          `json:"event"`
	Name       string        `json:"name,omitempty"`
	Step       string        `json:"step,omitempty"`
	Occurrence int           `json:"occurrence,omitempty"` // of a fault: which of the name's, from 1; 0: it has only one
	State      string        `json:"state,omitempty"`
	Text       string        `json:"text,omitempty"`
	Targets    []string      `json:"targets,omitempty"`
	Value      *float64      `json:"value,omitempty"`
	Wall       *time.Time    `json:"wall,omitempty"`
	Load       *LoadCounts   `json:"load,omitempty"`
	Health     *Health       `json:"health,omitempty"`
	Worker     *Worker       `json:"worker,omitempty"`

	Series map[string]float64 `json:"series,omitempty"` // more numbers of the same look, by name
	Object *Object            `json:"object,omitempty"`

	Environment map[string]string `json:"environment,omitempty"` // machine, versions
}

// An Object is one thing that happened to one object: a pod became ready, an
// autoscaler decided. Its words are those of package probes. The event's own At
// is when it was seen.
type Object struct {
	Object string        `json:"object"`              // kind and name: "pod/api-7c9f-x2"
	What   string        `json:"what"`                // created, scheduled, ready, scaled…
	On     string        `json:"on,omitempty"`        // the node that a pod is on
	At     time.Duration `json:"at_ns"`               // when it happened; below zero: before the run
	Within time.Duration `json:"within_ns,omitempty"` // how far off At may be, either way
	From   *float64      `json:"from,omitempty"`      // replicas before and after
	To     *float64      `json:"to,omitempty"`
	Text   string        `json:"text,omitempty"`
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
	Lost      int64 `json:"lost,omitempty"`     // arrivals that fell due, and of which nobody knows more, because the worker whose they were is lost

	Ops    int64            `json:"ops"`              // operations that ended (a flow has several an arrival)
	Failed map[string]int64 `json:"failed,omitempty"` // failed operations by class, drops included
	Status map[string]int64 `json:"status,omitempty"` // operations by the protocol's status
	Served map[string]int64 `json:"served,omitempty"` // operations by who served them, where answers say so

	BytesOut int64 `json:"bytes_out"`
	BytesIn  int64 `json:"bytes_in"`

	// TLS handshakes that succeeded: full ones, and those that resumed an
	// earlier TLS session.
	FullHandshakes    int64 `json:"full_handshakes,omitempty"`
	ResumedHandshakes int64 `json:"resumed_handshakes,omitempty"`

	Resent int64 `json:"resent,omitempty"` // requests sent once more, because the target never took them

	InFlight int64   `json:"in_flight"` // at the end of the second: sent, not ended
	Waiting  int64   `json:"waiting"`   // at the end of the second: due, not sent
	Sessions int64   `json:"sessions"`  // at the end of the second: open sessions
	Planned  float64 `json:"planned"`   // the plan at the end of the second: arrivals a second, or users
}

// Health is how the generator itself was during one second.
type Health struct {
	CPU          float64       `json:"cpu"`                     // cores used by brunt
	Cores        int           `json:"cores"`                   // cores it may use
	ThreadCPU    float64       `json:"thread_cpu,omitempty"`    // cores used by its busiest thread
	MachineCPU   float64       `json:"machine_cpu"`             // cores used by everything on the machine
	MachineCores int           `json:"machine_cores,omitempty"` // cores that the machine has; 0: nothing is known of the machine
	Steal        float64       `json:"steal"`                   // cores taken by the hypervisor
	GCCPU        float64       `json:"gc_cpu,omitempty"`        // cores used by brunt's garbage collector
	GCPause      time.Duration `json:"gc_pause_ns"`             // longest stop of the world
	SchedLatency time.Duration `json:"sched_latency_ns"`        // p99 wait of a runnable goroutine
	DispatchLag  time.Duration `json:"dispatch_lag_ns"`         // p99 of dispatched − due
	Goroutines   int           `json:"goroutines"`
	RSS          int64         `json:"rss_bytes"`
	Files        int           `json:"files"` // -1: not known
	FileLimit    int           `json:"file_limit"`

	// What follows is of brunt's network namespace: everything in it that
	// speaks TCP, brunt or not; ports of UDP too. Counts are -1 where they are not known.
	Ports           int    `json:"ports,omitempty"`            // local ports in use towards one address and port, where they are the most
	PortsTo         string `json:"ports_to,omitempty"`         // that address and port
	PortLimit       int    `json:"port_limit,omitempty"`       // local ports that the kernel hands out; 0: not known
	Retransmits     int64  `json:"retransmits,omitempty"`      // segments sent again
	SynRetransmits  int64  `json:"syn_retransmits,omitempty"`  // those of them that asked for a connection: lost, or turned away by a full accept queue
	ListenOverflows int64  `json:"listen_overflows,omitempty"` // connections that full accept queues in this namespace turned away
}

// Worker is what is known of one worker. Its counts are sums over its loads, up
// to the event's time.
type Worker struct {
	Where string `json:"where"` // its process, or its pod and node

	// ClockOffset is how far its wall clock is ahead of the controller's, to
	// within ±ClockError: half of the fastest round trip that it was measured
	// by. Drift is by how much it moved from the start of the run to its end.
	// Workers start by their monotonic clocks, so none of this moves an arrival.
	ClockOffset time.Duration  `json:"clock_offset_ns"`
	ClockError  time.Duration  `json:"clock_error_ns"`
	ClockDrift  *time.Duration `json:"clock_drift_ns,omitempty"`

	Offered   int64 `json:"offered"`
	Sent      int64 `json:"sent"`
	Completed int64 `json:"completed"`
	Dropped   int64 `json:"dropped"`
	Lost      int64 `json:"lost,omitempty"`  // arrivals of its that nobody offered, or whose fate nobody knows
	Users     int64 `json:"users,omitempty"` // closed model: the most users that it had, and that are gone with it

	DispatchLag time.Duration `json:"dispatch_lag_ns"` // the worst second's p99
	CPU         float64       `json:"cpu_ratio"`       // of its cores, in its worst second
	Cores       int           `json:"cores"`
}
