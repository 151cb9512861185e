//go:build e2e

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
	"github.com/brunt-dev/brunt/reports/journal"
)

// An outageGame is a namespace of a lab whose API server can be taken away from
// brunt. The test's own calls come by the lab's inner door, which stays open.
type outageGame struct {
	*kubetest.Real
	lab        *labtest.Lab
	kubeconfig string // brunt's
	context    string
	dir        string
}

func newOutageGame(t *testing.T, lab *labtest.Lab, namespace string) *outageGame {
	t.Helper()
	g := &outageGame{Real: kubetest.NewReal(t, filepath.Join(lab.Dir, "inner.kubeconfig"), namespace), lab: lab,
		kubeconfig: lab.Kubeconfig, context: "lab", dir: t.TempDir()}
	g.Pods(t, "pay", 2)
	g.Post(t, "/api/v1/namespaces/$NS/services", `{"metadata":{"name":"pay"},"spec":{"selector":{"app":"pay"},"ports":[{"port":80}]}}`)
	return g
}

const payPath = "/apis/apps/v1/namespaces/$NS/deployments/pay"

// outage takes the API server away from brunt, until it is back or the test ends.
func (g *outageGame) outage(t *testing.T, how ...string) {
	t.Helper()
	g.lab.Do(t, "/outage", append([]string{"of", "clients", "on", "true"}, how...)...)
	t.Cleanup(func() { g.back(t) })
}

func (g *outageGame) back(t *testing.T) {
	t.Helper()
	g.lab.Do(t, "/outage", "of", "clients", "on", "false")
}

// file writes a scenario that loads and watches pay; phases are YAML.
func (g *outageGame) file(t *testing.T, watch, phases string) string {
	t.Helper()
	front, err := url.Parse(g.lab.Front)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(g.dir, "outage.yaml")
	text := fmt.Sprintf(`
version: 1
name: outage
target:
  hosts: [%q]
  kubernetes: { kubeconfig: %q, context: %s, namespace: %s }
safety: { lease: 10s, max_targets: 2 }
loads: { browse: { http: %q } }
watch: { pay: %s }
phases:
%s`, front.Host, g.kubeconfig, g.context, g.Namespace, g.lab.Front+"/"+g.Namespace+"/pay", watch, phases)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (g *outageGame) out() string { return filepath.Join(g.dir, "run") }

// play starts a run of the scenario.
func (g *outageGame) play(t *testing.T, file string) func() ended {
	t.Helper()
	_, wait := start(t, "run", file, "--out", g.out())
	return wait
}

// events reads the journal of a run that may still go on.
func (g *outageGame) events(t *testing.T) (all []journal.Event) {
	t.Helper()
	f, err := os.Open(filepath.Join(g.out(), "events.jsonl"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e journal.Event
		if json.Unmarshal(lines.Bytes(), &e) == nil { // the last line may be half there
			all = append(all, e)
		}
	}
	return all
}

// until waits until so many events of a run fit.
func (g *outageGame) until(t *testing.T, what string, n int, fits func(journal.Event) bool) {
	t.Helper()
	until(t, time.Minute, what, func() bool {
		found := 0
		for _, e := range g.events(t) {
			if fits(e) {
				found++
			}
		}
		return found >= n
	})
}

func faultIs(state string) func(journal.Event) bool {
	return func(e journal.Event) bool { return e.Kind == journal.FaultState && e.State == state }
}

func blind(e journal.Event) bool { return e.Kind == journal.ProbeFailed }

// replicas is what the deployment is told to have.
func (g *outageGame) replicas(t *testing.T) float64 {
	t.Helper()
	n, _ := g.Get(t, payPath)["spec"].(kubetest.Object)["replicas"].(float64)
	return n
}

// unmarked fails when marks of a fault are left on the deployment.
func (g *outageGame) unmarked(t *testing.T) {
	t.Helper()
	if meta := fmt.Sprint(g.Get(t, payPath)["metadata"]); strings.Contains(meta, "brunt.dev/") {
		t.Errorf("marks are left: %s", meta)
	}
}

// outageReport is what these tests read of a report.
type outageReport struct {
	Verdict    string
	Objectives []struct{ Source, State, Reason string }
	Faults     []struct{ Name, Truth, State string }
	Probes     map[string]struct {
		Readings, Failures int64
		Gaps               []journal.Gap
	}
}

func (g *outageGame) report(t *testing.T) (r outageReport) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.out(), "report.json"))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gone fails unless every fault of the run took effect and is gone.
func (r outageReport) gone(t *testing.T, faults int) {
	t.Helper()
	if len(r.Faults) != faults {
		t.Errorf("%d faults in the report, want %d", len(r.Faults), faults)
	}
	for _, f := range r.Faults {
		if f.Truth != "proven" || f.State != "gone" {
			t.Errorf("fault: %+v", f)
		}
	}
}

