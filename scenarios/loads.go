package scenarios

import (
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// defaultInFlight is how many sessions a load may open unless it says.
const defaultInFlight = 10_000

func (l *loader) readLoads() {
	n := l.top.Loads.Node
	if n.Kind() != decode.Map && n.Kind() != decode.Null {
		l.d.Report(n, decode.CodeWrongType, "loads is a map of names to loads, and this is "+n.Kind().String(), "write loads: { browse: { http: { base: … } } }")
		return
	}
	for _, e := range n.Entries() {
		if !l.goodName(e.KeyNode, e.Key, "load") {
			continue
		}
		if spec, ok := l.readLoad(e); ok {
			l.loads = append(l.loads, spec)
		} else {
			l.broken[e.Key] = true
			// Kept for its name: phases that offer it are not wrong.
			l.loads = append(l.loads, &loadSpec{name: e.Key, key: e.KeyNode, node: e.Value, steps: []string{e.Key}})
		}
	}
}

func (l *loader) readLoad(e decode.Entry) (*loadSpec, bool) {
	spec := &loadSpec{name: e.Key, key: e.KeyNode, node: e.Value, feeds: map[string]decode.Node{}}
	names := make([]string, len(l.kinds.Generators))
	for i, k := range l.kinds.Generators {
		names[i] = k.Name
	}
	own := []string{"steps", "patience", "max_in_flight"}
	found, ok := l.pickKind(e.Value, "generator", "load "+e.Key, own, names)
	if e.Value.Kind() != decode.Map {
		return nil, false
	}
	if !l.d.Decode(e.Value.Without(slices.Concat([]string{"steps"}, names, foreignKeys(e.Value, own))...), &spec.options) {
		ok = false
	}
	if found.Key == "" {
		return nil, false
	}
	spec.kind = l.kinds.Generators[slices.Index(names, found.Key)]
	config := found.Value
	if steps, has := e.Value.Get("steps"); has {
		switch {
		case !hasKey(spec.kind.Config(), "steps"):
			l.d.Report(stepsKey(e.Value), decode.CodeUnknownKey, "a load of kind "+found.Key+" has no steps", "")
			return nil, false
		case config.Kind() == decode.Scalar:
			l.d.Report(config, decode.CodeWrongType, "beside steps, "+found.Key+" is a map", "write "+found.Key+": { base: "+config.Text()+" }")
			return nil, false
		case config.Kind() != decode.Map && config.Kind() != decode.Null:
		default:
			if _, twice := config.Get("steps"); twice {
				l.d.Report(stepsKey(e.Value), decode.CodeDuplicate, "steps are given twice, here and within "+found.Key, "keep these")
				return nil, false
			}
			config = config.With(decode.Entry{Key: "steps", KeyNode: stepsKey(e.Value), Value: steps})
		}
	}
	spec.config = spec.kind.Config()
	known := newSessionNames(config)
	l.session, l.names, l.reading = known.has, known, spec
	decoded := l.d.Decode(config, spec.config)
	if decoded {
		l.placeFiles(reflect.ValueOf(spec.config))
	}
	l.checkAddresses(config)
	l.session, l.names, l.reading = nil, nil, nil
	return spec, decoded && l.nameSteps(spec, config) && ok
}

// foreignKeys are the keys of a map that are not the language's own.
func foreignKeys(n decode.Node, own []string) []string {
	var out []string
	for _, e := range n.Entries() {
		if !slices.Contains(own, e.Key) {
			out = append(out, e.Key)
		}
	}
	return out
}

func stepsKey(load decode.Node) decode.Node {
	for _, e := range load.Entries() {
		if e.Key == "steps" {
			return e.KeyNode
		}
	}
	return load
}

// nameSteps asks the kind for the names of the load's operations and checks
// that each can be told from the others in a report.
func (l *loader) nameSteps(spec *loadSpec, config decode.Node) bool {
	spec.steps = spec.kind.Steps(spec.config)
	if len(spec.steps) == 0 {
		spec.steps = []string{spec.name}
	}
	steps, _ := config.Get("steps")
	ok := true
	seen := map[string]bool{}
	for _, s := range spec.steps {
		n := spec.key
		for _, item := range steps.Items() {
			if name, has := item.Get("name"); has && name.Text() == s {
				n = name // the last of that name: the one that is too many
			}
		}
		if seen[s] {
			l.d.Report(n, codeDuplicate, "two steps of load "+spec.name+" are called "+s, "give each a name of its own")
			ok = false
		}
		seen[s] = true
		ok = l.goodName(n, s, "step") && ok
	}
	return ok
}

// sessionNames are the variables that a flow extracts, each with the first
// step that does.
type sessionNames map[string]int

var stepIndex = regexp.MustCompile(`(?:^|\.)steps\[(\d+)\]`)

func newSessionNames(config decode.Node) sessionNames {
	names := sessionNames{}
	steps, _ := config.Get("steps")
	for i, step := range steps.Items() {
		extract, _ := step.Get("extract")
		for _, e := range extract.Entries() {
			if _, ok := names[e.Key]; !ok {
				names[e.Key] = i
			}
		}
	}
	return names
}

func (s sessionNames) has(name string) bool { _, ok := s[name]; return ok }

// expandTemplate resolves the static part of a text that a run completes, and
// checks the rest against the feeds and what earlier steps extract.
func (l *loader) expandTemplate(text string, at decode.Node) (string, error) {
	e, terr := l.x.expand(text, true, l.session)
	if terr != nil {
		return "", terr
	}
	t, err := generators.ParseTemplate(e.text)
	if err != nil {
		var te *generators.TemplateError
		if errors.As(err, &te) {
			offset, length := e.locate(te.Offset, 1)
			return "", &decode.TextError{Offset: offset, Length: length, Code: decode.CodeBadValue, Message: te.Message, Hint: te.Hint}
		}
		return "", err
	}
	for _, ref := range t.References() {
		if message, hint := l.badReference(ref, at); message != "" {
			offset, length := e.locate(findReference(e.text, ref))
			return "", &decode.TextError{Offset: offset, Length: length, Code: codeReference, Message: message, Hint: hint}
		}
	}
	return e.text, nil
}

// findReference is where ${ref} stands in a template, braces included.
func findReference(text, ref string) (offset, length int) {
	for from := 0; ; {
		i := strings.Index(text[from:], "${")
		if i < 0 {
			return 0, len(text)
		}
		i += from
		end := strings.IndexByte(text[i:], '}')
		if end >= 0 && strings.TrimSpace(text[i+2:i+end]) == ref {
			return i, end + 1
		}
		from = i + 2
	}
}

func (l *loader) badReference(ref string, at decode.Node) (message, hint string) {
	feed, column, dotted := strings.Cut(ref, ".")
	if !dotted {
		return l.badVariable(ref, at)
	}
	f, ok := l.feeds[feed]
	if !ok {
		names := slices.Sorted(maps.Keys(l.feeds))
		hint = "data has no feeds; write $${ for a literal ${"
		if near := decode.Suggest(feed, names); near != "" {
			hint = "did you mean ${" + near + "." + column + "}?"
		} else if len(names) > 0 {
			hint = "feeds are " + strings.Join(names, ", ")
		}
		return "there is no feed called " + strconv.Quote(feed), hint
	}
	f.used = true
	if l.reading != nil {
		l.reading.feeds[feed] = at
	}
	if f.feed == nil || slices.Contains(f.feed.Columns(), column) {
		return "", ""
	}
	hint = "columns are " + strings.Join(f.feed.Columns(), ", ")
	if near := decode.Suggest(column, f.feed.Columns()); near != "" {
		hint = "did you mean ${" + feed + "." + near + "}?"
	}
	return "feed " + feed + " has no column " + strconv.Quote(column), clip(hint, 200)
}

func (l *loader) badVariable(name string, at decode.Node) (message, hint string) {
	first, ok := l.names[name]
	if !ok {
		if _, feed := l.feeds[name]; feed {
			return name + " is a feed, and a column of it is needed", "write ${" + name + ".COLUMN}"
		}
		known := slices.Concat(slices.Sorted(maps.Keys(l.names)), slices.Sorted(maps.Keys(l.x.vars)))
		hint = "extract it in an earlier step, or add it to vars; write $${ for a literal ${"
		if near := decode.Suggest(name, known); near != "" {
			hint = "did you mean ${" + near + "}?"
		}
		if name == strings.ToUpper(name) && !strings.Contains(hint, "did you") {
			return strconv.Quote(name) + " is not set, in vars or in the environment", "set it; write $${ for a literal ${"
		}
		return "nothing is called " + strconv.Quote(name) + " here: no variable, and no step extracts it", hint
	}
	if m := stepIndex.FindStringSubmatch(at.Path()); m != nil {
		if here, err := strconv.Atoi(m[1]); err == nil && first >= here && !strings.Contains(at.Path(), ".check") {
			return "${" + name + "} is extracted only by step " + strconv.Itoa(first+1) + ", and this is step " + strconv.Itoa(here+1), "a step can use what the steps before it extract"
		}
	}
	return "", ""
}

// hasKey reports whether a kind's configuration has a key at its top level.
func hasKey(config any, key string) bool {
	_, ok := fieldByKey(reflect.TypeOf(config), func(f reflect.StructField) bool { return yamlKey(f) == key })
	return ok
}

func yamlKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

func fieldByKey(t reflect.Type, match func(reflect.StructField) bool) (reflect.StructField, bool) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return reflect.StructField{}, false
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && match(f) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// placeFiles makes the paths in a configuration (fields tagged file:"true")
// start at the scenario's folder, as those of data feeds do.
func (l *loader) placeFiles(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			l.placeFiles(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f, in := v.Type().Field(i), v.Field(i)
			if !f.IsExported() {
				continue
			}
			if f.Tag.Get("file") != "true" {
				l.placeFiles(in)
			} else if in.Kind() == reflect.String && in.String() != "" {
				l.files[in.String()] = true
				if !filepath.IsAbs(in.String()) {
					in.SetString(filepath.Join(l.options.Dir, in.String()))
				}
			}
		}
	}
}

// timeoutOf is the timeout of a generator's configuration, 0 when it has none.
func timeoutOf(config any) time.Duration {
	f, ok := fieldByKey(reflect.TypeOf(config), func(f reflect.StructField) bool {
		return yamlKey(f) == "timeout" && f.Type == reflect.TypeFor[time.Duration]()
	})
	if !ok {
		return 0
	}
	return time.Duration(reflect.ValueOf(config).Elem().FieldByIndex(f.Index).Int())
}

// inFlight is how many sessions a load may open.
func (l *loader) inFlight(spec *loadSpec) int {
	n := spec.options.MaxInFlight
	if n == 0 {
		n = defaultInFlight
		if most := l.top.Safety.MaxInFlight; most > 0 {
			n = min(n, most)
		}
	}
	return n
}

func (l *loader) findLoad(name string) *loadSpec {
	for _, spec := range l.loads {
		if spec.name == name {
			return spec
		}
	}
	return nil
}
