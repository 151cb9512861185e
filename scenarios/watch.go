package scenarios

import (
	"slices"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

func (l *loader) readWatch() {
	n := l.top.Watch.Node
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		l.d.Report(n, decode.CodeWrongType, "watch is a map of names to probes, and this is "+n.Kind().String(), "write watch: { api: { http: http://… } }")
		return
	}
	names := l.probeKinds()
	for _, e := range n.Entries() {
		good := l.goodName(e.KeyNode, e.Key, "probe")
		if l.findLoad(e.Key) != nil {
			l.d.Report(e.KeyNode, codeDuplicate, "a load is called "+e.Key+" too, and an expectation could mean either", "choose another name")
			good = false
		}
		found, ok := l.pickKind(e.Value, "probe", "probe "+e.Key, nil, names)
		if found.Key == "" || !l.addProbe(e.Key, found.Key, found.Value) || !good || !ok {
			l.broken[e.Key] = true
		}
	}
}

func (l *loader) probeKinds() []string {
	names := make([]string, len(l.kinds.Probes))
	for i, k := range l.kinds.Probes {
		names[i] = k.Name
	}
	return names
}

func (l *loader) addProbe(name, kind string, config decode.Node) bool {
	spec := &probeSpec{name: name, node: config}
	spec.kind = l.kinds.Probes[slices.Index(l.probeKinds(), kind)]
	spec.config = spec.kind.Config()
	ok := l.d.Decode(config, spec.config)
	l.checkAddresses(config)
	if ok {
		l.probes = append(l.probes, spec)
	}
	return ok
}
