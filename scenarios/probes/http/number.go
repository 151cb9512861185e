package http

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/brunt-dev/brunt/scenarios/jsonpath"
)

// number finds the number at a path in a JSON document.
func number(at jsonpath.Path, document []byte) (float64, error) {
	if !json.Valid(document) {
		return 0, errors.New("the answer is not JSON")
	}
	raw, err := at.Find(document)
	if err != nil {
		return 0, fmt.Errorf("nothing at %s", at.Missing(document))
	}
	if what := describe(raw[0]); what != "" {
		return 0, fmt.Errorf("%s at %s, not a number", what, at)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, fmt.Errorf("a number too large at %s", at)
	}
	return f, nil
}

// describe says what a JSON value is that begins with first; "" for a number.
func describe(first byte) string {
	switch first {
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 'n':
		return "null"
	}
	return ""
}
