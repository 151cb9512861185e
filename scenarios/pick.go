package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// plannedSection refuses a section whose engine is not there yet, if the file
// has it.
func (l *loader) plannedSection(name string, n decode.Node) {
	if n.Kind() != decode.Null {
		l.notBuilt(keyOr(n), name)
	}
}

func (l *loader) notBuilt(at decode.Node, name string) {
	l.d.Report(at, codeNotBuilt, "not built yet: "+name, "remove it for now")
}

func (l *loader) isPlanned(role, name string) bool {
	return slices.ContainsFunc(l.kinds.Planned, func(p PlannedKind) bool { return p.Role == role && p.Name == name })
}

func (l *loader) plannedNames(role string) []string {
	var names []string
	for _, p := range l.kinds.Planned {
		if p.Role == role {
			names = append(names, p.Name)
		}
	}
	return names
}

// pickKind finds the one key of a map that names a kind. own are the keys
// that are not kinds. It reports unknown keys, no kind and more than one; the
// kind found, if any, is worth reading even when ok is false.
func (l *loader) pickKind(n decode.Node, role, what string, own, kinds []string) (decode.Entry, bool) {
	if n.Kind() != decode.Map {
		l.d.Report(n, decode.CodeWrongType, fmt.Sprintf("%s is a map with a kind, and this is %s", what, n.Kind()), "write "+example(kinds)+": { … }")
		return decode.Entry{}, false
	}
	plannedKinds := l.plannedNames(role)
	known := slices.Concat(own, kinds, plannedKinds)
	var found []decode.Entry
	ok := true
	for _, e := range n.Entries() {
		switch {
		case slices.Contains(own, e.Key):
		case slices.Contains(kinds, e.Key):
			found = append(found, e)
		case slices.Contains(plannedKinds, e.Key):
			l.notBuilt(e.KeyNode, e.Key)
			ok = false
		default:
			l.d.UnknownKey(n, e, known)
			ok = false
		}
	}
	if len(found) > 1 {
		l.d.Report(found[1].KeyNode, codeKind, fmt.Sprintf("%s has one kind, and %s is already there", what, found[0].Key), "make two of it, each with a name of its own")
		return decode.Entry{}, false
	}
	if len(found) == 0 {
		if ok {
			l.d.Report(keyOr(n), codeKind, what+" names no kind", "kinds are "+strings.Join(kinds, ", "))
		}
		return decode.Entry{}, false
	}
	return found[0], ok
}

func example(kinds []string) string {
	if len(kinds) == 0 {
		return "KIND"
	}
	return kinds[0]
}

// keyOr is a node's key, where it has one: the place of a value as a whole.
func keyOr(n decode.Node) decode.Node {
	if key, ok := n.Key(); ok {
		return key
	}
	return n
}
