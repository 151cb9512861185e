package objective

import (
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// An Objective is one statement that must hold over a window. It is immutable;
// the zero Objective judges nothing and must not be used.
type Objective struct {
	s      statement
	source string
	refs   []Reference
}

// Compile reads one statement. An error is a *SyntaxError.
func Compile(src string) (Objective, error) {
	s, refs, err := parse(src)
	if err != nil {
		err.Offset = min(err.Offset, len(src))
		return Objective{}, err
	}
	for i := range refs {
		if refs[i].Role == LoadOrProbe {
			refs[i].Role = s.subject.role
		}
	}
	return Objective{s: s, source: s.String(), refs: refs}, nil
}

// Source is the statement as the language writes it: one space between words,
// clauses in their order. It compiles to the same objective.
func (o Objective) Source() string { return o.source }

// Roles of a Reference.
const (
	Load        = "load"
	Step        = "step"
	Probe       = "probe"
	LoadOrProbe = "load or probe" // x.max < 300ms can be either
	Phase       = "phase"
	Fault       = "fault"
)

// A Reference is a name that the statement takes from its scenario.
type Reference struct {
	Role   string
	Name   string
	Offset int // in the source given to Compile, in bytes, quotes included
	Length int
}

// References lists the names used, in the order of the source, for the
// scenario compiler to resolve. A step comes right after its load.
func (o Objective) References() []Reference { return o.refs }

// Metric says what is measured. load and step are empty when the statement is
// about a probe or a whole load; measure is what follows them, such as "p99",
// "service.p99.9" or "errors.timeout", and empty for a bare probe.
func (o Objective) Metric() (load, step, measure string) {
	if o.s.subject.role != Probe {
		load = o.s.subject.name
	}
	return load, o.s.subject.step, o.s.subject.metric()
}

// Percentile is the quantile judged, above 0 and below 100; ok is false when
// the statement is about something else.
func (o Objective) Percentile() (q float64, ok bool) {
	return o.s.subject.q, o.s.subject.stat == percentileStat
}

// Phase is the phase of the in clause, or "".
func (o Objective) Phase() string { return o.s.phase }

// Scaling reports whether the statement is about how an autoscaler reacted,
// which is judged when the run is over and never before.
func (o Objective) Scaling() bool { return o.s.subject.stat == scalingStat }

// For is the trailing time of an abort condition, 0 when it has none. A
// statement with one has no place among expectations.
func (o Objective) For() time.Duration { return o.s.hold }

// Check finds what the plan tells to be wrong: names it does not hold, and
// units that do not fit a probe. The error is a *SyntaxError with the place in
// the source given to Compile. A statement that passes can be judged on a
// journal with that plan.
func (o Objective) Check(p journal.Plan) error {
	if err := o.check(p); err != nil {
		return err
	}
	return nil
}
