package objective

import (
	"math/big"
	"strings"
	"time"
)

// A unit is the type of a value.
type unit int

const (
	plain    unit = iota // a count, or a probe's reading without a unit
	duration             // base: nanoseconds
	ratio                // base: 1 is 100%
	rate                 // base: per second
	bytes                // base: bytes
)

func (u unit) String() string {
	return [...]string{"a plain number", "a duration", "a ratio", "a rate", "a number of bytes"}[u]
}

// example is a value of the unit, for hints.
func (u unit) example() string {
	return [...]string{"5", "300ms", "0.1%", "500/s", "1KiB"}[u]
}

// A value is a number with its unit. It is exact: 0.1% is one in a thousand
// and not the float nearest to it.
type value struct {
	unit   unit
	number *big.Rat // as written, times k or M
	suffix string   // as written: "%", "/s", "/min", "/h", "KiB"; empty for plain numbers and durations
	base   *big.Rat // in the unit's base
}

// float is the value in its unit's base.
func (v value) float() float64 { f, _ := v.base.Float64(); return f }

// String is the value as the language writes it; it parses to the same value.
func (v value) String() string {
	if v.unit == duration {
		return formatDuration(time.Duration(v.base.Num().Int64()))
	}
	return decimal(v.number) + v.suffix
}

