package decode

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// checkTokens refuses token streams that the parser would choke on, and parts
// of YAML that scenarios do without. It tracks nesting the way the parser
// recurses: by columns in block style, by brackets in flow style.
func (p *parse) checkTokens(tokens token.Tokens) (token.Tokens, error) {
	var kept token.Tokens
	for _, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		if t.Type == token.InvalidType || t.Error != "" {
			return nil, p.invalid(t)
		}
		kept = append(kept, t)
	}
	p.tokens = kept
	g := guard{p: p}
	for i := range kept {
		if err := g.token(kept, i); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// guard is the state of checkTokens.
type guard struct {
	p      *parse
	values int
	flow   int
	levels []level
	paths  int // bytes of all paths that the parser will build
	ended  bool
}

// level is one block map or list that is open.
type level struct{ col, keys, path int }

func (g *guard) token(tokens token.Tokens, i int) error {
	t := tokens[i]
	line, col := t.Position.Line, t.Position.Column
	refuse := func(code, message, hint string) error {
		return g.p.refuse(line, col, runes(firstLine(t.Value)), code, message, hint)
	}
	if g.ended {
		return refuse(CodeSyntax, "the document has ended above; a scenario is one document", "remove the line with \"...\" or what follows it")
	}
	var before *token.Token
	if i > 0 {
		before = tokens[i-1]
	}
	switch t.Type {
	case token.DocumentHeaderType:
		if i > 0 {
			return refuse(CodeSyntax, "a second document starts here; a scenario is one document", "split the file in two")
		}
	case token.DocumentEndType:
		g.ended = true
	case token.DirectiveType:
		return refuse(CodeSyntax, "a line or value cannot start with \"%\"", "put the value in quotes")
	case token.TagType:
		return refuse(CodeSyntax, "tags such as !!str are not used in scenarios", "remove the tag; put the value in quotes if it is text")
	case token.MappingKeyType:
		return refuse(CodeSyntax, "keys that start with \"? \" are not used in scenarios", "write key: value, or put the text in quotes")
	case token.AnchorType:
		if i+2 < len(tokens) && tokens[i+2].Type == token.AnchorType {
			return refuse(CodeSyntax, "two anchors on one value", "keep one of them")
		}
	case token.MappingStartType, token.SequenceStartType:
		if rs := g.p.chars(line); t.Type == token.MappingStartType && col >= 2 && col <= len(rs) && rs[col-2] == '$' {
			return g.p.refuse(line, col-1, 2, CodeSyntax, "${…} inside braces or brackets is structure to YAML", "put the value in quotes: \"${…}\"")
		}
		g.flow++
	case token.MappingEndType, token.SequenceEndType:
		g.flow = max(0, g.flow-1)
	case token.SequenceEntryType:
		if g.flow == 0 {
			g.open(col, 0)
		}
		g.values++
	case token.MappingValueType:
		return g.key(t, before)
	default:
		g.values++
	}
	if g.values > MaxValues {
		return refuse(CodeTooLarge, fmt.Sprintf("the file has more than %d values", MaxValues), "keep data in files of its own")
	}
	if g.flow+len(g.levels) > MaxDepth {
		return refuse(CodeTooDeep, fmt.Sprintf("more than %d maps and lists inside each other", MaxDepth), "")
	}
	return nil
}

// key takes in the colon t after a key.
func (g *guard) key(t, before *token.Token) error {
	line, col := t.Position.Line, t.Position.Column
	if g.flow == 0 && before != nil && before.Position.Line < line && isPlain(before) {
		// "a: 1" and a deeper "b: 2" below: the library reads "1 b" as one text.
		text := g.p.doc.line(line)
		if start := len(text) - len(strings.TrimLeft(text, " \t")); start+1 < col {
			return g.p.refuse(line, start+1, col-start-1, CodeSyntax, "this key is indented deeper than the line above, which has a value already",
				"align it with the key above, or move the value above below its key")
		}
		before = nil
	}
	if before == nil || !isScalar(before) || before.Position.Line > line {
		return g.p.refuse(line, col, 1, CodeSyntax, "a \":\" with no key before it", "write key: value, or put text that holds a \":\" in quotes")
	}
	at, length := before.Position, runes(firstLine(before.Value))
	if len(before.Value) > MaxKeyLength {
		return g.p.refuse(at.Line, at.Column, length, CodeTooLarge, fmt.Sprintf("a key of %d bytes; a key has at most %d", len(before.Value), MaxKeyLength), "")
	}
	path := len(before.Value) + 1
	if g.flow == 0 {
		l := g.open(at.Column, path)
		l.keys++
		if l.keys > MaxKeys {
			return g.p.refuse(at.Line, at.Column, length, CodeTooLarge, fmt.Sprintf("more than %d keys in one map", MaxKeys), "keep data in files of its own")
		}
	}
	for _, l := range g.levels {
		path += l.path
	}
	const mostPaths = 16 << 20 // the parser keeps one for each key
	if g.paths += path; g.paths > mostPaths {
		return g.p.refuse(at.Line, at.Column, length, CodeTooLarge, "too many long keys inside each other", "")
	}
	if g.flow+len(g.levels) > MaxDepth {
		return g.p.refuse(at.Line, at.Column, length, CodeTooDeep, fmt.Sprintf("more than %d maps and lists inside each other", MaxDepth), "")
	}
	return nil
}

// open makes the level at col the innermost one.
func (g *guard) open(col, path int) *level {
	for len(g.levels) > 0 && g.levels[len(g.levels)-1].col > col {
		g.levels = g.levels[:len(g.levels)-1]
	}
	if n := len(g.levels); n == 0 || g.levels[n-1].col < col {
		g.levels = append(g.levels, level{col: col})
	}
	l := &g.levels[len(g.levels)-1]
	l.path = path
	return l
}

func isScalar(t *token.Token) bool {
	switch t.Type {
	case token.StringType, token.SingleQuoteType, token.DoubleQuoteType, token.MergeKeyType,
		token.NullType, token.ImplicitNullType, token.BoolType, token.IntegerType, token.BinaryIntegerType,
		token.OctetIntegerType, token.HexIntegerType, token.FloatType, token.InfinityType, token.NanType:
		return true
	}
	return false
}

func isPlain(t *token.Token) bool {
	return isScalar(t) && t.Type != token.SingleQuoteType && t.Type != token.DoubleQuoteType
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
