package tui

import (
	"fmt"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// roleOf is the colour beside a standing's word.
func roleOf(word string) role {
	switch word {
	case standingBroken:
		return bad
	case standingAtRisk, standingUnknown:
		return warn
	case standingHolding, standingHeld:
		return good
	}
	return dim
}

// objectiveLines is one line an objective: in the order of the plan where all
// fit, and otherwise what needs to be seen first.
func (s *screen) objectiveLines(w, h int) []row {
	if len(s.objectives) == 0 {
		return []row{{{" This scenario judges nothing: it has no objectives.", dim}}}
	}
	shown := s.objectives
	if len(shown) > h {
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b standing) int { return a.rank() - b.rank() })
	}
	source, observed := 0, 0
	for _, o := range shown {
		source = max(source, textWidth(o.source))
		observed = max(observed, textWidth(o.observed))
	}
	observed = min(observed, 12)
	const word, margin = 9, 10
	source = min(source, w-2-word-observed-2-margin)
	var lines []row
	for _, o := range shown {
		value := o.observed
		detail := o.margin
		if o.word == standingUnknown && detail == "" {
			detail = o.reason
		}
		as := plain
		if o.word == standingNotYet || o.word == standingHeld {
			as = dim
		}
		r := row{{" ", plain}, field(o.word, word, roleOf(o.word))}
		if value == "" && detail == "" {
			r = append(r, span{o.source, as})
		} else {
			r = append(r, field(o.source, source, as), span{" ", plain}, number(value, observed, plain), span{"  ", plain}, span{detail, dim})
		}
		lines = append(lines, r)
	}
	return lines
}

// faultWords says how a fault stands, and until when that is so.
func (s *screen) faultWords(f faultNow) (string, role) {
	since := func(words string) string { return words + " since " + clock(f.since) }
	until := ""
	if end := f.plan.At + f.plan.For; f.plan.For > 0 && !f.plan.OneShot {
		until = ", until " + clock(end)
	}
	switch f.state {
	case "":
		switch {
		case s.over():
			return "was never injected", warn
		case s.asked.undo || s.asked.stop || s.leaving:
			return "called off", dim
		case s.now >= f.plan.At:
			return "due", warn
		}
		return "waiting until " + clock(f.plan.At), dim
	case journal.FaultRequested:
		return since("being injected"), warn
	case journal.FaultInjected:
		return since("injected") + ", no effect seen yet", warn
	case journal.FaultEffective:
		return since("effective") + until, warn
	case journal.FaultIneffective:
		return "injected, but NO EFFECT seen", bad
	case journal.FaultUndone:
		return since("undone") + ", not yet verified", warn
	case journal.FaultGone:
		switch {
		case f.plan.OneShot:
			return "done " + clock(f.from) + ", nothing to undo", good
		case f.failed && !f.there:
			return since("failed to inject; gone"), bad
		case f.failed:
			return since("had no effect; gone"), bad
		}
		return since("gone"), good
	case journal.FaultConflict:
		return since("conflict: left alone"), bad
	case journal.FaultFailed:
		return since("FAILED"), bad
	case journal.FaultUnverified:
		return since("NOT VERIFIED GONE"), bad
	}
	return since(f.state), plain
}

// telling leaves out, of a fault that comes again and again, the occurrences
// that are over and were well, but for the last of them, and those to come, but
// for the next.
func telling(faults []faultNow) []faultNow {
	var out []faultNow
	done, next := map[string]int{}, map[string]bool{} // by name; done: where the last one that was well stands, from 1
	for _, f := range faults {
		name := f.plan.Name
		well := f.state == journal.FaultGone && !f.failed
		switch {
		case f.plan.Occurrence == 0:
		case f.state == "" && next[name]:
			continue
		case f.state == "":
			next[name] = true
		case well && done[name] > 0:
			out[done[name]-1] = f
			continue
		}
		out = append(out, f)
		if well && f.plan.Occurrence > 0 {
			done[name] = len(out)
		}
	}
	return out
}

