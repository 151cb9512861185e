package decode

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// builder turns the library's tree into our own: positions put right, aliases
// shared, merges resolved, duplicates found.
type builder struct {
	p       *parse
	anchors map[string]*value
}

func (b *builder) build(n ast.Node, inFlow bool) (*value, error) {
	v, err := b.node(n, inFlow)
	if err != nil {
		return nil, err
	}
	v.size, v.depth = 1, 1
	for _, p := range v.entries {
		v.size += 1 + p.value.size
		v.depth = max(v.depth, 1+p.value.depth)
	}
	for _, item := range v.items {
		v.size += item.size
		v.depth = max(v.depth, 1+item.depth)
	}
	if v.size > MaxExpanded {
		return nil, b.p.refuse(v.line, v.col, v.length, CodeAlias, fmt.Sprintf("aliases make this more than %d values", MaxExpanded), "write out what is needed, once")
	}
	if v.depth > MaxDepth+1 {
		return nil, b.p.refuse(v.line, v.col, v.length, CodeTooDeep, fmt.Sprintf("more than %d maps and lists inside each other", MaxDepth), "")
	}
	return v, nil
}

func (b *builder) node(n ast.Node, inFlow bool) (*value, error) {
	switch n := n.(type) {
	case *ast.MappingNode:
		if inFlow {
			if v, ok := b.rejoin(n); ok {
				return v, nil
			}
		}
		return b.mapping(n, n.Values, n.IsFlowStyle)
	case *ast.MappingValueNode:
		return b.mapping(n, []*ast.MappingValueNode{n}, false)
	case *ast.SequenceNode:
		return b.sequence(n)
	case *ast.AnchorNode:
		if n.Value == nil {
			return b.nothing(n.GetToken()), nil
		}
		v, err := b.build(n.Value, inFlow)
		if err != nil {
			return nil, err
		}
		b.anchors[n.Name.GetToken().Value] = v
		copied := *v
		return &copied, nil
	case *ast.AliasNode:
		t := n.Value.GetToken()
		v, ok := b.anchors[t.Value]
		if !ok {
			line, col := b.place(n.GetToken(), '*')
			return nil, b.p.refuse(line, col, 1+runes(t.Value), CodeAlias, fmt.Sprintf("no anchor &%s above", t.Value), "text that starts with \"*\" goes in quotes: \"*"+t.Value+"\"")
		}
		copied := *v
		return &copied, nil
	case *ast.NullNode:
		return b.nothing(n.GetToken()), nil
	case *ast.LiteralNode:
		return b.block(n), nil
	case ast.ScalarNode:
		return b.scalar(n.GetToken()), nil
	case nil:
		return &value{kind: Null}, nil
	}
	t := n.GetToken()
	return nil, b.p.refuse(t.Position.Line, t.Position.Column, 1, CodeSyntax, "this does not belong here", "")
}

func (b *builder) mapping(n ast.Node, values []*ast.MappingValueNode, flow bool) (*value, error) {
	v := &value{kind: Map}
	var merges []pair
	seen := make(map[string]*value, len(values))
	for _, mv := range values {
		key, err := b.key(mv.Key)
		if err != nil {
			return nil, err
		}
		if flow && key.style == plain && b.tight(mv.Start) {
			return nil, b.p.refuse(mv.Start.Position.Line, mv.Start.Position.Column, 1, CodeSyntax, "a \":\" needs a space after it", "write "+key.text+": … or put the text in quotes")
		}
		child, err := b.build(mv.Value, flow)
		if err != nil {
			return nil, err
		}
		if child.line == 0 { // nothing was written: stand at the key
			child.line, child.col, child.length = key.line, key.col, key.length
		}
		if _, merge := mv.Key.(*ast.MergeKeyNode); merge {
			merges = append(merges, pair{key, child})
			continue
		}
		if first, dup := seen[key.text]; dup {
			b.p.problems = append(b.p.problems, b.p.doc.problem(key.line, key.col, key.length, CodeDuplicate,
				fmt.Sprintf("the key %s is here twice: it is on line %d already", quote(key.text), first.line),
				"keep one of them"))
			continue
		}
		seen[key.text] = key
		v.entries = append(v.entries, pair{key, child})
	}
	for _, m := range merges {
		if err := b.merge(v, m, seen); err != nil {
			return nil, err
		}
	}
	t := n.GetToken()
	if m, ok := n.(*ast.MappingNode); ok && flow {
		v.line, v.col = b.place(m.Start, '{')
		v.length = b.span(v, m.End)
	} else if len(values) > 0 {
		if k, err := b.key(values[0].Key); err == nil {
			v.line, v.col, v.length = k.line, k.col, k.length
		}
	} else {
		v.line, v.col, v.length = t.Position.Line, t.Position.Column, 1
	}
	return v, nil
}

// merge adds what "<<: *name" brings: keys that are not there yet.
func (b *builder) merge(v *value, m pair, seen map[string]*value) error {
	sources := []*value{m.value}
	if m.value.kind == List {
		sources = m.value.items
	}
	for _, s := range sources {
		if s.kind != Map {
			return b.p.refuse(m.key.line, m.key.col, m.key.length, CodeAlias, "\"<<\" merges maps, and here it is given "+s.kind.String(), "")
		}
		for _, p := range s.entries {
			if _, have := seen[p.key.text]; !have {
				seen[p.key.text] = p.key
				v.entries = append(v.entries, p)
			}
		}
	}
	if len(v.entries) > MaxKeys {
		return b.p.refuse(m.key.line, m.key.col, m.key.length, CodeTooLarge, fmt.Sprintf("more than %d keys in one map", MaxKeys), "")
	}
	return nil
}

