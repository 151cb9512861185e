package scenarios

import (
	"fmt"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

func (l *loader) readFaults(p *phaseSpec) {
	n := p.Faults.Node
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		l.d.Report(n, decode.CodeWrongType, "faults is a map of names to faults, and this is "+n.Kind().String(), "write faults: { NAME: { at: 1m, for: 2m, KIND: { … } } }")
		return
	}
	for _, e := range n.Entries() {
		if !l.goodName(e.KeyNode, e.Key, "fault") {
			continue
		}
		if e.Key == "calm" {
			l.d.Report(e.KeyNode, codeName, "calm is the time without faults: while calm could mean either", "choose another name")
			continue
		}
		if i := slices.IndexFunc(l.faults, func(f *faultSpec) bool { return f.name == e.Key }); i >= 0 {
			l.d.Report(e.KeyNode, codeDuplicate, fmt.Sprintf("a fault is called %s in line %d already", e.Key, l.faults[i].key.Line()), "fault names are unique over the whole run")
			continue
		}
		spec := &faultSpec{name: e.Key, node: e.Value, key: e.KeyNode, phase: p}
		spec.plan = journal.FaultPlan{Name: e.Key, Phase: p.Name, At: p.plan.Start}
		if !l.readFault(spec) {
			l.broken[e.Key] = true
		}
		l.faults = append(l.faults, spec)
	}
}

func (l *loader) readFault(spec *faultSpec) bool {
	names := make([]string, len(l.kinds.Faults))
	for i, k := range l.kinds.Faults {
		names[i] = k.Name
	}
	own := []string{"at", "for", "allow_irreversible"}
	found, ok := l.pickKind(spec.node, "fault", "fault "+spec.name, own, names)
	if spec.node.Kind() != decode.Map {
		return false
	}
	ok = l.d.Decode(spec.node.Without(foreignKeys(spec.node, own)...), &spec.options) && ok
	if found.Key == "" {
		return false
	}
	spec.kind = l.kinds.Faults[slices.Index(names, found.Key)]
	spec.config = spec.kind.Config()
	if !l.d.Decode(found.Value, spec.config) || !ok || spec.phase.For <= 0 {
		return false
	}
	if !l.checkOn(spec, found.Value) || spec.kind.Name == dockerFault && !l.checkContainer(found) {
		return false
	}
	spec.oneShot = spec.kind.OneShot(spec.config)
	return l.placeFault(spec)
}

// placeFault puts a fault on the run's clock.
func (l *loader) placeFault(spec *faultSpec) bool {
	o, p := spec.options, spec.phase
	at, _ := spec.node.Get("at")
	length, _ := spec.node.Get("for")
	if o.At >= p.For {
		l.d.Report(at, codeTimeline, fmt.Sprintf("phase %s is over after %s, before this fault starts", p.Name, decode.FormatDuration(p.For)), "at counts from the phase's start")
		return false
	}
	start := p.plan.Start + o.At
	if spec.oneShot && o.For > 0 {
		l.d.Report(length, codeTimeline, "this fault is over at once, and there is nothing to undo: it has no length", "remove for")
		return false
	}
	if end := l.end(); o.For > 0 && start+o.For > end {
		l.d.Report(length, codeTimeline, fmt.Sprintf("the run ends %s before this fault does", decode.FormatDuration(start+o.For-end)),
			"at most for: "+decode.FormatDuration(max(time.Millisecond, end-start)))
		return false
	}
	spec.plan = journal.FaultPlan{
		Name: spec.name, Kind: spec.kind.Name, Phase: p.Name, At: start, For: o.For, OneShot: spec.oneShot,
		What: spec.kind.What(spec.config),
	}
	return true
}