// A run that cannot begin says so in a line, and leaves nothing.
func TestKubeE2EDownAtStart(t *testing.T) {
	lab := labtest.Shared(t)
	g := newOutageGame(t, lab, "down-start")
	watches := g.file(t, "{ deployment: pay }", "  - { name: all, for: 5s, load: { browse: 5/s } }\n")
	g.outage(t, "how", "gone")
	end := g.play(t, watches)()
	if end.code != exitUsage || !strings.HasPrefix(end.stderr, "brunt: watch pay: ") || !strings.Contains(end.stderr, "cannot be reached") || strings.Count(end.stderr, "\n") != 1 {
		t.Errorf("a run that watches: exit %d\n%s", end.code, end.stderr)
	}
	breaks := g.file(t, "{ deployment: pay }", "  - { name: all, for: 5s, load: { browse: 5/s }, faults: { none: { at: 1s, for: 1s, scale: { deployment: pay } } } }\n")
	end = g.play(t, breaks)()
	if end.code != exitUsage || !strings.HasPrefix(end.stderr, "brunt: fault none: ") || !strings.Contains(end.stderr, "cannot be reached") || strings.Count(end.stderr, "\n") != 1 {
		t.Errorf("a run that breaks something: exit %d\n%s", end.code, end.stderr)
	}
	if _, err := os.Stat(g.out()); !os.IsNotExist(err) {
		t.Errorf("a run directory was made: %v", err)
	}
	g.unmarked(t)
	noneLeft(t)
}

