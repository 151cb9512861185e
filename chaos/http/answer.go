package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/scenarios/jsonpath"
)

// differs says why an answer is not this one; "" when it is.
func (a Answer) differs(status int, body []byte) string {
	if a.Status != 0 && status != a.Status || a.Status == 0 && status/100 != 2 {
		return fmt.Sprintf("its status is %d", status)
	}
	if !bytes.Contains(body, []byte(a.Body)) {
		return fmt.Sprintf("it does not contain %q", a.Body)
	}
	if len(a.JSON) == 0 {
		return ""
	}
	if !json.Valid(body) {
		return "it is not JSON"
	}
	for _, src := range slices.Sorted(maps.Keys(a.JSON)) {
		p, err := jsonpath.Parse(src)
		if err != nil {
			return err.Error()
		}
		raw, err := p.Find(body)
		if err != nil {
			return "it has nothing at " + p.Missing(body)
		}
		found, err := decode(raw)
		if err != nil {
			return "it is not JSON"
		}
		if want, err := normal(a.JSON[src]); err != nil || !same(want, found) {
			return fmt.Sprintf("%s is %s", src, brief(found))
		}
	}
	return ""
}

// brief is a JSON value for people.
func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "something else"
	}
	const most = 60
	if runes := []rune(string(text)); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(text)
}

// decode reads one JSON document, with its numbers as they are written.
func decode(text []byte) (any, error) {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	var v any
	if err := in.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more follows its end")
	}
	return v, nil
}

// normal is a value as decode would have it.
func normal(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

// same compares two values as decode has them: numbers by value, so that 1 is
// 1.0.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		n, ok := b.(json.Number)
		return ok && equal(a.String(), n.String())
	case map[string]any:
		m, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, m, same)
	case []any:
		l, ok := b.([]any)
		return ok && slices.EqualFunc(a, l, same)
	default:
		return a == b
	}
}

// longestNumber bounds the numbers that are compared by value; longer ones are
// the same when they are written the same.
const longestNumber = 40

// equal compares two JSON numbers.
func equal(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) > longestNumber || len(b) > longestNumber {
		return false
	}
	const precision = 256
	x, _, errX := big.ParseFloat(strings.ToLower(a), 10, precision, big.ToNearestEven)
	y, _, errY := big.ParseFloat(strings.ToLower(b), 10, precision, big.ToNearestEven)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}
