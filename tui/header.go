package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// stateWord is what the run is doing, in a word or two.
func (s *screen) stateWord() string {
	switch {
	case s.ended && s.state != "":
		return "ended: " + s.state
	case s.over():
		return "ended"
	case s.asked.stop || s.leaving:
		return "stopping"
	case s.aborting != "":
		return "aborting"
	case !s.started:
		return "starting"
	case s.now >= s.plan.Duration:
		return "finishing"
	}
	return "running"
}

// quitWord is what q does next.
func (s *screen) quitWord() string {
	switch {
	case s.over():
		return "leave"
	case s.asked.hurry:
		return "(stopping)"
	case s.asked.stop:
		return "do not wait"
	}
	return "stop the run"
}

// header is the line at the top. What the run is doing, and for how long,
// always shows; the rest gives way.
func (s *screen) header() row {
	state := s.stateWord()
	if s.paused {
		state += ", DISPLAY PAUSED"
	}
	now := fmt.Sprintf("%s of %s ", clock(s.now), clock(s.plan.Duration))
	name, phase := clean(s.plan.Name), ""
	if p, ok := s.playing(); ok && !s.over() {
		phase = fmt.Sprintf("%s, %s left   ", clean(p.Name), clock(max(p.End-s.now, 0)+time.Second-1))
	}
	brand := " brunt  "
	room := func() int {
		return s.width - textWidth(brand) - textWidth(state) - textWidth(phase) - textWidth(now) - 4
	}
	if room() < textWidth(name) {
		brand = " "
	}
	if room() < min(textWidth(name), 12) {
		phase = ""
	}
	name = cut(name, room())
	return row{{brand + name + "  " + state, bar}, {strings.Repeat(" ", max(s.width-textWidth(brand+name+state+phase+now)-2, 0)), bar}, {phase + now, bar}}.fit(s.width)
}

// playing is the phase being played.
func (s *snapshot) playing() (journal.PhasePlan, bool) {
	for _, p := range s.plan.Phases {
		if p.Name == s.phase && s.phase != "" {
			return p, true
		}
	}
	return journal.PhasePlan{}, false
}

// banner is what has to be read now: at most two lines.
func (s *screen) banner() []row {
	var rows []row
	say := func(as role, format string, args ...any) {
		if len(rows) < 2 {
			rows = append(rows, row{{" " + fmt.Sprintf(format, args...), as}})
		}
	}
	var present []string
	for _, f := range s.faults {
		if f.present() {
			present = append(present, clean(f.plan.Name))
		}
	}
	if s.over() {
		s.ending(say, present)
		return rows
	}
	inFlight := int64(0)
	for _, l := range s.loads {
		inFlight += l.inFlight
	}
	switch {
	case s.asked.hurry:
		say(warn, "Stopping without waiting for requests. Faults are still undone%s.", listed(present, ": "))
	case s.asked.stop || s.leaving:
		say(warn, "Stopping, undoing faults%s. q again: do not wait for the %d in flight.", listed(present, ": "), inFlight)
	case s.aborting != "":
		say(bad, "The run stops itself: %s", s.aborting)
	}
	if s.asked.undo && !s.asked.stop {
		if len(present) > 0 {
			say(warn, "Undoing %s%s. No more will be injected. Load goes on.", plural(len(present), "fault"), listed(present, ": "))
		} else {
			say(good, "No fault is in place; no more will be injected. Load goes on.")
		}
	}
	if s.silent > 0 {
		say(bad, "Nothing has come from the run for %s.", clock(s.silent))
	}
	if s.missed > 0 {
		say(warn, "The display could not keep up: it misses %d pieces, so its numbers may be off. The record has them.", s.missed)
	}
	return rows
}

// ending says how the run ended.
func (s *screen) ending(say func(role, string, ...any), present []string) {
	faults := ""
	switch {
	case len(present) > 0:
		faults = fmt.Sprintf(" NOT VERIFIED GONE: %s.", strings.Join(present, ", "))
	case len(s.faults) > 0:
		faults = " No fault is left in place."
	}
	tally := ""
	if len(s.objectives) > 0 {
		tally = " Objectives: " + s.tally() + "."
	}
	as := strong
	if len(present) > 0 {
		as = alarm
	}
	say(as, "The run is over (%s).%s %s", strings.TrimPrefix(s.stateWord(), "ended: "), faults, s.why)
	say(strong, "Press q to leave for the report.%s", tally)
}

// tally counts objectives by how they stand.
func (s *snapshot) tally() string {
	var parts []string
	for _, word := range []string{standingBroken, standingAtRisk, standingUnknown, standingHolding, standingHeld, standingNotYet} {
		n := 0
		for _, o := range s.objectives {
			if o.word == word {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	return strings.Join(parts, ", ")
}

// listed joins names behind a lead, or is empty.
func listed(names []string, lead string) string {
	if len(names) == 0 {
		return ""
	}
	return lead + strings.Join(names, ", ")
}

// footer is the line of keys at the bottom.
func (s *screen) footer() row {
	type hint struct{ key, does string }
	hints := []hint{{"U", "undo every fault"}, {"q", s.quitWord()}, {"p", "pause display"}, {"?", "help"}, {"tab", "next pane"}, {"up/down", "scroll"}}
	if s.paused {
		hints[2].does = "show live"
	}
	switch {
	case s.help:
		hints = []hint{{"U", "undo every fault"}, {"q", s.quitWord()}, {"?", "close help"}}
	case s.over():
		hints = []hint{{"q", "leave"}, {"?", "help"}, {"tab", "next pane"}, {"up/down", "scroll"}}
	}
	var r row
	for _, h := range hints {
		next := row{{" ", plain}, {h.key, strong}, {" " + h.does + " ", dim}}
		if r.width()+next.width() > s.width {
			break
		}
		r = append(r, next...)
	}
	return r.fit(s.width)
}
