package objective

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A stretch is a contiguous piece of the run to judge.
type stretch struct {
	from, to time.Duration // exact, for readings
	// The whole seconds of it, for what the journal keeps by the second: those
	// that start inside. Where a stretch was cut short because something bad
	// begins (a fault, the end of the run), the second in which that happens
	// is not among them.
	first, last time.Duration
}

// A scope is what there is to judge of a statement on a journal.
type scope struct {
	windows [][]stretch // each judged as one, or slid over when there is a within clause
	cut     bool        // the run ended, or has come, no further than within the last window
	end     time.Duration
	reason  string // why there is nothing to judge
	holes   bool   // the window leaves out excluded phases in its middle
}

// horizon is how far a journal reaches, for judging.
type horizon struct {
	at       time.Duration
	complete bool // the run ended as planned: nothing is missing behind at
}

// reach finds how far the run got. A run that was broken off still drains and
// undoes its faults before it ends, so it reaches to where load was last
// offered.
func reach(j *journal.Journal) horizon {
	h := horizon{at: j.End()}
	var offered time.Duration
	for _, e := range j.Events() {
		switch e.Kind {
		case journal.RunEnded:
			h.at, h.complete = e.At, e.State == "completed"
		case journal.LoadSecond:
			if e.Load != nil && e.Load.Offered > 0 {
				offered = max(offered, e.At)
			}
		}
	}
	if !h.complete && offered > 0 {
		h.at = min(h.at, offered)
	}
	return h
}

// resolve finds the windows of the statement.
func (s statement) resolve(j *journal.Journal, h horizon) scope {
	spans := base(j.Plan, s)
	switch {
	case s.calm:
		spans = subtract(spans, disturbances(j))
	case s.fault != "":
		there, reason := faultSpans(j, s.fault)
		if reason != "" {
			return scope{reason: reason}
		}
		if spans = intersect(spans, there); len(spans) == 0 {
			return scope{reason: fmt.Sprintf("fault %s was not there at any time that is judged", s.fault)}
		}
	}
	if len(spans) == 0 {
		return scope{reason: "no part of the run is judged: every phase is excluded, or a fault was there all the time"}
	}
	sc := scope{end: h.at, holes: !s.calm && len(spans) > 1}
	var kept []span
	for _, sp := range spans {
		if sp.from += s.after; sp.from < sp.to {
			kept = append(kept, sp)
		}
	}
	if len(kept) == 0 {
		return scope{reason: fmt.Sprintf("the window is no longer than the %s left out at its start", length(s.after))}
	}
	spans, kept = kept, nil
	for _, sp := range spans {
		if !h.complete && sp.to > h.at {
			sc.cut = true
			sp.to, sp.soft = h.at, true
		}
		if sp.from < sp.to {
			kept = append(kept, sp)
		}
	}
	if len(kept) == 0 {
		return scope{cut: true, end: h.at, reason: fmt.Sprintf("the run got to %s, and the window begins at %s", moment(h.at), moment(spans[0].from))}
	}
	var all []stretch
	for _, sp := range kept {
		all = append(all, sp.stretch())
	}
	if s.calm {
		for _, st := range all {
			sc.windows = append(sc.windows, []stretch{st})
		}
	} else {
		sc.windows = [][]stretch{all}
	}
	return sc
}

// A span is a stretch in the making.
type span struct {
	from, to time.Duration
	soft     bool // the end is where something else begins: its second does not belong here
}

func (sp span) stretch() stretch {
	st := stretch{from: sp.from, to: sp.to, first: ceilSecond(sp.from), last: ceilSecond(sp.to)}
	if sp.soft {
		st.last = sp.to.Truncate(time.Second)
	}
	st.last = max(st.last, st.first)
	return st
}

