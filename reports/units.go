package reports

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// significant writes v with three significant digits, larger integers in
// full, and never with an exponent.
func significant(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.FormatFloat(v+0, 'f', -1, 64)
	}
	decimals := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', max(0, decimals), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// duration writes how long something took with three digits: "412ms",
// "1.23s", "1m5.2s".
func duration(d time.Duration) string {
	switch abs := max(d, -d); {
	case abs >= time.Minute-50*time.Millisecond:
		return clock(d.Round(100 * time.Millisecond))
	case abs >= 999500*time.Microsecond:
		return significant(d.Seconds()) + "s"
	case abs >= 999500*time.Nanosecond:
		return significant(float64(d)/1e6) + "ms"
	case abs >= time.Microsecond:
		return significant(float64(d)/1e3) + "µs"
	case d == 0:
		return "0s"
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}

// moment writes an offset from the run's origin, to a tenth of a second.
func moment(d time.Duration) string { return clock(d.Round(100 * time.Millisecond)) }

// clock is time.Duration's own way without the zeros at its end: "2m", "1h5m".
func clock(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// count writes a number of things in full: "12,345".
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural writes a number of things with their name.
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}

// percent writes a ratio: "0.12%". What is not quite all or nothing does not
// round to it.
func percent(r float64) string {
	switch {
	case r > 0 && r < 1e-7:
		return "< 0.00001%"
	case r < 1 && r > 0.9995:
		return strconv.FormatFloat(math.Floor(r*1e6)/1e4, 'f', -1, 64) + "%"
	}
	return significant(r*100) + "%"
}

// rate writes a number a second.
func rate(v float64) string { return significant(v) + "/s" }

// size writes bytes.
func size(n float64) string {
	for _, u := range []struct {
		name string
		of   float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if math.Abs(n) >= u.of {
			return significant(n/u.of) + " " + u.name
		}
	}
	return significant(n) + " B"
}

// value writes a probe's reading in its unit.
func value(v float64, unit string) string {
	switch unit {
	case "ns":
		return duration(time.Duration(v))
	case "bytes":
		return size(v)
	case "ratio":
		return percent(v)
	case "rate":
		return rate(v)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return count(int64(v))
	}
	return significant(v)
}

// sentence ends a text as one does, and puts it on one line.
func sentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}

// list joins words as one does: "a, b and c".
func list(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

// between writes a window: "31s to 44.5s".
func between(from, to time.Duration) string { return fmt.Sprintf("%s to %s", moment(from), moment(to)) }

// sortedKeys gives the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
