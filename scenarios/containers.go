package scenarios

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// labelEntry begins an entry of target.containers that is about a label.
const labelEntry = "label:"

// readContainers builds the list of containers that may be broken. An empty
// one allows none.
func (l *loader) readContainers(entries []text) {
	for _, c := range entries {
		if c.value == "" && (c.Kind() != decode.Scalar || c.Text() != "") {
			continue // reported, or from the environment, and allows nothing
		}
		if message, hint := badContainer(c.value); message != "" {
			l.d.ReportText(c.Node, 0, len(c.Text()), decode.CodeBadValue, message, hint)
			continue
		}
		l.containers = append(l.containers, c.value)
	}
}

// badContainer says what is wrong with an entry of target.containers.
func badContainer(entry string) (message, hint string) {
	const forms = "write shop-1, shop-* or label:app=shop"
	if entry == "" {
		return "a container has a name", forms
	}
	if label, ok := strings.CutPrefix(entry, labelEntry); ok {
		if key, _, _ := strings.Cut(label, "="); strings.TrimSpace(key) == "" {
			return strconv.Quote(entry) + " names no label", forms
		}
		return "", ""
	}
	if strings.Trim(entry, "*?") == "" {
		return entry + " would allow every container there is", "name them: shop-1, shop-*, label:app=shop"
	}
	if _, err := path.Match(entry, ""); err != nil || strings.ContainsAny(entry, " /=:") {
		return strconv.Quote(entry) + " is neither a container's name nor a pattern of one", forms
	}
	return "", ""
}

// containerActions are the keys of a docker fault that say which container.
var containerActions = []string{"kill", "pause", "stop", "disconnect", "limit"}

// checkContainer refuses a docker fault whose container target.containers
// cannot allow. Where labels decide, only the engine knows, and is asked
// before any traffic.
func (l *loader) checkContainer(found decode.Entry) bool {
	at, name, entry := l.containerOf(found.Value)
	hint := "if that is what you mean to break"
	switch {
	case len(l.top.Target.Containers) == 0:
		l.d.Report(keyOr(found.Value), codeOutside, "target.containers is empty, so no container may be broken",
			"add target: { containers: ["+strconv.Quote(entry)+"] } "+hint)
		return false
	case len(l.containers) < len(l.top.Target.Containers):
		return true // some are not understood, so it may be among them
	case name == "" || slices.ContainsFunc(l.containers, func(allowed string) bool {
		matched, err := path.Match(allowed, name)
		return strings.HasPrefix(allowed, labelEntry) || err == nil && matched
	}):
		return true
	}
	l.d.ReportText(at, 0, len(at.Text()), codeOutside, "container "+name+" is outside the target",
		"add "+strconv.Quote(entry)+" to target.containers "+hint)
	return false
}

// containerOf is the name of the container that a docker fault is about, empty
// where a label says it, its place, and what would allow it.
func (l *loader) containerOf(config decode.Node) (at decode.Node, name, entry string) {
	for _, e := range config.Entries() {
		if !slices.Contains(containerActions, e.Key) {
			continue
		}
		at, entry = e.Value, ""
		if label, ok := e.Value.Get("label"); ok {
			at, entry = label, labelEntry
		} else if n, ok := e.Value.Get("name"); ok {
			at = n
		}
		x, err := l.x.expand(at.Text(), true, nil)
		if err != nil {
			return at, "", "" // reported where it was decoded
		}
		if entry == "" {
			name = x.text
		}
		return at, name, entry + x.text
	}
	return config, "", ""
}
