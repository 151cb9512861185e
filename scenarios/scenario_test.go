package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/scenarios/decode"
)

var update = flag.Bool("update", false, "write the golden files anew")

const secret = "s3cr3t-t0ken"

// testEnv is an environment with one secret and one setting.
func testEnv(name string) (string, bool) {
	v, ok := map[string]string{"TOKEN": secret, "SOAK": "8h"}[name]
	return v, ok
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run go test -update to take this:\n%s", file, got)
	}
}

func TestGood(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(filepath.Base(file), src, testKinds(), Options{Env: testEnv, Dir: "testdata/good"})
			if err != nil {
				t.Fatalf("Parse:\n%v", err)
			}
			plan, err := s.Compile(nil, CompileEnv{})
			if err != nil {
				t.Fatalf("Compile:\n%v", err)
			}
			var outline bytes.Buffer
			if err := Outline(&outline, plan); err != nil {
				t.Fatal(err)
			}
			info, err := json.MarshalIndent(plan.Info, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			base := strings.TrimSuffix(file, ".yaml")
			golden(t, base+".outline.txt", outline.Bytes())
			golden(t, base+".plan.json", append(info, '\n'))
			for what, text := range map[string]string{"outline": outline.String(), "plan": string(info), "warnings": s.Warnings.Error(), "source": string(s.Source)} {
				if strings.Contains(text, secret) {
					t.Errorf("a value of the environment is in the %s", what)
				}
			}
		})
	}
}

// TestBad holds every mistake to the exact words that it is answered with.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(filepath.Base(file), src, testKinds(), Options{Env: testEnv, Dir: "testdata/bad"})
			if err == nil {
				t.Fatalf("Parse took it: %+v", s)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("a value of the environment is in the error")
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

// TestDesign: the design's own example is understood to the last line; only
// what has no engine yet is refused, and says so.
func TestDesign(t *testing.T) {
	src, err := os.ReadFile("testdata/design/checkout-launch.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("checkout-launch.yaml", src, testKinds(), Options{Env: testEnv, Dir: "testdata/design"})
	var problems decode.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("want problems, got %v", err)
	}
	for _, p := range problems {
		if p.Code != codeNotBuilt {
			t.Errorf("%v", p)
		}
	}
	golden(t, "testdata/design/checkout-launch.txt", []byte(err.Error()+"\n"))
}

// FuzzParse: whatever the text, Parse answers, and what it takes compiles and
// can be drawn.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml", "testdata/design/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src))
		}
	}
	kinds := testKinds()
	f.Fuzz(func(t *testing.T, src string) {
		s, err := Parse("fuzz.yaml", []byte(src), kinds, Options{Env: testEnv, Dir: "testdata/good"})
		if err != nil {
			if strings.Contains(err.Error(), secret) && !strings.Contains(src, secret) {
				t.Fatalf("a value of the environment is in the error:\n%v", err)
			}
			return
		}
		plan, err := s.Compile(nil, CompileEnv{})
		if err != nil {
			t.Fatalf("Parse took what Compile does not:\n%v", err)
		}
		if err := Outline(io.Discard, plan); err != nil {
			t.Fatal(err)
		}
	})
}
