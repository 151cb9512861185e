package objective

import (
	"strings"

	"github.com/brunt-dev/brunt/reports/journal"
)

// checkTypes checks that the values fit the metric, and settles what the
// values tell of the subject: x.max < 5 can only be a probe. parts and values
// are where they stand in the source.
func checkTypes(s *statement, parts, values []part) *SyntaxError {
	limits := []value{s.high}
	if s.op == inRange {
		limits = []value{s.low, s.high}
		if s.low.unit != s.high.unit {
			e := errorAt(values[0].offset, values[1].offset+values[1].length-values[0].offset,
				"the ends of a range are of one unit, here they are %s and %s", s.low.unit, s.high.unit)
			if s.low.unit == plain {
				return e.hint("a unit is never optional: did you mean %s%s..%s?", values[0].text, unitText(s.high), values[1].text)
			}
			return e
		}
		if s.low.base.Cmp(s.high.base) > 0 {
			return errorAt(values[0].offset, values[1].offset+values[1].length-values[0].offset, "the range is empty").
				hint("did you mean %s..%s?", values[1].text, values[0].text)
		}
	}
	if s.subject.role == LoadOrProbe && s.subject.latency() && s.high.unit != duration {
		s.subject.role = Probe
	}
	for i, v := range limits {
		if err := s.subject.accepts(v, parts, values[i], s.op); err != nil {
			return err
		}
	}
	return nil
}

// unitText is the unit as it is written behind a number.
func unitText(v value) string {
	if v.unit == duration {
		return strings.TrimLeft(v.String(), "-0123456789.")
	}
	return v.suffix
}

// accepts checks one limit against the metric.
func (s *subject) accepts(v value, parts []part, at part, op operator) *SyntaxError {
	if s.stat == scalingStat {
		return s.acceptsScaling(v, at)
	}
	if s.role != Load && s.stat != failuresStat {
		return nil // the probe's unit is known to the plan only: see Check
	}
	name := parts[len(parts)-1].text
	if s.stat == errorsStat || s.stat == statusStat {
		name = s.metric()
	}
	want := plain
	switch {
	case s.latency():
		want = duration
	case s.stat == rateStat:
		want = rate
	case s.stat == errorsStat && v.unit == ratio:
		want = ratio
	}
	if v.unit != want {
		return s.mismatch(v, want, name, at, op)
	}
	if v.base.Sign() < 0 {
		return errorAt(at.offset, at.length, "%s is never below zero", name)
	}
	if want == plain && !v.base.IsInt() {
		e := errorAt(at.offset, at.length, "%s is a whole number, found %s", name, at.text)
		if s.stat == errorsStat {
			return e.hint("a share of the operations is written with %%: did you mean %s%% or %s%%?", at.text, decimal(product(v.number, 100)))
		}
		return e
	}
	return nil
}

func (s *subject) acceptsScaling(v value, at part) *SyntaxError {
	want := scalingUnit(s.scaling)
	switch {
	case v.unit == want && v.base.Sign() < 0:
		return errorAt(at.offset, at.length, "%s is never below zero", s.scaling)
	case v.unit == want:
		return nil
	case v.unit == plain:
		e := errorAt(at.offset, at.length, "%s is %s and %s has no unit", s.scaling, want, at.text)
		return e.hint("a unit is never optional: did you mean %s%s?", at.text, map[unit]string{duration: "s", ratio: "%"}[want])
	}
	return errorAt(at.offset, at.length, "%s is %s, found %s", s.scaling, want, v.unit).hint("write something like %s", map[unit]string{duration: "75s", ratio: "20%", plain: "6..20"}[want])
}

func (s *subject) mismatch(v value, want unit, name string, at part, op operator) *SyntaxError {
	e := errorAt(at.offset, at.length, "%s is %s, found %s", name, want, v.unit)
	if v.unit == plain {
		e = errorAt(at.offset, at.length, "%s is %s and %s has no unit", name, want, at.text)
		switch want {
		case duration:
			return e.hint("a unit is never optional: did you mean %sms?", at.text)
		case rate:
			return e.hint("a unit is never optional: did you mean %s/s?", at.text)
		}
	}
	load := Name(s.name)
	switch {
	case s.stat == errorsStat:
		return e.hint("write a ratio such as 0.1%%, or a number of operations such as 5")
	case want == plain && v.unit == ratio && s.stat == droppedStat:
		return e.hint("the share of dropped operations is %s.errors.dropped %s %s", load, op, at.text)
	case want == plain && v.unit == ratio && s.stat == failuresStat:
		return e.hint("failures are counted: write a number such as 5")
	case want == plain && v.unit == rate:
		return e.hint("a rate is %s.rate %s %s", load, op, at.text)
	case want == rate && v.unit == ratio:
		return e.hint("the share of failed operations is %s.errors %s %s", load, op, at.text)
	case want == duration && v.unit == ratio:
		return e.hint("write something like %s; the share of failed operations is %s.errors", want.example(), load)
	}
	return e.hint("write something like %s", want.example())
}

// probeUnit is the unit of a probe's readings, from what the plan calls it.
func probeUnit(p journal.ProbePlan) (unit, bool) {
	switch p.Unit {
	case "":
		return plain, true
	case "ns":
		return duration, true
	case "bytes":
		return bytes, true
	case "ratio":
		return ratio, true
	case "rate":
		return rate, true
	}
	return plain, false
}
