package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios/jsonpath"
)

// An expectation is what an answer must be. The zero expectation wants a
// status below 400.
type expectation struct {
	statuses []statusRange
	contains *generators.Template
	matches  *regexp.Regexp
	json     []jsonExpectation
	headers  []pair
	time     *bound[time.Duration]
	size     *bound[int64]
}

type statusRange struct{ from, to int }

// A jsonExpectation is a value that must be found at a path.
type jsonExpectation struct {
	path jsonpath.Path
	text *generators.Template // the value when it is a string
	want any                  // otherwise, as encoding/json would decode it
}

// A bound is a comparison with a limit.
type bound[T time.Duration | int64] struct {
	op    string
	limit T
	text  string // as in the scenario
}

func (b *bound[T]) holds(v T) bool {
	switch b.op {
	case "<":
		return v < b.limit
	case "<=":
		return v <= b.limit
	case ">":
		return v > b.limit
	case ">=":
		return v >= b.limit
	}
	return v == b.limit
}

func (cp *compiler) expectation(r *request, s Step, at string) {
	c := s.Check
	if c == nil {
		return
	}
	at = join(at, "check")
	var err error
	if r.expect.statuses, err = statusRanges(c.Status); err != nil {
		cp.reportError(join(at, "status"), err)
	}
	if c.BodyContains != "" {
		if r.expect.contains, err = generators.ParseTemplate(c.BodyContains); err != nil {
			cp.reportError(join(at, "body_contains"), err)
		} else {
			cp.references(join(at, "body_contains"), r.expect.contains)
		}
	}
	if c.BodyMatches != "" {
		if r.expect.matches, err = regexp.Compile(c.BodyMatches); err != nil {
			cp.report(join(at, "body_matches"), regexpProblem(err), "")
		}
	}
	for _, path := range sortedKeys(c.JSON) {
		field := join(at, "json") + "." + path
		e := jsonExpectation{want: normalise(c.JSON[path])}
		if e.path, err = jsonpath.Parse(path); err != nil {
			cp.reportError(field, err)
			continue
		}
		if text, ok := e.want.(string); ok {
			if e.text, err = generators.ParseTemplate(text); err != nil {
				cp.reportError(field, err)
				continue
			}
			cp.references(field, e.text)
		}
		r.expect.json = append(r.expect.json, e)
	}
	if r.expect.headers, err = newPairs(c.Header); err != nil {
		cp.reportError(join(at, "header"), err)
	}
	for _, p := range r.expect.headers {
		cp.references(join(at, "header"), p.value)
	}
	if c.Time != "" {
		if r.expect.time, err = parseBound(c.Time, time.ParseDuration); err != nil {
			cp.report(join(at, "time"), fmt.Sprintf("%q is not a bound on a duration", c.Time), "write it like < 2s")
		}
	}
	if c.Size != "" {
		if r.expect.size, err = parseBound(c.Size, parseBytes); err != nil {
			cp.report(join(at, "size"), fmt.Sprintf("%q is not a bound on a length", c.Size), "write it like < 10KiB")
		}
	}
	r.keepBody = r.keepBody || r.expect.contains != nil || r.expect.matches != nil || len(r.expect.json) > 0
}

// statusRanges reads 201, "2xx", or a list of these.
func statusRanges(v any) ([]statusRange, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		var all []statusRange
		for _, e := range v {
			if _, nested := e.([]any); nested {
				return nil, errors.New("a list of statuses holds numbers such as 201 and classes such as 2xx")
			}
			one, err := statusRanges(e)
			if err != nil {
				return nil, err
			}
			all = append(all, one...)
		}
		if len(all) == 0 {
			return nil, errors.New("an empty list of statuses can never hold")
		}
		return all, nil
	}
	text := strings.ToLower(strings.TrimSpace(fmt.Sprint(v)))
	if len(text) == 3 && text[0] >= '1' && text[0] <= '5' {
		if text[1:] == "xx" {
			from := int(text[0]-'0') * 100
			return []statusRange{{from, from + 99}}, nil
		}
		if n, err := strconv.Atoi(text); err == nil {
			return []statusRange{{n, n}}, nil
		}
	}
	return nil, fmt.Errorf("%v is not a status such as 201, a class such as 2xx, or a list of these", v)
}

