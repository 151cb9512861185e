package scenarios

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// mostOccurrences bounds how often one fault may come.
const mostOccurrences = 1000

// An occurrence is one time that a fault comes.
type occurrence struct {
	spec   *faultSpec
	choice *faultChoice
	plan   journal.FaultPlan
	lag    time.Duration // with after: how much later than those are over
}

// placing is how far a fault has come in being put on the clock.
type placing int

const (
	unplaced placing = iota
	placingNow
	placed
	misplaced
)

// checkComposition reports keys that say nothing without others, or contradict
// each other.
func (l *loader) checkComposition(spec *faultSpec) bool {
	o := spec.options
	ok := true
	wrong := func(key, message, hint string) {
		at, _ := spec.node.Get(key)
		l.d.Report(at, codeTimeline, message, hint)
		ok = false
	}
	for _, k := range []struct {
		key string
		set bool
	}{{"times", o.Times > 0}, {"jitter", o.Jitter > 0}} {
		if k.set && o.Every == 0 {
			wrong(k.key, k.key+" is about a fault that comes again, and there is no every", "add every: 30s, or remove "+k.key)
		}
	}
	if o.Every > 0 && o.Jitter >= o.Every {
		wrong("jitter", fmt.Sprintf("an occurrence may fall %s later, and the next is due after %s", decode.FormatDuration(o.Jitter), decode.FormatDuration(o.Every)), "give less jitter than every")
	}
	lasting := o.Follow || slices.ContainsFunc(spec.choices, func(c *faultChoice) bool { return !c.oneShot })
	switch {
	case !lasting && o.For > 0:
		wrong("for", "this fault is over at once, and there is nothing to undo: it has no length", "remove for")
	case !lasting && o.Until.value != "":
		wrong("until", "this fault is over at once, and there is nothing to undo: nothing can end it", "remove until")
	case lasting && o.Every > 0 && o.For == 0:
		wrong("every", "a fault that comes again must be over before, and this one has no for", "add for: "+decode.FormatDuration(max(time.Millisecond, (o.Every-o.Jitter)/2)))
	case lasting && o.Every > 0 && o.For+o.Jitter > o.Every:
		length := decode.FormatDuration(o.For)
		if o.Jitter > 0 {
			length += ", with up to " + decode.FormatDuration(o.Jitter) + " of jitter,"
		}
		wrong("every", fmt.Sprintf("it lasts %s and comes again every %s, before it is over", length, decode.FormatDuration(o.Every)), "at least every: "+decode.FormatDuration(o.For+o.Jitter))
	}
	return ok
}

// placeFaults puts every occurrence of every fault on the run's clock.
func (l *loader) placeFaults() {
	for _, spec := range l.faults {
		l.findAfter(spec)
	}
	for _, spec := range l.faults {
		l.place(spec, nil)
		l.occurrences = append(l.occurrences, spec.occurrences...)
	}
	slices.SortStableFunc(l.occurrences, func(a, b occurrence) int { return cmp.Compare(a.plan.At, b.plan.At) })
}

// findAfter finds the faults that must be over first.
func (l *loader) findAfter(spec *faultSpec) {
	for _, t := range spec.options.After {
		if t.value == "" {
			continue // reported
		}
		i := slices.IndexFunc(l.faults, func(f *faultSpec) bool { return f.name == t.value })
		if i >= 0 {
			spec.after = append(spec.after, l.faults[i])
			continue
		}
		var names []string
		for _, f := range l.faults {
			names = append(names, f.name)
		}
		l.unknown(t.Node, "fault", t.value, names)
		l.broken[spec.name] = true
	}
}

// place puts one fault on the clock, after those that it waits for. way are
// those that wait for it.
func (l *loader) place(spec *faultSpec, way []string) bool {
	switch spec.placed {
	case placed, misplaced:
		return spec.placed == placed
	case placingNow:
		at, _ := spec.node.Get("after")
		circle := append(way[slices.Index(way, spec.name):], spec.name)
		l.d.Report(at, codeTimeline, "faults wait for each other: "+strings.Join(circle, " after "), "let one of them start at a time: at: 10s")
		return false
	}
	spec.placed = placingNow
	good := !l.broken[spec.name] && spec.phase.For > 0
	for _, first := range spec.after {
		good = l.place(first, append(way, spec.name)) && good
	}
	good = good && l.placeOn(spec)
	spec.placed = placed
	if !good {
		spec.placed = misplaced
		l.broken[spec.name] = true
	}
	return good
}

