package decode

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse is one run of Parse. The YAML library is given nothing that it cannot
// take: its parser recurses without bound and takes quadratic time on some
// inputs, so text and tokens are checked first, which is linear.
type parse struct {
	doc      *Document
	problems Problems
	tokens   token.Tokens

	cached int // the line whose characters are at hand: tokens come in order
	at     []rune
}

// chars is the characters of a line, without white space at its end.
func (p *parse) chars(line int) []rune {
	if p.cached != line {
		p.cached, p.at = line, []rune(strings.TrimRight(p.doc.line(line), " \t"))
	}
	return p.at
}

// rest is what is left of a line from a column.
func (p *parse) rest(line, col int) []rune {
	chars := p.chars(line)
	if col < 1 || col > len(chars) {
		return nil
	}
	return chars[col-1:]
}

// refusal ends a parse; it carries the problem.
type refusal struct{ Problem }

func (r refusal) Error() string { return r.Message }

func (p *parse) refuse(line, col, length int, code, message, hint string) error {
	return refusal{p.doc.problem(line, col, length, code, message, hint)}
}

func (p *parse) run(src []byte) {
	err := p.try(src)
	var r refusal
	if errors.As(err, &r) {
		p.problems = append(p.problems, r.Problem)
	}
}

func (p *parse) try(src []byte) (err error) {
	text, err := p.checkText(src)
	if err != nil {
		return err
	}
	defer func() {
		// A panic inside the YAML library is its bug, met on a file that is
		// not sound: whoever wrote the file still deserves an answer.
		if recover() != nil {
			err = p.refuse(1, 1, 1, CodeSyntax, "the file is not YAML that can be read", "look for unbalanced quotes or brackets")
		}
	}()
	tokens, err := p.checkTokens(lexer.Tokenize(text))
	if err != nil || len(tokens) == 0 {
		return err
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return p.syntax(err)
	}
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		b := builder{p: p, anchors: map[string]*value{}}
		root, err := b.build(d.Body, false)
		if err != nil {
			return err
		}
		p.doc.root = root
		return nil
	}
	return nil
}

// checkText refuses what is too large or not text, and splits the rest into
// lines. The text it returns has only LF line ends.
func (p *parse) checkText(src []byte) (string, error) {
	if len(src) > MaxSize {
		return "", p.refuse(1, 1, 1, CodeTooLarge,
			fmt.Sprintf("the file has %d bytes; a scenario has at most %d", len(src), MaxSize),
			"keep data in files of its own (see data: in the scenario language)")
	}
	text := strings.TrimPrefix(string(src), "\ufeff")
	if strings.Contains(text, "\r") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	p.doc.lines = strings.Split(text, "\n")
	line, col, marks, angles := 1, 1, 0, 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return "", p.refuse(line, col, 1, CodeBinary, "the file is not text: a byte here is not UTF-8", "save the file as UTF-8")
		case r == 0:
			return "", p.refuse(line, col, 1, CodeBinary, "the file is not text: it holds a NUL byte", "save the file as UTF-8 without NUL bytes")
		case r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 && r != 0x85:
			return "", p.refuse(line, col, 1, CodeBinary, fmt.Sprintf("the file is not text: it holds the control character %U", r), "")
		}
		if strings.ContainsRune("[]{},:-?&*!|>\"'#%\n", r) {
			marks++
			if marks > MaxMarks {
				return "", p.refuse(line, col, 1, CodeTooLarge, fmt.Sprintf("the file has more than %d marks of structure", MaxMarks), "keep data in files of its own")
			}
		}
		if r == '<' {
			angles++ // the scanner looks ahead over all of them, for each of them
			if angles > MaxKeyLength {
				return "", p.refuse(line, col, 1, CodeSyntax, fmt.Sprintf("more than %d times \"<\" in a row", MaxKeyLength), "")
			}
		} else {
			angles = 0
		}
		i += size
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return text, nil
}
