package objective

import (
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A statement is an objective taken apart.
type statement struct {
	subject   subject
	op        operator
	low, high value // high is the limit; low is set for ranges only

	phase  string        // in
	within time.Duration // 0: the whole window at once
	after  time.Duration
	fault  string // while FAULT
	calm   bool   // while calm
	hold   time.Duration
}

// An operator compares what was observed with the limit.
type operator string

const (
	less         operator = "<"
	lessEqual    operator = "<="
	greater      operator = ">"
	greaterEqual operator = ">="
	equal        operator = "=="
	notEqual     operator = "!="
	inRange      operator = ".."
)

// A subject is what is measured.
type subject struct {
	name string
	role string // Load, Probe or LoadOrProbe
	step string

	outcome string // "", "ok" or "failed"
	measure journal.Measure
	stat    stat
	q       float64 // of a percentile, 0 to 100
	digits  string  // of a percentile, as the language writes it: "99.9"
	class   string  // of errors; empty for all
	status  string  // the code, for status
	scaling string  // of an autoscaler's reaction: which metric
	count   string  // of back_to: how many replicas
}

// A stat is what is computed of the subject.
type stat string

const (
	percentileStat stat = "p"
	minStat        stat = "min"
	meanStat       stat = "mean"
	maxStat        stat = "max"
	errorsStat     stat = "errors"
	rateStat       stat = "rate"
	offeredStat    stat = "offered"
	sentStat       stat = "sent"
	completedStat  stat = "completed"
	droppedStat    stat = "dropped"
	statusStat     stat = "status"
	everyReading   stat = "" // a bare probe
	lastStat       stat = "last"
	failuresStat   stat = "failures"
)

// String is the canonical text: it compiles to the same statement.
func (s statement) String() string {
	var b strings.Builder
	b.WriteString(s.subject.String())
	b.WriteByte(' ')
	if s.op == inRange {
		b.WriteString(s.low.String() + ".." + s.high.String())
	} else {
		b.WriteString(string(s.op) + " " + s.high.String())
	}
	clause := func(word, text string) { b.WriteString(" " + word + " " + text) }
	if s.phase != "" {
		clause("in", Name(s.phase))
	}
	if s.within != 0 {
		clause("within", formatDuration(s.within))
	}
	if s.after != 0 {
		clause("after", formatDuration(s.after))
	}
	if s.calm {
		clause("while", "calm")
	}
	if s.fault != "" {
		clause("while", Name(s.fault))
	}
	if s.hold != 0 {
		clause("for", formatDuration(s.hold))
	}
	return b.String()
}

// String is the canonical text of the subject: "browse.list.service.p99".
func (s subject) String() string {
	parts := []string{Name(s.name)}
	if s.step != "" {
		parts = append(parts, Name(s.step))
	}
	if metric := s.metric(); metric != "" {
		parts = append(parts, metric)
	}
	return strings.Join(parts, ".")
}

// metric is the subject without load, step or probe: "service.p99", "errors.timeout".
func (s subject) metric() string {
	var parts []string
	if s.outcome != "" {
		parts = append(parts, s.outcome)
	}
	if s.measure != "" && s.measure != journal.Response {
		parts = append(parts, string(s.measure))
	}
	switch s.stat {
	case percentileStat:
		parts = append(parts, "p"+s.digits)
	case everyReading:
	default:
		parts = append(parts, string(s.stat))
	}
	if s.class != "" {
		parts = append(parts, s.class)
	}
	if s.status != "" {
		parts = append(parts, s.status)
	}
	if s.scaling != "" {
		parts = append(parts, s.scaling)
	}
	if s.count != "" {
		parts = append(parts, s.count)
	}
	return strings.Join(parts, ".")
}

// Name writes the name of a load, step, probe, phase or fault as the language
// needs it: in quotes when it would not be read as one name without.
func Name(name string) string {
	if name == "" || reserved(name) {
		return `"` + name + `"`
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return `"` + name + `"`
		}
	}
	return name
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == '-'
}
