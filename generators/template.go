package generators

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Template is text with places that are filled in anew for every arrival:
//
//	${users.id}      column id of feed users
//	${sku}           session variable sku
//	${rand(1,40)}    a whole number from 1 to 40, both included
//	${randstr(8)}    8 letters and digits
//	${uuid()}        a random UUID (version 4)
//	${now()}         the time, as 2006-01-02T15:04:05.000Z; now(unix) and now(unix_ms) as a number
//	${seq()}         the arrival's index in its load's schedule, from 0
//	${session()}     the session's id, from 0
//
// $${ stands for a literal ${; a $ before anything else is itself. A Template
// is immutable and safe for concurrent use.
type Template struct {
	src   string
	parts []part
}

// Scope is where one arrival's values come from. Only what the template
// refers to needs to be set.
type Scope struct {
	Vars    map[string]string // the session's variables by name
	Rows    map[string]Row    // this arrival's row of each feed, by the feed's name
	Rand    *rand.Rand        // for rand, randstr and uuid: the same source gives the same text
	Arrival int64             // index in the load's schedule, from 0
	Session int               // the session's id, from 0
	Now     time.Time         // for now; zero means the time when it is asked for
}

// A part is one stretch of a template.
type part struct {
	op   op
	text string // literal: the text; variable: its name; column: the feed's name
	col  string // column: its name
	a, b int64  // rand: the range; randstr: a is the length
}

type op uint8

const (
	opLiteral op = iota
	opVariable
	opColumn
	opRand
	opRandstr
	opUUID
	opNow
	opNowUnix
	opNowUnixMilli
	opSeq
	opSession
)

// EscapeTemplate is a template's source for text that is to stay as it is.
func EscapeTemplate(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// String is the source that the template was parsed from.
func (t *Template) String() string { return t.src }

// Constant is the template's text, and whether it is the same for every
// arrival.
func (t *Template) Constant() (string, bool) {
	switch {
	case len(t.parts) == 0:
		return "", true
	case len(t.parts) == 1 && t.parts[0].op == opLiteral:
		return t.parts[0].text, true
	}
	return "", false
}

// References are the feed columns ("users.id") and session variables ("sku")
// that the template takes values from, each once, in order of appearance.
func (t *Template) References() []string {
	var refs []string
	for _, p := range t.parts {
		if p.op != opVariable && p.op != opColumn {
			continue
		}
		if name := p.reference(); !slices.Contains(refs, name) {
			refs = append(refs, name)
		}
	}
	return refs
}

// Append appends the template's text for one arrival to dst. A reference
// without a value is an error that names it; dst is then as it was. It does
// not allocate when dst has room.
func (t *Template) Append(dst []byte, s Scope) ([]byte, error) {
	return t.AppendEscaped(dst, s, nil)
}

// AppendEscaped is Append for text inside another syntax (a URL, JSON): each
// value of a feed or a variable goes through escape, which appends it to dst
// in that syntax. The template's own text and what functions give (digits,
// letters, '-', '.' and ':') do not. A nil escape appends values as they are.
func (t *Template) AppendEscaped(dst []byte, s Scope, escape func(dst []byte, value string) []byte) ([]byte, error) {
	out := dst
	for i := range t.parts {
		p := &t.parts[i]
		switch p.op {
		case opLiteral:
			out = append(out, p.text...)
		case opVariable, opColumn:
			value, err := p.value(&s)
			if err != nil {
				return dst, err
			}
			if escape == nil {
				out = append(out, value...)
			} else {
				out = escape(out, value)
			}
		default:
			var err error
			if out, err = p.call(out, &s); err != nil {
				return dst, err
			}
		}
	}
	return out, nil
}

func (p *part) reference() string {
	if p.op == opColumn {
		return p.text + "." + p.col
	}
	return p.text
}

func (p *part) value(s *Scope) (string, error) {
	if p.op == opVariable {
		value, ok := s.Vars[p.text]
		if !ok {
			return "", fmt.Errorf("${%s} has no value: the session has no variable %s at this point", p.text, p.text)
		}
		return value, nil
	}
	row, ok := s.Rows[p.text]
	if !ok {
		return "", fmt.Errorf("${%s} has no value: there is no row of a feed %s", p.reference(), p.text)
	}
	value, ok := row.Get(p.col)
	if !ok {
		return "", fmt.Errorf("${%s} has no value: feed %s has no column %s", p.reference(), p.text, p.col)
	}
	return value, nil
}

func (p *part) call(dst []byte, s *Scope) ([]byte, error) {
	switch p.op {
	case opSeq:
		return strconv.AppendInt(dst, s.Arrival, 10), nil
	case opSession:
		return strconv.AppendInt(dst, int64(s.Session), 10), nil
	case opNow, opNowUnix, opNowUnixMilli:
		return p.appendNow(dst, s.Now), nil
	}
	if s.Rand == nil {
		return dst, fmt.Errorf("%s has no value: there is no source of random numbers", p.text)
	}
	switch p.op {
	case opRand:
		// Differences wrap around in uint64, so any two int64 will do; a
		// span of 0 is all 2⁶⁴ of them.
		n := s.Rand.Uint64()
		if span := uint64(p.b) - uint64(p.a) + 1; span != 0 {
			n = s.Rand.Uint64N(span)
		}
		return strconv.AppendInt(dst, int64(uint64(p.a)+n), 10), nil
	case opRandstr:
		for range p.a {
			dst = append(dst, alphanumeric[s.Rand.Uint32N(uint32(len(alphanumeric)))])
		}
		return dst, nil
	default: // opUUID
		return appendUUID(dst, s.Rand), nil
	}
}

const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	hexDigits    = "0123456789abcdef"
)

func (p *part) appendNow(dst []byte, now time.Time) []byte {
	if now.IsZero() {
		now = time.Now()
	}
	switch p.op {
	case opNowUnix:
		return strconv.AppendInt(dst, now.Unix(), 10)
	case opNowUnixMilli:
		return strconv.AppendInt(dst, now.UnixMilli(), 10)
	}
	return now.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// appendUUID appends a version 4 UUID (RFC 9562).
func appendUUID(dst []byte, rng *rand.Rand) []byte {
	hi := rng.Uint64()&^0xf000 | 0x4000       // version
	lo := rng.Uint64()&^(0b11<<62) | 0b10<<62 // variant
	for i := range 16 {
		if i == 8 || i == 12 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[hi>>(60-4*i)&0xf])
	}
	for i := range 16 {
		if i == 0 || i == 4 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[lo>>(60-4*i)&0xf])
	}
	return dst
}
