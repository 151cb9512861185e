package objective

import "time"

// A State is what judging an objective came to.
type State string

const (
	Pass    State = "pass"
	Fail    State = "fail"
	Unknown State = "unknown" // not measured, or not measured enough to say
)

// A Finding is one objective judged. Phase and Line are those of the plan's
// objective with the same source, when there is one.
type Finding struct {
	Source   string        `json:"source"`
	Phase    string        `json:"phase,omitempty"`
	Line     int           `json:"line,omitempty"`
	State    State         `json:"state"`
	Observed string        `json:"observed,omitempty"` // "412ms"; empty when nothing was
	Value    float64       `json:"value"`              // the same in Unit; 0 when nothing was observed
	Unit     string        `json:"unit,omitempty"`     // "ns", "ratio", "per_second", "bytes", "count"; empty for a probe without one
	Limit    string        `json:"limit"`              // "< 300ms", "6..20"
	Margin   string        `json:"margin,omitempty"`   // "31% below the limit"
	From     time.Duration `json:"from_ns"`            // the window that decided, from the run's origin
	To       time.Duration `json:"to_ns"`
	Samples  int64         `json:"samples"` // in that window: operations, readings, or seconds of counts
	Reason   string        `json:"reason"`  // one plain sentence
	Warnings []string      `json:"warnings,omitempty"`
}
