package decode

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compile makes a validator of a config's schema, by way of its JSON.
func compile(t *testing.T, config any) *jsonschema.Schema {
	t.Helper()
	src, err := json.Marshal(SchemaDocument(Schema(config), "test", nil))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("test.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("test.json")
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return s
}

// What decoding accepts the schema accepts, and what it refuses the schema
// refuses, so that an editor shows what brunt check will say.
func TestSchemaAgreesWithDecoding(t *testing.T) {
	schema := compile(t, &scenario{})
	in := func(http string) string { return "version: 1\nloads: { a: { http: { base: x, " + http + " } } }" }
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"version: 1", true},
		{"", false},                                       // version is required
		{"version: 2", false},                             // bounds of numbers
		{"version: 1.0", true},                            // a whole number all the same
		{"version: '1'", false},                           // text
		{"version: 1\nseed: ${n}", true},                  // resolved before it is read
		{"version:", false},                               // empty is absent
		{"version: 1\nname:", true},                       // and may be, for others
		{"version: 1\nname: 5", true},                     // a number is fine as text
		{"version: 1\nname: true", true},                  //
		{"version: 1\nname: [x]", false},                  //
		{"version: 1\nnmae: x", false},                    // unknown keys
		{"version: 1\nreport: html", true},                // a list of one
		{"version: 1\nreport: [html, junit]", true},       //
		{"version: 1\nreport: [xml]", false},              // enum in a list
		{"version: 1\nreport: { a: b }", false},           //
		{"version: 1\nseed: -1", false},                   // not below zero
		{"version: 1\nvars: { a: [1, { b: ~ }] }", true},  // anything
		{"version: 1\nloads: { a: }", false},              // http is required in there
		{"version: 1\nloads: { a: { http: {} } }", false}, // base is required in there
		{"version: 1\nloads: { a: { http: { base: '' } } }", false},
		{"version: 1\nloads: { a: { http: { base: ~ } } }", false},
		{"version: 1\nphases: [{ name: a, for: 5s }]", true},
		{"version: 1\nphases: { name: a, for: 5s }", false},
		{"version: 1\nphases: x", false},
		{"version: 1\nphases: [~]", false},
		{"version: 1\nphases: [{ name: a }]", false},
		{in("timeout: 5s"), true},
		{in("timeout: 1m30s"), true},
		{in("timeout: ${t}"), false}, // braces in braces need quotes: not YAML
		{in("timeout: \"${t}\""), true},
		{in("timeout: 5"), false}, // missing units
		{in("timeout: 0"), false},
		{in("timeout: [5s]"), false},
		{in("max_body: 64KiB"), true},
		{in("max_body: 64k"), false},
		{in("max_body: 64"), false},
		{in("loss: 0.1%"), true},
		{in("loss: 0.1"), false},
		{in("rate: 30k/min"), true},
		{in("rate: 500"), false},
		{in("rate: 500 /s"), false},
		{in("bandwidth: 1MiB/s"), true},
		{in("bandwidth: 1MiB"), false},
		{in("weight: 0.5"), true},
		{in("weight: 1e3"), true},
		{in("weight: heavy"), false},
		{in("redirects: 11"), false},
		{in("redirects: -1"), false},
		{in("redirects: 1.5"), false},
		{in("redirects: 1e0"), true},
		{in("redirects: '5'"), false},
		{in("redirects: '${n}'"), true},
		{in("cookies: true, redirects: 1"), true},
		{in("cookies: yes"), false},
		{in("cookies: 1"), false},
		{in("status: 200"), true},
		{in("status: [200, 404]"), true},
		{in("status: 99"), false},
		{in("status: [~]"), false},
		{in("headers: { a: 5, b: x, c: ~ }"), true},
		{in("headers: [a]"), false},
		{in("headers: { a: { b: c } }"), false},
		{in("retry: 3"), true}, // a scalar for a map
		{in("retry: { times: 3, wait: 5s }"), true},
		{in("retry: { tries: 3 }"), false},
		{in("retry: [3]"), false},
		{in("retry: ~"), true},
		{in("connections: { max: 5 }"), true},
		{in("connections: 5"), false},
		{in("connections: { max: 0 }"), false},
		{in("protocol: h2"), true},
		{in("protocol: h3"), false},
	} {
		doc, problems := Parse("x.yaml", []byte(c.text))
		if problems.Err() != nil {
			if c.ok {
				t.Errorf("%s\n%v", c.text, problems)
			}
			continue
		}
		d := newDecoder(doc)
		decoded := d.Decode(doc.Root(), &scenario{})
		instance := instanceOf(t, doc)
		err := schema.Validate(instance)
		if decoded != c.ok || (err == nil) != c.ok {
			t.Errorf("%s\nwant accepted: %v; decoding: %v %v; schema: %v", c.text, c.ok, decoded, d.Problems(), err)
		}
	}
}

