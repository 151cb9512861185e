package decode

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A ValueError says why a text is not a value of its kind, in a message for
// people and a hint with the likely fix.
type ValueError struct{ Code, Message, Hint string }

func (e *ValueError) Error() string { return e.Message }

// measure is a number without a sign and what stands behind it.
var measure = regexp.MustCompile(`^((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))\s*(.*)$`)

// split parts "300ms" into "300" and "ms".
func split(text string) (number, unit string, ok bool) {
	m := measure.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

func badUnit(what, text, hint string) *ValueError {
	return &ValueError{CodeBadValue, fmt.Sprintf("expected %s, got %s", what, quote(text)), hint}
}

func noUnit(what, text, hint string) *ValueError {
	return &ValueError{CodeMissingUnit, fmt.Sprintf("%s has no unit: expected %s", text, what), hint}
}

func outOfRange(what, text string) *ValueError {
	return &ValueError{CodeBadValue, fmt.Sprintf("%s is out of range for %s", quote(text), what), ""}
}

const (
	aDuration  = "a duration such as 300ms"
	aSize      = "a size such as 64KiB"
	aBandwidth = "a bandwidth such as 1MiB/s"
	aRatio     = "a ratio such as 0.1%"
	aRate      = "a rate such as 500/s"
)

// durationWords are units that other languages use, and Go's for them.
var durationWords = map[string]string{
	"sec": "s", "secs": "s", "second": "s", "seconds": "s", "S": "s",
	"min": "m", "mins": "m", "minute": "m", "minutes": "m", "M": "m",
	"hr": "h", "hrs": "h", "hour": "h", "hours": "h", "H": "h",
	"msec": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms", "MS": "ms",
	"usec": "us", "microseconds": "us", "nanoseconds": "ns",
}

var daysOrWeeks = map[string]float64{"d": 24, "day": 24, "days": 24, "w": 168, "week": 168, "weeks": 168}

// ParseDuration reads a Go duration that is not negative: 300ms, 1m30s. The
// unit is never optional. The error is a *ValueError.
func ParseDuration(text string) (time.Duration, error) {
	number, unit, ok := split(text)
	if !ok {
		return 0, badUnit(aDuration, text, "")
	}
	if unit == "" {
		return 0, noUnit(aDuration, text, "write "+number+likelyDurationUnit(number))
	}
	d, err := time.ParseDuration(text)
	if err == nil {
		return d, nil
	}
	hint := ""
	if word, ok := durationWords[unit]; ok {
		hint = "write " + number + word
	} else if hours, ok := daysOrWeeks[strings.ToLower(unit)]; ok {
		if f, err := strconv.ParseFloat(number, 64); err == nil {
			hint = "write " + strconv.FormatFloat(f*hours, 'f', -1, 64) + "h"
		}
	} else if tight := strings.ReplaceAll(text, " ", ""); tight != text {
		if _, err := time.ParseDuration(tight); err == nil {
			hint = "write " + tight
		}
	} else if strings.Trim(unit, "nuµmsh.0123456789") == "" {
		return 0, outOfRange("a duration", text)
	}
	if hint == "" {
		hint = "units are ns, us, ms, s, m and h"
	}
	return 0, badUnit(aDuration, text, hint)
}

// likelyDurationUnit guesses what a bare number meant: nobody waits 300
// seconds or 5 milliseconds by default.
func likelyDurationUnit(number string) string {
	if f, err := strconv.ParseFloat(number, 64); err == nil && f >= 100 {
		return "ms"
	}
	return "s"
}

// FormatDuration writes a duration so that ParseDuration reads the same: 2m,
// not 2m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var byteUnits = map[string]float64{
	"B":   1,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}

// byteWords are units that are ambiguous or misspelt, and what they may mean.
var byteWords = map[string]string{
	"k": "KiB", "K": "KiB", "m": "MiB", "M": "MiB", "g": "GiB", "G": "GiB", "t": "TiB", "T": "TiB",
	"Ki": "KiB", "Mi": "MiB", "Gi": "GiB", "Ti": "TiB", "b": "B", "byte": "B", "bytes": "B",
}

// ParseBytes reads a size in whole bytes, not negative: 512B, 64KiB (1024s),
// 1.5MB (1000s). The unit is never optional. The error is a *ValueError.
func ParseBytes(text string) (int64, error) { return parseBytes(text, aSize, "") }

// ParseBandwidth reads bytes a second: 1MiB/s. The error is a *ValueError.
func ParseBandwidth(text string) (int64, error) { return parseBytes(text, aBandwidth, "/s") }

