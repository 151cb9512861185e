package scenarios

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// An expander resolves what is known before a run: $name and ${name} for
// variables of the scenario and the environment, and ${stack.name} for what
// the stack says about itself. $$ is a literal $.
type expander struct {
	vars      map[string]*variable
	env       func(string) (string, bool)
	stack     map[string]string // nil: the target has no stack
	stackName string
	anyStack  bool              // the stack is one that nobody knows, which was said: any variable will do
	secrets   map[string]string // environment value to the name it came from
}

// A variable is one entry of vars, resolved when it is first used.
type variable struct {
	name  string
	node  decode.Node
	text  string // as written, or as overridden
	given bool   // overridden: text is not the scenario's

	busy, done, used bool
	value            string
}

// An expansion is a text resolved, with the way back to the source.
type expansion struct {
	text  string
	spans []span
}

// A span is a stretch of an expansion and where in the source it came from.
type span struct {
	from, to       int // in the text
	source, length int // in the source
	literal        bool
}

// locate gives the place in the source of a range of the expanded text.
func (e expansion) locate(offset, length int) (int, int) {
	if len(e.spans) == 0 {
		return 0, 0 // nothing, of nothing
	}
	start, end := -1, -1
	for _, s := range e.spans {
		if start < 0 && offset < s.to || start < 0 && offset == s.from {
			start = s.source
			if s.literal {
				start += offset - s.from
			}
		}
		if last := offset + max(1, length); last > s.from {
			end = s.source + s.length
			if s.literal && last < s.to {
				end = s.source + last - s.from
			}
		}
	}
	if start < 0 {
		last := e.spans[len(e.spans)-1]
		start = last.source + last.length
	}
	return start, max(0, end-start)
}

// expand resolves text fully; template leaves what only a run can know.
// session says which names a run will know; nil knows none.
func (x *expander) expand(text string, template bool, session func(string) bool) (expansion, *decode.TextError) {
	var out strings.Builder
	var spans []span
	put := func(s string, source, length int, literal bool) {
		if s == "" && literal {
			return
		}
		spans = append(spans, span{out.Len(), out.Len() + len(s), source, length, literal})
		out.WriteString(s)
	}
	for i := 0; i < len(text); {
		next := strings.IndexByte(text[i:], '$')
		if next < 0 {
			put(text[i:], i, len(text)-i, true)
			break
		}
		put(text[i:i+next], i, next, true)
		i += next
		rest := text[i:]
		switch {
		case strings.HasPrefix(rest, "$${") && template:
			put("$${", i, 3, true) // the template's own escape
			i += 3
		case strings.HasPrefix(rest, "$$"):
			put("$", i, 2, false)
			i += 2
		case strings.HasPrefix(rest, "${"):
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				return expansion{}, &decode.TextError{Offset: i, Length: 2, Code: decode.CodeExpand, Message: "${ is never closed", Hint: "write $${ for a literal ${"}
			}
			value, known, err := x.braces(rest[2:end], i, end+1, template, session)
			if err != nil {
				return expansion{}, err
			}
			if known {
				put(value, i, end+1, false)
				i += end + 1
				continue
			}
			// A function of a template may take variables: ${rand(1,$most)}.
			inner, err := x.expand(rest[2:end], true, session)
			if err != nil {
				err.Offset += i + 2
				return expansion{}, err
			}
			put("${", i, 2, true)
			for _, s := range inner.spans {
				put(inner.text[s.from:s.to], i+2+s.source, s.length, s.literal)
			}
			put("}", i+end, 1, true)
			i += end + 1
		default:
			name := leadingName(rest[1:])
			if name == "" {
				put("$", i, 1, true)
				i++
				continue
			}
			value, known, err := x.lookup(name, template, session)
			if err == nil && !known {
				err = x.undefined(name)
				if template && session != nil && session(name) {
					err.Message, err.Hint = "$"+name+" is known only during the run", "write ${"+name+"}, in braces"
				}
			}
			if err != nil {
				err.Offset, err.Length = i, 1+len(name)
				return expansion{}, err
			}
			put(value, i, 1+len(name), false)
			i += 1 + len(name)
		}
	}
	return expansion{out.String(), spans}, nil
}

// braces resolves what stands between ${ and }. known is false for what a
// template is to resolve during the run.
func (x *expander) braces(inner string, offset, length int, template bool, session func(string) bool) (value string, known bool, err *decode.TextError) {
	name := strings.TrimSpace(inner)
	if after, ok := strings.CutPrefix(name, "stack."); ok {
		value, err = x.stackVar(after)
	} else if leadingName(name) != name || name == "" {
		if template {
			return "", false, nil
		}
		err = &decode.TextError{Message: "${" + inner + "} is known only during a run, and this is needed before", Hint: "write a variable of the scenario or the environment, such as ${NAME}; write $${ for a literal ${"}
	} else {
		value, known, err = x.lookup(name, template, session)
		if err == nil && !known {
			if template {
				return "", false, nil
			}
			err = x.undefined(name)
		}
	}
	if err != nil {
		err.Offset, err.Length, err.Code = offset, length, decode.CodeExpand
		return "", false, err
	}
	return value, true, nil
}