func (b *builder) sequence(n *ast.SequenceNode) (*value, error) {
	v := &value{kind: List}
	mark := '-'
	if n.IsFlowStyle {
		mark = '['
	}
	v.line, v.col = b.place(n.Start, mark)
	v.length = 1
	if n.IsFlowStyle {
		v.length = b.span(v, n.End)
	}
	for i, item := range n.Values {
		child, err := b.build(item, n.IsFlowStyle)
		if err != nil {
			return nil, err
		}
		if child.kind == Null && i < len(n.Entries) && !n.IsFlowStyle && n.Entries[i].Start != nil {
			child.line, child.col = b.place(n.Entries[i].Start, '-')
			child.length = 1
		}
		v.items = append(v.items, child)
	}
	return v, nil
}

// key is the text of a map's key, whatever type YAML would give it.
func (b *builder) key(n ast.MapKeyNode) (*value, error) {
	switch n.(type) {
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MappingKeyNode:
		t := n.GetToken()
		return nil, b.p.refuse(t.Position.Line, t.Position.Column, 1, CodeSyntax, "a key is plain text", "put the key in quotes")
	}
	t := n.GetToken()
	v := b.scalar(t)
	v.kind, v.text = Scalar, t.Value
	return v, nil
}

// rejoin mends host:port inside brackets inside braces, which the library
// takes for a map though no space follows the colon.
func (b *builder) rejoin(n *ast.MappingNode) (*value, bool) {
	if n.IsFlowStyle || len(n.Values) != 1 || !b.tight(n.Values[0].Start) {
		return nil, false
	}
	key, err := b.key(n.Values[0].Key)
	if err != nil || key.style != plain {
		return nil, false
	}
	s, ok := n.Values[0].Value.(ast.ScalarNode)
	if !ok {
		return nil, false
	}
	rest := b.scalar(s.GetToken())
	if rest.kind != Scalar || rest.style != plain || rest.line != key.line {
		return nil, false
	}
	key.text += ":" + rest.text
	key.length = runes(key.text)
	return key, true
}

// tight reports whether the colon has text right behind it.
func (b *builder) tight(colon *token.Token) bool {
	line, col := b.place(colon, ':')
	rest := b.p.rest(line, col)
	return len(rest) > 1 && rest[0] == ':' && !strings.ContainsRune(" \t,]}", rest[1])
}

func (b *builder) nothing(t *token.Token) *value {
	v := &value{kind: Null}
	if t != nil && t.Type == token.NullType { // written out: ~ or null
		v.line, v.col = b.place(t, firstRune(t.Value))
		v.length = runes(t.Value)
	}
	return v
}

func (b *builder) scalar(t *token.Token) *value {
	v := &value{kind: Scalar, text: t.Value}
	switch t.Type {
	case token.SingleQuoteType:
		v.style = singleQuoted
		v.line, v.col = b.place(t, '\'')
		v.length = b.quoted(v)
	case token.DoubleQuoteType:
		v.style = doubleQuoted
		v.line, v.col = b.place(t, '"')
		v.length = b.quoted(v)
	default:
		v.line, v.col = b.place(t, firstRune(t.Value))
		v.length = max(1, min(runes(t.Value), len(b.p.rest(v.line, v.col))))
		if t.Type == token.NullType {
			v.kind = Null
		}
	}
	return v
}

// block is a literal or folded text; it stands where its | or > stands.
func (b *builder) block(n *ast.LiteralNode) *value {
	v := &value{kind: Scalar, style: literal}
	mark := '|'
	if strings.HasPrefix(n.Start.Value, ">") {
		v.style, mark = folded, '>'
	}
	if n.Value != nil {
		v.text = n.Value.Value
	}
	v.line, v.col = b.place(n.Start, mark)
	v.length = 1
	return v
}

// place is where a token stands. The library counts a tab as no column and
// some tokens from the line's start, so the mark is looked for to the right,
// then in the whole line.
func (b *builder) place(t *token.Token, mark rune) (line, col int) {
	if t == nil || t.Position == nil {
		return 1, 1
	}
	line, col = t.Position.Line, t.Position.Column
	const farthest = 256 // white space that the library may have miscounted
	chars := b.p.chars(line)
	for i := max(0, col-1); i < min(len(chars), col+farthest); i++ {
		if chars[i] == mark {
			return line, i + 1
		}
	}
	for i := max(0, col-farthest); i < min(len(chars), col-1); i++ {
		if chars[i] == mark {
			return line, i + 1
		}
	}
	return line, max(1, col)
}

// span is the length of a flow value to its end, or to the end of the line.
func (b *builder) span(v *value, end *token.Token) int {
	if end != nil && end.Position.Line == v.line && end.Position.Column >= v.col {
		return end.Position.Column - v.col + 1
	}
	return max(1, len(b.p.rest(v.line, v.col)))
}

// quoted is the length of a quoted scalar on its first line, quotes included.
func (b *builder) quoted(v *value) int {
	src := b.p.rest(v.line, v.col)
	for i := 1; i < len(src); i++ {
		switch {
		case v.style == doubleQuoted && src[i] == '\\':
			i++
		case v.style == singleQuoted && src[i] == '\'' && i+1 < len(src) && src[i+1] == '\'':
			i++
		case v.style == doubleQuoted && src[i] == '"', v.style == singleQuoted && src[i] == '\'':
			return i + 1
		}
	}
	return max(1, len(src))
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}
