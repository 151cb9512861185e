package reports

import (
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// Build judges a run. It reads j and nothing else.
func Build(j *journal.Journal) *Report {
	p := j.Plan
	r := &Report{
		Version:     FormatVersion,
		Why:         []string{},
		Name:        p.Name,
		Description: p.Description,
		File:        p.File,
		Seed:        p.Seed,
		Objectives:  []Objective{},
		Faults:      []Fault{},
		Loads:       make(map[string]*Load),
		Probes:      make(map[string]*Probe),
		Phases:      []Phase{},
		Environment: make(map[string]string),
		Warnings:    append([]string{}, p.Warnings...),
		Damage:      append([]string{}, j.Damage...),
	}
	r.readRun(j)
	for _, ph := range p.Phases {
		r.Phases = append(r.Phases, Phase{
			Name: ph.Name, Start: ph.Start, End: ph.End, Exclude: ph.Exclude,
			Reached: r.Run.Ended >= ph.Start,
		})
	}
	spans := judgedSpans(p)
	for _, s := range spans {
		r.Run.Judged += max(0, min(s.to, r.Run.Ended)-s.from)
	}
	for _, f := range p.Faults {
		r.Faults = append(r.Faults, faultTruth(f, j, r.Run.State != unfinished))
	}
	r.readWorkers(j)
	r.accountForWorkers(p.Workers)
	r.readLoads(j, spans)
	r.readProbes(j)
	r.judgeObjectives(j)
	r.readAutoscalers(j)
	r.Trust = watchGenerator(j, spans, r)
	r.distrust(j)
	r.Timeline = drawTimeline(j, r)

	f := facts{
		bottleneck:  r.Trust.Bottleneck,
		unwatched:   r.Trust.Unwatched,
		complete:    r.Run.State == completed,
		damaged:     len(r.Damage) > 0,
		shorthanded: len(r.lost) > 0,
		measured:    len(r.Objectives) > 0 || r.anySuccess(),
	}
	for _, o := range r.Objectives {
		f.findings = append(f.findings, o.State)
	}
	for _, x := range r.Faults {
		f.faults = append(f.faults, x.Truth)
	}
	r.Verdict = judge(f)
	r.Exit = r.ExitCode()
	r.Cause = r.tellCause()
	r.Why = append(r.Why, r.tellWhy(j)...)
	return r
}

// States of a run. The last is ours: the journal ends without saying how.
const (
	completed  = "completed"
	unfinished = "unfinished"
)

// readRun takes what the journal says of the run as a whole.
func (r *Report) readRun(j *journal.Journal) {
	r.Run = Run{State: unfinished, Planned: j.Plan.Duration, Ended: j.End(), Target: j.Plan.Target}
	for _, e := range j.Events() {
		switch e.Kind {
		case journal.RunStarted:
			if e.Wall != nil {
				wall := e.Wall.Round(0).UTC()
				r.Run.Started = &wall
			}
			for k, v := range e.Environment {
				r.Environment[k] = v
			}
			if e.Text != "" {
				r.Environment["brunt"] = e.Text
			}
		case journal.RunEnded:
			r.Run.State, r.Run.Text, r.Run.Ended = e.State, e.Text, e.At
		case journal.AbortBreach:
			r.Run.Aborts = append(r.Run.Aborts, e.Text)
		case journal.Note:
			if e.State == "warning" {
				r.Warnings = append(r.Warnings, e.Text)
			}
		}
	}
}

// judgeObjectives judges every objective of the plan, in its order.
func (r *Report) judgeObjectives(j *journal.Journal) {
	for _, p := range j.Plan.Objectives {
		o, err := objective.Compile(p.Source)
		if err != nil {
			// Written by another brunt, or by hand: it was asked, and is not known.
			r.Objectives = append(r.Objectives, Objective{Finding: objective.Finding{
				Source: p.Source, Phase: p.Phase, Line: p.Line, State: objective.Unknown,
				Reason: sentence("the statement cannot be read: " + err.Error()),
			}})
			continue
		}
		f := o.Judge(j)
		f.Phase, f.Line = p.Phase, p.Line
		r.Objectives = append(r.Objectives, Objective{Finding: f})
	}
}

func (r *Report) anySuccess() bool {
	for _, l := range r.Loads {
		failed := int64(0)
		for _, n := range l.Errors {
			failed += n
		}
		if l.Operations > failed {
			return true
		}
	}
	return false
}

// A span is a stretch of the run, [from, to).
type span struct{ from, to time.Duration }

func (s span) overlaps(from, to time.Duration) bool { return s.from < to && from < s.to }

// judgedSpans is the run without its excluded phases, which is what an
// objective without an "in" clause is about.
func judgedSpans(p journal.Plan) []span {
	if len(p.Phases) == 0 {
		return []span{{0, p.Duration}}
	}
	var out []span
	for _, ph := range p.Phases {
		n := len(out) - 1
		switch {
		case ph.Exclude || ph.End <= ph.Start:
		case n >= 0 && out[n].to >= ph.Start:
			out[n].to = max(out[n].to, ph.End)
		default:
			out = append(out, span{ph.Start, ph.End})
		}
	}
	return out
}

// seconds are the whole seconds that start inside a span: the journal keeps
// operations by the second they fell due in.
func (s span) seconds() span { return span{ceilSecond(s.from), ceilSecond(s.to)} }

func ceilSecond(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// stampLag is how late the event of a second may be stamped: the engine wakes
// a little after the second is over.
const stampLag = 200 * time.Millisecond

// secondOf is the start of the second that an event of a whole second is about.
func secondOf(at time.Duration) time.Duration {
	return max(0, at-stampLag).Truncate(time.Second)
}
