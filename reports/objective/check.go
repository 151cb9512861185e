package objective

import (
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/reports/journal"
)

func (o Objective) check(p journal.Plan) *SyntaxError {
	var steps []string // of the load, or the series of the probe
	for _, ref := range o.refs {
		var known []string
		switch ref.Role {
		case Load:
			known = loadNames(p)
			if slices.Contains(known, ref.Name) {
				steps = p.Loads[slices.Index(known, ref.Name)].Steps
			}
		case Step:
			known = steps
		case Probe, LoadOrProbe:
			known = probeNames(p)
			if i := slices.Index(known, ref.Name); i >= 0 {
				steps = p.Probes[i].Series
			}
			if i := slices.Index(loadNames(p), ref.Name); i >= 0 && ref.Role == LoadOrProbe {
				steps = p.Loads[i].Steps
			}
			if ref.Role == LoadOrProbe {
				known = append(loadNames(p), known...)
			}
		case Phase:
			known = phaseNames(p)
		case Fault:
			known = faultNames(p)
		}
		if !slices.Contains(known, ref.Name) {
			return o.unknownName(ref, known, p)
		}
	}
	return o.checkProbeUnit(p)
}

func (o Objective) unknownName(ref Reference, known []string, p journal.Plan) *SyntaxError {
	role := ref.Role
	if role == Step && o.s.subject.isProbe(p) {
		role = "series"
	}
	e := errorAt(ref.Offset, ref.Length, "there is no %s called %q", role, ref.Name)
	switch {
	case ref.Role == Probe && slices.Contains(loadNames(p), ref.Name):
		return errorAt(ref.Offset, ref.Length, "%q is a load, and this is about a probe", ref.Name).
			hint("say which metric of it, with its unit: %s.p99 < 300ms, %s.errors < 0.1%%", Name(ref.Name), Name(ref.Name))
	case ref.Role == Load && slices.Contains(probeNames(p), ref.Name):
		return errorAt(ref.Offset, ref.Length, "%q is a probe, and this is about a load", ref.Name).
			hint("of a probe there are min, mean, max, last and failures")
	}
	if near := suggest(ref.Name, known); near != "" {
		return e.hint("did you mean %s?", near)
	}
	if ref.Role == Step {
		if near := suggest(ref.Name, slices.Concat(measures, []string{"ok", "failed"})); near != "" {
			return e.hint("did you mean %s?", near)
		}
	}
	if len(known) == 0 {
		return e.hint("the scenario has none")
	}
	return e.hint("there is %s", strings.Join(known, ", "))
}

// checkProbeUnit does for probes what accepts does for loads.
func (o Objective) checkProbeUnit(p journal.Plan) *SyntaxError {
	s := o.s.subject
	i := slices.Index(probeNames(p), s.name)
	if s.role == Load || s.stat == failuresStat || s.stat == scalingStat || i < 0 || s.role == LoadOrProbe && slices.Contains(loadNames(p), s.name) {
		return nil
	}
	ref := o.refs[0]
	want, known := probeUnit(p.Probes[i])
	if s.step != "" {
		want = plain // all series are plain numbers
	}
	if !known || o.s.high.unit == want {
		return nil
	}
	e := errorAt(ref.Offset, ref.Length, "the probe %s reads %s, and %s is %s", joined(s.name, s.step), want, o.s.high, o.s.high.unit)
	if o.s.high.unit == plain {
		return e.hint("a unit is never optional: write something like %s", want.example())
	}
	return e.hint("write something like %s", want.example())
}

func joined(name, series string) string {
	if series == "" {
		return name
	}
	return name + "." + series
}

func loadNames(p journal.Plan) (names []string) {
	for _, l := range p.Loads {
		names = append(names, l.Name)
	}
	return names
}

func probeNames(p journal.Plan) (names []string) {
	for _, w := range p.Probes {
		names = append(names, w.Name)
	}
	return names
}

func phaseNames(p journal.Plan) (names []string) {
	for _, ph := range p.Phases {
		names = append(names, ph.Name)
	}
	return names
}

func faultNames(p journal.Plan) (names []string) {
	for _, f := range p.Faults {
		if !slices.Contains(names, f.Name) { // one that comes again is there several times
			names = append(names, f.Name)
		}
	}
	return names
}
