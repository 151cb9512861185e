package jsonpath

import (
	"bytes"
	"encoding/json"
	"strings"
)

// A scanner moves over JSON text. It checks no more than it needs to find
// its way; what it returns is decoded by encoding/json before it is believed.
type scanner struct {
	data []byte
	at   int
}

func (s *scanner) space() {
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
func (s *scanner) next(c byte) bool {
	s.space()
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

// enter moves to the value that a step leads to.
func (s *scanner) enter(to step) error {
	if to.element {
		return s.enterArray(to.index)
	}
	return s.enterObject(to.name)
}

// other says why there is nothing to enter: another value, or none.
func (s *scanner) other() error {
	if err := s.skip(0); err != nil {
		return err
	}
	return ErrNotFound
}

// enterObject moves to the value of a member. Of members with the same name
// the last one counts, as everywhere in Go.
func (s *scanner) enterObject(name string) error {
	if !s.next('{') {
		return s.other()
	}
	found := -1
	for first := true; !s.next('}'); first = false {
		if !first && !s.next(',') {
			return ErrNotJSON
		}
		s.space()
		start := s.at
		if err := s.str(); err != nil {
			return err
		}
		key := s.data[start:s.at]
		if !s.next(':') {
			return ErrNotJSON
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
		return ErrNotFound
	}
	s.at = found
	return nil
}

// enterArray moves to an element; a negative index counts from the end.
func (s *scanner) enterArray(index int) error {
	if !s.next('[') {
		return s.other()
	}
	if index < 0 {
		// Count first, then walk again.
		count := *s
		n := 0
		for first := true; !count.next(']'); first = false {
			if !first && !count.next(',') {
				return ErrNotJSON
			}
			if err := count.skip(0); err != nil {
				return err
			}
			n++
		}
		if index += n; index < 0 {
			return ErrNotFound
		}
	}
	for i := 0; ; i++ {
		if s.next(']') {
			return ErrNotFound
		}
		if i > 0 && !s.next(',') {
			return ErrNotJSON
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

// maxDepth bounds recursion over what a target answers.
const maxDepth = 1000

// skip moves past one value.
func (s *scanner) skip(depth int) error {
	s.space()
	if s.at >= len(s.data) || depth > maxDepth {
		return ErrNotJSON
	}
	switch c := s.data[s.at]; {
	case c == '"':
		return s.str()
	case c == '{':
		s.at++
		for first := true; !s.next('}'); first = false {
			if !first && !s.next(',') {
				return ErrNotJSON
			}
			s.space()
			if err := s.str(); err != nil {
				return err
			}
			if !s.next(':') {
				return ErrNotJSON
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
				return ErrNotJSON
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
			return ErrNotJSON
		}
		return nil
	}
	return ErrNotJSON
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.at:], []byte(w)) {
		return ErrNotJSON
	}
	s.at += len(w)
	return nil
}

// str moves past a string.
func (s *scanner) str() error {
	if s.at >= len(s.data) || s.data[s.at] != '"' {
		return ErrNotJSON
	}
	for s.at++; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			return nil
		case c == '\\':
			s.at++
		case c < ' ':
			return ErrNotJSON
		}
	}
	return ErrNotJSON
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
