//go:build e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
	"github.com/brunt-dev/brunt/reports/journal"
)

// A namespace that is deleted takes the fault on it along: that is gone, and
// nobody is asked to mend it.
func TestKubeE2ENamespaceDeleted(t *testing.T) {
	lab := labtest.Shared(t)
	g := newOutageGame(t, lab, "taken-away")
	wait := g.play(t, g.file(t, "{ deployment: pay }", "  - name: all\n    for: 20s\n    load: { browse: 5/s }\n"+fmt.Sprintf(scaledToNone, "12s")))
	g.until(t, "the fault is in effect", 1, faultIs("effective"))
	g.Delete(t, "/api/v1/namespaces/$NS")
	g.Until(t, "the deployment has gone", func() bool { return g.Get(t, payPath) == nil })
	end := wait()
	if end.code != exitPass {
		t.Errorf("exit %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	g.report(t).gone(t, 1)
	for _, line := range []string{"deployment/pay deleted", "there is no deployment pay in namespace taken-away"} {
		if !strings.Contains(end.stderr, line) {
			t.Errorf("no line says %q:\n%s", line, end.stderr)
		}
	}
	_, wait = start(t, "undo", g.out())
	if again := wait(); again.code != 0 || !strings.Contains(again.stdout, "nothing to undo") {
		t.Errorf("undo: exit %d\n%s%s", again.code, again.stdout, again.stderr)
	}
	noneLeft(t)
}

// Somebody raises an autoscaler's limit by hand while it is pinned to it: the
// report says so, and what it did after is taken for what it then was let do.
func TestKubeE2EAutoscalerEdited(t *testing.T) {
	lab := labtest.Shared(t, "-hpa-sync=1s", "-hpa-downscale=5s")
	g := newOutageGame(t, lab, "edited")
	g.Patch(t, payPath, `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:1","resources":{"requests":{"cpu":"500m"}}}]}}}}`)
	g.Ready(t, "pay", 2)
	g.Post(t, "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers", `{"metadata":{"name":"pay"},"spec":{
		"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"pay"},"minReplicas":2,"maxReplicas":3,
		"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}`)
	wait := g.play(t, g.file(t, "{ hpa: { name: pay, per_replica: 5/s } }", `
  - { name: calm, for: 4s, load: { browse: 10/s } }
  - { name: rush, for: 30s, load: { browse: 30/s }, expect: [pay.scaling.replicas <= 6, pay.ready.last == 6] }
report: [json]
`))
	g.until(t, "the rush", 2, func(e journal.Event) bool { return e.Kind == journal.PhaseStarted })
	lab.Do(t, "/set", "kind", "cpu", "namespace", g.Namespace, "value", "500m")
	t.Cleanup(func() { lab.Do(t, "/set", "kind", "cpu", "namespace", g.Namespace) })
	g.until(t, "it is held back by its limit", 1, func(e journal.Event) bool { return e.Object != nil && e.Object.What == "limited" })
	g.Patch(t, "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers/pay", `{"spec":{"maxReplicas":6}}`)
	end := wait()
	if end.code != exitPass {
		t.Errorf("exit %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	t.Log(end.stdout)
	said := strings.Join(strings.Fields(end.stdout), " ")
	for _, want := range []string{"maxReplicas 3 → 6", "replicas 2 to 6"} {
		if !strings.Contains(said, want) {
			t.Errorf("the report says nothing of %q\n%s", want, end.stdout)
		}
	}
	noneLeft(t)
}

// A token that is taken back and renewed in its file, while a fault waits to be
// undone and a probe watches: both go on with the new one.
func TestKubeE2ETokenRenewed(t *testing.T) {
	lab := labtest.Shared(t)
	g := newOutageGame(t, lab, "renewed")
	token := func(account string) string {
		t.Helper()
		g.Post(t, "/api/v1/namespaces/$NS/serviceaccounts", fmt.Sprintf(`{"metadata":{"name":%q}}`, account))
		g.Post(t, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", fmt.Sprintf(`{"metadata":{"name":"renewed-%s"},
			"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},
			"subjects":[{"kind":"ServiceAccount","name":%q,"namespace":"$NS"}]}`, account, account))
		t.Cleanup(func() { g.Delete(t, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/renewed-"+account) })
		made := g.Post(t, "/api/v1/namespaces/$NS/serviceaccounts/"+account+"/token", `{"spec":{}}`)
		return made["status"].(kubetest.Object)["token"].(string)
	}
	config, err := clientcmd.LoadFromFile(lab.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(g.dir, "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := token("first")
	write(first)
	user := config.AuthInfos["admin"]
	user.Token, user.TokenFile = "", file
	g.kubeconfig = filepath.Join(g.dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*config, g.kubeconfig); err != nil {
		t.Fatal(err)
	}
	wait := g.play(t, g.file(t, "{ deployment: pay }", "  - name: all\n    for: 45s\n    load: { browse: 5/s }\n    expect: [pay.last == 2]\n"+fmt.Sprintf(scaledToNone, "30s")))
	g.until(t, "the fault is in effect", 1, faultIs("effective"))
	g.Delete(t, "/api/v1/namespaces/$NS/serviceaccounts/first")
	g.Until(t, "the first token is refused", func() bool { // the API server remembers whom it knew for some seconds
		review := g.Post(t, "/apis/authentication.k8s.io/v1/tokenreviews", fmt.Sprintf(`{"spec":{"token":%q}}`, first))
		known, _ := review["status"].(kubetest.Object)["authenticated"].(bool)
		return !known
	})
	// Watches that are cut come again with the old token, and are refused.
	g.outage(t, "how", "gone")
	g.until(t, "the watches are cut", 1, blind)
	g.back(t)
	g.until(t, "the old token is refused", 1, func(e journal.Event) bool {
		return blind(e) && strings.Contains(e.Text, "refuses the credentials (401)")
	})
	write(token("second"))
	end := wait()
	if end.code != exitInconclusive && end.code != exitPass {
		t.Errorf("exit %d\n%s\n%s", end.code, end.stdout, end.stderr)
	}
	r := g.report(t)
	r.gone(t, 1)
	if r.Objectives[0].State != "pass" {
		t.Errorf("the probe did not go on: %+v\n%s", r.Objectives, end.stderr)
	}
	g.unmarked(t)
	noneLeft(t)
}

// What keeps a run from the cluster is said in a line, with the way out of it;
// what is not allowed, in a line for each thing.
func TestKubeE2EOneLineEach(t *testing.T) {
	lab := labtest.Shared(t)
	g := newOutageGame(t, lab, "one-line")
	for name, row := range map[string]struct {
		kubeconfig, context string
		says                string // on stderr
		lines               int
	}{
		"no kubeconfig": {filepath.Join(g.dir, "none"), "lab", "no such file", 1},
		"no context":    {lab.Kubeconfig, "lob", "did you mean lab?", 1},
		"expired":       {lab.Kubeconfig, "lab-expired", "refuses the credentials (401)", 1},
		"forbidden":     {lab.Kubeconfig, "lab-user-1", "get, patch deployments.apps pay in namespace one-line: fault none", 5},
	} {
		g.kubeconfig, g.context = row.kubeconfig, row.context
		end := g.play(t, g.file(t, "{ deployment: pay }", "  - name: all\n    for: 5s\n    load: { browse: 5/s }\n"+fmt.Sprintf(scaledToNone, "1s")))()
		if end.code != exitUsage || !strings.Contains(end.stderr, row.says) || strings.Count(end.stderr, "\n") != row.lines {
			t.Errorf("%s: exit %d, want %q in %d lines\n%s", name, end.code, row.says, row.lines, end.stderr)
		}
	}
	// A namespace that is not there has no deployment either.
	g.kubeconfig, g.context = lab.Kubeconfig, "lab"
	text, err := os.ReadFile(g.file(t, "{ deployment: pay }", "  - name: all\n    for: 5s\n    load: { browse: 5/s }\n"+fmt.Sprintf(scaledToNone, "1s")))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(g.dir, "elsewhere.yaml")
	if err := os.WriteFile(elsewhere, []byte(strings.Replace(string(text), "namespace: one-line", "namespace: one-lime", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if end := g.play(t, elsewhere)(); end.code != exitUsage || !strings.Contains(end.stderr, "namespace one-lime has no deployment called pay") || strings.Count(end.stderr, "\n") != 1 {
		t.Errorf("another namespace: exit %d\n%s", end.code, end.stderr)
	}
	g.unmarked(t)
	noneLeft(t)
}
