package scenarios

import (
	"strings"
	"testing"
)

func testExpander() *expander {
	x := &expander{env: testEnv, stack: map[string]string{"url": "http://127.0.0.1:8080"}, stackName: "shop", vars: map[string]*variable{}, secrets: map[string]string{}}
	for name, text := range map[string]string{"peak": "500/s", "nested": "x-$peak", "open": "${users.id}", "hidden": "key=${TOKEN}"} {
		x.vars[name] = &variable{name: name, text: text}
	}
	return x
}

func TestExpand(t *testing.T) {
	session := func(name string) bool { return name == "sku" }
	for _, row := range []struct {
		text     string
		template bool
		want     string
		err      string
	}{
		{"plain", false, "plain", ""},                                        // nothing to do
		{"$peak for 5m", false, "500/s for 5m", ""},                          // bare
		{"${peak}x", false, "500/sx", ""},                                    // in braces
		{"${ peak }", false, "500/s", ""},                                    // with spaces
		{"$nested", false, "x-500/s", ""},                                    // a variable of variables
		{"${stack.url}/a", false, "http://127.0.0.1:8080/a", ""},             // the stack's
		{"$SOAK", false, "8h", ""},                                           // the environment's
		{"$.items[0].sku", false, "$.items[0].sku", ""},                      // a JSON path
		{"^a$", false, "^a$", ""},                                            // a regular expression
		{"$1", false, "$1", ""},                                              // a digit begins no name
		{"cost $$5, $$peak", false, "cost $5, $peak", ""},                    // escaped
		{"$${peak}", false, "${peak}", ""},                                   // escaped braces
		{"$${peak}", true, "$${peak}", ""},                                   // left for the template, whose escape it is
		{"${users.id}", true, "${users.id}", ""},                             // known only during the run
		{"${sku}-${peak}", true, "${sku}-500/s", ""},                         // one of each
		{"${rand(1,$SOAK)}", true, "${rand(1,8h)}", ""},                      // a variable within an expression
		{"$open", true, "${users.id}", ""},                                   // a variable that holds an expression
		{"$open", false, "${users.id}", ""},                                  // left as text where none can be
		{"${sku}", false, "", "variable sku is not defined"},                 // needed before the run
		{"$sku", true, "", "$sku is known only during the run"},              // braces are missing
		{"$paek", false, "", "variable paek is not defined"},                 // a slip
		{"$paek", true, "", "variable paek is not defined"},                  // the same in a template
		{"${users.id}", false, "", "${users.id} is known only during a run"}, // too early
		{"${stack.uri}", true, "", `stack shop offers no variable "uri"`},    // not the stack's
		{"${peak", false, "", "${ is never closed"},                          // half a brace
	} {
		got, err := testExpander().expand(row.text, row.template, session)
		switch {
		case row.err == "" && err != nil:
			t.Errorf("%q: %v", row.text, err)
		case row.err != "" && (err == nil || !strings.HasPrefix(err.Message, row.err)):
			t.Errorf("%q: error %v, want %s", row.text, err, row.err)
		case got.text != row.want:
			t.Errorf("%q (template: %v) = %q, want %q", row.text, row.template, got.text, row.want)
		}
	}
}

func TestExpansionLocate(t *testing.T) {
	e, err := testExpander().expand("a $peak b ${peak} c", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ part, want string }{
		{"a", "a"},             // before any variable
		{"500/s", "$peak"},     // a whole variable
		{"00", "$peak"},        // part of one: all of it
		{"b", "b"},             // between two
		{" c", " c"},           // after both
		{"500/s b", "$peak b"}, // across an edge
	} {
		i := strings.Index(e.text, row.part)
		offset, length := e.locate(i, len(row.part))
		if got := "a $peak b ${peak} c"[offset : offset+length]; got != row.want {
			t.Errorf("%q is at %q, want %q", row.part, got, row.want)
		}
	}
}

func TestRedact(t *testing.T) {
	r := newRedactor(map[string]string{
		secret:                 "TOKEN",
		`with "quotes" & more`: "FANCY",
		"12":                   "SHORT",
		secret + "-longer":     "LONGER",
	})
	for _, row := range []struct{ text, want string }{
		{"a " + secret + " b", "a ${TOKEN} b"},             // as it is
		{secret + "-longer", "${LONGER}"},                  // the longest first
		{`"with \"quotes\" & more"`, `"${FANCY}"`},         // quoted
		{"/?q=with+%22quotes%22+%26+more", "/?q=${FANCY}"}, // in a query
		{`got "s3cr3t-t…" here`, `got "${LONGER}…" here`},  // cut short
		{"12 requests", "12 requests"},                     // too short to hide
		{"nothing…", "nothing…"},                           // an ellipsis of another text
	} {
		if got := r.redact(row.text); got != row.want {
			t.Errorf("%q became %q, want %q", row.text, got, row.want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"$peak", "${peak}", "$$", "$${", "${stack.url}", "${rand(1,$peak)}", "${", "$TOKEN", "${${peak}}"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, template bool) {
		x := testExpander()
		e, err := x.expand(text, template, nil)
		if err != nil {
			if err.Offset < 0 || err.Offset+err.Length > len(text) {
				t.Fatalf("%q: the place is outside the text: %+v", text, err)
			}
			return
		}
		for i := 0; i <= len(e.text); i++ {
			if offset, length := e.locate(i, 1); offset < 0 || offset+length > len(text) {
				t.Fatalf("%q: byte %d of %q is at %d+%d", text, i, e.text, offset, length)
			}
		}
		if !strings.Contains(text, "$") && e.text != text {
			t.Fatalf("%q became %q", text, e.text)
		}
	})
}
