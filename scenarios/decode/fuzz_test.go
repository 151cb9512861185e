package decode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a file holds: Parse and Decode come back, every problem stands
// inside the file, and a file without problems decodes the same again from
// what it meant.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/problems/*.in")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range strings.Split("\n"+string(src), "\n### ")[1:] {
			_, text, _ := strings.Cut(c, "\n")
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		doc, problems := Parse("fuzz.yaml", []byte(src))
		d := newDecoder(doc)
		var into scenario
		ok := d.Decode(doc.Root(), &into)
		if ok != (d.Problems().Err() == nil) {
			t.Fatalf("Decode says %v, the problems are %v", ok, d.Problems())
		}
		d.Value(doc.Root(), false)
		for _, p := range append(problems, d.Problems()...) {
			if p.Line < 1 || p.Col < 1 || p.Line > max(1, len(doc.lines)) || p.Col > runes(doc.line(p.Line))+1 {
				t.Fatalf("a problem outside the file: %+v", p)
			}
			if p.Code == "" || p.Message == "" {
				t.Fatalf("a problem that says nothing: %+v", p)
			}
			_ = Problems{p}.Error()
		}
		var walk func(n Node)
		walk = func(n Node) {
			if n.Line() > max(1, len(doc.lines)) || n.Col() > runes(doc.line(n.Line()))+1 {
				t.Fatalf("%s stands outside the file: %d:%d", n.Path(), n.Line(), n.Col())
			}
			for i := range runes(n.Text()) {
				if i > 50 {
					break
				}
				if line, col, _ := n.locate(i, 1); line > max(1, len(doc.lines)) || col > runes(doc.line(line))+2 {
					t.Fatalf("%s: character %d of %q stands outside the file: %d:%d", n.Path(), i, n.Text(), line, col)
				}
			}
			for _, e := range n.Entries() {
				walk(e.Value)
			}
			for _, item := range n.Items() {
				walk(item)
			}
		}
		walk(doc.Root())
	})
}

// A place inside a text is the place of those very characters, wherever the
// text is written so that they can be found.
func FuzzLocate(f *testing.F) {
	f.Add("a ? b", uint8(2), uint8(0))
	f.Add("it's 'x' \"y\" ü\\", uint8(7), uint8(3))
	f.Fuzz(func(t *testing.T, text string, at, how uint8) {
		if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0xfffd || r >= 0x7f && r < 0xa1 || r == 0xfeff }) || strings.TrimSpace(text) != text {
			return
		}
		var src string
		switch how % 3 {
		case 0:
			src = "k: '" + strings.ReplaceAll(text, "'", "''") + "'"
		case 1:
			src = "k: \"" + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + "\""
		case 2:
			src = "k: |\n  " + text
		}
		doc, problems := Parse("fuzz.yaml", []byte(src))
		if len(problems) > 0 {
			return
		}
		n, ok := doc.Root().Get("k")
		if !ok || strings.TrimSuffix(n.Text(), "\n") != text {
			return // the YAML library reads it in its own way
		}
		rs := []rune(text)
		i := int(at) % len(rs)
		line, col, _ := n.locate(len(string(rs[:i])), len(string(rs[i])))
		got := []rune(doc.line(line))
		if col > len(got) {
			t.Fatalf("%s: character %d is at %d:%d, past the line", src, i, line, col)
		}
		found := got[col-1]
		if found == '\\' && how%3 == 1 && (rs[i] == '\\' || rs[i] == '"') {
			return // the caret stands under the escape
		}
		if found != rs[i] {
			t.Fatalf("%s: character %d (%q) is at %d:%d, which is %q", src, i, rs[i], line, col, found)
		}
	})
}
