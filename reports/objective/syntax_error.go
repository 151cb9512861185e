package objective

import "fmt"

// A SyntaxError is what is wrong with an objective's text. It covers what can
// be said without knowing the scenario: grammar, words, units, and values that
// do not fit their metric.
type SyntaxError struct {
	Offset  int    // in bytes, from the start of the source; at most its length
	Length  int    // in bytes; at least 1, so that a caret can be drawn
	Message string // what was found, and what was expected
	Hint    string // the likely fix; may be empty
}

func (e *SyntaxError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

func errorAt(offset, length int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: offset, Length: max(length, 1), Message: fmt.Sprintf(format, args...)}
}

func (e *SyntaxError) hint(format string, args ...any) *SyntaxError {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}
