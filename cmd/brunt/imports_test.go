package main

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/brunt-dev/brunt/"

// mayImport is who may import whom inside the module, first match wins; "*"
// matches one folder name. Nothing flows left: kinds know their parent alone,
// reports know no engine, the journal knows nobody.
var mayImport = []struct {
	pkg     string
	imports []string
}{
	{"cmd/brunt", []string{"**"}},
	// The bench measures the truth server; it is no part of the binary.
	{"examples/bench", []string{"examples/truth"}},
	{"examples/truth", []string{"generators/uring"}},
	{"examples/*", nil},
	{"tui", []string{"reports", "reports/journal", "reports/objective", "reports/scaling"}},
	// Several machines play what the engine plays on one; kinds stay with the binary.
	{"scenarios/cluster", []string{"scenarios", "scenarios/engine", "generators", "reports/journal"}},
	{"scenarios/cluster/*", []string{"scenarios/cluster"}},
	{"scenarios/engine", []string{"scenarios", "generators", "chaos", "scenarios/probes", "reports/journal"}},
	{"scenarios/probes", nil},
	// Loads, faults and probes that look into JSON name values the same way.
	{"scenarios/jsonpath", nil},
	{"scenarios/probes/http", []string{"scenarios/probes", "scenarios/jsonpath"}},
	{"chaos/http", []string{"chaos", "scenarios/jsonpath"}},
	{"scenarios/probes/probetest", []string{"scenarios/probes"}},
	{"scenarios/probes/*", []string{"scenarios/probes"}},
	{"scenarios/decode", nil},
	{"scenarios/inventory", nil},
	{"scenarios/limits", nil},
	// The plan is written in the journal's plain data, so that reports need no scenarios.
	{"scenarios", []string{"scenarios/decode", "generators", "chaos", "scenarios/probes", "reports/objective", "reports/journal"}},
	// A vegeta target file is played over the one HTTP client.
	{"generators/vegeta", []string{"generators", "generators/http"}},
	// The HTTP client hands loads that need no more to the fast path.
	{"generators/http", []string{"generators", "generators/lane", "scenarios/jsonpath"}},
	{"generators/lane", []string{"generators", "generators/uring"}},
	{"generators/uring", nil},
	{"generators/*", []string{"generators"}},
	{"generators", nil},
	{"chaos/middlebox", nil},
	// Both stand on a path between a client and its upstream.
	{"chaos/proxy", []string{"chaos", "chaos/middlebox"}},
	{"chaos/dns", []string{"chaos", "chaos/middlebox"}},
	// The kinds on clusters share how they reach and change one.
	{"chaos/kube", []string{"chaos"}},
	{"chaos/kube/kubetest", []string{"chaos"}},
	{"chaos/kubernetes", []string{"chaos", "chaos/kube"}},
	{"chaos/mesh", []string{"chaos", "chaos/kube"}},
	{"chaos/istio", []string{"chaos", "chaos/kube"}},
	{"chaos/*", []string{"chaos"}},
	{"chaos", nil},
	{"reports", []string{"reports/objective", "reports/scaling", "reports/journal"}},
	{"reports/objective", []string{"reports/scaling", "reports/journal"}},
	{"reports/scaling", []string{"reports/journal"}},
	{"reports/journal", nil},
	{"reports/journal/journaltest", []string{"reports/journal"}},
}

// standardOnly use nothing but the standard library beside the module itself.
var standardOnly = []string{"generators", "chaos", "scenarios/probes"}

type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestImports(t *testing.T) {
	for _, pkg := range list(t) {
		name := strings.TrimPrefix(pkg.ImportPath, module)
		row := slices.IndexFunc(mayImport, func(r struct {
			pkg     string
			imports []string
		}) bool {
			ok, err := path.Match(r.pkg, name)
			return err == nil && ok
		})
		if row < 0 {
			t.Errorf("%s is not in the table of who may import whom", name)
			continue
		}
		allowed := mayImport[row].imports
		for _, imported := range pkg.Imports {
			inside, ours := strings.CutPrefix(imported, module)
			switch {
			case ours && !slices.Contains(allowed, inside) && !slices.Contains(allowed, "**"):
				t.Errorf("%s imports %s", name, inside)
			case !ours && strings.Contains(strings.Split(imported, "/")[0], ".") && slices.Contains(standardOnly, name):
				t.Errorf("%s imports %s, but may only use the standard library", name, imported)
			}
		}
	}
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var pkg listed
		if err := d.Decode(&pkg); err != nil {
			t.Fatalf("read package list: %v", err)
		}
		all = append(all, pkg)
	}
	if len(all) < 10 {
		t.Fatalf("found %d packages only", len(all))
	}
	return all
}
