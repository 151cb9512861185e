package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// JSON prints report.json: the Report itself, indented, with arrays of numbers
// on one line each. It may stand inside an HTML script element as it is.
func JSON(w io.Writer, r *Report) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err = w.Write(append(flatten(b), '\n'))
	return err
}

// flatten takes the white space out of arrays that hold only numbers and
// nulls: a timeline has thousands, and nobody reads them a line each.
func flatten(b []byte) []byte {
	out := make([]byte, 0, len(b))
	inString, escaped := false, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		if inString {
			out = append(out, c)
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				inString = false
			}
			continue
		}
		if c == '[' {
			if end := numbers(b[i:]); end > 0 {
				for _, f := range bytes.Fields(b[i : i+end]) {
					out = append(out, f...)
				}
				i += end - 1
				continue
			}
		}
		inString = c == '"'
		out = append(out, c)
	}
	return out
}

// numbers returns the length of the array that b begins with when there are
// only numbers and nulls in it, and 0 otherwise.
func numbers(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch c := b[i]; c {
		case ']':
			return i + 1
		case '"', '[', '{', 't', 'f':
			return 0
		}
	}
	return 0
}
