package objective

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// moment writes an offset from the run's origin: "1m10s", "73.25s".
func moment(d time.Duration) string {
	return formatDuration(d.Round(10 * time.Millisecond))
}

// length writes how long something takes: "30 s", "2m30s".
func length(d time.Duration) string {
	if d < time.Minute && d%time.Second == 0 {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return moment(d)
}

// observed writes a value beside its limits: with three digits, and with as
// many more as it takes to look different from a limit it differs from.
func (s statement) observed(v float64) string {
	digits := 3
	if s.high.unit == plain {
		digits = 4
	}
	for ; digits < 17; digits++ {
		text := s.digits(v, digits)
		if !s.looksLike(v, text, s.high, digits) && (s.op != inRange || !s.looksLike(v, text, s.low, digits)) {
			return text
		}
	}
	return s.digits(v, 17)
}

func (s statement) looksLike(v float64, text string, limit value, digits int) bool {
	return v != limit.float() && text == s.digits(limit.float(), digits)
}

// digits writes a value of the statement's unit with that many digits.
func (s statement) digits(v float64, digits int) string {
	switch s.high.unit {
	case duration:
		return durationDigits(v, digits)
	case ratio:
		return significant(v*100, digits) + "%"
	case rate:
		return significant(v*float64(perSecond[s.high.suffix]), digits) + s.high.suffix
	case bytes:
		return significant(v/float64(byteUnits[s.high.suffix]), digits) + s.high.suffix
	}
	return significant(v, digits)
}

// significant writes v with that many significant digits, integers in full,
// and without an exponent.
func significant(v float64, digits int) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	decimals := digits - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', max(0, decimals), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func durationDigits(ns float64, digits int) string {
	// Rounded first, so that 999.96ms becomes 1s and not 1000ms.
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(ns, 'e', digits-1, 64), 64)
	if err != nil {
		rounded = ns
	}
	switch abs := math.Abs(rounded); {
	case abs < 1e3:
		return significant(ns, digits) + "ns"
	case abs < 1e6:
		return significant(ns/1e3, digits) + "µs"
	case abs < 1e9:
		return significant(ns/1e6, digits) + "ms"
	case abs < 60e9:
		return significant(ns/1e9, digits) + "s"
	case abs > math.MaxInt64/2:
		return significant(ns/3600e9, digits) + "h"
	}
	step := time.Duration(math.Pow10(max(0, 11-digits))) // a tenth of a second for 3 digits
	return formatDuration(time.Duration(math.Round(ns)).Round(step))
}

// limit writes what must hold: "< 300ms", "6..20".
func (s statement) limit() string {
	if s.op == inRange {
		return s.low.String() + ".." + s.high.String()
	}
	return string(s.op) + " " + s.high.String()
}

// must says the limit as the second half of a sentence.
func (s statement) must(m measured) string {
	limit := s.high.String()
	at := compare(m, s.high) == 0
	switch {
	case s.op == less && at:
		return "it must stay below " + limit
	case s.op == less, s.op == lessEqual:
		return "the limit is " + limit
	case s.op == greater:
		return "it must be above " + limit
	case s.op == greaterEqual:
		return "it must be at least " + limit
	case s.op == equal:
		return "it must be exactly " + limit
	case s.op == notEqual:
		return "it must not be " + limit
	}
	return "it must stay within " + s.limit()
}

// margin says how far from the limit a value is: "31% below the limit".
func (s statement) margin(m measured) string {
	limit := s.high
	switch s.op {
	case equal, notEqual:
		return ""
	case inRange:
		switch {
		case compare(m, s.low) < 0:
			return s.digits(s.low.float()-m.value, 3) + " below the range"
		case compare(m, s.high) > 0:
			return s.digits(m.value-s.high.float(), 3) + " above the range"
		}
		return "inside the range"
	}
	where := "below"
	switch compare(m, limit) {
	case 0:
		return "at the limit"
	case 1:
		where = "above"
	}
	if limit.base.Sign() == 0 {
		return s.digits(math.Abs(m.value), 3) + " " + where + " the limit"
	}
	share := math.Abs(m.value-limit.float()) / math.Abs(limit.float())
	if where == "above" && share >= 9 && limit.base.Sign() > 0 {
		return significant(1+share, 2) + " times the limit"
	}
	percent := significant(share*100, 2)
	if percent == "100" && share < 1 && where == "below" {
		percent = "over 99" // all of it would mean zero
	}
	return percent + "% " + where + " the limit"
}

// plural writes a number of things: "1 reading", "3 readings".
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