// instanceOf is a document as a JSON Schema validator gets it.
func instanceOf(t *testing.T, doc *Document) any {
	t.Helper()
	value := (&Decoder{Doc: doc}).Value(doc.Root(), true)
	if value == nil {
		value = map[string]any{} // an empty file is an empty map
	}
	src, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

func TestSchemaGolden(t *testing.T) {
	var first []byte
	for range 5 { // the same bytes each time
		src, err := json.MarshalIndent(SchemaDocument(Schema(&scenario{}), "test", map[string]map[string]any{"rate": {"type": "string"}}), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = src
		} else if !bytes.Equal(first, src) {
			t.Fatal("the schema is not the same twice")
		}
	}
	golden(t, "testdata/schema.golden.json", string(first)+"\n")
}

type node struct {
	Name  string  `yaml:"name" doc:"Its name."`
	Inner *node   `yaml:"inner" doc:"One more."`
	Other refType `yaml:"other" doc:"Of another schema."`
}

type refType struct{}

func (refType) JSONSchema() map[string]any { return Ref("other") }

// A struct inside itself ends, and a reference keeps its description.
func TestSchemaOfRecursiveTypes(t *testing.T) {
	s := Schema(node{})
	properties := s["properties"].(map[string]any)
	inner := properties["inner"].(map[string]any)
	if inner["description"] != "One more." || inner["properties"] != nil {
		t.Errorf("inner: %v", inner)
	}
	src, _ := json.Marshal(properties["other"])
	if !strings.Contains(string(src), `"$ref":"#/definitions/other"`) || !strings.Contains(string(src), "Of another schema.") {
		t.Errorf("other: %s", src)
	}
	doc, _ := json.Marshal(SchemaDocument(Ref("other"), "", map[string]map[string]any{"other": {"type": "string"}}))
	if want := `{"$schema":"http://json-schema.org/draft-07/schema#","allOf":[{"$ref":"#/definitions/other"}],"definitions":{"other":{"type":"string"}}}`; string(doc) != want {
		t.Errorf("got %s", doc)
	}
}

func TestExplainGolden(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct {
		name, doc string
		config    any
	}{
		{"http", "Sends requests over HTTP/1.1 and HTTP/2.", &httpConfig{}},
		{"scenario", "The whole file.", scenario{}},
		{"null", "Takes no config.", struct{}{}},
		{"nothing", "Has no config.", nil},
	} {
		if err := Explain(&out, c.name, c.doc, c.config, ""); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
	}
	golden(t, "testdata/explain.golden", out.String())
}

func TestCheck(t *testing.T) {
	if err := Check(&scenario{}); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		want   string
		config any
	}{
		{"no doc", struct {
			A int `yaml:"a"`
		}{}},
		{"default", struct {
			A int `yaml:"a" doc:"x" default:"many"`
		}{}},
		{"default", struct {
			A time.Duration `yaml:"a" doc:"x" default:"5"`
		}{}},
		{"default", struct { // past its own bound
			A int `yaml:"a" doc:"x" default:"5" max:"4"`
		}{}},
		{"default", struct {
			A string `yaml:"a" doc:"x" default:"b" enum:"c,d"`
		}{}},
		{"min", struct {
			A int64 `yaml:"a" doc:"x" unit:"bytes" min:"5"`
		}{}},
		{"unit", struct {
			A string `yaml:"a" doc:"x" unit:"bytes"`
		}{}},
		{"unit", struct {
			A int `yaml:"a" doc:"x" unit:"furlongs"`
		}{}},
		{"two fields", struct {
			A int `yaml:"a" doc:"x"`
			B int `yaml:"a" doc:"x"`
		}{}},
		{"cannot be decoded", struct {
			A chan int `yaml:"a" doc:"x"`
		}{}},
		{"keys of a map", struct {
			A map[int]int `yaml:"a" doc:"x"`
		}{}},
	} {
		if err := Check(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: got %v, want %q", c.config, err, c.want)
		}
	}
}
