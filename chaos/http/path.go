package http

import (
	"encoding/json"
	"errors"
	"fmt"
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
		n := strings.IndexFunc(src[1:], func(r rune) bool { return !inName(r) })
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

func inName(r rune) bool {
	return r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// find follows the path from the top of a document; false where it leads
// nowhere.
func (p path) find(v any) (any, bool) {
	for _, k := range p {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[k.name]
			if !ok || k.index >= 0 {
				return nil, false
			}
			v = next
		case []any:
			if k.index < 0 || k.index >= len(in) {
				return nil, false
			}
			v = in[k.index]
		default:
			return nil, false
		}
	}
	return v, true
}
