package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brunt-dev/brunt/reports/journal"
)

func TestWriteFiles(t *testing.T) {
	r := Build(journal.New(play{}.plan()))
	tests := []struct {
		name    string
		formats []string
		want    []string
	}{
		{"all when none is named", nil, []string{"junit.xml", "report.html", "report.json", "report.md"}},
		{"report.json always", []string{"html"}, []string{"report.html", "report.json"}},
		{"what has no file is left alone", []string{"text", "vegeta", "junit"}, []string{"junit.xml", "report.json"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			// The second time replaces the files of the first.
			for range 2 {
				if err := WriteFiles(dir, r, tt.formats); err != nil {
					t.Fatal(err)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				got = append(got, e.Name())
				if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o644 || info.Size() == 0 {
					t.Errorf("%s: %v, %v", e.Name(), info, err)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("wrote %q, want %q", got, tt.want)
			}
		})
	}
}

// One file that cannot be written keeps none of the others from it, and leaves
// nothing behind.
func TestWriteFilesFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "report.html", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := WriteFiles(dir, Build(journal.New(play{}.plan())), nil)
	if err == nil || !strings.HasPrefix(err.Error(), "write report: ") || !strings.Contains(err.Error(), "report.html") {
		t.Errorf("the error is %v", err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".*")); len(found) != 4 || len(hidden) != 0 {
		t.Errorf("there are %q and %q", found, hidden)
	}
	if err := WriteFiles(filepath.Join(dir, "missing"), Build(journal.New(journal.Plan{})), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
}

// A report fits a terminal, and a normal one a screen.
func TestTextFits(t *testing.T) {
	for name, p := range plays() {
		var b bytes.Buffer
		if err := Text(&b, Build(p.live(t))); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		if len(lines) > 68 && name == "pass" || len(lines) > 80 {
			t.Errorf("%s has %d lines", name, len(lines))
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > 100 {
				t.Errorf("%s has a line of %d: %s", name, n, line)
			}
			if strings.HasSuffix(line, " ") || strings.Contains(line, "%!") {
				t.Errorf("%s has a line %q", name, line)
			}
		}
	}
}

// What is not known is an error, and nothing is ever skipped.
func TestJUnit(t *testing.T) {
	want := map[string][3]int{ // cases, failures, errors
		"pass":         {13, 0, 0},
		"fail":         {13, 2, 0},
		"inconclusive": {13, 0, 3},
	}
	for name, p := range plays() {
		var b bytes.Buffer
		if err := JUnit(&b, Build(p.live(t))); err != nil {
			t.Fatal(err)
		}
		var got junitSuites
		if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		s := got.Suites[0]
		if n := [3]int{s.Tests, s.Failures, s.Errors}; n != want[name] || len(s.Cases) != s.Tests || s.Skipped != 0 || bytes.Contains(b.Bytes(), []byte("<skipped")) {
			t.Errorf("%s has %v, %d cases, %d skipped; want %v", name, n, len(s.Cases), s.Skipped, want[name])
		}
	}
}

// Whatever JSON it is given, flatten changes its white space alone.
func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`{"a": [1, 2, null], "b": ["[1, 2]", "\"[ 1 ]"], "c": [[1], []], "d": [ true, {} ]}`))
	f.Add([]byte(`[ -1.5e-9 , 2 ]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var want, got any
		if json.Unmarshal(in, &want) != nil {
			return
		}
		if err := json.Unmarshal(flatten(in), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("flatten(%q) = %q: %v", in, flatten(in), err)
		}
	})
}

func TestFlatten(t *testing.T) {
	in := "{\n  \"a\": [\n    1,\n    null\n  ],\n  \"b\": [\n    \"[ 1 ]\"\n  ],\n  \"c\": []\n}"
	want := "{\n  \"a\": [1,null],\n  \"b\": [\n    \"[ 1 ]\"\n  ],\n  \"c\": []\n}"
	if got := string(flatten([]byte(in))); got != want {
		t.Errorf("flatten gives\n%s\nwant\n%s", got, want)
	}
}
