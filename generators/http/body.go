package http

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/brunt-dev/brunt/generators"
)

// A body is what a request sends after its header. It is a list of parts,
// each either text that never changes or a template whose value is escaped
// for the syntax around it.
type body struct {
	parts       []bodyPart
	constant    []byte // the whole body, when nothing in it changes
	isConstant  bool
	contentType string // when the step sets none itself
}

type bodyPart struct {
	text     []byte
	template *generators.Template
	escape   escape
}

// escape says how a template's text is written into a body.
type escape uint8

const (
	escapeNone escape = iota
	escapeJSON        // as the inside of a JSON string
	escapeForm        // as a value of a form
)

// newBody makes the body of a step; at most one of its fields is set.
func newBody(s Step) (body, string, error) {
	var b body
	switch {
	case s.JSON != nil:
		b.contentType = "application/json"
		parts, err := jsonParts(nil, s.JSON, 0)
		if err != nil {
			return b, "json", err
		}
		b.parts = parts
	case s.Body != "":
		t, err := generators.ParseTemplate(s.Body)
		if err != nil {
			return b, "body", err
		}
		b.parts = []bodyPart{{template: t}}
	case s.Form != nil:
		b.contentType = "application/x-www-form-urlencoded"
		pairs, err := newPairs(s.Form)
		if err != nil {
			return b, "form", err
		}
		for i, p := range pairs {
			var text []byte
			if i > 0 {
				text = append(text, '&')
			}
			text = append(appendQueryValue(text, p.name), '=')
			b.parts = append(b.parts, bodyPart{text: text}, bodyPart{template: p.value, escape: escapeForm})
		}
	default:
		b.isConstant = true
		return b, "", nil
	}
	if len(b.templates()) == 0 {
		whole, err := b.append(nil, nil, generators.Scope{})
		if err != nil {
			return b, "body", err
		}
		b.constant, b.isConstant = whole, true
	}
	return b, "", nil
}

// templates are those whose text is not the same for all arrivals.
func (b *body) templates() []*generators.Template {
	var ts []*generators.Template
	for _, p := range b.parts {
		if p.template == nil {
			continue
		}
		if _, constant := p.template.Constant(); !constant {
			ts = append(ts, p.template)
		}
	}
	return ts
}

// append renders the body for one arrival; tmp is scratch space.
func (b *body) append(dst, tmp []byte, scope generators.Scope) ([]byte, error) {
	if b.isConstant {
		return append(dst, b.constant...), nil
	}
	for i := range b.parts {
		p := &b.parts[i]
		if p.template == nil {
			dst = append(dst, p.text...)
			continue
		}
		if p.escape == escapeNone {
			var err error
			if dst, err = p.template.Append(dst, scope); err != nil {
				return dst, err
			}
			continue
		}
		text, err := p.template.Append(tmp[:0], scope)
		if err != nil {
			return dst, err
		}
		if p.escape == escapeForm {
			dst = appendQueryValue(dst, string(text))
		} else {
			dst = appendJSONText(dst, text)
		}
	}
	return dst, nil
}

// maxJSONDepth bounds the nesting of a JSON body.
const maxJSONDepth = 100

// jsonParts appends the parts of v written as JSON. Strings are templates,
// and stay strings whatever they come to. Keys are sorted: maps have no order.
func jsonParts(parts []bodyPart, v any, depth int) ([]bodyPart, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxJSONDepth)
	}
	switch v := v.(type) {
	case nil:
		return addText(parts, "null"), nil
	case bool:
		return addText(parts, strconv.FormatBool(v)), nil
	case int:
		return addText(parts, strconv.Itoa(v)), nil
	case int64:
		return addText(parts, strconv.FormatInt(v, 10)), nil
	case uint64:
		return addText(parts, strconv.FormatUint(v, 10)), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("JSON has no number %v", v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		return addText(parts, string(text)), nil
	case string:
		t, err := generators.ParseTemplate(v)
		if err != nil {
			return nil, err
		}
		parts = addText(parts, `"`)
		if text, constant := t.Constant(); constant {
			parts = addText(parts, string(appendJSONText(nil, []byte(text))))
		} else {
			parts = append(parts, bodyPart{template: t, escape: escapeJSON})
		}
		return addText(parts, `"`), nil
	case []any:
		parts = addText(parts, "[")
		for i, e := range v {
			if i > 0 {
				parts = addText(parts, ",")
			}
			var err error
			if parts, err = jsonParts(parts, e, depth+1); err != nil {
				return nil, err
			}
		}
		return addText(parts, "]"), nil
	case map[string]any:
		parts = addText(parts, "{")
		for i, k := range sortedKeys(v) {
			if i > 0 {
				parts = addText(parts, ",")
			}
			parts = addText(parts, `"`+string(appendJSONText(nil, []byte(k)))+`":`)
			var err error
			if parts, err = jsonParts(parts, v[k], depth+1); err != nil {
				return nil, err
			}
		}
		return addText(parts, "}"), nil
	}
	return nil, fmt.Errorf("%v cannot be written as JSON", v)
}

// addText appends text to the last part when that is text, too.
func addText(parts []bodyPart, text string) []bodyPart {
	if n := len(parts); n > 0 && parts[n-1].template == nil {
		parts[n-1].text = append(parts[n-1].text, text...)
		return parts
	}
	return append(parts, bodyPart{text: []byte(text)})
}

// appendJSONText appends text as the inside of a JSON string (RFC 8259,
// section 7). Bytes that are not UTF-8 become the replacement character, as
// JSON can hold nothing else.
func appendJSONText(dst, text []byte) []byte {
	for _, r := range string(text) {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', upperHex[r>>4], upperHex[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return dst
}

// newPairs sorts a map by name and parses its values.
func newPairs(m map[string]string) ([]pair, error) {
	var pairs []pair
	for _, name := range sortedKeys(m) {
		t, err := generators.ParseTemplate(m[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		pairs = append(pairs, pair{name, t})
	}
	return pairs, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