// placeOn puts a fault on the clock whose predecessors are there.
func (l *loader) placeOn(spec *faultSpec) bool {
	o, p := spec.options, spec.phase
	at, hasAt := spec.node.Get("at")
	start := p.plan.Start
	for i, first := range spec.after {
		end, ok := first.plannedEnd()
		if !ok {
			l.d.Report(o.After[i].Node, codeTimeline, "fault "+first.name+" lasts until the run ends, so nothing comes after it", "give "+first.name+" a for or an until")
			return false
		}
		start = max(start, end)
	}
	start += o.At
	phaseEnd := p.plan.Start + p.For
	if start >= phaseEnd {
		if len(spec.after) == 0 {
			l.d.Report(at, codeTimeline, fmt.Sprintf("phase %s is over after %s, before this fault starts", p.Name, decode.FormatDuration(p.For)), "at counts from the phase's start")
			return false
		}
		if !hasAt {
			at, _ = spec.node.Get("after")
		}
		l.d.Report(at, codeTimeline, fmt.Sprintf("this fault would start at %s of the run at the earliest, and phase %s is over at %s", decode.FormatDuration(start), p.Name, decode.FormatDuration(phaseEnd)), "move it to a later phase")
		return false
	}
	return l.repeat(spec, start, phaseEnd)
}

// plannedEnd is when a fault is over if all goes as planned: the earliest, for
// one that a condition may end. False: not before the run is.
func (s *faultSpec) plannedEnd() (time.Duration, bool) {
	var end time.Duration
	for _, o := range s.occurrences {
		if o.plan.For == 0 && !o.plan.OneShot && o.plan.Until == "" {
			return 0, false
		}
		end = max(end, o.plan.At+o.plan.For)
	}
	return end, true
}

// repeat makes the occurrences of a fault whose first is due at start.
func (l *loader) repeat(spec *faultSpec, start, phaseEnd time.Duration) bool {
	o := spec.options
	jitter := rand.New(rand.NewPCG(l.seed("jitter", spec.name), 1))
	pick := rand.New(rand.NewPCG(l.seed("pick", spec.name), 1))
	runEnd := l.end()
	for k := 0; k == 0 || o.Every > 0 && (o.Times == 0 || k < o.Times); k++ {
		one := occurrence{spec: spec, choice: spec.choices[0]}
		due := start + time.Duration(k)*o.Every
		if o.Jitter > 0 {
			due += time.Duration(jitter.Int64N(int64(o.Jitter) + 1))
		}
		if len(spec.choices) > 1 {
			one.choice = spec.choices[pick.IntN(len(spec.choices))]
		}
		length := o.For
		if one.choice.oneShot && !o.Follow {
			length = 0
		}
		if due >= phaseEnd || due+length > runEnd {
			if k > 0 && o.Times == 0 {
				break // as many as there is time for
			}
			return l.tooLate(spec, k, due, length)
		}
		if k == mostOccurrences {
			every, _ := spec.node.Get("every")
			l.d.Report(every, codeTimeline, fmt.Sprintf("it would come more than %s times in phase %s", thousands(mostOccurrences), spec.phase.Name), "come less often, or say how many times")
			return false
		}
		one.lag = due - start + o.At
		one.plan = journal.FaultPlan{
			Name: spec.name, Occurrence: k + 1, Kind: one.choice.kind.Name, Phase: spec.phase.Name, At: due, For: length,
			OneShot: one.choice.oneShot, Until: o.Until.value, Follow: o.Follow,
			Random: o.Jitter > 0 || len(spec.choices) > 1, What: one.choice.kind.What(one.choice.config),
		}
		for _, first := range spec.after {
			one.plan.After = append(one.plan.After, first.name)
		}
		spec.occurrences = append(spec.occurrences, one)
	}
	if o.Every == 0 {
		spec.occurrences[0].plan.Occurrence = 0
	}
	return true
}

// tooLate reports an occurrence for which there is no time.
func (l *loader) tooLate(spec *faultSpec, k int, due, length time.Duration) bool {
	if k == 0 {
		at, _ := spec.node.Get("for")
		l.d.Report(at, codeTimeline, fmt.Sprintf("the run ends %s before this fault does", decode.FormatDuration(due+length-l.end())),
			"at most for: "+decode.FormatDuration(max(time.Millisecond, l.end()-due)))
		return false
	}
	times, _ := spec.node.Get("times")
	l.d.Report(times, codeTimeline, fmt.Sprintf("there is time for %d of its %d occurrences in phase %s", k, spec.options.Times, spec.phase.Name), fmt.Sprintf("at most times: %d, or come more often", k))
	return false
}

// readUntils reads the conditions that end faults.
func (l *loader) readUntils() []expectation {
	var all []expectation
	for _, spec := range l.faults {
		t := spec.options.Until
		if t.value == "" {
			continue
		}
		if o, ok := l.statement(t.Node, nil, nil); ok {
			spec.until = &expectation{objective: o, node: t.Node}
			for i := range l.occurrences {
				if l.occurrences[i].spec == spec {
					l.occurrences[i].plan.Until = o.Source()
				}
			}
			all = append(all, *spec.until)
		}
	}
	return all
}
