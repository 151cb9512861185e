// Package jsonpath is how a scenario names one value in a JSON document: the
// part of JSONPath (RFC 9535) that leads to a single one, $.a.b[0]['c d'][-1],
// and [*] for the first of an array. Loads, faults and probes share it.
package jsonpath

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxSteps is how long a path may be.
const maxSteps = 100

// Hint shows what a path looks like.
const Hint = "a path is like $.status.replicas or $.items[0].size"

// A Path leads to one value. The zero value is no path.
type Path struct {
	source string
	steps  []step
}

// A step is a member's name, or an element's index.
type step struct {
	name    string
	index   int // from the end where negative
	element bool
	end     int // where it ends in the source
}

// String is the path as it was written.
func (p Path) String() string { return p.source }

// Parse reads a path. Its errors name the path and say what is wrong with it.
func Parse(src string) (Path, error) {
	p := Path{source: src}
	rest, ok := strings.CutPrefix(src, "$")
	if !ok {
		return Path{}, fmt.Errorf("a JSON path begins with $, as in $.items[0].id; %q does not", src)
	}
	for rest != "" {
		s, after, err := parseStep(rest)
		if err != nil {
			return Path{}, fmt.Errorf("JSON path %q: %w", src, err)
		}
		s.end, rest = len(src)-len(after), after
		if p.steps = append(p.steps, s); len(p.steps) > maxSteps {
			return Path{}, fmt.Errorf("a JSON path has at most %d steps", maxSteps)
		}
	}
	return p, nil
}

func parseStep(src string) (s step, rest string, err error) {
	switch src[0] {
	case '[':
		return parseBracket(src[1:])
	case '.':
		end := strings.IndexAny(src[1:], ".[")
		if end < 0 {
			end = len(src) - 1
		}
		name := src[1 : 1+end]
		if name == "" || name == "*" {
			return step{}, "", errors.New("a dot is followed by the name of a member")
		}
		return step{name: name}, src[1+end:], nil
	}
	return step{}, "", fmt.Errorf("expected . or [ before %q", src)
}

// parseBracket reads what follows the [ of [0], [-1], [*], ['name'] or ["name"].
func parseBracket(src string) (s step, rest string, err error) {
	if src != "" && (src[0] == '\'' || src[0] == '"') {
		name, after, ok := unquote(src)
		if !ok || !strings.HasPrefix(after, "]") {
			return step{}, "", errors.New("a quoted name ends with its quote and ]")
		}
		return step{name: name}, after[1:], nil
	}
	text, after, ok := strings.Cut(src, "]")
	if !ok {
		return step{}, "", errors.New("[ is never closed")
	}
	if text == "*" {
		return step{element: true}, after, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return step{}, "", fmt.Errorf("[%s] is not an index; a name needs quotes", text)
	}
	return step{element: true, index: n}, after, nil
}

// unquote reads the name that src begins with, in the quotes and with the
// escapes of RFC 9535, section 2.3.1: those of JSON, and \' in place of \"
// between single quotes.
func unquote(src string) (name, rest string, ok bool) {
	quote := src[0]
	var b strings.Builder
	b.WriteByte('"')
	for i := 1; i < len(src); i++ {
		switch c := src[i]; {
		case c == quote:
			b.WriteByte('"')
			err := json.Unmarshal([]byte(b.String()), &name)
			return name, src[i+1:], err == nil
		case c == '\\' && i+1 < len(src):
			if i++; src[i] != '\'' || quote != '\'' {
				b.WriteByte('\\')
			}
			b.WriteByte(src[i])
		case c == '"': // between single quotes it stands for itself
			b.WriteString(`\"`)
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// What Find answers where there is no value.
var (
	ErrNotJSON  = errors.New("the body is not JSON")
	ErrNotFound = errors.New("nothing is there")
)

// Find returns the text of the value at the path, without a copy. It walks the
// document once and decodes nothing that lies beside the path, so it does not
// see what is wrong there.
func (p Path) Find(document []byte) (json.RawMessage, error) {
	s := scanner{data: document}
	for _, step := range p.steps {
		if err := s.enter(step); err != nil {
			return nil, err
		}
	}
	s.space()
	start := s.at
	if err := s.skip(0); err != nil {
		return nil, err
	}
	return document[start:s.at], nil
}

// Missing is the shortest beginning of the path at which a document has
// nothing; "" where there is a value.
func (p Path) Missing(document []byte) string {
	s := scanner{data: document}
	for _, step := range p.steps {
		if s.enter(step) != nil {
			return p.source[:step.end]
		}
	}
	if s.skip(0) != nil {
		return p.source
	}
	return ""
}
