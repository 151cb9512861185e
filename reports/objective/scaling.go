package objective

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/scaling"
)

// scalingStat is a metric of how an autoscaler reacted; subject.scaling says
// which.
const scalingStat stat = "scaling"

// The metrics of an autoscaler's reaction, in the order of the docs.
const (
	firstDecision = "first_decision"
	firstScale    = "first_scale"
	firstReady    = "first_ready"
	firstServed   = "first_served"
	toCapacity    = "capacity"
	mostReplicas  = "replicas"
	overshoot     = "overshoot"
	flaps         = "flaps"
	underTime     = "under"
	overTime      = "over"
	accuracyUnder = "accuracy_under"
	accuracyOver  = "accuracy_over"
	instability   = "instability"
	shortSeconds  = "short"
	wastedSeconds = "wasted"
	cost          = "cost"
	backTo        = "back_to"
)

var scalingWords = []string{firstDecision, firstScale, firstReady, firstServed, toCapacity, mostReplicas, overshoot, flaps,
	underTime, overTime, accuracyUnder, accuracyOver, instability, shortSeconds, wastedSeconds, cost, backTo}

// scalingUnit is the unit of a metric of an autoscaler's reaction.
func scalingUnit(word string) unit {
	switch word {
	case firstDecision, firstScale, firstReady, firstServed, toCapacity, backTo:
		return duration
	case overshoot, underTime, overTime, accuracyUnder, accuracyOver, instability:
		return ratio
	}
	return plain
}

// stageOf is the stage of a waterfall that a metric is about.
var stageOf = map[string]string{
	firstDecision: scaling.Decided, firstScale: scaling.Created, firstReady: scaling.Ready, firstServed: scaling.Served, toCapacity: scaling.Capacity,
}