// formatDuration is Go's notation without the zeros that say nothing: 1m, not 1m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// decimal prints a rational that has a finite decimal expansion, as all that
// the language reads have.
func decimal(r *big.Rat) string {
	s := r.FloatString(maxFraction)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// maxInteger and maxFraction bound the digits of a number: more than any
// measurement holds, and few enough to stay cheap.
const (
	maxInteger  = 15
	maxFraction = 9
)

var (
	perSecond = map[string]int64{"/s": 1, "/min": 60, "/h": 3600}

	durationUnits = map[string]int64{
		"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
	}

	byteUnits = map[string]int64{
		"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}

	magnitudes = map[string]int64{"k": 1e3, "M": 1e6}

	// misspeltUnits are what people write, and what the language has for it.
	misspeltUnits = map[string]string{
		"sec": "s", "secs": "s", "second": "s", "seconds": "s", "S": "s",
		"msec": "ms", "millis": "ms", "MS": "ms", "Ms": "ms", "mS": "ms", "min": "m", "mins": "m", "minutes": "m",
		"hr": "h", "hours": "h", "usec": "us", "nsec": "ns",
		"KB": "kB", "kb": "kB", "Kb": "kB", "mb": "MB", "gb": "GB", "kib": "KiB", "mib": "MiB", "gib": "GiB", "b": "B", "bytes": "B",
		"rps": "/s", "qps": "/s", "tps": "/s", "req/s": "/s", "reqs/s": "/s", "/sec": "/s", "/second": "/s", "ps": "/s",
		"/m": "/min", "/minute": "/min", "rpm": "/min", "/hour": "/h", "/hr": "/h",
		"percent": "%", "pct": "%", "K": "k",
	}
)

// parseValue reads one value that starts at offset at in the source; raw holds
// all of it and nothing else.
func parseValue(raw string, at int) (value, *SyntaxError) {
	digits := numberLength(raw)
	if digits == 0 {
		return value{}, errorAt(at, len(raw), "expected a value, found %q", raw).
			hint("values look like 300ms, 0.1%%, 500/s, 1KiB or 5")
	}
	text, rest := raw[:digits], raw[digits:]
	number, err := parseNumber(text, at)
	if err != nil {
		return value{}, err
	}
	switch {
	case rest == "":
		return plainValue(number), nil
	case rest == "%":
		return value{ratio, number, "%", quotient(number, 100)}, nil
	case magnitudes[rest] != 0:
		number, err = magnify(number, magnitudes[rest], raw, at)
		return plainValue(number), err
	case byteUnits[rest] != 0:
		return value{bytes, number, rest, product(number, byteUnits[rest])}, nil
	}
	if slash := strings.IndexByte(rest, '/'); slash >= 0 {
		if per := perSecond[rest[slash:]]; per != 0 {
			if k := magnitudes[rest[:slash]]; k != 0 {
				if number, err = magnify(number, k, raw, at); err != nil {
					return value{}, err
				}
			} else if slash > 0 {
				return value{}, unknownUnit(text, rest, at)
			}
			return value{rate, number, rest[slash:], quotient(number, per)}, nil
		}
		return value{}, unknownUnit(text, rest, at)
	}
	return parseDuration(raw, at)
}

// parseDuration reads Go's notation, exactly and with hints.
func parseDuration(raw string, at int) (value, *SyntaxError) {
	negative := strings.HasPrefix(raw, "-")
	total := new(big.Rat)
	rest := strings.TrimPrefix(raw, "-")
	last := int64(0)
	for rest != "" {
		digits := numberLength(rest)
		end := digits
		for end < len(rest) && (rest[end] < '0' || rest[end] > '9') && rest[end] != '.' {
			end++
		}
		text, name := rest[:digits], rest[digits:end]
		offset := at + len(raw) - len(rest)
		size := durationUnits[name]
		switch {
		case digits == 0 || name == "":
			return value{}, errorAt(offset, len(rest), "cannot read %q as a duration", raw).
				hint("durations look like 300ms, 1.5s or 1m30s")
		case size == 0:
			return value{}, unknownUnit(text, name, offset)
		case last != 0 && size >= last:
			return value{}, errorAt(offset, end, "the units of a duration go from large to small, each at most once").
				hint("as in 1m30s")
		}
		number, err := parseNumber(text, offset)
		if err != nil {
			return value{}, err
		}
		total.Add(total, product(number, size))
		last, rest = size, rest[end:]
	}
	if !total.IsInt() {
		return value{}, errorAt(at, len(raw), "%s is finer than a nanosecond", raw)
	}
	if !total.Num().IsInt64() {
		return value{}, errorAt(at, len(raw), "%s is too long", raw).hint("at most 2562047h, some 292 years")
	}
	if negative {
		total.Neg(total)
	}
	return value{unit: duration, number: total, base: total}, nil
}

func unknownUnit(number, name string, at int) *SyntaxError {
	e := errorAt(at+len(number), len(name), "unknown unit %q", name)
	known, ok := misspeltUnits[name]
	if !ok {
		known, ok = misspeltUnits[strings.ToLower(name)]
	}
	switch {
	case ok:
		return e.hint("did you mean %s%s?", number, known)
	case name == "d" || strings.HasPrefix(name, "day"):
		return e.hint("write days as hours: 24h")
	}
	return e.hint("durations end in ns, us, ms, s, m or h, ratios in %%, rates in /s, /min or /h, bytes in B, kB, MB, KiB or MiB")
}

// numberLength is how many bytes at the start of s are a number: an optional
// minus, digits, and a fraction when a digit follows the point.
func numberLength(s string) int {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if i == start {
		return 0
	}
	if i+1 < len(s) && s[i] == '.' && isDigit(s[i+1]) {
		for i++; i < len(s) && isDigit(s[i]); i++ {
		}
	}
	return i
}

func parseNumber(text string, at int) (*big.Rat, *SyntaxError) {
	integer, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if len(integer) > maxInteger || len(fraction) > maxFraction {
		return nil, errorAt(at, len(text), "%s has too many digits", text).
			hint("at most %d before the point and %d after it", maxInteger, maxFraction)
	}
	number, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, errorAt(at, len(text), "cannot read %q as a number", text)
	}
	return number, nil
}

// magnify multiplies, but not past what can be written without the k or M.
func magnify(number *big.Rat, by int64, raw string, at int) (*big.Rat, *SyntaxError) {
	number = product(number, by)
	if whole := new(big.Int).Quo(number.Num(), number.Denom()); len(whole.Text(10)) > maxInteger {
		return nil, errorAt(at, len(raw), "%s has too many digits", raw).
			hint("at most %d before the point and %d after it", maxInteger, maxFraction)
	}
	return number, nil
}

func plainValue(number *big.Rat) value { return value{unit: plain, number: number, base: number} }

func product(r *big.Rat, n int64) *big.Rat { return new(big.Rat).Mul(r, new(big.Rat).SetInt64(n)) }

func quotient(r *big.Rat, n int64) *big.Rat { return new(big.Rat).Quo(r, new(big.Rat).SetInt64(n)) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
