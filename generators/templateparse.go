package generators

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A TemplateError says where a template could not be understood.
type TemplateError struct {
	Offset  int    // in bytes, from the start of the source
	Message string // what is wrong
	Hint    string // what would be right; may be empty
}

func (e *TemplateError) Error() string {
	if e.Hint == "" {
		return fmt.Sprintf("template, at byte %d: %s", e.Offset, e.Message)
	}
	return fmt.Sprintf("template, at byte %d: %s (%s)", e.Offset, e.Message, e.Hint)
}

// ParseTemplate reads a template's source. Its error is a *TemplateError.
// Whether the feeds and variables exist is not its business: see References.
func ParseTemplate(src string) (*Template, error) {
	t := &Template{src: src}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.parts = append(t.parts, part{text: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(src); {
		switch rest := src[i:]; {
		case strings.HasPrefix(rest, "$${"):
			literal.WriteString("${")
			i += len("$${")
		case strings.HasPrefix(rest, "${"):
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				return nil, &TemplateError{Offset: i, Message: "${ is never closed", Hint: "write $${ for a literal ${"}
			}
			p, err := parseExpression(rest[2:end], i+2)
			if err != nil {
				return nil, err
			}
			flush()
			t.parts = append(t.parts, p)
			i += end + 1
		default:
			next := len(rest)
			if at := strings.IndexByte(rest[1:], '$'); at >= 0 {
				next = at + 1
			}
			literal.WriteString(rest[:next])
			i += next
		}
	}
	flush()
	return t, nil
}

// parseExpression reads what stands between ${ and }, at an offset in the
// template.
func parseExpression(src string, offset int) (part, error) {
	trimmed := strings.TrimLeft(src, " \t")
	offset += len(src) - len(trimmed)
	src = strings.TrimRight(trimmed, " \t")
	if src == "" {
		return part{}, &TemplateError{Offset: offset, Message: "nothing between ${ and }", Hint: "write a name, like ${users.id}, or $${ for a literal ${"}
	}
	if at := strings.Index(src, "${"); at >= 0 {
		return part{}, &TemplateError{Offset: offset + at, Message: "${ inside ${…}", Hint: "close the first one; write $${ for a literal ${"}
	}
	if open := strings.IndexByte(src, '('); open >= 0 {
		return parseCall(src, open, offset)
	}
	if at, r := badRune(src, true); at >= 0 {
		return part{}, &TemplateError{Offset: offset + at, Message: fmt.Sprintf("%q cannot be part of a name", r), Hint: "a name has letters, digits, '_' and '-'; write $${ for a literal ${"}
	}
	feed, column, dotted := strings.Cut(src, ".")
	switch {
	case !dotted:
		return part{op: opVariable, text: src}, nil
	case feed == "" || column == "" || strings.HasSuffix(column, ".") || strings.Contains(src, ".."):
		return part{}, &TemplateError{Offset: offset, Message: fmt.Sprintf("%q has a dot without a name on both sides", src), Hint: "write feed.column"}
	}
	return part{op: opColumn, text: feed, col: column}, nil
}

// badRune is the first character of a name that cannot be there, or -1.
func badRune(name string, dots bool) (int, rune) {
	for i, r := range name {
		switch {
		case r == utf8.RuneError:
		case unicode.IsLetter(r), r == '_', r == '.' && dots:
			continue
		case i > 0 && (unicode.IsDigit(r) || r == '-'):
			continue
		}
		return i, r
	}
	return -1, 0
}

// An argument is one argument of a call, and where it stands.
type argument struct {
	text   string
	offset int
}

// A function is something a template can call.
type function struct {
	name    string
	example string
	also    []string // what other tools call it, in lower case
	args    int      // how many it takes
	opt     bool     // or one less
	make    func(p part, args []argument) (part, error)
}

// functions lists them all.
func functions() []function {
	plain := func(o op) func(part, []argument) (part, error) {
		return func(p part, _ []argument) (part, error) { p.op = o; return p, nil }
	}
	return []function{
		{name: "rand", example: "rand(1,40)", args: 2, make: makeRand,
			also: []string{"random", "randint", "random_int", "randomint", "randomnumber", "random_number", "randominteger", "randomintbetween", "randnum", "int"}},
		{name: "randstr", example: "randstr(8)", args: 1, make: makeRandstr,
			also: []string{"randomstring", "random_string", "randstring", "rand_str", "string", "str"}},
		{name: "uuid", example: "uuid()", make: plain(opUUID),
			also: []string{"guid", "uuid4", "uuidv4", "uuid_v4", "randomuuid", "random_uuid"}},
		{name: "now", example: "now()", args: 1, opt: true, make: makeNow,
			also: []string{"time", "date", "timestamp", "datetime", "today", "isotimestamp"}},
		{name: "seq", example: "seq()", make: plain(opSeq),
			also: []string{"sequence", "index", "iteration", "iter", "counter", "count", "arrival", "__iter"}},
		{name: "session", example: "session()", make: plain(opSession),
			also: []string{"user", "vu", "__vu", "worker", "client", "thread"}},
	}
}

func parseCall(src string, open, offset int) (part, error) {
	name := strings.TrimRight(src[:open], " \t")
	f, err := findFunction(name, offset)
	if err != nil {
		return part{}, err
	}
	if !strings.HasSuffix(src, ")") {
		return part{}, &TemplateError{Offset: offset + len(src), Message: fmt.Sprintf("%s( is never closed", name), Hint: "write ${" + f.example + "}"}
	}
	args := splitArguments(src[open+1:len(src)-1], offset+open+1)
	if n := len(args); n != f.args && !(f.opt && n == f.args-1) {
		return part{}, &TemplateError{Offset: offset, Message: fmt.Sprintf("%s takes %s, not %d", name, plural(f.args, "argument"), n), Hint: "write ${" + f.example + "}"}
	}
	return f.make(part{text: "${" + src + "}"}, args)
}

func findFunction(name string, offset int) (function, error) {
	all := functions()
	for _, f := range all {
		if f.name == name {
			return f, nil
		}
	}
	unknown := &TemplateError{Offset: offset, Message: fmt.Sprintf("no function is named %q", name)}
	lower := strings.ToLower(name)
	best := 3 // edits from which a guess would be noise
	if len(lower) > 32 {
		best = 0
	}
	for _, f := range all {
		if slices.Contains(f.also, lower) {
			unknown.Hint = "did you mean ${" + f.example + "}?"
			return function{}, unknown
		}
		if d := edits(lower, f.name); d < best && d < len(f.name) {
			best = d
			unknown.Hint = "did you mean ${" + f.example + "}?"
		}
	}
	if unknown.Hint == "" {
		var names []string
		for _, f := range all {
			names = append(names, f.name)
		}
		unknown.Hint = "there are " + strings.Join(names, ", ")
	}
	return function{}, unknown
}

// splitArguments cuts a list at its commas; no text at all is no argument.
func splitArguments(src string, offset int) []argument {
	if strings.TrimSpace(src) == "" {
		return nil
	}
	var args []argument
	for piece := range strings.SplitSeq(src, ",") {
		text := strings.TrimSpace(piece)
		args = append(args, argument{text: text, offset: offset + strings.Index(piece, text)})
		offset += len(piece) + 1
	}
	return args
}

func makeRand(p part, args []argument) (part, error) {
	var err error
	if p.a, err = wholeNumber(args[0]); err != nil {
		return part{}, err
	}
	if p.b, err = wholeNumber(args[1]); err != nil {
		return part{}, err
	}
	if p.a > p.b {
		return part{}, &TemplateError{Offset: args[0].offset, Message: fmt.Sprintf("rand's range ends at %d, before it starts at %d", p.b, p.a), Hint: fmt.Sprintf("did you mean ${rand(%d,%d)}?", p.b, p.a)}
	}
	p.op = opRand
	return p, nil
}

// maxRandstr bounds the text that one randstr makes.
const maxRandstr = 1 << 20

func makeRandstr(p part, args []argument) (part, error) {
	n, err := wholeNumber(args[0])
	if err != nil {
		return part{}, err
	}
	if n < 1 || n > maxRandstr {
		return part{}, &TemplateError{Offset: args[0].offset, Message: fmt.Sprintf("randstr makes from 1 to %d characters, not %d", maxRandstr, n)}
	}
	p.op, p.a = opRandstr, n
	return p, nil
}

func makeNow(p part, args []argument) (part, error) {
	p.op = opNow
	if len(args) == 0 {
		return p, nil
	}
	switch args[0].text {
	case "unix":
		p.op = opNowUnix
	case "unix_ms":
		p.op = opNowUnixMilli
	default:
		return part{}, &TemplateError{Offset: args[0].offset, Message: fmt.Sprintf("now has no format %q", args[0].text), Hint: "write ${now()}, ${now(unix)} or ${now(unix_ms)}"}
	}
	return p, nil
}

func wholeNumber(a argument) (int64, error) {
	n, err := strconv.ParseInt(a.text, 10, 64)
	if err != nil {
		return 0, &TemplateError{Offset: a.offset, Message: fmt.Sprintf("%q is not a whole number", a.text)}
	}
	return n, nil
}

// edits is the number of letters to add, drop, change or swap with their
// neighbour that make b of a (optimal string alignment).
func edits(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
