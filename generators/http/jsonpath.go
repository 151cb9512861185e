package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A jsonPath is the part of JSONPath (RFC 9535) that names one value:
// $.a.b[0]['c d'][-1], and [*] for the first of an array.
type jsonPath struct {
	source string
	steps  []jsonStep
}

// A jsonStep is a member's name, or an element's index.
type jsonStep struct {
	name    string
	index   int
	element bool
}

func (p jsonPath) String() string { return p.source }

func parseJSONPath(src string) (jsonPath, error) {
	p := jsonPath{source: src}
	rest, ok := strings.CutPrefix(src, "$")
	if !ok {
		return p, fmt.Errorf("a JSON path begins with $, as in $.items[0].id; %q does not", src)
	}
	for rest != "" {
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			name := rest[1 : 1+end]
			if name == "" || name == "*" {
				return p, fmt.Errorf("JSON path %q: a dot is followed by the name of a member", src)
			}
			p.steps = append(p.steps, jsonStep{name: name})
			rest = rest[1+end:]
		case '[':
			step, after, err := parseBracket(rest)
			if err != nil {
				return p, fmt.Errorf("JSON path %q: %w", src, err)
			}
			p.steps = append(p.steps, step)
			rest = after
		default:
			return p, fmt.Errorf("JSON path %q: expected . or [ before %q", src, rest)
		}
		if len(p.steps) > maxJSONDepth {
			return p, fmt.Errorf("a JSON path has at most %d steps", maxJSONDepth)
		}
	}
	return p, nil
}

// parseBracket reads [0], [-1], [*], ['name'] or ["name"].
func parseBracket(src string) (step jsonStep, rest string, err error) {
	inner := src[1:]
	if inner != "" && (inner[0] == '\'' || inner[0] == '"') {
		quote := inner[:1]
		name, after, ok := strings.Cut(inner[1:], quote)
		if !ok || !strings.HasPrefix(after, "]") {
			return step, "", errors.New("a quoted name ends with its quote and ]")
		}
		return jsonStep{name: name}, after[1:], nil
	}
	text, after, ok := strings.Cut(inner, "]")
	if !ok {
		return step, "", errors.New("[ is never closed")
	}
	if text == "*" {
		return jsonStep{element: true}, after, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return step, "", fmt.Errorf("[%s] is not an index; a name needs quotes", text)
	}
	return jsonStep{element: true, index: n}, after, nil
}

var (
	errNotJSON  = errors.New("the body is not JSON")
	errNotFound = errors.New("nothing is there")
)

// find returns the text of the value at the path, without a copy. It walks
// the body once and decodes nothing that lies beside the path.
func (p jsonPath) find(body []byte) (json.RawMessage, error) {
	s := jsonScanner{data: body}
	s.space()
	for _, step := range p.steps {
		var err error
		if step.element {
			err = s.enterArray(step.index)
		} else {
			err = s.enterObject(step.name)
		}
		if err != nil {
			return nil, err
		}
	}
	start := s.at
	if err := s.skip(0); err != nil {
		return nil, err
	}
	return body[start:s.at], nil
}

// A jsonScanner moves over JSON text. It checks no more than it needs to find
// its way; what it returns is decoded by encoding/json before it is believed.
type jsonScanner struct {
	data []byte
	at   int
}

func (s *jsonScanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// next consumes one byte after space, and reports whether it is c.
func (s *jsonScanner) next(c byte) bool {
	s.space()
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

// other says why there is nothing to enter: another value, or none.
func (s *jsonScanner) other() error {
	if err := s.skip(0); err != nil {
		return err
	}
	return errNotFound
}

// enterObject moves to the value of a member. Of members with the same name
// the last one counts, as everywhere in Go.
func (s *jsonScanner) enterObject(name string) error {
	if !s.next('{') {
		return s.other()
	}
	found := -1
	for first := true; !s.next('}'); first = false {
		if !first && !s.next(',') {
			return errNotJSON
		}
		s.space()
		start := s.at
		if err := s.str(); err != nil {
			return err
		}
		key := s.data[start:s.at]
		if !s.next(':') {
			return errNotJSON
		}
		s.space()
		if sameString(key, name) {
			found = s.at
		}
		if err := s.skip(0); err != nil {
			return err
		}
	}
	if found < 0 {
		return errNotFound
	}
	s.at = found
	return nil
}

// enterArray moves to an element; a negative index counts from the end.
func (s *jsonScanner) enterArray(index int) error {
	if !s.next('[') {
		return s.other()
	}
	if index < 0 {
		// Count first, then walk again.
		count := *s
		n := 0
		for first := true; !count.next(']'); first = false {
			if !first && !count.next(',') {
				return errNotJSON
			}
			if err := count.skip(0); err != nil {
				return err
			}
			n++
		}
		if index += n; index < 0 {
			return errNotFound
		}
	}
	for i := 0; ; i++ {
		if s.next(']') {
			return errNotFound
		}
		if i > 0 && !s.next(',') {
			return errNotJSON
		}
		s.space()
		if i == index {
			return nil
		}
		if err := s.skip(0); err != nil {
			return err
		}
	}
}

// maxSkipDepth bounds recursion over what a target answers.
const maxSkipDepth = 1000

// skip moves past one value.
func (s *jsonScanner) skip(depth int) error {
	s.space()
	if s.at >= len(s.data) || depth > maxSkipDepth {
		return errNotJSON
	}
	switch c := s.data[s.at]; {
	case c == '"':
		return s.str()
	case c == '{':
		s.at++
		for first := true; !s.next('}'); first = false {
			if !first && !s.next(',') {
				return errNotJSON
			}
			s.space()
			if err := s.str(); err != nil {
				return err
			}
			if !s.next(':') {
				return errNotJSON
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
		return nil
	case c == '[':
		s.at++
		for first := true; !s.next(']'); first = false {
			if !first && !s.next(',') {
				return errNotJSON
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
		return nil
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case c == '-' || c >= '0' && c <= '9':
		start := s.at
		for s.at < len(s.data) && strings.IndexByte("+-.eE0123456789", s.data[s.at]) >= 0 {
			s.at++
		}
		if !json.Valid(s.data[start:s.at]) {
			return errNotJSON
		}
		return nil
	}
	return errNotJSON
}

func (s *jsonScanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.at:], []byte(w)) {
		return errNotJSON
	}
	s.at += len(w)
	return nil
}

// str moves past a string.
func (s *jsonScanner) str() error {
	if s.at >= len(s.data) || s.data[s.at] != '"' {
		return errNotJSON
	}
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c == '\\':
			s.at++
		case c < ' ':
			return errNotJSON
		}
	}
	return errNotJSON
}

// sameString is true when a quoted JSON string means name.
func sameString(quoted []byte, name string) bool {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == name
	}
	var s string
	return json.Unmarshal(quoted, &s) == nil && s == name
}