// The API server is away for ten looks: that is a gap, not a number, what should
// have held in it is unknown, and what comes after is seen again.
func TestKubeE2EDownInTheMiddle(t *testing.T) {
	lab := labtest.Shared(t)
	g := newOutageGame(t, lab, "down-middle")
	wait := g.play(t, g.file(t, "{ deployment: pay }", `
  - { name: before, for: 5s, load: { browse: 20/s }, expect: [pay.min >= 2] }
  - { name: away, for: 20s, load: { browse: 20/s }, expect: [pay.min >= 2] }
  - { name: back, for: 12s, load: { browse: 20/s }, expect: [pay.last == 3] }
report: [json]
`))
	g.until(t, "the second phase", 2, func(e journal.Event) bool { return e.Kind == journal.PhaseStarted })
	g.outage(t, "how", "gone")
	g.until(t, "the server is seen to be away", 1, blind)
	g.Patch(t, payPath, `{"spec":{"replicas":3}}`)
	g.until(t, "ten looks failed", 10, blind)
	g.back(t)
	end := wait()
	if end.code != exitInconclusive {
		t.Errorf("exit %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	r := g.report(t)
	for i, want := range []string{"pass", "unknown", "pass"} {
		if o := r.Objectives[i]; o.State != want {
			t.Errorf("%s: %s, want %s: %s", o.Source, o.State, want, o.Reason)
		}
	}
	if o := r.Objectives[1]; !strings.Contains(o.Reason, "saw nothing for") || !strings.Contains(o.Reason, "connection refused") {
		t.Errorf("why it is unknown: %s", o.Reason)
	}
	if gaps := r.Probes["pay"].Gaps; len(gaps) != 1 || gaps[0].Open || gaps[0].Looks < 10 {
		t.Errorf("gaps: %+v", gaps)
	}
	for _, line := range []string{"probe pay reads nothing: ", "probe pay reads again", "deployment/pay scaled 2 → 3"} {
		if !strings.Contains(end.stderr, line) {
			t.Errorf("no line says %q:\n%s", line, end.stderr)
		}
	}
	noneLeft(t)
}

const scaledToNone = "    faults: { none: { at: 1s, for: %s, scale: { deployment: pay } } }\nreport: [json]\n"

// The API server is away when a fault should end: brunt asks for as long as an
// undo may take, says what is left and how to mend it, and it can be mended.
func TestKubeE2EDownAtUndo(t *testing.T) {
	lab := labtest.Shared(t)
	g := newOutageGame(t, lab, "down-undo")
	wait := g.play(t, g.file(t, "{ deployment: pay }", "  - name: all\n    for: 8s\n    load: { browse: 5/s }\n"+fmt.Sprintf(scaledToNone, "4s")))
	g.until(t, "the fault is in effect", 1, faultIs("effective"))
	g.outage(t, "how", "gone")
	end := wait()
	if end.code != exitFaultLeft || !strings.Contains(end.stderr, "brunt undo "+g.out()) || !strings.Contains(end.stderr, "cannot be reached") {
		t.Errorf("exit %d\n%s", end.code, end.stderr)
	}
	if n := g.replicas(t); n != 0 {
		t.Errorf("somebody mended it: %v replicas", n)
	}
	g.back(t)
	seen := elsewhere(t, lab.Kubeconfig, "faults")
	if seen.code != 0 || !strings.Contains(seen.stdout, "deployment pay") {
		t.Errorf("faults from elsewhere: exit %d\n%s%s", seen.code, seen.stdout, seen.stderr)
	}
	_, wait = start(t, "undo", "--all", "--kubeconfig", lab.Kubeconfig)
	if mended := wait(); mended.code != 0 || !strings.Contains(mended.stdout, "gone") {
		t.Errorf("undo --all: exit %d\n%s%s", mended.code, mended.stdout, mended.stderr)
	}
	if n := g.replicas(t); n != 2 {
		t.Errorf("%v replicas after undo, want 2", n)
	}
	g.unmarked(t)
	noneLeft(t)
}

// An API server that sends everybody away is asked again, as long as it takes.
func TestKubeE2EThrottled(t *testing.T) {
	lab := labtest.Shared(t)
	g := newOutageGame(t, lab, "throttled")
	wait := g.play(t, g.file(t, "{ deployment: pay }", "  - name: all\n    for: 25s\n    load: { browse: 5/s }\n"+fmt.Sprintf(scaledToNone, "2s")))
	g.until(t, "the fault is in effect", 1, faultIs("effective"))
	g.outage(t, "how", "throttle")
	g.until(t, "the fault should be over", 1, func(e journal.Event) bool { return e.At > 8*time.Second })
	for _, e := range g.events(t) {
		if faultIs("undone")(e) {
			t.Error("it was undone by an API server that answers nobody")
		}
	}
	g.back(t)
	end := wait()
	g.report(t).gone(t, 1)
	if end.code != exitPass {
		t.Errorf("exit %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	g.unmarked(t)
	noneLeft(t)
}

// The whole control plane is killed in the middle of a fault of each sort, and
// comes back on its state: watches whose place is forgotten begin anew, and the
// faults end as they should.
func TestKubeE2EControlPlaneKilled(t *testing.T) {
	lab := labtest.Start(t, "-chaos-mesh", "-state", filepath.Join(t.TempDir(), "state"))
	g := newOutageGame(t, lab, "killed")
	g.Pods(t, "web", 2)
	wait := g.play(t, g.file(t, "{ deployment: pay }", `
  - name: all
    for: 45s
    load: { browse: 5/s }
    faults:
      none: { at: 1s, for: 35s, scale: { deployment: pay } }
      slow: { at: 1s, for: 35s, net_delay: { app: web, pick: 1, delay: 100ms } }
    expect: [pay.last == 2]
report: [json]
`))
	g.until(t, "both faults are in effect", 2, faultIs("effective"))
	version, _ := g.Get(t, payPath)["metadata"].(kubetest.Object)["resourceVersion"].(string)
	lab.Kill(t)
	g.until(t, "the server is seen to be away", 1, blind)
	lab.Again(t)
	g.forgotten(t, version)
	end := wait()
	if end.code != exitPass && end.code != exitInconclusive { // the daemon is a fake, so nothing is slower
		t.Errorf("exit %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	r := g.report(t)
	for _, f := range r.Faults {
		if f.State != "gone" || f.Name == "none" && f.Truth != "proven" {
			t.Errorf("fault: %+v\n%s", f, end.stdout)
		}
	}
	if len(r.Faults) != 2 || r.Objectives[0].State != "pass" {
		t.Errorf("%d faults; %+v\n%s", len(r.Faults), r.Objectives, end.stdout)
	}
	if left := fmt.Sprint(g.Get(t, "/apis/chaos-mesh.org/v1alpha1/namespaces/$NS/networkchaos")["items"]); left != "[]" {
		t.Errorf("left in the cluster: %s", left)
	}
	g.unmarked(t)
	noneLeft(t)
}

// forgotten checks that the API server refuses to go on from a version, as it
// then did with every watch.
func (g *outageGame) forgotten(t *testing.T, version string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, g.lab.Server+"/apis/apps/v1/namespaces/"+g.Namespace+"/deployments?watch=1&timeoutSeconds=5&resourceVersion="+version, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+g.lab.Tokens["admin"])
	answer, err := g.lab.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(text), `"code":410`) {
		t.Errorf("a watch from version %s: %v %s", version, err, text)
	}
}
