//go:build e2e

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// clusterScenario writes a scenario that loads a service of a namespace in the lab,
// with more of it given.
func clusterScenario(t *testing.T, lab *labtest.Lab, r *kubetest.Real, seconds int, watch, faults string) string {
	t.Helper()
	text := fmt.Sprintf(`
version: 1
name: cluster
target:
  hosts: [%q]
  kubernetes: { kubeconfig: %q, context: lab, namespace: %s }
safety: { lease: 2s }
loads: { browse: { http: %q } }
watch: { %s }
phases:
  - name: steady
    for: %ds
    load: { browse: 5/s }
    faults: { %s }
`, strings.TrimPrefix(lab.Front, "http://"), lab.Kubeconfig, r.Namespace, lab.Front+"/"+r.Namespace+"/pay", watch, seconds, faults)
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const payService = `{"metadata":{"name":"pay"},"spec":{"selector":{"app":"pay"},"ports":[{"port":80,"targetPort":8080}]}}`

// A kind whose definitions the cluster lacks ends plan and run in one line that
// names it and the way out, and leaves nothing.
func TestKubeE2EMissingCRDs(t *testing.T) {
	lab := labtest.Shared(t, "-no-crds")
	r := kubetest.NewReal(t, lab.Kubeconfig, "missing")
	r.Pods(t, "pay", 1)
	r.Post(t, "/api/v1/namespaces/$NS/services", payService)
	const broken = "broken: { at: 1s, for: 1s, "
	for name, row := range map[string]struct{ watch, faults, says string }{
		"istio":     {"", broken + "istio: { service: pay, abort: 503 } }", "istio needs VirtualServices: the cluster has no CRD virtualservices.networking.istio.io with version v1: install Istio there"},
		"linkerd":   {"", broken + "linkerd: { service: pay, port: 80 } }", "linkerd needs HTTPRoutes: the cluster has no CRD httproutes.gateway.networking.k8s.io with version v1: install the Gateway API"},
		"net_delay": {"", broken + "net_delay: { app: pay, pick: all, delay: 100ms } }", "net_delay: the cluster has no CRD networkchaos.chaos-mesh.org with version v1alpha1: install Chaos Mesh there"},
		"keda":      {"w: { keda: pay }", "", "watch w: the cluster has no CRD scaledobjects.keda.sh with version v1alpha1: install KEDA there"},
		"karpenter": {`w: { karpenter: "a=b" }`, "", "watch w: the cluster has no CRD nodeclaims.karpenter.sh with version v1: install Karpenter there"},
	} {
		t.Run(name, func(t *testing.T) {
			file := clusterScenario(t, lab, r, 3, row.watch, row.faults)
			out := filepath.Join(t.TempDir(), "out")
			for _, args := range [][]string{{"plan", file}, {"run", file, "--out", out}} {
				_, wait := start(t, args...)
				end := wait()
				said := strings.TrimSpace(end.stdout + end.stderr)
				last := said[strings.LastIndexByte(said, '\n')+1:]
				if end.code != exitUsage || !strings.Contains(last, row.says) || strings.Count(said, "has no CRD") != 1 {
					t.Errorf("brunt %s: exit %d, last line %q\n%s", args[0], end.code, last, said)
				}
			}
			if _, err := os.Stat(out); err == nil {
				t.Errorf("a refused run leaves %s", out)
			}
			noneLeft(t)
		})
	}
}

// Versions of Chaos Mesh with known holes are refused by the doctor. The lab runs
// the controller as a process, so the test writes its Deployment as the chart does.
func TestKubeE2EDoctorMeshVersion(t *testing.T) {
	lab := labtest.Shared(t, "-chaos-mesh")
	r := kubetest.NewReal(t, lab.Kubeconfig, "mesh-version")
	file := clusterScenario(t, lab, r, 3, "", "broken: { at: 1s, for: 1s, net_delay: { app: pay, pick: all, delay: 100ms } }")
	doctor := func() ended {
		_, wait := start(t, "doctor", file)
		return wait()
	}
	line := func(end ended) string {
		for line := range strings.Lines(end.stdout) {
			if strings.Contains(line, "chaos mesh") {
				return line
			}
		}
		return end.stdout + end.stderr
	}
	if end := doctor(); end.code != exitFail || !strings.Contains(line(end), "has no Chaos Mesh") {
		t.Errorf("without a controller: exit %d: %s", end.code, line(end))
	}
	r.Post(t, "/apis/apps/v1/namespaces/$NS/deployments", `{"metadata":{"name":"chaos-controller-manager","labels":{"app.kubernetes.io/name":"chaos-mesh","app.kubernetes.io/component":"controller-manager","app.kubernetes.io/version":"2.7.2"}},
		"spec":{"replicas":0,"selector":{"matchLabels":{"app":"ccm"}},"template":{"metadata":{"labels":{"app":"ccm"}},"spec":{"containers":[{"name":"chaos-mesh","image":"ghcr.io/chaos-mesh/chaos-mesh:v2.7.2"}]}}}}`)
	for _, row := range []struct {
		image string
		code  int
		says  string
	}{
		{"ghcr.io/chaos-mesh/chaos-mesh:v2.7.2", exitFail, "version 2.7.2 lets anyone in the cluster run commands on its nodes"},
		{"registry.local:5000/chaos-mesh/chaos-mesh:v2.6.7@sha256:" + strings.Repeat("0", 64), exitFail, "version 2.6.7 lets anyone"},
		{"ghcr.io/chaos-mesh/chaos-mesh@sha256:" + strings.Repeat("0", 64), exitFail, "version 2.7.2 lets anyone"}, // by the label
		{"ghcr.io/chaos-mesh/chaos-mesh:latest", exitFail, "version 2.7.2 lets anyone"},
		{"ghcr.io/chaos-mesh/chaos-mesh:v2.7.3", exitPass, "version 2.7.3"},
		{"ghcr.io/chaos-mesh/chaos-mesh:v2.8.0", exitPass, "version 2.8.0"},
	} {
		r.Patch(t, "/apis/apps/v1/namespaces/$NS/deployments/chaos-controller-manager", fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":"chaos-mesh","image":%q}]}}}}`, row.image))
		end := doctor()
		// What else the doctor finds of this machine is not the matter here.
		refused := strings.Contains(end.stdout, "upgrade Chaos Mesh to 2.7.3 or later")
		if !strings.Contains(line(end), row.says) || refused != (row.code == exitFail) || refused && end.code != exitFail {
			t.Errorf("%s: exit %d: %s", row.image, end.code, line(end))
		}
	}
}

// routesGame has a service whose routes people have made, in Istio's and the
// Gateway API's own definitions, and faults on both.
type routesGame struct {
	*kubetest.Real
	file, out, before string
}

func newRoutesGame(t *testing.T, namespace string) *routesGame {
	t.Helper()
	lab := labtest.Shared(t)
	g := &routesGame{Real: kubetest.NewReal(t, lab.Kubeconfig, namespace), out: filepath.Join(t.TempDir(), "out")}
	g.Pods(t, "pay", 1)
	g.Post(t, "/api/v1/namespaces/$NS/services", payService)
	g.Post(t, "/apis/networking.istio.io/v1/namespaces/$NS/virtualservices", `{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"pay"},"spec":{"hosts":["pay"],"http":[{"timeout":"3s","route":[{"destination":{"host":"pay"}}]}]}}`)
	g.file = clusterScenario(t, lab, g.Real, 40, "", "slow: { at: 1s, for: 30s, istio: { service: pay, delay: 2s, abort: 503, share: 10% } }, lost: { at: 1s, for: 30s, linkerd: { service: pay, port: 80, share: 50% } }")
	g.before = g.look(t)
	return g
}

// look is all that the routes say, and their marks.
func (g *routesGame) look(t *testing.T) string {
	t.Helper()
	text := ""
	for _, path := range []string{"/apis/networking.istio.io/v1/namespaces/$NS/virtualservices", "/apis/gateway.networking.k8s.io/v1/namespaces/$NS/httproutes"} {
		for _, o := range g.Get(t, path)["items"].([]any) {
			meta := o.(kubetest.Object)["metadata"].(kubetest.Object)
			b, err := json.Marshal([]any{meta["name"], meta["labels"], meta["annotations"], o.(kubetest.Object)["spec"]})
			if err != nil {
				t.Fatal(err)
			}
			text += string(b) + "\n"
		}
	}
	return text
}

// A route made and a route changed are mended by the reaper when brunt is killed,
// and when that is killed too, from another machine.
func TestKubeE2ERoutesMended(t *testing.T) {
	for name, killReaper := range map[string]bool{"routes-reaper": false, "routes-undo-all": true} {
		t.Run(name, func(t *testing.T) {
			g := newRoutesGame(t, name)
			cmd, wait := start(t, "run", g.file, "--out", g.out)
			g.Until(t, "both faults are in place", func() bool {
				now := g.look(t)
				return strings.Contains(now, `"fixedDelay":"2s"`) && strings.Contains(now, "brunt-no-such-service")
			})
			if killReaper {
				if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				for _, pid := range reapersOf(t, cmd.Process.Pid) {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
			}
			killed := time.Now()
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			wait()
			if killReaper {
				if end := elsewhere(t, g.Kubeconfig, "undo", "--all"); end.code != 0 {
					t.Errorf("undo --all: exit %d\n%s%s", end.code, end.stdout, end.stderr)
				} else {
					t.Logf("undo --all:\n%s", end.stdout)
				}
				if now := g.look(t); now != g.before {
					t.Errorf("left:\n%s\nbefore:\n%s", now, g.before)
				}
				if _, wait := start(t, "undo", "--all", "--kubeconfig", g.Kubeconfig); wait().code != 0 {
					t.Error("undo --all on the machine itself fails")
				}
				return
			}
			g.Until(t, "the routes are as before", func() bool { return g.look(t) == g.before })
			t.Logf("from SIGKILL to whole: %s", time.Since(killed).Round(time.Millisecond))
			until(t, time.Minute, "the reaper has ended", func() bool { return len(leftovers(t)) == 0 })
		})
	}
}
