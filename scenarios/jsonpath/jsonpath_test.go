package jsonpath

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPath(t *testing.T) {
	const body = ` {"a": {"b": [1, {"c d": "x\"y"}, [true, null]], "": 0, "a.b": 1}, "e\u0041": "é", "dup": 1, "dup": 2, "n": -1.5e3, "empty": [], "q'\"": 3} `
	for _, test := range []struct{ path, want, fails string }{
		{"$", strings.TrimSpace(body), ""},
		{"$.a.b[0]", "1", ""},
		{"$.a.b[1]['c d']", `"x\"y"`, ""},
		{`$.a["b"][-1][0]`, "true", ""},
		{"$.a.b[2][1]", "null", ""},
		{"$.a.b[*]", "1", ""},
		{"$['a']['']", "0", ""},
		{"$.a['a.b']", "1", ""},
		{`$['q\'"']`, "3", ""}, // each quote stands for itself in the other
		{`$["q'\""]`, "3", ""},
		{`$["\u0065A"]`, `"é"`, ""}, // escapes are JSON's
		{"$.eA", `"é"`, ""},
		{"$.dup", "2", ""}, // as encoding/json has it
		{"$.n", "-1.5e3", ""},
		{"$.empty", "[]", ""},
		{"$.empty[0]", "", "nothing is there"},
		{"$.a.b[3]", "", "nothing is there"},
		{"$.a.b[-4]", "", "nothing is there"},
		{"$.a.b.c", "", "nothing is there"},
		{"$.x", "", "nothing is there"},
		{"$.n.x", "", "nothing is there"},
	} {
		p, err := Parse(test.path)
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		got, err := p.Find([]byte(body))
		if fmt.Sprint(err) != test.fails && (err != nil || test.fails != "") {
			t.Errorf("%s: error %v, want %q", test.path, err, test.fails)
		}
		if string(got) != test.want {
			t.Errorf("%s: %s, want %s", test.path, got, test.want)
		}
	}
	for _, bad := range []string{"", "a", "$a", "$.", "$..a", "$.*", "$[", "$[a]", "$['a", "$['a'", `$['\x']`, `$["\'"]`, `$['a\`, "$[1", "$" + strings.Repeat(".a", 101)} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	deep := []byte(strings.Repeat("[", 1<<20))
	p, _ := Parse("$[0]")
	if _, err := p.Find(deep); err == nil {
		t.Error("a body without an end is accepted")
	}
}

// FuzzPath: on valid JSON a path leads where encoding/json leads; on
// anything else it does no harm.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"c"}]}`, `[[],{}]`, `{"a":{"a":1},"a":2}`, `"x"`, `{`, `{"a\u0062":[null]}`, `[1,2`, `{"a" 1}`} {
		f.Add([]byte(seed), "$.a[0]")
		f.Add([]byte(seed), "$[1].b")
		f.Add([]byte(seed), "$['a'][-1]")
	}
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		p, err := Parse(path)
		if err != nil {
			return
		}
		raw, err := p.Find(body)
		var whole any
		if json.Unmarshal(body, &whole) != nil {
			return
		}
		want, found := walk(whole, p.steps)
		if (err == nil) != found {
			t.Fatalf("%s in %q: error %v, but found is %v", path, body, err, found)
		}
		if !found {
			return
		}
		var have any
		if err := json.Unmarshal(raw, &have); err != nil {
			t.Fatalf("%s in %q: %q: %v", path, body, raw, err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatalf("%s in %q (-want +got):\n%s", path, body, diff)
		}
	})
}

func TestMissing(t *testing.T) {
	const document = `{"a": {"b": [{"c": 1}]}}`
	for path, want := range map[string]string{
		"$":            "",
		"$.a.b[0].c":   "",
		"$.a.x.y":      "$.a.x", // says how far it got
		"$['a'][0].b":  "$['a'][0]",
		"$.a.b[1].c":   "$.a.b[1]",
		"$.a.b.c":      "$.a.b.c",
		"$.a.b[0].c.d": "$.a.b[0].c.d",
	} {
		p, err := Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Missing([]byte(document)); got != want {
			t.Errorf("%s: missing %q, want %q", path, got, want)
		}
		if _, err := p.Find([]byte(document)); (err == nil) != (want == "") {
			t.Errorf("%s: found with error %v, but missing is %q", path, err, want)
		}
	}
}

// walk follows a path through decoded JSON.
func walk(v any, steps []step) (any, bool) {
	for _, s := range steps {
		if s.element {
			list, ok := v.([]any)
			i := s.index
			if i < 0 {
				i += len(list)
			}
			if !ok || i < 0 || i >= len(list) {
				return nil, false
			}
			v = list[i]
			continue
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = object[s.name]; !ok {
			return nil, false
		}
	}
	return v, true
}
