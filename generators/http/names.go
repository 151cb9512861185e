package http

import (
	"strconv"
	"strings"
)

// stepNames names the requests among steps: by their name field, else by
// method and path, made unique with a number.
func stepNames(steps []Step) []string {
	taken := map[string]bool{}
	for _, s := range steps {
		if s.Name != "" {
			taken[s.Name] = true
		}
	}
	var names []string
	for _, s := range steps {
		if s.Think != "" {
			continue
		}
		name := s.Name
		if name == "" {
			name = "request"
			if m := s.methods(); len(m) > 0 {
				name = defaultName(m[0])
			}
			base := name
			for n := 2; taken[name]; n++ {
				name = base + "-" + strconv.Itoa(n)
			}
			taken[name] = true
		}
		names = append(names, name)
	}
	return names
}

// defaultName is the method in lower case and the path without its query,
// with everything outside [A-Za-z0-9_.] turned into dashes.
func defaultName(t target) string {
	path := t.url
	if _, rest, absolute := cutScheme(path); absolute {
		path = rest
		if i := strings.IndexAny(path, "/?#"); i >= 0 {
			path = path[i:]
		} else {
			path = ""
		}
	}
	var b strings.Builder
	b.WriteString(strings.ToLower(t.method))
	dash := true
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case strings.HasPrefix(path[i:], "${"):
			// An expression stays as the word it begins with.
			continue
		case c == '?' || c == '#':
			return b.String()
		case c == '(':
			if end := strings.IndexByte(path[i:], '}'); end > 0 {
				i += end
			}
			dash = true
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.':
			if dash {
				b.WriteByte('-')
				dash = false
			}
			b.WriteByte(c)
		default:
			dash = true
		}
		if b.Len() >= maxName {
			return b.String()
		}
	}
	return b.String()
}

// maxName keeps default names readable in tables.
const maxName = 48