// parseBound reads "< 2s"; a value alone means "<=".
func parseBound[T time.Duration | int64](s string, parse func(string) (T, error)) (*bound[T], error) {
	text := strings.TrimSpace(s)
	b := &bound[T]{op: "<=", text: text}
	for _, op := range []string{"<=", ">=", "==", "<", ">"} {
		if rest, ok := strings.CutPrefix(text, op); ok {
			b.op, text = op, strings.TrimSpace(rest)
			break
		}
	}
	var err error
	b.limit, err = parse(text)
	if err == nil && b.limit < 0 {
		err = errors.New("negative")
	}
	return b, err
}

// parseBytes reads a length: 10KiB, 2MB, 512B or a plain number.
func parseBytes(s string) (int64, error) {
	for _, u := range []struct {
		suffix string
		factor int64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1},
	} {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a length", s)
		}
		if v := n * float64(u.factor); v >= 0 && v < 1<<62 {
			return int64(v), nil
		}
		return 0, fmt.Errorf("%q is out of range", s)
	}
	return 0, fmt.Errorf("%q is not a length", s)
}

// normalise gives a value from YAML the types that encoding/json decodes to.
func normalise(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = normalise(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = normalise(e)
		}
		return out
	}
	return v
}

// regexpProblem is a regexp error without the library's prefix.
func regexpProblem(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// statusOK is true when the answer's status is one that is expected.
func (e *expectation) statusOK(status int) bool {
	if len(e.statuses) == 0 {
		return status < 400
	}
	for _, r := range e.statuses {
		if status >= r.from && status <= r.to {
			return true
		}
	}
	return false
}

// check looks at everything but the status and the time; tmp is scratch
// space. Its error says what did not hold.
func (e *expectation) check(a *answer, scope generators.Scope, tmp []byte) error {
	for _, h := range e.headers {
		want, err := h.value.Append(tmp[:0], scope)
		if err != nil {
			return err
		}
		have, ok := a.fields.first(h.name)
		if !ok {
			return checkFailed("header %s is missing", h.name)
		}
		if have != string(want) {
			return checkFailed("header %s is %s, not %s", h.name, excerpt(have), excerpt(string(want)))
		}
	}
	if e.size != nil && !e.size.holds(a.size) {
		return checkFailed("the body has %d bytes, not %s", a.size, e.size.text)
	}
	if e.contains != nil {
		want, err := e.contains.Append(tmp[:0], scope)
		if err != nil {
			return err
		}
		if !bytes.Contains(a.body, want) {
			return checkFailed("the body does not contain %s", excerpt(string(want)))
		}
	}
	if e.matches != nil && !e.matches.Match(a.body) {
		return checkFailed("the body does not match %s", e.matches)
	}
	for i := range e.json {
		if err := e.json[i].check(a.body, scope); err != nil {
			return err
		}
	}
	return nil
}

func (e *jsonExpectation) check(body []byte, scope generators.Scope) error {
	raw, err := e.path.Find(body)
	if err != nil {
		return checkFailed("%s: %v", e.path, err)
	}
	var have any
	if err := json.Unmarshal(raw, &have); err != nil {
		return checkFailed("%s: the body is not JSON", e.path)
	}
	want := e.want
	if e.text != nil {
		text, err := e.text.Append(nil, scope)
		if err != nil {
			return err
		}
		want = string(text)
	}
	if !reflect.DeepEqual(have, want) {
		text, _ := json.Marshal(want)
		return checkFailed("%s is %s, not %s", e.path, excerpt(string(raw)), excerpt(string(text)))
	}
	return nil
}

// checkFailed is the error of an answer that is not what it must be.
func checkFailed(format string, args ...any) error { return checkError(fmt.Sprintf(format, args...)) }

type checkError string

func (e checkError) Error() string { return string(e) }

// excerpt shortens a text for a message.
func excerpt(s string) string {
	const longest = 60
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return strconv.Quote(s)
}
