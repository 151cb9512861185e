package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// A path leads to one value in a JSON document: "$" followed by ".name" and
// "[index]" in any order. Names are letters, digits, "_" and "-"; others are
// written ["…"] with JSON's own quoting.
type path []key

// A key is one part of a path.
type key struct {
	name  string
	index int // -1 for a name
}

func (k key) String() string {
	if k.index >= 0 {
		return "[" + strconv.Itoa(k.index) + "]"
	}
	if k.name != "" && strings.IndexFunc(k.name, func(r rune) bool { return !plain(r) }) < 0 {
		return "." + k.name
	}
	quoted, _ := json.Marshal(k.name)
	return "[" + string(quoted) + "]"
}

func (p path) String() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, k := range p {
		b.WriteString(k.String())
	}
	return b.String()
}

// parsePath reads a path. Its errors say at which character it went wrong.
func parsePath(src string) (path, error) {
	rest, ok := strings.CutPrefix(src, "$")
	if !ok {
		return nil, fmt.Errorf("path %s: must begin with $", src)
	}
	var p path
	for rest != "" {
		k, n, err := parseKey(rest)
		if err != nil {
			return nil, fmt.Errorf("path %s: character %d: %w", src, len(src)-len(rest)+1, err)
		}
		p = append(p, k)
		rest = rest[n:]
	}
	return p, nil
}

// parseKey reads one key from the start of src and says how long it was.
func parseKey(src string) (key, int, error) {
	switch {
	case src[0] == '.':
		n := strings.IndexFunc(src[1:], func(r rune) bool { return !plain(r) })
		if n < 0 {
			n = len(src) - 1
		}
		if n == 0 {
			return key{}, 0, errors.New("want a name after the dot")
		}
		return key{src[1 : 1+n], -1}, 1 + n, nil
	case strings.HasPrefix(src, `["`):
		in := json.NewDecoder(strings.NewReader(src[1:]))
		var name string
		if err := in.Decode(&name); err != nil {
			return key{}, 0, errors.New("want a name in quotes")
		}
		n := 1 + int(in.InputOffset())
		if n == len(src) || src[n] != ']' {
			return key{}, 0, errors.New("want ] after the name")
		}
		return key{name, -1}, n + 1, nil
	case src[0] == '[':
		digits, _, ok := strings.Cut(src[1:], "]")
		i, err := strconv.ParseUint(digits, 10, 31)
		if !ok || err != nil {
			return key{}, 0, errors.New("want an index such as [0], from 0 up")
		}
		return key{index: int(i)}, len(digits) + 2, nil
	}
	return key{}, 0, errors.New("want .name or [index]")
}

func plain(r rune) bool {
	return r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// number finds the number at p in a JSON document.
func (p path) number(document []byte) (float64, error) {
	in := json.NewDecoder(bytes.NewReader(document))
	in.UseNumber()
	var v any
	if err := in.Decode(&v); err != nil {
		return 0, errors.New("the answer is not JSON")
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return 0, errors.New("the answer is not JSON: more follows its end")
	}
	for i, k := range p {
		next, found := any(nil), false
		switch v := v.(type) {
		case map[string]any:
			next, found = v[k.name]
			found = found && k.index < 0
		case []any:
			if found = k.index >= 0 && k.index < len(v); found {
				next = v[k.index]
			}
		}
		if !found {
			return 0, fmt.Errorf("nothing at %s", p[:i+1])
		}
		v = next
	}
	n, ok := v.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%s at %s, not a number", describe(v), p)
	}
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return 0, fmt.Errorf("a number too large at %s", p)
	}
	return f, nil
}

func describe(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return "null"
}
