package scenarios

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

// A shape is one stretch of a load as the scenario writes it:
//
//	LEVEL [-> LEVEL] [in DURATION | for DURATION]
//
// where a level is a rate (500/s, 30k/min) or a whole number of users (50).
type shape struct {
	from, to level
	length   time.Duration // 0: not said, the rest of the phase
}

// A level is what a load is held at: arrivals a second, or users.
type level struct {
	value float64
	users bool
}

func (l level) String() string {
	if l.users {
		return strconv.FormatFloat(l.value, 'f', -1, 64)
	}
	return decode.FormatRate(l.value)
}

// A textError is a mistake inside a piece of scenario text, by its place in
// that text.
type textError struct {
	offset, length int
	message, hint  string
}

func (e *textError) Error() string { return e.message }

// The most that is worth believing: past it a number is a slip of the finger,
// and arithmetic on it would overflow.
const (
	mostRate  = 1e9
	mostUsers = 1e6
)

// parseShape reads one stretch. Whether it fits the phase is for the caller.
func parseShape(text string) (shape, *textError) {
	body, rest, tail := text, "", ""
	// The length comes last, after a word on its own; "->" never holds one.
	for _, word := range []string{" in ", " for ", " over "} {
		if i := strings.Index(text, word); i >= 0 && (tail == "" || i < len(body)) {
			body, rest, tail = text[:i], text[i+len(word):], strings.TrimSpace(word)
		}
	}
	if tail == "over" {
		return shape{}, &textError{len(body) + 1, len("over"), `"over" is not a word of a load's shape`, `write "` + strings.TrimSpace(body) + " in " + strings.TrimSpace(rest) + `"`}
	}
	var s shape
	first, second, ramp := strings.Cut(body, "->")
	var err *textError
	if s.from, err = parseLevel(first, 0); err != nil {
		return shape{}, err
	}
	s.to = s.from
	if ramp {
		if strings.Contains(second, "->") {
			at := len(first) + 2 + strings.Index(second, "->")
			return shape{}, &textError{at, 2, "a stretch has one ->", "write each stretch on its own: [0/s -> 500/s in 1m, 500/s -> 200/s in 1m]"}
		}
		if s.to, err = parseLevel(second, len(first)+2); err != nil {
			return shape{}, err
		}
		if s.from.users != s.to.users {
			return shape{}, &textError{0, len(strings.TrimRight(body, " ")), "one end is a rate and the other a number of users", "write 0/s -> 500/s, or 0 -> 50 for users"}
		}
	}
	if tail == "" {
		return s, nil
	}
	at := len(text) - len(rest)
	trimmed := strings.TrimSpace(rest)
	at += strings.Index(rest, trimmed)
	d, derr := decode.ParseDuration(trimmed)
	if derr != nil {
		return shape{}, &textError{at, max(1, len(trimmed)), derr.Error(), valueHint(derr, "write a length such as 30s or 9m30s")}
	}
	if d <= 0 {
		return shape{}, &textError{at, len(trimmed), "a stretch needs a length above 0", "write a length such as 30s"}
	}
	s.length = d
	return s, nil
}

// parseLevel reads a rate or a number of users from text that stands at
// offset in its whole.
func parseLevel(text string, offset int) (level, *textError) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" {
		return level{}, &textError{offset, max(1, len(text)), "a rate or a number of users is missing here", "write 500/s, or 0/s -> 500/s"}
	}
	offset += strings.Index(text, trimmed)
	fail := func(message, hint string) (level, *textError) {
		return level{}, &textError{offset, len(trimmed), message, hint}
	}
	if strings.Contains(trimmed, "/") {
		rate, err := decode.ParseRate(trimmed)
		switch {
		case err != nil:
			return fail(err.Error(), valueHint(err, "write a rate such as 500/s, 30k/min or 0.5/s"))
		case !(rate >= 0): // catches NaN too
			return fail("a rate cannot be below 0", "")
		case rate > mostRate:
			return fail(fmt.Sprintf("%s is more than the highest rate there is, %s", trimmed, decode.FormatRate(mostRate)), "")
		}
		return level{value: rate}, nil
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(trimmed, "_", ""), 64)
	switch {
	case err != nil:
		hint := "write a rate such as 500/s, or a whole number of users such as 50"
		if number, unit, ok := cutUnit(trimmed); ok {
			switch strings.ToLower(unit) {
			case "rps", "req/s", "qps", "tps", "hz", "ps":
				hint = "write " + number + "/s"
			case "rpm":
				hint = "write " + number + "/min"
			case "users", "user", "vus", "vu", "clients", "connections":
				hint = "write " + number + " for a number of users"
			}
		}
		return fail(strconv.Quote(trimmed)+" is neither a rate nor a number of users", hint)
	case n < 0:
		return fail("a number of users cannot be below 0", "")
	case n != math.Trunc(n) || math.IsInf(n, 0) || math.IsNaN(n):
		return fail(trimmed+" has no unit, and a number of users is a whole one", "write "+trimmed+"/s for a rate")
	case n > mostUsers:
		return fail(fmt.Sprintf("%s users are more than brunt can play (%d)", trimmed, int(mostUsers)), "write "+trimmed+"/s if a rate was meant")
	}
	return level{value: n, users: true}, nil
}

// valueHint is the hint of a unit's parser, or another when it has none.
func valueHint(err error, otherwise string) string {
	var v *decode.ValueError
	if errors.As(err, &v) && v.Hint != "" {
		return v.Hint
	}
	return otherwise
}

// cutUnit splits "200rps" into its number and what follows it.
func cutUnit(s string) (number, unit string, ok bool) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	number, unit = s[:i], strings.TrimSpace(s[i:])
	return number, unit, number != "" && unit != ""
}
