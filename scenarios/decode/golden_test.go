package decode

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected output of golden tests anew")

// golden compares got with a file, or writes the file under -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), go test -update accepts it:\n%s", file, diff)
	}
}

// Each file of testdata/problems holds documents after lines of "### why"; the
// file beside it holds exactly what is printed about each.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.in")
	if err != nil || len(files) == 0 {
		t.Fatalf("no inputs: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for _, c := range strings.Split("\n"+string(src), "\n### ")[1:] {
				why, text, _ := strings.Cut(c, "\n")
				doc, problems := Parse("test.yaml", []byte(text))
				if doc.Root().Kind() != Null || problems.Err() == nil {
					d := newDecoder(doc)
					var into scenario
					ok := d.Decode(doc.Root(), &into)
					if ok != (d.Problems().Err() == nil) {
						t.Errorf("%s: Decode says %v, the problems are %v", why, ok, d.Problems())
					}
					problems = append(problems, d.Problems()...)
				}
				out.WriteString("### " + why + "\n" + text + "\n" + "---\n")
				if err := problems.Write(&out); err != nil {
					t.Fatal(err)
				}
				out.WriteByte('\n')
			}
			got := out.String()
			golden(t, strings.TrimSuffix(file, ".in")+".golden", got)
			// No message may show how brunt is made inside.
			for _, word := range []string{"interface {}", "interface{}", "*decode", "decode.", "time.Duration", "reflect", "int64", "float64", "struct", "goccy", "unmarshal"} {
				if strings.Contains(strings.ReplaceAll(got, "structure", ""), word) {
					t.Errorf("a message says %q", word)
				}
			}
		})
	}
}
