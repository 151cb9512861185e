package http

import (
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/scenarios/jsonpath"
)

func TestNumber(t *testing.T) {
	const document = `{"a": {"b": [{"c": 1.5}, -2]}, "odd name": {"": 7}, "big": 1e400, "s": "1", "t": true, "n": null}`
	tests := []struct {
		path string
		want float64
		err  string // empty: want
	}{
		{"$.a.b[0].c", 1.5, ""},
		{"$.a.b[1]", -2, ""},
		{`$["odd name"][""]`, 7, ""},           // names that need quoting, the empty one too
		{`$["a"]["b"][1]`, -2, ""},             // names that do not
		{"$.a.b[2]", 0, "nothing at $.a.b[2]"}, // past the end
		{"$.a.x.y", 0, "nothing at $.a.x"},     // says how far it got
		{"$.a[0]", 0, "nothing at $.a[0]"},     // an index into an object
		{"$.a.b.c", 0, "nothing at $.a.b.c"},   // a name in a list
		{"$", 0, "an object at $"},             // all of it
		{"$.a.b", 0, "a list at $.a.b"},        // the rest of what is no number
		{"$.s", 0, "a string at $.s"},          //
		{"$.t", 0, "true or false at $.t"},     //
		{"$.n", 0, "null at $.n"},              //
		{"$.big", 0, "too large"},              // not representable
		{"$.a.b[-1]", -2, ""},                  // from the end
		{"a.b", 0, "begins with $"},            // no path
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			p, err := jsonpath.Parse(tt.path)
			var got float64
			if err == nil {
				got, err = number(p, []byte(document))
			}
			switch {
			case tt.err == "" && (err != nil || got != tt.want):
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %v, %v; want the error %q", got, err, tt.err)
			}
		})
	}
}

func TestNumberOfBadDocument(t *testing.T) {
	p, err := jsonpath.Parse("$")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range []string{"", "{", "1 2", "1]", strings.Repeat("[", 1<<20)} {
		if n, err := number(p, []byte(document)); err == nil {
			t.Errorf("%.20q: got %v, want an error", document, n)
		}
	}
}
