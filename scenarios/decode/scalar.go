package decode

import (
	"regexp"
	"strconv"
)

var (
	wholeNumber = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	anyNumber   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)
	hasDigit    = regexp.MustCompile(`^[-+]?\.?[0-9]`)
)

// resolve gives the type of a plain scalar by YAML's core schema, less its
// surprises: only true and false are bool, and what would lose its looks as a
// number (010, 0x1F, 1_000, .inf, 21 digits) stays text.
func resolve(text string) any {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	if wholeNumber.MatchString(text) {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
		if u, err := strconv.ParseUint(text, 10, 64); err == nil {
			return u
		}
		return text
	}
	if anyNumber.MatchString(text) && hasDigit.MatchString(text) {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
	}
	return text
}