// scalingFrom reads PROBE.scaling.METRIC; false when the parts are about
// something else: a load may have a step of that name.
func (p *parser) scalingFrom(s *subject, first part, rest []part) (bool, *SyntaxError) {
	if len(rest) == 0 || rest[0].quoted || rest[0].text != "scaling" {
		return false, nil
	}
	if len(rest) == 1 {
		return true, errorAt(rest[0].offset, rest[0].length, "scaling of what?").
			hint("add a metric: %s.scaling.%s; the metrics are %s", Name(s.name), firstReady, strings.Join(scalingWords, ", "))
	}
	word := rest[1]
	if !slices.Contains(scalingWords, word.text) {
		if reserved(strings.SplitN(word.text, ".", 2)[0]) {
			return false, nil // of a step called scaling
		}
		e := errorAt(word.offset, word.length, "no metric of an autoscaler is called %q", word.text)
		if near := suggest(word.text, scalingWords); near != "" {
			return true, e.hint("did you mean %s?", near)
		}
		return true, e.hint("the metrics are %s", strings.Join(scalingWords, ", "))
	}
	s.stat, s.role, s.scaling = scalingStat, Probe, word.text
	p.refer(s.role, s.name, first.offset, first.length)
	rest = rest[2:]
	if s.scaling == backTo {
		if len(rest) == 0 || !allDigits(rest[0].text) || len(rest[0].text) > 6 {
			return true, errorAt(word.offset, word.length, "back_to takes a number of replicas").hint("as in %s.scaling.back_to.3 <= 10m", Name(s.name))
		}
		s.count = strings.TrimLeft(rest[0].text, "0")
		if s.count == "" {
			s.count = "0"
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return true, errorAt(rest[0].offset, rest[0].length, "nothing can follow %s", s.scaling)
	}
	return true, nil
}

// checkScaling refuses clauses that mean nothing for an autoscaler.
func (p *parser) checkScaling(s *statement) *SyntaxError {
	if s.subject.stat != scalingStat {
		return nil
	}
	refuse := func(clause string) *SyntaxError {
		at := max(strings.LastIndex(p.src, " "+clause+" ")+1, 0)
		return errorAt(at, len(clause), "%q does not go with what an autoscaler did", clause).hint("only in PHASE does: the steps of the load that begin in that phase")
	}
	switch {
	case s.within != 0:
		return refuse("within")
	case s.after != 0:
		return refuse("after")
	case s.fault != "" || s.calm:
		return refuse("while")
	case s.hold != 0:
		return refuse("for")
	}
	return nil
}

// judgeScaling judges a metric of an autoscaler's reaction.
func (s statement) judgeScaling(f *Finding, j *journal.Journal) {
	a := scaling.Analyse(j, s.subject.name)
	spans := a.Judged
	if s.phase != "" {
		if ph, ok := j.Phase(s.phase); ok {
			spans = []scaling.Span{{From: ph.Start, To: ph.End}}
		}
	}
	if len(spans) == 0 {
		f.Reason = "No part of the run is judged: every phase is excluded."
		return
	}
	f.From, f.To = spans[0].From, spans[len(spans)-1].To
	if a.Ready == nil && a.Desired == nil {
		why := ""
		if gaps := journal.Gaps(j.Readings(s.subject.name, f.From, f.To)); len(gaps) > 0 {
			why = ": " + gaps[len(gaps)-1].Text
		}
		f.Reason = sentence(fmt.Sprintf("the probe %s read nothing%s", s.subject.name, why))
		return
	}
	if a.End <= f.From {
		f.Reason = sentence(fmt.Sprintf("the run got to %s, and the window begins at %s", moment(a.End), moment(f.From)))
		return
	}
	switch s.subject.scaling {
	case backTo:
		s.judgeBack(f, a)
	case firstDecision, firstScale, firstReady, firstServed, toCapacity:
		s.judgeStages(f, a, spans)
	default:
		s.judgeMeasure(f, a, spans)
	}
}

// judgeStages judges how long each step up in the window took to a stage; the
// worst decides.
func (s statement) judgeStages(f *Finding, a *scaling.Analysis, spans []scaling.Span) {
	var unknown, censored, worst *scaling.Stage
	var at [3]*scaling.Step // the steps of these three
	n, absorbed, doubtful := int64(0), 0, false
	for i := range a.Steps {
		step := &a.Steps[i]
		if !step.Up || !inSpans(spans, step.Start) {
			continue
		}
		st := step.Stage(stageOf[s.subject.scaling])
		switch {
		case st.State == scaling.Unneeded || step.Absorbed:
			absorbed++
			continue
		case st.State == scaling.Unknown && unknown == nil:
			unknown, at[0] = st, step
		case st.State == scaling.Not && (censored == nil || st.After > censored.After):
			censored, at[1] = st, step
		case st.State == scaling.Reached && (worst == nil || s.badness(float64(st.After)) > s.badness(float64(worst.After))):
			worst, at[2] = st, step
		}
		n++
	}
	f.Samples = n
	cut := !a.Complete && a.End < f.To
	if worst != nil {
		s.observe(f, *worst, at[2])
		doubtful = s.hold3(*worst) == Unknown
	}
	what := s.subject.String()
	switch {
	case worst != nil && s.hold3(*worst) == Fail:
		f.State = Fail
		f.Reason = sentence(fmt.Sprintf("%s was %s after the step to %s at %s%s; %s", what, f.Observed, rateOf(at[2], a), moment(at[2].Start), by(*worst), s.must(measured{value: float64(worst.After)})))
	case censored != nil:
		s.observe(f, *censored, at[1])
		f.State = Fail
		f.Reason = sentence(fmt.Sprintf("%s was at least %s after the step to %s at %s: %s", what, moment(censored.After), rateOf(at[1], a), moment(at[1].Start), censored.Text))
	case unknown != nil:
		f.Reason = sentence(fmt.Sprintf("%s after the step to %s at %s is not known: %s", what, rateOf(at[0], a), moment(at[0].Start), unknown.Text))
	case doubtful:
		f.Reason = sentence(fmt.Sprintf("%s was %s, and the limit of %s lies within the doubt", what, f.Observed, s.high))
	case n == 0 && absorbed > 0:
		f.Reason = sentence("what was there was enough for every step of the load in the window, so there was nothing to react to")
	case n == 0 && cut:
		f.Reason = sentence(fmt.Sprintf("the run got to %s only, and no step of the load came before", moment(a.End)))
	case n == 0:
		f.Reason = "The load never steps up in the window, so there was nothing to react to."
	case cut:
		f.Reason = sentence(fmt.Sprintf("what was seen holds, but the run got to %s only, and the window goes on", moment(a.End)))
	default:
		f.State = Pass
		f.Reason = sentence(fmt.Sprintf("%s was %s after the step to %s at %s%s; %s", what, f.Observed, rateOf(at[2], a), moment(at[2].Start), by(*worst), s.must(measured{value: float64(worst.After)})))
	}
}

// hold3 compares a time and its doubt with the limit.
func (s statement) hold3(st scaling.Stage) State {
	low := s.holds(measured{value: float64(max(0, st.After-st.Within))})
	high := s.holds(measured{value: float64(st.After + st.Within)})
	switch {
	case low && high:
		return Pass
	case !low && !high && s.holds(measured{value: float64(st.After)}) == low:
		return Fail
	}
	return Unknown
}

// observe puts a time into the finding.
func (s statement) observe(f *Finding, st scaling.Stage, step *scaling.Step) {
	m := measured{value: float64(st.After)}
	f.Value, f.Observed, f.Margin = m.value, s.observed(m.value), s.margin(m)
	if st.State == scaling.Not {
		f.Observed, f.Margin = "≥ "+moment(st.After), "not reached"
	} else if st.Within >= 10*time.Millisecond {
		f.Observed += " ±" + durationDigits(float64(st.Within), 2)
	}
	f.From, f.To = step.Start, max(step.Start+st.After, step.Start+1)
}

func rateOf(step *scaling.Step, a *scaling.Analysis) string {
	if a.Unit == "users" {
		return significant(step.To, 4) + " users"
	}
	return significant(step.To, 4) + "/s"
}

func by(st scaling.Stage) string {
	if st.Object == "" {
		return ""
	}
	return " (" + st.Object + ")"
}

func inSpans(spans []scaling.Span, t time.Duration) bool {
	return slices.ContainsFunc(spans, func(s scaling.Span) bool { return s.From <= t && t < s.To })
}

// judgeBack judges how long it took to come back to a number of replicas.
func (s statement) judgeBack(f *Finding, a *scaling.Analysis) {
	var n float64
	if _, err := fmt.Sscan(s.subject.count, &n); err != nil {
		f.Reason = "The number of replicas cannot be read."
		return
	}
	step, st := a.Back(n, f.From)
	if st.State == scaling.Unknown {
		f.Reason = sentence(fmt.Sprintf("%s is not known: %s", s.subject, st.Text))
		return
	}
	s.observe(f, st, step)
	f.Samples = 1
	switch held := s.hold3(st); {
	case st.State == scaling.Not:
		f.State = Fail
		f.Reason = sentence(fmt.Sprintf("%s was at least %s from the step down at %s: %s", s.subject, moment(st.After), moment(step.Start), st.Text))
	case held == Unknown:
		f.Reason = sentence(fmt.Sprintf("%s was %s, and the limit of %s lies within the doubt", s.subject, f.Observed, s.high))
	default:
		f.State = held
		f.Reason = sentence(fmt.Sprintf("%s was %s from the step down at %s; %s", s.subject, f.Observed, moment(step.Start), s.must(measured{value: float64(st.After)})))
	}
}

// judgeMeasure judges what is added up over the window.
func (s statement) judgeMeasure(f *Finding, a *scaling.Analysis, spans []scaling.Span) {
	m := a.Measure(spans)
	var v *float64
	switch s.subject.scaling {
	case mostReplicas:
		v = m.Most
	case overshoot:
		v = m.Overshoot
	case flaps:
		if m.Flaps != nil {
			n := float64(*m.Flaps)
			v = &n
		}
	case underTime:
		v = m.UnderTime
	case overTime:
		v = m.OverTime
	case accuracyUnder:
		v = m.Under
	case accuracyOver:
		v = m.Over
	case instability:
		v = m.Instability
	case shortSeconds:
		v = m.Short
	case wastedSeconds:
		v = m.Wasted
	case cost:
		v = m.Cost
	}
	what := s.subject.String()
	if v == nil {
		f.Reason = sentence(fmt.Sprintf("%s is not known: %s", what, s.whyNot(a, m)))
		return
	}
	x := measured{ok: true, value: *v}
	f.Value, f.Observed, f.Margin = *v, s.observed(*v), s.margin(x)
	var whole time.Duration
	for _, span := range spans {
		whole += max(0, min(span.To, a.End)-span.From)
	}
	f.Samples = int64(whole / time.Second)
	cut := !a.Complete && a.End < f.To
	where := fmt.Sprintf("from %s to %s", moment(f.From), moment(min(f.To, a.End)))
	holds := s.holds(x)
	grows := slices.Contains([]string{mostReplicas, flaps, overshoot, shortSeconds, wastedSeconds, cost}, s.subject.scaling)
	switch {
	case !holds && cut && !(grows && s.tooHigh(x)):
		f.Reason = sentence(fmt.Sprintf("what was seen decides nothing yet: the run got to %s only, and the window goes on", moment(a.End)))
	case !holds:
		f.State = Fail
		f.Reason = sentence(fmt.Sprintf("%s was %s %s; %s", what, f.Observed, where, s.must(x)))
	case tooBlind(m.Blind, whole):
		f.Reason = sentence(fmt.Sprintf("what was seen holds, but the probe saw nothing for %s of the window", length(m.Blind.Round(100*time.Millisecond))))
	case cut:
		f.Reason = sentence(fmt.Sprintf("what was seen holds, but the run got to %s only, and the window goes on", moment(a.End)))
	default:
		f.State = Pass
		f.Reason = sentence(fmt.Sprintf("%s was %s %s; %s", what, f.Observed, where, s.must(x)))
	}
}

// whyNot says why a measure is not known.
func (s statement) whyNot(a *scaling.Analysis, m scaling.Measures) string {
	switch {
	case m.Most == nil:
		return "the probe saw no replicas in the window"
	case s.subject.scaling == cost:
		return "the probe has no price"
	case a.Wanted == nil:
		return a.Basis
	case s.subject.scaling == overshoot:
		return "the load never steps up in the window"
	}
	return "there is nothing to measure in the window"
}
