package decode

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A Decoder turns nodes into Go values and collects every problem on the way.
// It is not safe for concurrent use.
type Decoder struct {
	Doc *Document

	// Expand resolves static expressions (variables, environment) in the
	// text of every scalar that holds a '$', before it is given a type. The
	// error may be a *TextError to point at a part of the text. Nil leaves
	// text alone.
	Expand func(text string, at Node) (string, error)
	// ExpandTemplate does the same for fields tagged template:"true", and
	// leaves run-time expressions in place. Nil leaves text alone.
	ExpandTemplate func(text string, at Node) (string, error)

	// Synonyms are keys that users bring from other tools. They turn an
	// unknown key into a hint.
	Synonyms Synonyms

	problems Problems
	errors   int // of the problems, those that are no warnings
	absent   int // depth of sections being defaulted that the file does not have
}

// mostCarets bounds the work for files that are wrong everywhere: past so
// many problems, a part of a text is not looked for in the source any more.
const mostCarets = 1000

// Synonyms map where (a path whose segments may be "*", such as "loads.*";
// "" is anywhere) to key to hint ("use rate: 500/s"). The longest matching
// path wins.
type Synonyms map[string]map[string]string

// A TextError says what is wrong with a part of a scalar's text.
type TextError struct {
	Offset, Length int // bytes of the text
	Code           string
	Message, Hint  string
}

func (e *TextError) Error() string { return e.Message }

// A NodeDecoder decodes itself. DecodeNode is called with any node but Null,
// from the goroutine that called Decode; it reports what is wrong through d.
type NodeDecoder interface {
	DecodeNode(d *Decoder, n Node)
}

// A Validator checks itself once decoded. The field of a report is a dotted
// path of keys below the value, "" for the value itself. Validate is called
// only when decoding the value found nothing wrong.
type Validator interface {
	Validate(report func(field, message, hint string))
}

// Decode reads n into what into points to: defaults first, then the keys of
// the file, then checks. Every problem is reported, none stops it. It returns
// false when it reported an error.
func (d *Decoder) Decode(n Node, into any) bool {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic("decode: Decode needs a pointer to decode into")
	}
	before := d.failures()
	v = v.Elem()
	if n.Kind() == Null && v.Kind() == reflect.Struct && !isNodeDecoder(v) {
		// An empty section is a section with no keys: it may lack required ones.
		n = n.Without()
	}
	if n.Kind() == Null && v.Kind() != reflect.Interface {
		d.Report(n.place(), CodeMissingKey, "expected "+expected(v.Type(), field{})+", got nothing", "")
		return false
	}
	d.value(n, v, field{})
	return d.failures() == before
}

// Problems are all reported so far, sorted by place, each once.
func (d *Decoder) Problems() Problems { return d.problems.Sorted() }

// failures counts the errors reported so far.
func (d *Decoder) failures() int { return d.errors }

// Report adds an error at a node.
func (d *Decoder) Report(n Node, code, message, hint string) {
	d.add(n.doc, n.Line(), n.Col(), n.Len(), code, message, hint, false)
}

// Warn adds a warning at a node.
func (d *Decoder) Warn(n Node, code, message, hint string) {
	d.add(n.doc, n.Line(), n.Col(), n.Len(), code, message, hint, true)
}

// ReportText adds an error at a part of a scalar: offset and length are bytes
// of its Text. The caret stands under those characters in the source, over
// quotes, escapes and folded lines.
func (d *Decoder) ReportText(n Node, offset, length int, code, message, hint string) {
	line, col, count := d.locate(n, offset, length)
	d.add(n.doc, line, col, count, code, message, hint, false)
}

// WarnText is ReportText for a warning.
func (d *Decoder) WarnText(n Node, offset, length int, code, message, hint string) {
	line, col, count := d.locate(n, offset, length)
	d.add(n.doc, line, col, count, code, message, hint, true)
}

func (d *Decoder) locate(n Node, offset, length int) (line, col, count int) {
	if len(d.problems) >= mostCarets {
		return n.Line(), n.Col(), n.Len()
	}
	return n.locate(offset, length)
}

// ReportError adds an error at a node from an error value: a *ValueError or a
// *TextError gives its own code, hint and place.
func (d *Decoder) ReportError(n Node, err error) {
	var text *TextError
	var val *ValueError
	switch {
	case errors.As(err, &text):
		d.ReportText(n, text.Offset, text.Length, cmpOr(text.Code, CodeBadValue), text.Message, text.Hint)
	case errors.As(err, &val):
		d.Report(n, val.Code, val.Message, val.Hint)
	default:
		d.Report(n, CodeBadValue, err.Error(), "")
	}
}

func (d *Decoder) add(doc *Document, line, col, length int, code, message, hint string, warning bool) {
	if doc == nil {
		doc = d.Doc
	}
	p := doc.problem(max(1, line), max(1, col), length, code, message, hint)
	p.Warning = warning
	if !warning {
		d.errors++
	}
	d.problems = append(d.problems, p)
}

// Text is a scalar's text with its static expressions resolved. ok is false
// when that failed, which has been reported.
func (d *Decoder) Text(n Node) (text string, ok bool) { return d.expand(n, d.Expand) }

// Template is a scalar's text with its static expressions resolved and its
// run-time ones left in place.
func (d *Decoder) Template(n Node) (text string, ok bool) { return d.expand(n, d.ExpandTemplate) }

func (d *Decoder) expand(n Node, expand func(string, Node) (string, error)) (string, bool) {
	text := n.Text()
	if expand == nil || !strings.Contains(text, "$") {
		return text, true
	}
	out, err := expand(text, n)
	if err == nil {
		return out, true
	}
	var at *TextError
	if errors.As(err, &at) {
		d.ReportText(n, at.Offset, at.Length, cmpOr(at.Code, CodeExpand), at.Message, at.Hint)
	} else {
		d.Report(n, CodeExpand, err.Error(), "")
	}
	return "", false
}

// UnknownKey reports a key that a map does not know, with the nearest of the
// known ones or a synonym as its hint.
func (d *Decoder) UnknownKey(n Node, e Entry, known []string) {
	message := "unknown key " + quote(e.Key)
	if path := n.Path(); path != "" {
		message += " in " + path
	}
	hint := d.Synonyms.hint(n.Path(), e.Key)
	if hint == "" {
		if near := Suggest(e.Key, known); near != "" {
			hint = "did you mean " + quote(near) + "?"
		} else if len(known) > 0 && len(known) <= 24 {
			hint = "known keys: " + strings.Join(known, ", ")
		}
	}
	d.Report(e.KeyNode, CodeUnknownKey, message, hint)
}

// hint is what the synonyms say about a key at a path.
func (s Synonyms) hint(path, key string) string {
	best, bestLength := "", -1
	for _, where := range slices.Sorted(maps.Keys(s)) {
		h, ok := s[where][key]
		if !ok {
			continue
		}
		length := strings.Count(where, ".") + 1
		if where == "" {
			length = 0
		}
		if (where == "" || matchPath(where, path)) && length > bestLength {
			best, bestLength = h, length
		}
	}
	return best
}

// matchPath matches "loads.*" with "loads.browse"; the index of an item counts
// as part of its list's name.
func matchPath(pattern, path string) bool {
	want, have := strings.Split(pattern, "."), strings.Split(path, ".")
	if len(want) != len(have) {
		return false
	}
	for i, w := range want {
		name, _, _ := strings.Cut(have[i], "[")
		if w != "*" && w != name {
			return false
		}
	}
	return true
}
