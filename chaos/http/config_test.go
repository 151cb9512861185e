package http

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

func good() Config {
	return Config{
		Inject: &Call{Put: "http://flags/slow"}, Undo: &Call{Delete: "http://flags/slow"},
		Verify: &Look{Get: "http://flags/slow", Active: &Answer{Status: 200}, Gone: &Answer{Status: 404}},
	}
}

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // fields complained about
	}{
		"good":                           {func(*Config) {}, ""},
		"nothing":                        {func(c *Config) { *c = Config{} }, "inject undo verify"},
		"no undo, and none due":          {func(c *Config) { c.Undo, c.OneShot = nil, true }, ""},
		"an undo of a one-shot":          {func(c *Config) { c.OneShot = true }, "undo"},
		"two methods":                    {func(c *Config) { c.Inject.Post = "http://flags/slow" }, "inject"},
		"no method":                      {func(c *Config) { c.Undo = &Call{} }, "undo"},
		"json and body":                  {func(c *Config) { c.Inject.JSON, c.Inject.Body = 1, "x" }, "inject.body"},
		"not a URL":                      {func(c *Config) { c.Verify.Get = "flags/slow" }, "verify.get"},
		"a URL with a password":          {func(c *Config) { c.Inject.Put = "http://me:hunter2@flags/" }, "inject.put"},
		"another scheme":                 {func(c *Config) { c.Inject.Put = "ftp://flags/" }, "inject.put"},
		"a token in clear":               {func(c *Config) { c.Inject.Headers = map[string]string{"authorization": "hunter2"} }, "inject.headers"},
		"a token's variable":             {func(c *Config) { c.Inject.FromEnv = map[string]string{"Authorization": "Bearer TOKEN"} }, ""},
		"a token where its name belongs": {func(c *Config) { c.Inject.FromEnv = map[string]string{"X-Key": "hunter-2"} }, "inject.headers_from_env"},
		"an answer of no kind":           {func(c *Config) { c.Verify.Gone = &Answer{} }, "verify.gone"},
		"a path of no kind":              {func(c *Config) { c.Verify.Gone = &Answer{JSON: map[string]any{"on": true}} }, "verify.gone.json"},
		"too long":                       {func(c *Config) { c.Timeout = time.Hour }, "timeout"},
		"no status":                      {func(c *Config) { c.Undo.Status = 20 }, "undo.status"},
	} {
		config := good()
		test.change(&config)
		var fields []string
		config.Validate(func(field, message, hint string) {
			fields = append(fields, field)
			if strings.Contains(message+hint, "hunter") {
				t.Errorf("%s: the secret is in %q, %q", name, message, hint)
			}
		})
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != test.want {
			t.Errorf("%s: problems with %q, want %q", name, got, test.want)
		}
		if _, err := New(config, chaos.Env{}); (err != nil) != (test.want != "") {
			t.Errorf("%s: New: %v", name, err)
		}
	}
	if got := What(Config{Inject: &Call{Put: "http://flags/slow?x=1"}}); got != "PUT http://flags/slow" {
		t.Errorf("What = %q", got)
	}
	if got := What(Config{}); got != "nothing" {
		t.Errorf("What = %q", got)
	}
}

func TestAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		answer Answer
		status int
		body   string
		want   string // part of why not; "" when it is
	}{
		"a status":               {Answer{Status: 404}, 404, "", ""},
		"another status":         {Answer{Status: 404}, 200, "", "status is 200"},
		"any good status":        {Answer{Body: "x"}, 204, "ax", ""},
		"a bad status":           {Answer{Body: "x"}, 500, "ax", "status is 500"},
		"another text":           {Answer{Body: "x"}, 200, "y", "does not contain"},
		"a number":               {Answer{JSON: map[string]any{"$.n": int64(1)}}, 200, `{"n":1}`, ""},
		"a number otherwise":     {Answer{JSON: map[string]any{"$.n": int64(100)}}, 200, `{"n":1.0e2}`, ""},
		"another number":         {Answer{JSON: map[string]any{"$.n": int64(1)}}, 200, `{"n":1.0000000000000001}`, "$.n is 1.0000000000000001"},
		"a large number":         {Answer{JSON: map[string]any{"$.n": int64(1)}}, 200, `{"n":1e999999999}`, "is 1e9"},
		"a text is not a number": {Answer{JSON: map[string]any{"$.n": "1"}}, 200, `{"n":1}`, "$.n is 1"},
		"nothing there":          {Answer{JSON: map[string]any{"$.a.b": true}}, 200, `{"a":true}`, "nothing at $.a.b"},
		"null":                   {Answer{JSON: map[string]any{"$.a": nil}}, 200, `{"a":null}`, ""},
		"in a list":              {Answer{JSON: map[string]any{"$.a[1]": "y"}}, 200, `{"a":["x","y"]}`, ""},
		"past a list":            {Answer{JSON: map[string]any{"$.a[2]": "y"}}, 200, `{"a":["x","y"]}`, "nothing at"},
		"an odd name":            {Answer{JSON: map[string]any{`$["a b"]`: 1}}, 200, `{"a b":1}`, ""},
		"a whole object":         {Answer{JSON: map[string]any{"$": map[string]any{"a": []any{1, "x"}}}}, 200, `{"a":[1.0,"x"]}`, ""},
		"not JSON":               {Answer{JSON: map[string]any{"$.a": 1}}, 200, `<html>`, "not JSON"},
		"JSON and more":          {Answer{JSON: map[string]any{"$.a": 1}}, 200, `{"a":1}{`, "not JSON"},
	} {
		// As it comes back from a receipt.
		text, err := json.Marshal(test.answer)
		if err != nil {
			t.Fatal(err)
		}
		var back Answer
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		for _, a := range []Answer{test.answer, back} {
			got := a.differs(test.status, []byte(test.body))
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("%s: differs because %q, want %q", name, got, test.want)
			}
		}
	}
}

func TestSplitReference(t *testing.T) {
	for text, want := range map[string][2]string{
		"TOKEN":          {"", "TOKEN"},
		"Bearer TOKEN":   {"Bearer ", "TOKEN"},
		"a b TOKEN":      {"a b ", "TOKEN"},
		"ends in space ": {"ends in space ", ""},
		"":               {"", ""},
	} {
		if before, variable := splitReference(text); before != want[0] || variable != want[1] {
			t.Errorf("splitReference(%q) = %q, %q", text, before, variable)
		}
	}
}
