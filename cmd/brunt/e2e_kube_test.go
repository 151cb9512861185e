//go:build e2e

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	noneLeft(t)
}
