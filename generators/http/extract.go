package http

import (
	"bytes"
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/brunt-dev/brunt/scenarios/jsonpath"
)

// An extraction takes one variable from an answer.
type extraction struct {
	variable string
	source   string // as in the scenario
	take     func(*answer) (string, bool)
}

func (cp *compiler) extractions(r *request, s Step, at string) {
	for _, variable := range sortedKeys(s.Extract) {
		field := join(at, "extract") + "." + variable
		source := strings.TrimSpace(s.Extract[variable])
		e := extraction{variable: variable, source: source}
		kind, arg, _ := strings.Cut(source, ":")
		switch {
		case !isVariable(variable):
			cp.report(field, fmt.Sprintf("%q cannot be the name of a variable", variable), "use letters, digits and '_'")
			continue
		case strings.HasPrefix(source, "$"):
			path, err := jsonpath.Parse(source)
			if err != nil {
				cp.reportError(field, err)
				continue
			}
			e.take = func(a *answer) (string, bool) { return jsonText(path, a.body) }
			r.keepBody = true
		case source == "status":
			e.take = func(a *answer) (string, bool) { return strconv.Itoa(a.status), true }
		case kind == "header" && arg != "":
			e.take = func(a *answer) (string, bool) { return a.fields.first(arg) }
		case kind == "cookie" && arg != "":
			e.take = func(a *answer) (string, bool) { return cookieValue(a, arg) }
		case kind == "regexp" && arg != "":
			re, err := regexp.Compile(arg)
			if err != nil {
				cp.report(field, regexpProblem(err), "")
				continue
			}
			e.take = func(a *answer) (string, bool) { return firstGroup(re, a.body) }
			r.keepBody = true
		default:
			cp.report(field, fmt.Sprintf("%q is nothing that can be extracted", source), "use $.json.path, header:NAME, cookie:NAME, regexp:EXPRESSION or status")
			continue
		}
		r.extracts = append(r.extracts, e)
	}
	for variable := range s.Extract {
		cp.vars[variable] = true // also when it is wrong: one problem is enough
	}
}

func isVariable(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return s != ""
}

// jsonText is the text of the value at a path: a string without its quotes,
// anything else as it stands in the body. null is no value.
func jsonText(path jsonpath.Path, body []byte) (string, bool) {
	raw, err := path.Find(body)
	if err != nil || len(raw) == 0 || string(raw) == "null" {
		return "", false
	}
	if raw[0] != '"' {
		return string(raw), true
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", false
	}
	return s, true
}

// firstGroup is what the first group of the first match holds, or the match
// itself when the expression has no groups.
func firstGroup(re *regexp.Regexp, body []byte) (string, bool) {
	m := re.FindSubmatchIndex(body)
	switch {
	case m == nil:
		return "", false
	case len(m) >= 4:
		if m[2] < 0 {
			return "", false
		}
		return string(body[m[2]:m[3]]), true
	}
	return string(body[m[0]:m[1]]), true
}

// cookieValue is the value of a cookie that the answer sets.
func cookieValue(a *answer, name string) (value string, ok bool) {
	a.fields.each("Set-Cookie", func(line string) {
		if c, err := nethttp.ParseSetCookie(line); err == nil && c.Name == name {
			value, ok = c.Value, true
		}
	})
	return value, ok
}
