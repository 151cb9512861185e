package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// tellCause says in one line what decided the verdict. What outranks comes
// first: a fault that may still be there, then what failed, then what keeps
// the run from meaning anything.
func (r *Report) tellCause() string {
	for _, f := range r.Faults {
		if f.Truth == FaultNotGone {
			return f.Text
		}
	}
	if r.Verdict == Fail {
		failed := r.inState(objective.Fail)
		cause := failed[0].Reason
		// "… was 929ms from 30s to 35s; the limit is 200ms."
		if what, limit, ok := strings.Cut(cause, "; "); ok {
			if during := r.during(failed[0].From, failed[0].To); during != "" {
				cause = what + ", " + during + "; " + limit
			}
		}
		if n := len(failed) - 1; n > 0 {
			cause += fmt.Sprintf(" %s failed too.", plural(int64(n), "other objective"))
		}
		return cause
	}
	if r.Verdict == Inconclusive {
		return r.whyInconclusive()[0]
	}
	return r.tellPass()
}

func (r *Report) tellPass() string {
	what := "nothing was asked to hold"
	switch n := int64(len(r.Objectives)); n {
	case 0:
	case 1:
		what = "the one objective held"
	default:
		what = fmt.Sprintf("all %d objectives held", n)
	}
	if n := len(r.Faults); n > 0 {
		what += fmt.Sprintf(", through %s that took effect and %s gone", plural(int64(n), "fault"), map[bool]string{true: "is", false: "are"}[n == 1])
	}
	return sentence(upper(what))
}

// whyInconclusive gives every reason, most telling first; there is at least one.
func (r *Report) whyInconclusive() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, sentence(fmt.Sprintf(format, args...))) }
	switch {
	case r.Run.State == unfinished:
		say("The journal ends at %s without saying how the run ended", moment(r.Run.Ended))
	case r.Run.State != completed && len(r.Run.Aborts) > 0:
		say("The run was aborted at %s of %s: %s", moment(r.Run.Ended), moment(r.Run.Planned), r.Run.Aborts[0])
	case r.Run.State != completed:
		say("The run was %s at %s of %s: %s", r.Run.State, moment(r.Run.Ended), moment(r.Run.Planned), cmp.Or(r.Run.Text, "nothing says why"))
	}
	out = append(out, r.lost...)
	if r.Trust.Bottleneck || r.Trust.Unwatched {
		what := "The generator was the bottleneck, so this run cannot pass"
		if r.Trust.Unwatched {
			what = "This run cannot pass"
		}
		if len(r.Trust.Problems) > 0 {
			what += ": " + lower(r.Trust.Problems[0])
		}
		say("%s", what)
	}
	for _, f := range r.Faults {
		if f.Truth != FaultProven {
			say("%s", f.Text)
		}
	}
	for _, o := range r.inState(objective.Unknown) {
		say("It is not known whether %s held: %s", o.Source, lower(o.Reason))
	}
	if len(r.Damage) > 0 {
		say("Part of the journal could not be read: %s", r.Damage[0])
	}
	if len(r.Objectives) == 0 && !r.anySuccess() {
		say("No operation succeeded, and nothing was asked to hold")
	}
	return out
}

// inState gives the objectives in a state, those whose window began first
// before the others.
func (r *Report) inState(s objective.State) []Objective {
	var out []Objective
	for _, o := range r.Objectives {
		if o.State == s {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b Objective) int { return cmp.Compare(a.From, b.From) })
	return out
}

