//go:build e2e

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/examples/labtest"
)

// The flash sale against a real API server, HPA controller and Chaos Mesh
// controller: the load that brunt offers makes the controller decide, pods come
// up, Chaos Mesh kills two, and all of it is in the report. How fast the
// answers were is this machine's matter, so latencies are not asserted.
func TestKubeE2EFlashSale(t *testing.T) {
	lab := labtest.Start(t, "-chaos-mesh", "-apply", "../../examples/lab/shop.yaml")
	text, err := os.ReadFile("../../examples/hpa-flash-sale.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "sale.yaml")
	// The example names the ports of `make lab`; a test's are free ones.
	moved := strings.ReplaceAll(string(text), "127.0.0.1:8090", strings.TrimPrefix(lab.Front, "http://"))
	if err := os.WriteFile(file, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", lab.Kubeconfig)
	_, wait := start(t, "run", file, "--out", filepath.Join(dir, "run"))
	end := wait()
	if end.code != exitPass && end.code != exitFail && end.code != exitInconclusive {
		t.Fatalf("exit %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	var report struct {
		Objectives []struct{ Source, State, Reason string }
		Faults     []struct {
			Name, Truth, State string
			Targets            []string
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "run", "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Faults) != 1 || report.Faults[0].Truth != "proven" || report.Faults[0].State != "gone" || len(report.Faults[0].Targets) != 2 {
		t.Errorf("faults: %+v\n%s", report.Faults, end.stdout)
	}
	judged := 0
	for _, o := range report.Objectives {
		// 480/s at 60/s a replica are eight of them, whatever the machine.
		if strings.HasPrefix(o.Source, "web.scaling.") {
			judged++
			if o.State == "unknown" || strings.Contains(o.Source, "replicas") && o.State != "pass" {
				t.Errorf("%s: %s: %s", o.Source, o.State, o.Reason)
			}
		}
	}
	if judged != 4 {
		t.Errorf("%d findings about the autoscaler, want 4\n%s", judged, end.stdout)
	}
	// The front door says which pod answered, so the report knows when a new one first did.
	if !regexp.MustCompile(`first served +[0-9.]+m?s`).MatchString(end.stdout) {
		t.Errorf("it is not known when a new pod first served\n%s", end.stdout)
	}
	noneLeft(t)
}

// A namespace of a real API server is read, judged, and made a scenario of.
func TestKubeE2ELintCluster(t *testing.T) {
	lab := labtest.Shared(t, "-apply", "../../examples/lab/shop.yaml")
	t.Setenv("KUBECONFIG", lab.Kubeconfig)
	for _, row := range []struct {
		args string
		code int
		has  string // in what it prints
	}{
		{"lint-cluster --namespace shop", exitPass, "1 workload, 1 autoscaler, 1 disruption budget, 1 service looked at"},
		{"lint-cluster --namespace shop", exitPass, "no-readiness"},
		{"lint-cluster --namespace shop --replicas 13", exitFail, "hpa-max-below-need"},
		{"lint-cluster ../../examples/hpa-flash-sale.yaml", exitPass, "hpa-window-longer-than-phase"},
		{"lint-cluster --namespace shop --context lab-view", exitPass, "looked at"},
		{"lint-cluster --namespace shop --context lab-user-1", exitUsage, "forbidden"},
		{"lint-cluster --namespace shop --context lab-expired", exitUsage, "refuses the credentials (401)"},
		{"lint-cluster --namespace nowhere", exitUsage, "not found"},
		{"lint-cluster", exitUsage, "which namespace?"},
		{"init --from-cluster --namespace kube-system", exitUsage, "runs no Deployment"},
		{"init --from-cluster --namespace shop", exitPass, "{ hpa: \"web\" }"},
	} {
		_, wait := start(t, strings.Fields(row.args)...)
		if end := wait(); end.code != row.code || !strings.Contains(end.stdout+end.stderr, row.has) {
			t.Errorf("brunt %s: exit %d, want %d and %q\n%s%s", row.args, end.code, row.code, row.has, end.stdout, end.stderr)
		}
	}
}
