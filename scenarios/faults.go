package scenarios

import (
	"fmt"
	"slices"

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
		if !l.readFault(spec) {
			l.broken[e.Key] = true
		}
		l.faults = append(l.faults, spec)
	}
}

// faultOwn are the keys of a fault that are no kinds.
var faultOwn = []string{"at", "for", "after", "every", "times", "jitter", "one_of", "until", "follow", "allow_irreversible"}

func (l *loader) readFault(spec *faultSpec) bool {
	list, random := spec.node.Get("one_of")
	var ok bool
	if random {
		ok = l.readChoices(spec, list)
	} else {
		ok = l.readChoice(spec, spec.node, "fault "+spec.name, faultOwn)
	}
	if spec.node.Kind() != decode.Map {
		return false
	}
	ok = l.d.Decode(spec.node.Without(foreignKeys(spec.node, faultOwn)...), &spec.options) && ok
	return ok && spec.phase.For > 0 && l.checkComposition(spec)
}

// readChoices reads one_of, which stands in the place of a kind.
func (l *loader) readChoices(spec *faultSpec, list decode.Node) bool {
	const write = "write one_of: [{ KIND: { … } }, { KIND: { … } }]"
	ok := true
	for _, e := range spec.node.Entries() {
		if slices.Contains(faultOwn, e.Key) {
			continue
		}
		if l.isPlanned("fault", e.Key) || slices.Contains(l.faultKinds(), e.Key) {
			l.d.Report(e.KeyNode, codeKind, "fault "+spec.name+" has one_of, which stands in the place of a kind", "move "+e.Key+" into one_of")
		} else {
			l.d.UnknownKey(spec.node, e, faultOwn)
		}
		ok = false
	}
	if list.Kind() != decode.List {
		l.d.Report(list, decode.CodeWrongType, "one_of is a list of kinds, and this is "+list.Kind().String(), write)
		return false
	}
	if len(list.Items()) < 2 {
		l.d.Report(list, codeKind, "one_of has "+count(len(list.Items()), "choice")+", which leaves nothing to choose", write+", or the kind itself in its place")
		return false
	}
	for i, item := range list.Items() {
		ok = l.readChoice(spec, item, fmt.Sprintf("choice %d of fault %s", i+1, spec.name), nil) && ok
	}
	return ok
}

func (l *loader) faultKinds() []string {
	names := make([]string, len(l.kinds.Faults))
	for i, k := range l.kinds.Faults {
		names[i] = k.Name
	}
	return names
}

// readChoice reads the one kind that a map names beside keys of its own.
func (l *loader) readChoice(spec *faultSpec, n decode.Node, what string, own []string) bool {
	names := l.faultKinds()
	found, ok := l.pickKind(n, "fault", what, own, names)
	if found.Key == "" {
		return false
	}
	c := &faultChoice{key: found.KeyNode, kind: l.kinds.Faults[slices.Index(names, found.Key)]}
	c.config = c.kind.Config()
	if !l.d.Decode(found.Value, c.config) || !ok {
		return false
	}
	if !l.checkOn(c, found.Value) || c.kind.Name == dockerFault && !l.checkContainer(found) {
		return false
	}
	c.oneShot = c.kind.OneShot(c.config)
	spec.choices = append(spec.choices, c)
	return true
}