func ceilSecond(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// base is the time that a statement is about before its while clause: a
// phase, or the run without excluded phases.
func base(p journal.Plan, s statement) []span {
	if s.phase != "" {
		for _, ph := range p.Phases {
			if ph.Name == s.phase {
				return []span{{from: ph.Start, to: ph.End}}
			}
		}
		return nil
	}
	if len(p.Phases) == 0 {
		return []span{{to: p.Duration}}
	}
	phases := slices.Clone(p.Phases)
	slices.SortStableFunc(phases, func(a, b journal.PhasePlan) int { return cmp.Compare(a.Start, b.Start) })
	var spans []span
	for _, ph := range phases {
		if n := len(spans) - 1; ph.Exclude || ph.End <= ph.Start {
			continue
		} else if n >= 0 && spans[n].to >= ph.Start {
			spans[n].to = max(spans[n].to, ph.End)
		} else {
			spans = append(spans, span{from: ph.Start, to: ph.End})
		}
	}
	return spans
}

// faultSpans is when a fault was there, all its occurrences, or why that cannot
// be said.
func faultSpans(j *journal.Journal, name string) ([]span, string) {
	ineffective := map[int]bool{} // by occurrence
	for _, e := range j.Events() {
		if e.Kind == journal.FaultState && e.Name == name {
			switch e.State {
			case journal.FaultIneffective:
				ineffective[e.Occurrence] = true
			case journal.FaultEffective:
				ineffective[e.Occurrence] = false
			}
		}
	}
	there := j.FaultSpans(name)
	if len(there) == 0 {
		return nil, fmt.Sprintf("fault %s was never confirmed injected", name)
	}
	var spans []span
	for _, f := range there {
		if ineffective[f.Occurrence] {
			return nil, fmt.Sprintf("fault %s was injected, but no effect of it was seen", journal.FaultLabel(name, f.Occurrence))
		}
		plan, phaseEnd := faultPlan(j.Plan, name, f.Occurrence)
		sp := span{from: f.From, to: f.To}
		switch {
		case plan.OneShot:
			sp.to = max(sp.to, oneShotEnd(plan, phaseEnd, f.From))
		case f.Open:
			sp.to = max(sp.to, plan.At+plan.For)
		}
		spans = append(spans, sp)
	}
	return union(spans), ""
}

func faultPlan(p journal.Plan, name string, occurrence int) (plan journal.FaultPlan, phaseEnd time.Duration) {
	for _, f := range p.Faults {
		if f.Name == name && f.Occurrence == occurrence {
			plan = f
		}
	}
	for _, ph := range p.Phases {
		if ph.Name == plan.Phase {
			phaseEnd = ph.End
		}
	}
	return plan, phaseEnd
}

// oneShotEnd is until when a fault that cannot be undone is taken to be there.
// Nothing is left to undo the moment a process was killed, but what follows
// from it has only begun: its time runs to its planned end, or else to the end
// of its phase.
func oneShotEnd(f journal.FaultPlan, phaseEnd, from time.Duration) time.Duration {
	if f.For > 0 {
		return from + f.For
	}
	return phaseEnd
}

// disturbances is when any fault was there or on its way: from when it was
// requested, since it may bite before it is confirmed, until it was gone, or
// for ever when that was never seen. A fault that failed before it touched
// anything disturbs nothing after that.
func disturbances(j *journal.Journal) []span {
	type episode struct {
		span
		states []string
	}
	open := make(map[string]*episode)
	var spans []span
	for _, e := range j.Events() {
		if e.Kind != journal.FaultState {
			continue
		}
		label := journal.FaultLabel(e.Name, e.Occurrence)
		ep := open[label]
		if ep == nil {
			if e.State == journal.FaultGone {
				continue
			}
			ep = &episode{span: span{from: e.At}}
			open[label] = ep
		}
		ep.states, ep.to = append(ep.states, e.State), e.At
		if e.State == journal.FaultGone {
			if plan, phaseEnd := faultPlan(j.Plan, e.Name, e.Occurrence); plan.OneShot {
				ep.to = max(ep.to, oneShotEnd(plan, phaseEnd, ep.from))
			}
			spans = append(spans, ep.span)
			delete(open, label)
		}
	}
	for _, ep := range open {
		if !slices.Equal(ep.states, []string{journal.FaultRequested, journal.FaultFailed}) {
			ep.to = max(j.Plan.Duration, j.End()) + time.Second
		}
		spans = append(spans, ep.span)
	}
	return union(spans)
}

// union sorts spans and joins those that touch.
func union(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var out []span
	for _, sp := range spans {
		if n := len(out) - 1; n >= 0 && out[n].to >= sp.from {
			out[n].to = max(out[n].to, sp.to)
		} else {
			out = append(out, sp)
		}
	}
	return out
}

// intersect gives what is in both; each is sorted and without overlaps.
func intersect(a, b []span) []span {
	var out []span
	for _, x := range a {
		for _, y := range b {
			if sp := (span{from: max(x.from, y.from), to: min(x.to, y.to)}); sp.from < sp.to {
				out = append(out, sp)
			}
		}
	}
	return out
}

// subtract gives what is in a and not in b; each is sorted and without overlaps.
func subtract(a, b []span) []span {
	var out []span
	for _, x := range a {
		for _, y := range b {
			if y.to <= x.from || y.from >= x.to {
				continue
			}
			if x.from < y.from {
				out = append(out, span{from: x.from, to: y.from, soft: true})
			}
			x.from = y.to
		}
		if x.from < x.to {
			out = append(out, x)
		}
	}
	return out
}
