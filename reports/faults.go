package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

const notPlayed = "not_played"

// faultTruth follows one fault through its events. ended is whether the
// journal says how the run ended: where it does not, brunt may have died
// between asking for a fault and noting that it was there.
func faultTruth(p journal.FaultPlan, j *journal.Journal, ended bool) Fault {
	f := Fault{Name: p.Name, Occurrence: p.Occurrence, Kind: p.Kind, What: p.What, Phase: p.Phase, OneShot: p.OneShot,
		At: p.At, For: p.For, Targets: []string{}, State: notPlayed}
	touched, gone, effective, doubted := false, false, false, false
	var said []string
	for _, e := range j.Events() {
		if e.Kind != journal.FaultState || e.Name != p.Name || e.Occurrence != p.Occurrence {
			continue
		}
		f.State = e.State
		for _, target := range e.Targets {
			if !slices.Contains(f.Targets, target) {
				f.Targets = append(f.Targets, target)
			}
		}
		if e.Text != "" {
			said = append(said, e.Text)
		}
		at := e.At
		switch e.State {
		case journal.FaultRequested:
			first(&f.Requested, at)
		case journal.FaultInjected:
			first(&f.Injected, at)
			touched, gone = true, false
		case journal.FaultEffective:
			first(&f.Effective, at)
			touched, gone, effective, doubted = true, false, true, false
		case journal.FaultIneffective:
			first(&f.Ineffective, at)
			touched, doubted = true, true
		case journal.FaultFollowed:
			touched = true
		case journal.FaultUndone:
			f.Undone = &at
			touched = true
		case journal.FaultGone:
			f.Gone = &at
			gone = true
		case journal.FaultFailed:
			// Without targets it failed before it had any.
			touched = touched || len(e.Targets) > 0
		default:
			touched = true
		}
	}
	pending := !ended && f.State == journal.FaultRequested
	switch {
	case f.State == notPlayed, !touched && !gone && !pending:
		f.Truth = FaultNotInjected
	case !gone && !p.OneShot:
		f.Truth = FaultNotGone
	case !effective || doubted:
		f.Truth = FaultIneffective
	default:
		f.Truth = FaultProven
	}
	f.there(j)
	f.Text = f.tell(said)
	return f
}

func first(at **time.Duration, t time.Duration) {
	if *at == nil {
		*at = &t
	}
}

// there settles when the fault was there, as far as is known.
func (f *Fault) there(j *journal.Journal) {
	s, ok := j.FaultSpan(f.Name, f.Occurrence)
	if !ok {
		return
	}
	f.from, f.to = s.From, s.To
	if f.OneShot {
		f.to = max(f.to, f.from+f.For)
		if f.For == 0 {
			if ph, ok := j.Phase(f.Phase); ok {
				f.to = max(f.to, ph.End)
			}
		}
	}
}

// tell says in a sentence what became of the fault.
func (f *Fault) tell(said []string) string {
	var b strings.Builder
	name := f.Label()
	if f.What != "" {
		name += " (" + f.What + ")"
	}
	b.WriteString(name)
	last := ""
	if len(said) > 0 {
		last = said[len(said)-1]
	}
	switch {
	case f.State == notPlayed:
		b.WriteString(" was not played: the run ended before its time")
	case f.Truth == FaultNotInjected:
		b.WriteString(" was not injected")
		if last != "" {
			b.WriteString(": " + last)
		}
	default:
		if f.Injected != nil {
			fmt.Fprintf(&b, " was injected at %s", moment(*f.Injected))
		} else {
			b.WriteString(" was requested")
			if f.Requested != nil {
				fmt.Fprintf(&b, " at %s", moment(*f.Requested))
			}
		}
		join := ", and"
		switch {
		case f.Effective != nil && f.Injected != nil:
			fmt.Fprintf(&b, ", seen in effect %s later", duration(*f.Effective-*f.Injected))
		case f.Effective != nil:
			fmt.Fprintf(&b, ", seen in effect at %s", moment(*f.Effective))
		case f.Truth == FaultIneffective:
			b.WriteString(", but no effect of it was seen")
			join = "; it was"
		}
		switch {
		case f.Truth == FaultNotGone:
			b.WriteString("; it is not verified gone")
			if last != "" {
				b.WriteString(": " + last)
			}
		case f.OneShot:
			b.WriteString("; there is nothing to undo")
		case f.Gone != nil:
			fmt.Fprintf(&b, "%s verified gone at %s", join, moment(*f.Gone))
		}
	}
	return sentence(b.String())
}
