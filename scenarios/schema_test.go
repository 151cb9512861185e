package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/brunt-dev/brunt/scenarios/decode"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(Schema(testKinds()))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("brunt.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("brunt.json")
	if err != nil {
		t.Fatalf("the schema is not one: %v", err)
	}
	return s
}

// generic is a file as a validator sees it.
func generic(t *testing.T, src []byte) any {
	t.Helper()
	doc, problems := decode.Parse("x", src)
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	d := &decode.Decoder{Doc: doc}
	text, err := json.Marshal(d.Value(doc.Root(), false))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaTakesWhatParseTakes(t *testing.T) {
	s := compiledSchema(t)
	files, _ := filepath.Glob("testdata/good/*.yaml")
	files = append(files, "testdata/design/checkout-launch.yaml")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(generic(t, src)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, target := range []string{"http://127.0.0.1:8080", "https://shop.example/a?b=c"} {
		src, err := Starter(target)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(generic(t, src)); err != nil {
			t.Errorf("starter for %s: %v", target, err)
		}
	}
}

// TestSchemaRefusesWrongShapes: what is wrong in its shape is wrong for both.
// The rest (names, sums, statements) only Parse can know.
func TestSchemaRefusesWrongShapes(t *testing.T) {
	s := compiledSchema(t)
	shape := []string{decode.CodeUnknownKey, decode.CodeMissingKey, decode.CodeWrongType, decode.CodeMissingUnit}
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(file, src, testKinds(), Options{Env: testEnv, Dir: "testdata/bad"})
		var problems decode.Problems
		if !errors.As(err, &problems) {
			t.Fatalf("%s: %v", file, err)
		}
		if problems[0].Code == decode.CodeSyntax {
			continue // nothing to validate
		}
		wrong := slices.ContainsFunc(problems, func(p decode.Problem) bool { return slices.Contains(shape, p.Code) })
		if err := s.Validate(generic(t, src)); wrong && err == nil {
			t.Errorf("%s: the schema takes a shape that Parse refuses", file)
		}
	}
}

// TestSchemaIsStable: the same kinds give the same bytes, so that a schema
// kept in a repository changes only when the language does.
func TestSchemaIsStable(t *testing.T) {
	first, err := json.Marshal(Schema(testKinds()))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := json.Marshal(Schema(testKinds()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatal("two schemas of the same kinds differ")
		}
	}
}
