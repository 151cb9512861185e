package tui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
)

// runeWidth is how many cells a rune takes.
func runeWidth(r rune) int {
	switch {
	case r < utf8.RuneSelf:
		return 1
	case r >= 0x2500 && r < 0x25a0, r == '·', r == '…', r == 'µ', r == '±', r == '●', r == '–', r == '×':
		return 1 // what this package draws itself, without a look into tables
	}
	return lipgloss.Width(string(r))
}

// textWidth is how many cells a text takes: never fewer than it really does,
// though an emoji of several parts is counted part by part.
func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// cut shortens a text to at most w cells, with an ellipsis where it was cut.
func cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	n, end := 0, 0 // end: where the text may be cut so that the ellipsis fits
	for i, r := range s {
		if n += runeWidth(r); n > w {
			return s[:end] + "…"
		}
		if n < w {
			end = i + utf8.RuneLen(r)
		}
	}
	return s
}

// longestText bounds what is kept of a text from the stream, in runes.
const longestText = 400

// clean makes a text from the stream fit for a terminal: on one line, without
// control characters, escape sequences and marks that turn the writing round.
// Some of it comes from the target, which brunt does not trust.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= ' ' && s[i] < 0x7f
	}
	if plain && len(s) <= longestText {
		return s
	}
	var b strings.Builder
	n, escape := 0, false
	for _, r := range s {
		switch {
		case escape:
			// ESC [ parameters letter; anything else ends the sequence at once.
			escape = r == '[' || r == ';' || r == '?' || r >= '0' && r <= '9'
			continue
		case r == 0x1b || r == 0x9b:
			escape = true
			continue
		case unicode.IsSpace(r):
			r = ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			continue
		case r == utf8.RuneError:
			r = '?'
		}
		if n++; n > longestText {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ascii is what stands for this package's own glyphs where the locale is not
// UTF-8. Each takes one cell, as its glyph does.
var ascii = map[rune]rune{
	'─': '-', '━': '=', '│': '|', '●': 'O', '·': '-', '…': '~', 'µ': 'u', '±': '~', '–': '-', '×': 'x',
	'░': '.', '▒': '+', '▁': '_', '▂': '.', '▃': ':', '▄': '-', '▅': '=', '▆': '+', '▇': '*', '█': '#',
}

// toASCII writes a text without anything outside ASCII, in as many cells.
func toASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return r
		}
		if a, ok := ascii[r]; ok {
			return a
		}
		return '?'
	}, s)
}

// isUTF8 reports whether the locale's characters are UTF-8.
func isUTF8(environ []string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := lookup(environ, name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// lookup gives the value of a variable, "" when it is not set. As in a
// process's environment, the last one counts.
func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// clock writes an offset from the run's origin: 01:05, 1:02:03.
func clock(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// latency writes a duration with three digits: 950µs, 12.3ms, 1.23s.
func latency(d time.Duration) string {
	switch ns := float64(d); {
	case ns < 0:
		return "-" + latency(-d)
	case ns < 1e3:
		return strconv.FormatInt(int64(d), 10) + "ns"
	case ns < 999.5e3:
		return digits(ns/1e3) + "µs"
	case ns < 999.5e6:
		return digits(ns/1e6) + "ms"
	case ns < 599.5e9:
		return digits(ns/1e9) + "s"
	}
	return clock(d)
}

// digits writes a number from 0 up with three digits, large ones in full.
func digits(v float64) string {
	decimals := 0
	switch {
	case v < 9.995:
		decimals = 2
	case v < 99.95:
		decimals = 1
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// perSecond writes a rate: 2.5/s, 200/s, 12.3k/s.
func perSecond(v float64) string { return amount(v) + "/s" }

// amount writes a number in at most five cells: 2.5, 9999, 12.3k, 4.56M.
func amount(v float64) string {
	switch abs := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case v < 0:
		return "-" + amount(-v)
	case abs < 9.95:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	case abs < 9999.5:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs < 999.5e3:
		return digits(v/1e3) + "k"
	case abs < 999.5e6:
		return digits(v/1e6) + "M"
	case abs < 999.5e9:
		return digits(v/1e9) + "G"
	}
	return strconv.FormatFloat(v, 'e', 1, 64)
}

// share writes a ratio in percent: 0%, 0.25%, 12%. What is not nothing never
// reads 0%.
func share(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	v := 100 * float64(part) / float64(whole)
	if part > 0 && v < 0.01 {
		return "<0.01%"
	}
	return digits(v) + "%"
}

// reading writes a probe's value in its unit.
func reading(v float64, unit string) string {
	switch unit {
	case "ns":
		if math.Abs(v) < math.MaxInt64/2 {
			return latency(time.Duration(v))
		}
	case "ratio":
		return digits(v*100) + "%"
	case "bytes":
		for _, u := range []string{"B", "KiB", "MiB", "GiB"} {
			if math.Abs(v) < 1023.5 {
				return digits(v) + u
			}
			v /= 1024
		}
		return digits(v) + "TiB"
	}
	return amount(v)
}

// plural writes a number of things: 1 fault, 3 faults.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