// during names the faults that were there in a window.
func (r *Report) during(from, to time.Duration) string {
	var names []string
	for _, f := range r.Faults {
		if f.to > 0 && (span{f.from, f.to}).overlaps(from, to) && !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "while " + list(names) + " " + wasWere(int64(len(names))) + " there"
}

// The most of each thing that is told one by one.
const (
	maxTold      = 5
	minorErrors  = 0.5 // a class makes up more than that of the failures to be named as what they were
	effectWindow = 30 * time.Second
)

// tellWhy gives the sentences below the cause. Each comes from one rule, and
// each from figures that the report also shows.
func (r *Report) tellWhy(j *journal.Journal) []string {
	var out []string
	say := func(s string) {
		if s = sentence(s); s != "" && s != r.Cause && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	failed := r.inState(objective.Fail)
	for i, o := range failed {
		if i == maxTold {
			say(fmt.Sprintf("%s more failed", plural(int64(len(failed)-i), "objective")))
			break
		}
		window := r.tellWindow(j, o)
		if i == 0 {
			// The cause is this failure, and names the faults.
			if window != "" {
				say(fmt.Sprintf("From %s, %s", between(o.From, o.To), window))
			}
			continue
		}
		if d := r.during(o.From, o.To); d != "" {
			window = strings.TrimPrefix(d+"; "+window, "while ")
		}
		say(sentence(tellFailure(o)) + " " + sentence(strings.TrimSuffix(window, "; ")))
	}
	if r.Verdict == Inconclusive {
		reasons := r.whyInconclusive()
		for i, s := range reasons {
			if i == maxTold {
				say(fmt.Sprintf("%s more like these", plural(int64(len(reasons)-i), "reason")))
				break
			}
			say(s)
		}
	}
	if h := r.Trust.HeldBack; h != nil && !h.Own {
		say(h.Text)
	}
	for _, name := range r.loads {
		say(r.tellLoad(name))
	}
	for _, name := range r.faultNames() {
		if all := r.occurrences(name); len(all) > maxTold {
			say(r.tellRepeated(j, name, all))
			continue
		}
		for _, f := range r.occurrences(name) {
			if f.Truth != FaultProven {
				say(f.Text)
			}
			if f.Truth != FaultNotInjected {
				say(r.tellEffect(j, f))
			}
		}
	}
	for _, name := range r.probes {
		p := r.Probes[name]
		say(p.Story)
		if p.Crashed != "" {
			say(fmt.Sprintf("the probe %s gave up: %s", name, p.Crashed))
		} else if p.Failures > 0 {
			say(p.tellFailures(name))
		}
	}
	if r.Verdict == Pass {
		say(upper(r.tellClosest()))
	}
	return out
}

func tellFailure(o Objective) string {
	s := strings.TrimSuffix(o.Reason, ".")
	if o.Margin != "" && !strings.Contains(s, o.Margin) {
		s += " (" + o.Margin + ")"
	}
	return s
}

// tellWindow says what else went on in the window of a failure, besides faults.
func (r *Report) tellWindow(j *journal.Journal, o Objective) string {
	var parts []string
	if load, step := subject(o.Source); load != "" && r.Loads[load] != nil {
		s := span{o.From, o.To}.seconds()
		w := j.Window(load, step, s.from, s.to)
		if failed := w.Failed(); failed > 0 {
			part := fmt.Sprintf("%s of %s failed", count(failed), plural(w.Ops(), "operation"))
			if class, n := dominant(w.Classes()); float64(n) > minorErrors*float64(failed) {
				part += fmt.Sprintf(", %s of them %s", most(n, failed), classWords(class))
			}
			parts = append(parts, part)
		}
	}
	for _, name := range r.probes {
		p := r.Probes[name]
		events := j.Readings(name, o.From, o.To)
		if _, changes := moves(events); changes > 0 {
			parts = append(parts, tellReadings(name, p.Unit, events))
		}
	}
	return strings.Join(parts, "; ")
}

func most(n, of int64) string {
	if n == of {
		return "all"
	}
	return percent(float64(n) / float64(of))
}

// dominant is the class that occurred most, the first by name of equals.
func dominant(classes map[string]int64) (class string, n int64) {
	for _, c := range slices.Sorted(maps.Keys(classes)) {
		if classes[c] > n {
			class, n = c, classes[c]
		}
	}
	return class, n
}

// classWords says an error class as people would.
func classWords(class string) string {
	switch class {
	case "dns":
		return "names that did not resolve"
	case "refused":
		return "refused connections"
	case "connect":
		return "connections that could not be made"
	case "tls":
		return "failed TLS handshakes"
	case "reset":
		return "connections reset or closed half-way"
	case "timeout":
		return "timeouts"
	case "protocol":
		return "answers that break the protocol"
	case "status":
		return "unexpected statuses"
	case "check":
		return "failed checks"
	case journal.OutcomeDropped:
		return "dropped because they could not be sent in time"
	case localClass:
		return "failures on brunt's own side"
	}
	return class
}

// subject is the load and step that an objective is about; empty for a probe.
func subject(source string) (load, step string) {
	o, err := objective.Compile(source)
	if err != nil {
		return "", ""
	}
	load, step, _ = o.Metric()
	return load, step
}

// tellLoad accounts for the arrivals of a load.
func (r *Report) tellLoad(name string) string {
	l := r.Loads[name]
	if l.Offered == 0 {
		return fmt.Sprintf("%s offered no load", name)
	}
	s := fmt.Sprintf("%s offered %s", name, plural(l.Offered, "arrival"))
	switch {
	case l.Dropped > 0:
		s += fmt.Sprintf(", %s of them dropped unsent", count(l.Dropped))
	case l.Sent == l.Offered:
		s += ", all of them sent"
	default:
		s += fmt.Sprintf(", %s of them sent", count(l.Sent))
	}
	if l.Lost > 0 {
		s += fmt.Sprintf(", %s lost with a worker", count(l.Lost))
	}
	failed := int64(0)
	for _, n := range l.Errors {
		failed += n
	}
	switch {
	case l.Operations == 0:
		s += "; no operation ended"
	case failed == 0:
		s += fmt.Sprintf("; all %s succeeded", plural(l.Operations, "operation"))
	default:
		class, n := dominant(l.Errors)
		share := count(failed) + " of " + plural(l.Operations, "operation")
		if failed == l.Operations {
			share = "all " + plural(l.Operations, "operation")
		}
		s += fmt.Sprintf("; %s failed, %s of them %s", share, most(n, failed), classWords(class))
	}
	return s
}

func wasWere(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

// tellEffect compares each load just before a fault with the time in which it
// was there and the next fault was not yet.
func (r *Report) tellEffect(j *journal.Journal, f Fault) string {
	if f.to <= f.from {
		return f.Text
	}
	during := span{f.from, min(f.to, r.Run.Ended)}
	until := "was there"
	for _, other := range r.Faults {
		if other.from > during.from && other.from < during.to {
			during.to = other.from
			until = "was there and " + other.Label() + " was not yet"
		}
	}
	during = during.seconds()
	before := r.before(f)
	var parts []string
	for _, name := range r.loads {
		a, b := j.Window(name, "", before.from, before.to), j.Window(name, "", during.from, during.to)
		p, ok := a.Quantile(journal.Response, journal.All, 99)
		q, ok2 := b.Quantile(journal.Response, journal.All, 99)
		if !ok || !ok2 {
			continue
		}
		part := fmt.Sprintf("%s had a p99 of %s (%s before)", name, duration(q), duration(p))
		if n := b.Failed(); n > 0 {
			part += fmt.Sprintf(", and %s of %s failed", count(n), plural(b.Ops(), "operation"))
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return f.Text
	}
	name := f.Label()
	if f.What != "" {
		name += " (" + f.What + ")"
	}
	return fmt.Sprintf("While %s %s, %s", name, until, strings.Join(parts, "; "))
}

// before is what to compare the time of a fault with: up to effectWindow
// before it, in the same phase where that leaves two seconds, since load
// changes between phases.
func (r *Report) before(f Fault) span {
	s := span{max(0, f.from-effectWindow), f.from.Truncate(time.Second)}
	for _, ph := range r.Phases {
		if ph.Name == f.Phase && s.to-ph.Start >= 2*time.Second {
			s.from = max(s.from, ph.Start)
		}
	}
	s.from = ceilSecond(s.from)
	return s
}

// tellClosest names the objective that came nearest to failing, by its margin.
func (r *Report) tellClosest() string {
	best, share := "", 2.0
	for _, o := range r.Objectives {
		var p float64
		if _, err := fmt.Sscanf(o.Margin, "%g%%", &p); (err == nil || o.Margin == "at the limit") && p/100 < share {
			best, share = fmt.Sprintf("closest to failing was %s: %s, %s", o.Source, o.Observed, o.Margin), p/100
		}
	}
	return best
}

// upper starts a sentence with a capital.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// lower starts what follows a colon without a capital, unless that is a name
// in capitals.
func lower(s string) string {
	if len(s) < 2 || s[1] >= 'A' && s[1] <= 'Z' {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
