package decode

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Kind is the shape of a value.
type Kind int

const (
	Null   Kind = iota // nothing, ~ or null
	Scalar             // text, a number, true or false
	List
	Map
)

// String is the kind with its article, for messages.
func (k Kind) String() string {
	switch k {
	case Scalar:
		return "a single value"
	case List:
		return "a list"
	case Map:
		return "a map"
	}
	return "nothing"
}

// style is how a scalar was written.
type style uint8

const (
	plain style = iota
	singleQuoted
	doubleQuoted
	literal // |
	folded  // >
)

// value is one value of the document. Aliases share the value they name, so a
// document is a graph without cycles.
type value struct {
	kind      Kind
	style     style
	line, col int
	length    int
	text      string // of a scalar
	entries   []pair
	items     []*value

	size, depth int // once aliases are followed
}

type pair struct{ key, value *value }

// stand moves a value and all in it to the place of another.
func (v *value) stand(at value) {
	v.line, v.col, v.length = at.line, at.col, at.length
	for _, p := range v.entries {
		p.key.stand(at)
		p.value.stand(at)
	}
	for _, item := range v.items {
		item.stand(at)
	}
}

// A Node is a view of one value in a document, with its place. The zero Node
// is a Null at no place.
type Node struct {
	doc  *Document
	v    *value
	key  *value // the key it stands under, nil for items and the root
	path *step
}

// step is one step of a path, linked upwards so that a path costs nothing
// until someone asks for it.
type step struct {
	up    *step
	name  string
	index int // of an item when name is empty
}

// An Entry is one key of a map, in file order.
type Entry struct {
	Key            string
	KeyNode, Value Node
}

// Kind is the node's shape.
func (n Node) Kind() Kind {
	if n.v == nil {
		return Null
	}
	return n.v.kind
}

// Line is where the node starts, from 1; 0 for the zero Node.
func (n Node) Line() int { return n.at().line }

// Col is the character of the line where the node starts, from 1.
func (n Node) Col() int { return n.at().col }

// Len is how many characters of that line it covers.
func (n Node) Len() int { return n.at().length }

func (n Node) at() value {
	if n.v == nil {
		return value{}
	}
	return *n.v
}

// Path is the way from the root: "loads.browse.steps[2].get"; "" for the root.
func (n Node) Path() string {
	var names []string
	for s := n.path; s != nil; s = s.up {
		if s.name == "" {
			names = append(names, "["+strconv.Itoa(s.index)+"]")
		} else {
			names = append(names, "."+s.name)
		}
	}
	var b strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteString(names[i])
	}
	return strings.TrimPrefix(b.String(), ".")
}

// Entries are a map's keys in file order, merged ones last; nil for others.
func (n Node) Entries() []Entry {
	if n.Kind() != Map {
		return nil
	}
	out := make([]Entry, len(n.v.entries))
	for i, p := range n.v.entries {
		out[i] = Entry{
			Key:     p.key.text,
			KeyNode: Node{doc: n.doc, v: p.key, path: n.path},
			Value:   Node{doc: n.doc, v: p.value, key: p.key, path: &step{up: n.path, name: p.key.text}},
		}
	}
	return out
}

// Get is the value of a map's key.
func (n Node) Get(key string) (Node, bool) {
	if n.Kind() == Map {
		for _, p := range n.v.entries {
			if p.key.text == key {
				return Node{doc: n.doc, v: p.value, key: p.key, path: &step{up: n.path, name: key}}, true
			}
		}
	}
	return Node{}, false
}

// Items are a list's values; nil for others.
func (n Node) Items() []Node {
	if n.Kind() != List {
		return nil
	}
	out := make([]Node, len(n.v.items))
	for i, item := range n.v.items {
		out[i] = Node{doc: n.doc, v: item, path: &step{up: n.path, index: i}}
	}
	return out
}

// Text is a scalar's text without its quotes and with its escapes resolved,
// otherwise as written: yes stays "yes", 010 stays "010", 1e3 stays "1e3".
func (n Node) Text() string {
	if n.Kind() != Scalar {
		return ""
	}
	return n.v.text
}

// Quoted reports whether a scalar was written in quotes or as a block, and so
// is text whatever it looks like.
func (n Node) Quoted() bool { return n.Kind() == Scalar && n.v.style != plain }

// Key is the key the node stands under; ok is false for list items and the root.
func (n Node) Key() (key Node, ok bool) {
	if n.key == nil {
		return Node{}, false
	}
	var up *step
	if n.path != nil {
		up = n.path.up
	}
	return Node{doc: n.doc, v: n.key, path: up}, true
}

// With is a map with one more entry at its end, which takes the place of an
// entry of the same name; n itself stays as it is. A Null becomes a map. It
// serves keys that live beside the map they belong to.
func (n Node) With(e Entry) Node {
	if k := n.Kind(); k != Map && k != Null {
		return n
	}
	out := n.Without(e.Key)
	key := e.KeyNode.v
	if key == nil {
		at := n.at()
		key = &value{kind: Scalar, text: e.Key, line: at.line, col: at.col, length: at.length}
	}
	v := e.Value.v
	if v == nil {
		v = &value{kind: Null, line: key.line, col: key.col, length: key.length}
	}
	out.v.entries = append(out.v.entries, pair{key, v})
	return out
}

// Without is a map lacking some keys; n itself stays as it is.
func (n Node) Without(keys ...string) Node {
	v := n.at()
	if v.kind == Null {
		v.kind = Map
	}
	var kept []pair
	for _, p := range v.entries {
		drop := false
		for _, k := range keys {
			drop = drop || p.key.text == k
		}
		if !drop {
			kept = append(kept, p)
		}
	}
	v.entries = kept
	n.v = &v
	return n
}

// describe says what a node is, for "got …".
func (n Node) describe() string {
	if n.Kind() != Scalar {
		return n.Kind().String()
	}
	if !n.Quoted() {
		switch resolve(n.v.text).(type) {
		case bool, int64, uint64, float64:
			return n.v.text
		}
	}
	return quote(n.v.text)
}

// empty reports whether a value is there but holds nothing.
func (n Node) empty() bool {
	switch n.Kind() {
	case Scalar:
		return n.v.text == ""
	case List:
		return len(n.v.items) == 0
	case Map:
		return len(n.v.entries) == 0
	}
	return true
}

// place is where to point when the node as a whole lacks something: at its
// key where it has one, because a map in block style has no mark of its own.
func (n Node) place() Node {
	if k, ok := n.Key(); ok && (n.Kind() == Map || n.Kind() == List || n.Kind() == Null) {
		return k
	}
	return n
}

func runes(s string) int { return utf8.RuneCountInString(s) }
