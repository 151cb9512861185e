package objective

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// conclude turns what was seen into a finding.
func (s statement) conclude(f *Finding, sc scope, v view) {
	first := sc.windows[0][0]
	last := sc.windows[len(sc.windows)-1]
	f.From, f.To = first.from, last[len(last)-1].to
	s.warn(f, v)
	if v.found {
		f.From, f.To, f.Samples = v.worst.from, v.worst.to, v.worst.samples
		f.Observed, f.Value, f.Margin = s.observed(v.worst.value), v.worst.value, s.margin(v.worst.measured)
	}
	switch {
	case v.failed > 0:
		f.State = Fail
		f.Reason = s.tell(v, sc)
	case v.crash != nil:
		f.Reason = sentence(fmt.Sprintf("the probe %s crashed at %s and saw nothing after: %s", s.subject.name, moment(v.crash.At), v.crash.Text))
	case !v.found && v.windows == 0:
		f.Reason = sentence(fmt.Sprintf("the run got to %s only, which is less than one window of %s", moment(sc.end), length(s.within)))
	case !v.found:
		f.Reason = sentence(fmt.Sprintf("%s from %s to %s%s", v.skipped.missing, moment(f.From), moment(f.To), v.why()))
	case s.subject.stat != failuresStat && tooBlind(v.blind, v.whole):
		f.Reason = sentence(fmt.Sprintf("what was seen holds, but %s saw nothing for %s of it, from %s%s", s.subject.name, length(v.blind.Round(100*time.Millisecond)), moment(v.gap.From), v.why()))
	case v.blanks > 0:
		f.Reason = sentence(fmt.Sprintf("%s in the %s from %s, where there should have been something to measure", v.blank.missing, length(v.blank.to-v.blank.from), moment(v.blank.from)))
	case sc.cut && s.holds(v.worst.measured):
		f.Reason = sentence(fmt.Sprintf("what was seen holds, but the run got to %s only, and the window goes on", moment(sc.end)))
	case sc.cut:
		f.Reason = sentence(fmt.Sprintf("what was seen decides nothing yet: the run got to %s only, and the window goes on", moment(sc.end)))
	default:
		f.State = Pass
		f.Reason = s.tell(v, sc)
	}
}

// why is what a probe said in the longest of its gaps.
func (v view) why() string {
	if v.gap.Text == "" {
		return ""
	}
	return ": " + v.gap.Text
}

// tell says what was observed, where, and what the limit is.
func (s statement) tell(v view, sc scope) string {
	w := v.worst
	subject, value := s.subject.String(), s.withShare(w.measured)
	note := ""
	if v.windows > 1 && v.failed > 0 {
		note = fmt.Sprintf(" (%d of %d windows did not hold)", v.failed, v.windows)
	}
	if s.subject.stat == everyReading {
		if w.misses > 1 {
			note = fmt.Sprintf(" (%d of %s did not hold)", w.misses, plural(w.samples, "reading"))
		}
		if v.failed == 0 && s.op == equal {
			return sentence(fmt.Sprintf("%s read %s in every reading; %s", subject, value, s.must(w.measured)))
		}
		if v.failed == 0 {
			return sentence(fmt.Sprintf("%s read %s at worst, at %s; %s", subject, value, moment(w.at), s.must(w.measured)))
		}
		return sentence(fmt.Sprintf("%s read %s at %s; %s%s", subject, value, moment(w.at), s.must(w.measured), note))
	}
	where := fmt.Sprintf("from %s to %s", moment(w.from), moment(w.to))
	if s.within != 0 {
		where = fmt.Sprintf("in the %s from %s", length(w.to-w.from), moment(w.from))
	} else if sc.holes {
		where += " without what is left out between"
	}
	if v.windows > 1 && v.failed == 0 {
		value = "at worst " + value
	}
	return sentence(fmt.Sprintf("%s was %s %s; %s%s", subject, value, where, s.must(w.measured), note))
}

// withShare writes the value, and of a share what it is the share of.
func (s statement) withShare(m measured) string {
	if s.subject.stat == errorsStat && s.high.unit == ratio {
		return s.observed(m.value) + fmt.Sprintf(" (%d of %s)", m.num, plural(m.den, "operation"))
	}
	return s.observed(m.value)
}

// warn says what weakens the finding without changing it.
func (s statement) warn(f *Finding, v view) {
	say := func(format string, args ...any) {
		f.Warnings = append(f.Warnings, sentence(fmt.Sprintf(format, args...)))
	}
	if v.short > 0 {
		say("a stretch of %s is shorter than the %s of \"within\", and was judged as it is", length(v.short), length(s.within))
	}
	if v.found && v.empty > 0 && v.blanks == 0 {
		say("%s had nothing to measure and %s not judged: %s in the %s from %s", plural(int64(v.empty), "window"),
			map[bool]string{true: "was", false: "were"}[v.empty == 1], v.skipped.missing, length(v.skipped.to-v.skipped.from), moment(v.skipped.from))
	}
	if s.subject.stat == percentileStat && v.found {
		s.warnFew(say, v)
	}
	if v.lost > 0 && s.subject.stat != failuresStat {
		say("%s of the probe failed, and %s not judged", plural(v.lost, "look"), map[bool]string{true: "was", false: "were"}[v.lost == 1])
	}
}

// warnFew warns of percentiles of few operations. A percentile q needs
// 1/(1−q) of them to be anything but their maximum, and ten times as many
// before a single operation no longer decides it.
func (s statement) warnFew(say func(string, ...any), v view) {
	where := "there were only"
	if v.windows > 1 {
		where = "the window with the fewest had only"
	}
	// Rounded, because 100/(100−99.9) is not 1000 in floats.
	alone := int64(math.Ceil(100/(100-s.subject.q) - 1e-6))
	enough := int64(math.Ceil(1000/(100-s.subject.q) - 1e-6))
	switch p := "p" + s.subject.digits; {
	case v.smallest < alone:
		say("%s %s: their %s is simply the slowest of them, and needs at least %d to be more", where, plural(v.smallest, "operation"), p, alone)
	case v.smallest < enough:
		say("%s %s: a %s that single operations do not decide needs %d", where, plural(v.smallest, "operation"), p, enough)
	}
}

// sentence begins and ends a text as one does, but for a text that begins
// with a name.
func sentence(s string) string {
	for _, word := range []string{"the ", "what ", "no ", "nothing ", "every ", "there ", "fault ", "a "} {
		if strings.HasPrefix(s, word) {
			s = strings.ToUpper(s[:1]) + s[1:]
		}
	}
	if s == "" || s[len(s)-1] == '.' || s[len(s)-1] == '!' || s[len(s)-1] == '?' {
		return s
	}
	return s + "."
}
