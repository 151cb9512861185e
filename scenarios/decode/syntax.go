package decode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// invalid is the problem of a token that the scanner refused.
func (p *parse) invalid(t *token.Token) error {
	message, hint := plainWords(t.Error)
	line, col := t.Position.Line, t.Position.Column
	if strings.Contains(t.Error, "tab") || strings.Contains(t.Error, "\t") {
		if at := strings.IndexByte(p.doc.line(line), '\t'); at >= 0 {
			col = runes(p.doc.line(line)[:at]) + 1
		}
	}
	rest := p.rest(line, col)
	if strings.Contains(t.Error, "invalid header option") || strings.Contains(t.Error, "reserved character") {
		// The whole value, as it should have been written.
		if end := slices.IndexFunc(rest, func(r rune) bool { return strings.ContainsRune(",}]#\"", r) }); end >= 0 {
			rest = rest[:end]
		}
		if value := strings.TrimSpace(string(rest)); value != "" && len(value) <= 60 {
			return p.refuse(line, col, runes(value), CodeSyntax, message, "write \""+value+"\", in quotes")
		}
	}
	return p.refuse(line, col, 1, CodeSyntax, message, hint)
}

// syntax is the problem of an error of the parser.
func (p *parse) syntax(err error) error {
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &at) {
		return p.refuse(1, 1, 1, CodeSyntax, "the file is not YAML that can be read", "")
	}
	message, hint := plainWords(at.GetMessage())
	t := at.GetToken()
	if t == nil || t.Position == nil {
		return p.refuse(1, 1, 1, CodeSyntax, message, hint)
	}
	line, col := t.Position.Line, t.Position.Column
	if strings.Contains(at.GetMessage(), "key-value is pre-defined") && t.Prev != nil && t.Prev.Position.Line == line {
		message, hint = "more text after a value", "put the whole value in one pair of quotes"
	}
	if at.GetMessage() == "value is not allowed in this context" && strings.TrimSpace(cut(p.doc.line(line), 0, col-1)) == "" {
		message, hint = "this line does not line up with anything above", "indent it exactly like the keys or items it belongs with"
		if item, ok := strings.CutPrefix(t.Value, "-"); ok && item != "" {
			message, hint = "a list item starts with \"- \"", "write \"- "+firstLine(item)+"\", with a space"
		}
	}
	if open := p.unclosed(t); open != nil && open.Position.Line < line {
		hint = fmt.Sprintf("is the %q of line %d closed?", open.Value, open.Position.Line)
	}
	return p.refuse(line, col, runes(firstLine(t.Value)), CodeSyntax, message, hint)
}

// unclosed is the innermost bracket that is open before a token.
func (p *parse) unclosed(t *token.Token) *token.Token {
	var open []*token.Token
	for _, b := range p.tokens {
		if b == t {
			break
		}
		switch b.Type {
		case token.MappingStartType, token.SequenceStartType:
			open = append(open, b)
		case token.MappingEndType, token.SequenceEndType:
			open = open[:max(0, len(open)-1)]
		}
	}
	if len(open) == 0 {
		return nil
	}
	return open[len(open)-1]
}

// plainWords says what the YAML library found in words for people who write
// YAML twice a year.
func plainWords(message string) (plain, hint string) {
	for _, w := range []struct{ part, plain, hint string }{
		{"could not find end character of", "a quote that is never closed", "close the quote, or write the text without quotes"},
		{"tab", "a tab where YAML wants spaces", "indent with spaces"},
		{"\t", "a tab where YAML wants spaces", "indent with spaces"},
		{"is a reserved character", "a value cannot start with \"@\" or \"`\"", "put the value in quotes"},
		{"invalid header option", "a value that starts with \"|\" or \">\" is a block of text on the lines below", "put the value in quotes: \"> 5s\""},
		{"could not find multi-line content", "a block of text with no text in it", "put the value in quotes"},
		{"mapping value is not allowed", "a second \": \" on one line", "put text that holds \": \" in quotes"},
		{"value is not allowed in this context. map key-value is pre-defined", "this line is indented deeper than the key it belongs beside", "align it with the keys above, or end the line above with a \":\""},
		{"value is not allowed in this context", "this value does not belong here", "check the indentation; put text that holds \": \" or \" #\" in quotes"},
		{"non-map value is specified", "expected key: value here", "check the indentation and the \":\""},
		{"block sequence entries are not allowed", "a list cannot start on the line of its key", "put \"- \" on a line of its own"},
		{"flow mapping end token", "a \"{\" that is never closed", "add the \"}\""},
		{"sequence end token", "a \"[\" that is never closed", "add the \"]\""},
		{"corresponding to ']'", "a \"]\" with no \"[\" before it", ""},
		{"corresponding to '}'", "a \"}\" with no \"{\" before it", ""},
		{"',' or '}' must be specified", "expected \",\" or \"}\" here", "put text that holds \"{\", \"}\", \"[\", \"]\", \",\" or \": \" in quotes"},
		{"',' or ']' must be specified", "expected \",\" or \"]\" here", "put text that holds \"{\", \"}\", \"[\", \"]\", \",\" or \": \" in quotes"},
		{"flow map content", "expected key: value here", "put text that holds \"{\", \"}\", \"[\", \"]\" or \",\" in quotes"},
		{"unexpected scalar value", "expected a value here", ""},
		{"found ','", "a \",\" with nothing before it", ""},
		{"implicit line break", "a key cannot span lines", ""},
		{"unexpected key name", "a key cannot span lines", "check the line above: is its \":\" missing?"},
		{"invalid key for this map", "a \":\" with no key before it", "put text that holds a \":\" in quotes"},
		{"anchor", "an anchor (&name) with nothing to name", ""},
		{"alias", "an alias (*name) without a name", "put text that starts with \"*\" in quotes"},
		{"escape", "an escape that double quotes do not know", "write \\\\ for a backslash, or use single quotes"},
		{"document separator", "a document mark inside a quoted text", "close the quote"},
		{"invalid number of indent", "a block of text whose lines are indented unevenly", "indent every line of it by the same number of spaces"},
	} {
		if strings.Contains(message, w.part) {
			return w.plain, w.hint
		}
	}
	return "this is not YAML: " + strings.ToLower(message), "check indentation, brackets and quotes around here"
}
