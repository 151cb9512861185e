package decode

import "strings"

// locate gives the place of a range of a scalar's text: offset and length in
// bytes of Text. Quotes, escapes and line folds are walked over, so that the
// caret stands under the very characters meant.
func (n Node) locate(offset, length int) (line, col, count int) {
	v := n.v
	if v == nil {
		return 0, 0, 0
	}
	if v.kind != Scalar || offset < 0 || offset > len(v.text) || v.line == 0 {
		return v.line, v.col, v.length
	}
	length = max(0, min(length, len(v.text)-offset))
	c := newCursor(n.doc, v)
	for i, r := range v.text {
		if i >= offset {
			break
		}
		c.step(r)
	}
	c.settle(v.text[offset:])
	line, col = c.line, c.col
	for i, r := range v.text[offset:] {
		if i >= length || c.line != line {
			break
		}
		c.step(r)
		if c.line == line {
			count = c.col - col
		}
	}
	line = min(line, max(v.line, len(n.doc.lines)))
	return line, min(col, runes(n.doc.line(line))+1), max(1, count)
}

// cursor walks the source of a scalar in step with its text.
type cursor struct {
	doc       *Document
	style     style
	line, col int
	rs        []rune // of the line
	indent    int    // of a block scalar
}

func newCursor(doc *Document, v *value) *cursor {
	c := &cursor{doc: doc, style: v.style}
	c.move(v.line, v.col)
	switch v.style {
	case singleQuoted, doubleQuoted:
		c.col++
	case literal, folded:
		c.indent = -1
		for l := v.line + 1; l <= len(doc.lines); l++ {
			if text := doc.line(l); strings.TrimSpace(text) != "" {
				c.indent = len(text) - len(strings.TrimLeft(text, " "))
				break
			}
		}
		c.move(v.line+1, max(0, c.indent)+1)
	}
	return c
}

func (c *cursor) move(line, col int) {
	c.line, c.col = line, col
	c.rs = []rune(c.doc.line(line))
}

// next is the rune under the cursor; 0 at the end of the line.
func (c *cursor) next() rune {
	if c.col-1 < len(c.rs) && c.col >= 1 {
		return c.rs[c.col-1]
	}
	return 0
}

// step moves past the source of one rune of text.
func (c *cursor) step(r rune) {
	switch c.style {
	case literal, folded:
		if c.next() == 0 || r == '\n' && c.next() != r {
			c.move(c.line+1, c.indent+1)
			return
		}
		c.col++
		return
	case doubleQuoted:
		if c.next() == '\\' {
			c.col += escapeLength(c.rs[c.col-1:])
			return
		}
	case singleQuoted:
		if c.next() == '\'' {
			c.col += 2
			return
		}
	}
	if (r == ' ' || r == '\n') && c.blank() {
		c.fold()
		return
	}
	c.col++
}

// blank reports whether nothing but white space is left of the line.
func (c *cursor) blank() bool {
	for i := max(0, c.col-1); i < len(c.rs); i++ {
		if c.rs[i] != ' ' && c.rs[i] != '\t' {
			return false
		}
	}
	return true
}

// settle moves the cursor off the end of a line when text goes on in the next.
func (c *cursor) settle(rest string) {
	if c.next() == 0 && rest != "" && rest[0] != '\n' && rest[0] != ' ' && c.line < len(c.doc.lines) {
		c.fold()
	}
}

// fold goes to the first text of the next line that has any.
func (c *cursor) fold() {
	for l := c.line + 1; l <= len(c.doc.lines); l++ {
		text := c.doc.line(l)
		if trimmed := strings.TrimLeft(text, " \t"); trimmed != "" {
			c.move(l, len(text)-len(trimmed)+1)
			return
		}
	}
	c.col++
}

// escapeLength is how many characters a double-quoted escape takes.
func escapeLength(rs []rune) int {
	if len(rs) < 2 {
		return 1
	}
	switch rs[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