// faultLines is a line a fault, and one more where something went wrong.
func (s *screen) faultLines(w int) []row {
	if len(s.faults) == 0 {
		return []row{{{" This scenario breaks nothing: it has no faults.", dim}}}
	}
	name := 6
	faults := telling(s.faults)
	for _, f := range faults {
		name = min(max(name, textWidth(clean(f.plan.Label()))+1), 18)
	}
	var lines []row
	for _, f := range faults {
		words, as := s.faultWords(f)
		r := row{{" ", plain}, field(clean(f.plan.Label()), name, strong), {words, as}}
		what := clean(f.plan.What)
		if room := w - r.width() - 2; room >= textWidth(what) {
			lines = append(lines, append(r, span{"  " + what, dim}))
		} else {
			lines = append(lines, r, row{field("", name+1, plain), {what, dim}})
		}
		switch f.state {
		case journal.FaultFailed, journal.FaultUnverified, journal.FaultConflict, journal.FaultIneffective:
			if f.text != "" {
				lines = append(lines, row{field("", name+1, plain), {f.text, bad}})
			}
		}
	}
	return lines
}

// probeLines is a line a probe: its last value, a line over time, and what it is.
func (s *screen) probeLines(w int) []row {
	if len(s.probes) == 0 {
		return []row{{{" This scenario watches nothing: it has no probes.", dim}}}
	}
	name := 6
	for _, p := range s.probes {
		name = min(max(name, textWidth(clean(p.plan.Name))+1), 18)
	}
	width := min(max(w-name-34, 8), 60)
	per := pitch(width, s.plan.Duration)
	var lines []row
	for _, p := range s.probes {
		r := row{{" ", plain}, field(clean(p.plan.Name), name, strong)}
		if p.read {
			r = append(r, number(reading(p.last, p.plan.Unit), 8, plain))
		} else {
			r = append(r, number("–", 8, dim))
		}
		columns := valueColumns(p.history, width, per, s.now)
		r = append(r, span{"  ", plain}, span{spark(columns, highest(columns)), accent}, span{"  ", plain})
		low, high := extremes(p.history)
		switch {
		case p.crashed:
			r = append(r, span{"CRASHED: " + p.trouble, bad})
		case p.trouble != "":
			r = append(r, span{"failed: " + p.trouble, bad})
		case !p.read:
			r = append(r, span{"no reading yet", dim})
		default:
			text := "always so"
			if low != high {
				text = fmt.Sprintf("%s to %s", reading(low, p.plan.Unit), reading(high, p.plan.Unit))
			}
			if age := s.now - p.at; age > 5*time.Second && !s.over() {
				text += ", read " + clock(age) + " ago"
			}
			r = append(r, span{text, plain}, span{"  " + clean(p.plan.What), dim})
		}
		lines = append(lines, r)
	}
	return lines
}

func extremes(history []value) (low, high float64) {
	for i, v := range history {
		if i == 0 {
			low, high = v.v, v.v
		}
		low, high = min(low, v.v), max(high, v.v)
	}
	return low, high
}

// logLines is what happened, the newest last.
func (s *screen) logLines() []row {
	if len(s.log) == 0 {
		return []row{{{" Nothing has happened yet.", dim}}}
	}
	lines := make([]row, 0, len(s.log))
	for _, e := range s.log[max(0, len(s.log)-logLength):] {
		lines = append(lines, row{{" " + clock(e.at) + "  ", dim}, {e.text, e.role}})
	}
	return lines
}

// helpPage explains keys and words, the most needed first: a low window shows
// no more than its first lines.
func (s *screen) helpPage(h int) []row {
	text := []struct{ key, does string }{
		{"U, ctrl+u", "undo every fault now; load goes on"},
		{"q, ctrl+c", "stop: no more load, undo faults, report"},
		{"q again", "do not wait for requests in flight"},
		{"p", "hold the display still; the run goes on"},
		{"tab, 1-5", "choose a pane, which gets more room"},
		{"up, down", "scroll it"},
		{"holding, held", "within the limit: so far, or for good"},
		{"at risk", "within 10% of it, or past it but may mend"},
		{"broken", "past the limit for good"},
		{"unknown", "over, and could not be measured"},
		{"offered", "arrivals due a second, by the plan"},
		{"achieved", "arrivals answered a second, well or badly"},
		{"p50, p99", "response times, counted from when due"},
		{"dropped", "arrivals given up unsent; they failed"},
		{"injected", "claimed; effective and gone were seen"},
		{"(phase)", "recorded, not judged"},
		{"shaded band", "a fault as planned; solid: as it was"},
		{"charts", "achieved solid below offered; p50 below p99"},
		{"brunt late", "brunt's own delay in sending, at p99"},
	}
	rows := make([]row, 0, h)
	for i := range h {
		var r row
		if i < len(text) {
			r = row{{" ", plain}, field(text[i].key, 15, strong), {text[i].does, plain}}
		}
		rows = append(rows, r.fit(s.width))
	}
	return rows
}
