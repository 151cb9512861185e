package decode

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Codes of problems: short, stable words that tools may match on.
const (
	CodeSyntax      = "syntax"        // not YAML, or a part of YAML that scenarios do without
	CodeBinary      = "binary"        // not text
	CodeTooLarge    = "too-large"     // past a limit on size
	CodeTooDeep     = "too-deep"      // past the limit on nesting
	CodeAlias       = "alias"         // an alias that is unknown or expands too far
	CodeDuplicate   = "duplicate-key" // a key twice in one map
	CodeUnknownKey  = "unknown-key"   // a key nobody knows
	CodeMissingKey  = "missing-key"   // a required key is not there or empty
	CodeWrongType   = "wrong-type"    // a list for a duration, and the like
	CodeMissingUnit = "missing-unit"  // a bare number where a unit is needed
	CodeBadValue    = "bad-value"     // the right type, not a value allowed
	CodeExpand      = "expand"        // a ${variable} that does not resolve
)

// A Problem is one thing wrong with a file, at a place.
type Problem struct {
	File       string
	Line, Col  int // from 1; Col and Len count characters, not bytes
	Len        int // how many characters are meant; 0 and 1 are a lone caret
	Code       string
	Message    string
	Hint       string // the likely fix; may be empty
	SourceLine string // the line as written; empty when there is none to show
	Warning    bool   // worth saying, but the file is usable
}

// Error prints the problem on one line, without source and hint.
func (p Problem) Error() string {
	kind := ""
	if p.Warning {
		kind = "warning "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s %s", p.File, p.Line, p.Col, kind, p.Code, p.Message)
}

// Problems are all that is wrong with a file. As an error it prints every one
// with its source line, a caret and a hint.
type Problems []Problem

// Error prints what Write writes, without the last newline.
func (ps Problems) Error() string {
	var b strings.Builder
	_ = ps.Write(&b) // a Builder takes everything
	return strings.TrimSuffix(b.String(), "\n")
}

// Err is ps as an error, or nil when it holds nothing worse than warnings.
func (ps Problems) Err() error {
	if errs := ps.Errors(); len(errs) > 0 {
		return errs
	}
	return nil
}

// Errors are those that make the file unusable, sorted.
func (ps Problems) Errors() Problems { return ps.filter(false) }

// Warnings are those that do not, sorted.
func (ps Problems) Warnings() Problems { return ps.filter(true) }

func (ps Problems) filter(warning bool) Problems {
	var out Problems
	for _, p := range ps.Sorted() {
		if p.Warning == warning {
			out = append(out, p)
		}
	}
	return out
}

// Sorted is a copy ordered by place, each problem once.
func (ps Problems) Sorted() Problems {
	out := slices.Clone(ps)
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(out, func(a, b Problem) bool {
		return a.File == b.File && a.Line == b.Line && a.Col == b.Col && a.Code == b.Code && a.Message == b.Message
	})
}

// Write prints the problems in order of place, each once, at most MaxProblems
// of them:
//
//	checkout.yaml:7:5: unknown-key unknown key "tiemout" in loads.browse.http
//	      tiemout: 5s
//	      ^~~~~~~
//	  hint: did you mean "timeout"?
func (ps Problems) Write(w io.Writer) error {
	var b strings.Builder
	sorted := ps.Sorted()
	for i, p := range sorted {
		if i == MaxProblems {
			fmt.Fprintf(&b, "and %d more\n", len(sorted)-i)
			break
		}
		b.WriteString(clean(p.Error()))
		b.WriteByte('\n')
		if strings.TrimSpace(p.SourceLine) != "" {
			source, caret := excerpt(p.SourceLine, p.Col, p.Len)
			fmt.Fprintf(&b, "  %s\n  %s\n", source, caret)
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", clean(p.Hint))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// excerptWidth is how much of a source line is shown, in characters. Longer
// lines are cut around the caret.
const excerptWidth = 110

// excerpt is the part of line around col, and the caret line that goes below.
func excerpt(line string, col, length int) (source, caret string) {
	total := utf8.RuneCountInString(line)
	from := max(0, min(col-1, total))
	start, end := 0, total
	if total > excerptWidth {
		start = max(0, min(from-excerptWidth/3, total-excerptWidth))
		end = start + excerptWidth
	}
	shown := clean(cut(line, start, end))
	var pad strings.Builder
	if start > 0 {
		shown = "…" + shown
		pad.WriteByte(' ')
	}
	for _, r := range cut(line, start, from) {
		if r != '\t' { // a tab stays one, so that the caret lines up wherever it stops
			r = ' '
		}
		pad.WriteRune(r)
	}
	length = max(1, min(length, end-from))
	if end < total {
		shown += "…"
	}
	return shown, pad.String() + "^" + strings.Repeat("~", length-1)
}

// cut is the characters of s from start to end.
func cut(s string, start, end int) string {
	i, from := 0, len(s)
	for at := range s {
		if i == start {
			from = at
		}
		if i == end {
			return s[min(from, at):at]
		}
		i++
	}
	return s[from:]
}

// clean replaces what could play tricks on a terminal: a file that is refused
// may hold anything.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return r
		case r == '\n' || r == '\r':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '�'
		}
		return r
	}, s)
}

// quote shows text of the file inside a message: quoted, and cut when long.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = cut(s, 0, most) + "…"
	}
	return fmt.Sprintf("%q", s)
}
