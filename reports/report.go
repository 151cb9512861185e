// Package reports turns a run directory into a verdict with its evidence, and
// prints it.
//
// Build reads the journal and nothing else, and depends on nothing else: the
// same directory gives the same report, byte for byte, on any machine and at
// any time. A Format prints a Report; all formats show the same numbers.
//
// # What the numbers of a load cover
//
// Every count (arrivals offered, sent, completed and dropped; operations,
// errors and statuses) covers the whole run, excluded phases too, so that
// nothing is unaccounted for. Every latency and every ratio covers the time
// that is judged: the run without its excluded phases, which is what an
// objective without an "in" clause is about. Where no phase is excluded the
// two are the same.
//
// Latencies follow the definition in journal.Window: failures never flatter a
// percentile.
package reports

import (
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// FormatVersion is the version of report.json.
const FormatVersion = 1

// A Report is a run judged. Its JSON form is report.json: times are integer
// nanoseconds from the run's origin, and every key that has a unit names it.
type Report struct {
	Version     int      `json:"version"`
	Verdict     Verdict  `json:"verdict"`
	Exit        int      `json:"exit_code"` // what ExitCode returns
	Cause       string   `json:"cause"`     // one line
	Why         []string `json:"why"`       // a few sentences, each tied to evidence
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	File        string   `json:"file,omitempty"` // the scenario's, as given
	Seed        uint64   `json:"seed"`
	Run         Run      `json:"run"`

	Objectives []Objective `json:"objectives"`
	Faults     []Fault     `json:"faults"`

	Autoscalers []Autoscaler `json:"autoscalers,omitempty"` // one for each probe that watches replicas

	Loads   map[string]*Load  `json:"loads"`
	Probes  map[string]*Probe `json:"probes"`
	Phases  []Phase           `json:"phases"`
	Trust   Trust             `json:"trust"`
	Workers []Worker          `json:"workers,omitempty"` // that offered the load; empty when brunt did itself

	Environment map[string]string `json:"environment"`
	Warnings    []string          `json:"warnings"` // what weakens the result without changing it
	Damage      []string          `json:"damage"`   // what of the journal could not be read

	Timeline Timeline `json:"timeline"` // what the charts show

	loads, probes []string // in the plan's order
	lost          []string // what is to be said of lost workers that were too many
}

// A Run says how the playing went.
type Run struct {
	State   string        `json:"state"` // completed, interrupted, aborted, failed; "unfinished" when the journal just ends
	Text    string        `json:"text,omitempty"`
	Started *time.Time    `json:"started,omitempty"` // the origin, in civil time (UTC)
	Planned time.Duration `json:"planned_ns"`
	Ended   time.Duration `json:"ended_ns"`
	Judged  time.Duration `json:"judged_ns"` // how much of it is judged: without excluded phases
	Target  []string      `json:"target,omitempty"`
	Aborts  []string      `json:"aborts,omitempty"` // abort conditions that were breached
}

// An Objective is a finding, and what the generator's own health makes of it.
type Objective struct {
	objective.Finding
	// Before is the state that the judge came to, when the generator's health
	// made it unknown.
	Before objective.State `json:"state_before_trust,omitempty"`
}

// A Fault is one occurrence of a fault as it went. The times are those of its events, absent
// when there was none.
type Fault struct {
	Name       string        `json:"name"`
	Occurrence int           `json:"occurrence,omitempty"` // which of the name's, from 1; 0: it has only one
	Kind       string        `json:"kind"`
	What       string        `json:"what"`
	Phase      string        `json:"phase,omitempty"`
	OneShot    bool          `json:"one_shot,omitempty"`
	Targets    []string      `json:"targets"`
	At         time.Duration `json:"planned_at_ns"`
	For        time.Duration `json:"planned_for_ns,omitempty"`

	Requested   *time.Duration `json:"requested_ns,omitempty"`
	Injected    *time.Duration `json:"injected_ns,omitempty"`
	Effective   *time.Duration `json:"effective_ns,omitempty"`
	Ineffective *time.Duration `json:"ineffective_ns,omitempty"`
	Undone      *time.Duration `json:"undone_ns,omitempty"`
	Gone        *time.Duration `json:"gone_ns,omitempty"`

	State string `json:"state"`          // the last one, or "not_played"
	Truth Truth  `json:"truth"`          // what that means for the verdict
	Text  string `json:"text,omitempty"` // one plain sentence

	from, to time.Duration // when it was there, for bands and windows; to is 0 when it never was
}

// Label is what people call it: its name, and which occurrence it is.
func (f Fault) Label() string { return journal.FaultLabel(f.Name, f.Occurrence) }

// A Load is what one load did.
type Load struct {
	Kind      string  `json:"kind"`
	Model     string  `json:"model"`             // open or closed
	Planned   int64   `json:"planned,omitempty"` // open model: arrivals in the schedule
	Offered   int64   `json:"offered"`           // arrivals that fell due
	Sent      int64   `json:"sent"`              // arrivals handed to a session
	Completed int64   `json:"completed"`         // arrivals that ended, well or badly, after being sent
	Dropped   int64   `json:"dropped"`           // arrivals given up before being sent: failed
	Canceled  int64   `json:"canceled"`          // arrivals cut short by the end of the run
	Lost      int64   `json:"lost,omitempty"`    // arrivals that went with a lost worker: not offered, or nobody knows
	Resent    int64   `json:"resent,omitempty"`  // requests sent once more within their operation, because the target never took them
	BytesOut  int64   `json:"sent_bytes"`
	BytesIn   int64   `json:"received_bytes"`
	Rate      float64 `json:"rate_per_second"` // operations ended a second, over the judged time, dropped ones left out

	// Path is how it was sent: "lane", or "goroutines" and in brackets why not a lane.
	Path string `json:"path,omitempty"`

	Handshakes *Handshakes `json:"tls_handshakes,omitempty"` // absent where there were none

	Figures
	Status map[string]int64         `json:"status"` // operations by the protocol's status
	Steps  map[string]*Figures      `json:"steps"`
	Phases map[string]*PhaseFigures `json:"phases"`

	Spectrum *Spectrum     `json:"spectrum,omitempty"`
	Samples  []ErrorSample `json:"error_samples"`

	steps []string // in the plan's order
}

// notes are sentences on how the load was sent.
func (l *Load) notes() (notes []string) {
	if why, ok := strings.CutPrefix(l.Path, "goroutines"); ok {
		notes = append(notes, "sent by a goroutine for each session"+why)
	} else if l.Path != "" {
		notes = append(notes, "sent on the fast path")
	}
	if l.Handshakes != nil {
		notes = append(notes, l.Handshakes.String())
	}
	if l.Resent > 0 {
		notes = append(notes, l.resentNote())
	}
	if l.Canceled > 0 {
		notes = append(notes, plural(l.Canceled, "arrival")+" cut short by the end of the run: in no figure but this one")
	}
	return notes
}

// resentNote says why operations may have taken two requests.
func (l *Load) resentNote() string {
	if l.Resent == 1 {
		return "1 request met a connection that the server was closing, was never taken from it, and was sent again on a new one"
	}
	return count(l.Resent) + " requests met a connection that the server was closing, were never taken from it, and were sent again on a new one"
}

// Handshakes are the TLS handshakes of a load that succeeded.
type Handshakes struct {
	Full    int64 `json:"full"`
	Resumed int64 `json:"resumed"` // continued an earlier TLS session of the same client
}

// String says them in a few words.
func (h Handshakes) String() string {
	return fmt.Sprintf("%s: %s full, %s resumed", plural(h.Full+h.Resumed, "TLS handshake"), count(h.Full), count(h.Resumed))
}

// Figures are counts and latencies of the operations of a load or step.
type Figures struct {
	Operations       int64            `json:"operations"` // that ended, well or badly, drops included
	Errors           map[string]int64 `json:"errors"`     // failed operations by class
	JudgedOperations int64            `json:"judged_operations"`
	JudgedFailed     int64            `json:"judged_failed"`
	ErrorRatio       *float64         `json:"error_ratio,omitempty"` // judged_failed / judged_operations

	Response   *Latency `json:"response,omitempty"`    // ended − due
	ResponseOK *Latency `json:"response_ok,omitempty"` // the same of successful operations alone
	Service    *Latency `json:"service,omitempty"`     // ended − started
	Wait       *Latency `json:"wait,omitempty"`        // started − due
	DNS        *Latency `json:"dns,omitempty"`
	Connect    *Latency `json:"connect,omitempty"`
	TLS        *Latency `json:"tls,omitempty"`
	FirstByte  *Latency `json:"first_byte,omitempty"`
}

// A Latency sums up one measure.
type Latency struct {
	Count  int64         `json:"count"`
	Min    time.Duration `json:"min_ns"`
	Mean   time.Duration `json:"mean_ns"`
	P50    time.Duration `json:"p50_ns"`
	P75    time.Duration `json:"p75_ns"`
	P90    time.Duration `json:"p90_ns"`
	P95    time.Duration `json:"p95_ns"`
	P99    time.Duration `json:"p99_ns"`
	P99_9  time.Duration `json:"p99_9_ns"`
	P99_99 time.Duration `json:"p99_99_ns"`
	Max    time.Duration `json:"max_ns"`
}

// PhaseFigures are a load in one phase, judged or not.
type PhaseFigures struct {
	Offered    int64          `json:"offered"`
	Sent       int64          `json:"sent"`
	Completed  int64          `json:"completed"`
	Dropped    int64          `json:"dropped"`
	Operations int64          `json:"operations"`
	Failed     int64          `json:"failed"`
	ErrorRatio *float64       `json:"error_ratio,omitempty"`
	Rate       float64        `json:"rate_per_second"` // the same
	P50        *time.Duration `json:"response_p50_ns,omitempty"`
	P90        *time.Duration `json:"response_p90_ns,omitempty"`
	P99        *time.Duration `json:"response_p99_ns,omitempty"`
	Max        *time.Duration `json:"response_max_ns,omitempty"`
}

// A Spectrum is the response and service time at growing percentiles, with as
// many nines as there are operations for.
type Spectrum struct {
	Percent  []float64 `json:"percent"`
	Response []int64   `json:"response_ns"`
	Service  []int64   `json:"service_ns"`
}

// An ErrorSample is one failure in its own words.
type ErrorSample struct {
	At    time.Duration `json:"at_ns"`
	Step  string        `json:"step,omitempty"`
	Class string        `json:"class"`
	Text  string        `json:"text"`
}

// A Probe is what was watched. Values are in Unit.
type Probe struct {
	Kind     string   `json:"kind"`
	What     string   `json:"what,omitempty"`
	Unit     string   `json:"unit"` // "ns", "bytes", "ratio", or "" for a plain number
	Readings int64    `json:"readings"`
	Failures int64    `json:"failures"` // looks that failed
	Crashed  string   `json:"crashed,omitempty"`
	First    *float64 `json:"first,omitempty"`
	Min      *float64 `json:"min,omitempty"`
	Mean     *float64 `json:"mean,omitempty"`
	Max      *float64 `json:"max,omitempty"`
	Last     *float64 `json:"last,omitempty"`
	Story    string   `json:"story,omitempty"` // how the readings changed, in a sentence

	Gaps []journal.Gap `json:"gaps,omitempty"` // in which all looks failed
	Why  string        `json:"why,omitempty"`  // what the last look that failed said
}

// A Phase is a span of the plan.
type Phase struct {
	Name    string        `json:"name"`
	Start   time.Duration `json:"start_ns"`
	End     time.Duration `json:"end_ns"`
	Exclude bool          `json:"exclude"`
	Reached bool          `json:"reached"` // the run got to its start
}