func parseBytes(text, what, per string) (int64, error) {
	number, unit, ok := split(text)
	if !ok {
		return 0, badUnit(what, text, "")
	}
	if unit == "" {
		return 0, noUnit(what, text, fmt.Sprintf("write %sB%s, or %sKiB%[2]s", number, per, number))
	}
	base, hasPer := strings.CutSuffix(unit, "/s")
	factor, known := byteUnits[base]
	switch {
	case known && per == "/s" && !hasPer:
		return 0, badUnit(what, text, "write "+number+base+"/s")
	case known && per == "" && hasPer:
		return 0, badUnit(what, text, "write "+number+base)
	case !known:
		hint := "units are B, KiB, MiB, GiB (1024s) and kB, MB, GB (1000s)"
		if word, ok := byteWords[base]; ok {
			hint = "write " + number + word + per
		} else {
			for u := range byteUnits {
				if strings.EqualFold(u, base) && u != "KB" {
					hint = "write " + number + u + per
				}
			}
		}
		return 0, badUnit(what, text, hint)
	case text != number+unit:
		return 0, badUnit(what, text, "write "+number+unit)
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		if whole <= math.MaxInt64/int64(factor) {
			return whole * int64(factor), nil
		}
		return 0, outOfRange("a size", text)
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f*factor >= math.MaxInt64 {
		return 0, outOfRange("a size", text)
	}
	if f*factor != math.Trunc(f*factor) {
		return 0, &ValueError{CodeBadValue, fmt.Sprintf("%s is not a whole number of bytes", quote(text)), ""}
	}
	return int64(f * factor), nil
}

// FormatBytes writes a size so that ParseBytes reads the same.
func FormatBytes(n int64) string {
	for _, u := range []string{"TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB"} {
		if f := int64(byteUnits[u]); n != 0 && n%f == 0 {
			return strconv.FormatInt(n/f, 10) + u
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// ParseRatio reads a percentage as a fraction, not negative: 0.1% is 0.001.
// The unit is never optional. The error is a *ValueError.
func ParseRatio(text string) (float64, error) {
	number, unit, ok := split(text)
	if !ok {
		return 0, badUnit(aRatio, text, "")
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, outOfRange("a ratio", text)
	}
	switch {
	case unit == "" && f > 0 && f <= 1:
		return 0, noUnit(aRatio, text, "write "+FormatRatio(f))
	case unit == "":
		return 0, noUnit(aRatio, text, "write "+number+"%")
	case unit != "%" || text != number+unit:
		return 0, badUnit(aRatio, text, "write "+number+"%")
	}
	return f / 100, nil
}

// FormatRatio writes a fraction so that ParseRatio reads the same.
func FormatRatio(f float64) string {
	for precision := 1; precision < 17; precision++ {
		s := trimZeros(strconv.FormatFloat(f*100, 'f', precision, 64))
		if back, err := strconv.ParseFloat(s, 64); err == nil && back/100 == f {
			return s + "%"
		}
	}
	return strconv.FormatFloat(f*100, 'f', -1, 64) + "%"
}

func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

var rateUnits = map[string]float64{"s": 1, "m": 60, "min": 60, "h": 3600}

var rateWords = map[string]string{
	"sec": "s", "second": "s", "S": "s", "minute": "min", "hr": "h", "hour": "h", "M": "min", "H": "h",
}

// ParseRate reads how many a second, not negative: 500/s, 30k/min, 1.5M/h.
// The unit is never optional. The error is a *ValueError.
func ParseRate(text string) (float64, error) {
	number, unit, ok := split(text)
	if !ok {
		return 0, badUnit(aRate, text, "")
	}
	many, per, hasPer := strings.Cut(unit, "/")
	many, per = strings.TrimSpace(many), strings.TrimSpace(per)
	scale := 1.0
	short := number // with its multiplier, for hints
	switch {
	case many == "k" || strings.HasPrefix(many, "k "):
		scale, short = 1e3, number+"k"
	case many == "M" || strings.HasPrefix(many, "M "):
		scale, short = 1e6, number+"M"
	case many == "K":
		return 0, badUnit(aRate, text, "write "+number+"k/"+cmpOr(per, "s"))
	}
	if !hasPer {
		switch strings.ToLower(many) {
		case "", "k", "m":
			return 0, noUnit(aRate, text, "write "+short+"/s")
		case "rpm":
			return 0, badUnit(aRate, text, "write "+number+"/min")
		}
		return 0, badUnit(aRate, text, "write "+number+"/s")
	}
	seconds, known := rateUnits[per]
	if word, ok := rateWords[per]; ok {
		return 0, badUnit(aRate, text, "write "+short+"/"+word)
	}
	if !known {
		return 0, badUnit(aRate, text, "rates are a second, a minute or an hour: "+short+"/s, "+short+"/min or "+short+"/h")
	}
	if text != short+"/"+per { // spaces, or a noun as in 500 requests/s
		return 0, badUnit(aRate, text, "write "+short+"/"+per)
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsInf(f*scale, 0) {
		return 0, outOfRange("a rate", text)
	}
	return f * scale / seconds, nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// FormatRate writes a rate so that ParseRate reads the same, in the unit that
// needs the fewest digits.
func FormatRate(f float64) string {
	best := strconv.FormatFloat(f, 'f', -1, 64) + "/s"
	for _, u := range []struct {
		unit    string
		seconds float64
	}{{"min", 60}, {"h", 3600}} {
		s := strconv.FormatFloat(f*u.seconds, 'f', -1, 64)
		if back, err := strconv.ParseFloat(s, 64); err == nil && back/u.seconds == f && len(s)+8 < len(best) {
			best = s + "/" + u.unit
		}
	}
	return best
}