// lookup resolves a bare name: the scenario's variables, then what the run
// will know, then the environment.
func (x *expander) lookup(name string, template bool, session func(string) bool) (string, bool, *decode.TextError) {
	if v, ok := x.vars[name]; ok {
		value, err := x.resolve(v)
		return value, err == nil, err
	}
	if session != nil && session(name) {
		return "", false, nil
	}
	if x.env != nil {
		if value, ok := x.env(name); ok {
			x.secrets[value] = name
			if template {
				value = generators.EscapeTemplate(value)
			}
			return value, true, nil
		}
	}
	return "", false, nil
}

func (x *expander) resolve(v *variable) (string, *decode.TextError) {
	v.used = true
	if v.done {
		return v.value, nil
	}
	if v.busy {
		return "", &decode.TextError{Code: decode.CodeExpand, Message: "variable " + v.name + " is defined by itself"}
	}
	if v.given {
		v.done, v.value = true, v.text
		return v.value, nil
	}
	v.busy = true
	defer func() { v.busy = false }()
	// As a template: what only a run knows is for the place of use to judge.
	e, err := x.expand(v.text, true, nil)
	if err != nil {
		return "", &decode.TextError{Code: decode.CodeExpand, Message: "in variable " + v.name + ": " + err.Message, Hint: err.Hint}
	}
	if len(e.text) > mostExpanded {
		return "", &decode.TextError{Code: decode.CodeTooLarge, Message: "variable " + v.name + " expands to more than 64KiB"}
	}
	v.done, v.value = true, e.text
	return v.value, nil
}

// mostExpanded bounds one variable's value, so that variables made of
// variables cannot grow without end.
const mostExpanded = 64 << 10

func (x *expander) stackVar(name string) (string, *decode.TextError) {
	if x.anyStack {
		return "http://" + name + ".stack.invalid", nil
	}
	if x.stack == nil {
		return "", &decode.TextError{Message: "${stack." + name + "} needs a stack, and the target names none", Hint: "write target: { stack: NAME }"}
	}
	if value, ok := x.stack[name]; ok {
		return value, nil
	}
	names := slices.Sorted(maps.Keys(x.stack))
	hint := "it offers " + strings.Join(names, ", ")
	if near := decode.Suggest(name, names); near != "" {
		hint = "did you mean ${stack." + near + "}?"
	}
	return "", &decode.TextError{Message: "stack " + x.stackName + " offers no variable " + strconv.Quote(name), Hint: hint}
}

func (x *expander) undefined(name string) *decode.TextError {
	err := &decode.TextError{Code: decode.CodeExpand, Message: "variable " + name + " is not defined, in vars or in the environment"}
	if near := decode.Suggest(name, slices.Sorted(maps.Keys(x.vars))); near != "" {
		err.Hint = "did you mean $" + near + "?"
	} else if x.stack != nil && name == "stack" {
		err.Hint = "write ${stack.url}, in braces"
	} else {
		err.Hint = "add it to vars, or write $$" + name + " for a literal $"
	}
	return err
}

// leadingName is the longest name a text begins with: letters, digits and _.
func leadingName(s string) string {
	i := 0
	for i < len(s) && (s[i] == '_' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z' || i > 0 && s[i] >= '0' && s[i] <= '9') {
		i++
	}
	return s[:i]
}

// shortestSecret is the length from which a value of the environment is kept
// out of everything that is printed or recorded. Shorter ones are switches
// and counts: hiding every 1 in a report would hide the report.
const shortestSecret = 4

// A redactor puts the names of environment variables in the place of their
// values.
type redactor struct {
	values []string // longest first, in every spelling
	names  []string
}

func newRedactor(secrets map[string]string) redactor {
	var r redactor
	spelled := map[string]string{}
	for value, name := range secrets {
		if len(value) < shortestSecret {
			continue
		}
		quoted := strconv.Quote(value)
		for _, s := range []string{value, quoted[1 : len(quoted)-1], url.QueryEscape(value), url.PathEscape(value), generators.EscapeTemplate(value)} {
			if old, ok := spelled[s]; !ok || name < old {
				spelled[s] = name
			}
		}
	}
	r.values = slices.SortedFunc(maps.Keys(spelled), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	for _, v := range r.values {
		r.names = append(r.names, "${"+spelled[v]+"}")
	}
	return r
}

// redact hides whole values, and the beginnings of values that a message cut
// short with an ellipsis.
func (r redactor) redact(s string) string {
	for i, v := range r.values {
		s = strings.ReplaceAll(s, v, r.names[i])
		for from := 0; ; {
			cut := strings.Index(s[from:], "…")
			if cut < 0 {
				break
			}
			cut += from
			from = cut + len("…")
			for n := min(len(v)-1, cut); n >= shortestSecret; n-- {
				if utf8.ValidString(v[:n]) && strings.HasSuffix(s[:cut], v[:n]) {
					s = s[:cut-n] + r.names[i] + s[cut:]
					from += len(r.names[i]) - n
					break
				}
			}
		}
	}
	return s
}

func (r redactor) problems(ps decode.Problems) decode.Problems {
	out := slices.Clone(ps)
	for i := range out {
		out[i].Message, out[i].Hint = r.redact(out[i].Message), r.redact(out[i].Hint)
	}
	return out
}
