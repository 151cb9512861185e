package decode

// A Document is one parsed file. It is immutable and safe to read from many
// goroutines.
type Document struct {
	File  string
	lines []string
	root  *value
}

// Parse reads one YAML document. file is a name for messages only. The
// document is never nil; when the file could not be read its root is Null and
// the problems say why, and when only keys are duplicated the first of each is
// kept, so that decoding can go on and find more. Parse is bounded by the
// limits above in time and memory, and never panics, whatever src holds.
func Parse(file string, src []byte) (*Document, Problems) {
	doc := &Document{File: file}
	p := &parse{doc: doc}
	p.run(src)
	if doc.root == nil {
		doc.root = &value{kind: Null, line: 1, col: 1}
	}
	return doc, p.problems.Sorted()
}

// Root is the document's only value; Null for an empty file.
func (d *Document) Root() Node { return Node{doc: d, v: d.root} }

// line is the text of a line, from 1; "" past the end.
func (d *Document) line(n int) string {
	if d == nil || n < 1 || n > len(d.lines) {
		return ""
	}
	return d.lines[n-1]
}

// problem makes a problem at a place in the document.
func (d *Document) problem(line, col, length int, code, message, hint string) Problem {
	p := Problem{Line: line, Col: col, Len: length, Code: code, Message: message, Hint: hint, SourceLine: d.line(line)}
	if d != nil {
		p.File = d.File
	}
	return p
}
