//go:build e2e

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// A bound is a service account of the lab, with nothing but what brunt rbac
// prints for its scenario.
type bound struct {
	*kubetest.Real
	scenario string
	roles    []string // paths
}

// newBound makes the account, which may do nothing yet, and a scenario of its own
// with faults and probes in the namespace and outside of it.
func newBound(t *testing.T, namespace string) *bound {
	t.Helper()
	lab := labtest.Shared(t)
	b := &bound{Real: kubetest.NewReal(t, lab.Kubeconfig, namespace)}
	b.Pods(t, "pay", 3)
	b.Post(t, "/api/v1/namespaces/$NS/services", `{"metadata":{"name":"pay"},"spec":{"selector":{"app":"pay"},"ports":[{"port":80,"targetPort":8080}]}}`)
	b.Post(t, "/api/v1/namespaces/$NS/serviceaccounts", `{"metadata":{"name":"tester"}}`)
	token := b.Post(t, "/api/v1/namespaces/$NS/serviceaccounts/tester/token", `{"spec":{"expirationSeconds":3600}}`)["status"].(kubetest.Object)["token"].(string)
	text, err := os.ReadFile(lab.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := write(t, t.TempDir(), "kubeconfig", strings.ReplaceAll(string(text), "lab-user-1-token", token))
	front, err := url.Parse(lab.Front)
	if err != nil {
		t.Fatal(err)
	}
	b.scenario = write(t, t.TempDir(), "bound.yaml", fmt.Sprintf(`
version: 1
name: bound
target:
  hosts: [%q]
  kubernetes: { kubeconfig: %q, context: lab-user-1, namespace: %s }
safety: { max_targets: 1 }
loads: { browse: { http: %q } }
watch:
  pay: { deployment: pay }
  nodes: { nodes: "topology.kubernetes.io/zone" }
phases:
  - name: steady
    for: 12s
    load: { browse: 20/s }
    faults:
      kill: { at: 2s, pod_kill: { app: pay, pick: 1 } }
      shut: { at: 3s, for: 3s, cordon: node-b-1 }
    expect: [browse.errors < 50%%]
`, front.Host, kubeconfig, namespace, lab.Front+"/"+namespace+"/pay"))
	return b
}

// bind makes what brunt rbac prints, word for word.
func (b *bound) bind(t *testing.T, printed string) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(printed))
	for {
		var o kubetest.Object
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("rbac printed no YAML: %v\n%s", err, printed)
		}
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		path := "/apis/rbac.authorization.k8s.io/v1/"
		if namespace := o["metadata"].(kubetest.Object)["namespace"]; namespace != nil {
			path += "namespaces/$NS/"
		}
		path += strings.ToLower(o["kind"].(string)) + "s"
		b.Post(t, path, string(text))
		path += "/" + o["metadata"].(kubetest.Object)["name"].(string)
		if !strings.Contains(path, "bindings") {
			b.roles = append(b.roles, path)
		}
		t.Cleanup(func() { b.Delete(t, path) })
	}
}

// denied are the permissions that brunt plan finds missing.
func (b *bound) denied(t *testing.T, args ...string) (lines []string, out string) {
	t.Helper()
	_, wait := start(t, append([]string{"plan", b.scenario}, args...)...)
	got := wait()
	_, after, found := strings.Cut(got.stdout, "not allowed in Kubernetes\n")
	for line := range strings.Lines(after) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "brunt rbac") {
			break
		}
		lines = append(lines, line)
	}
	if refused := got.code == exitUsage; got.code != exitPass && !refused || found && !refused {
		t.Errorf("plan: exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	return lines, got.stdout + got.stderr
}

// rule is one rule of a role in the words of brunt plan, but for what needs it.
func rule(r kubetest.Object, namespace string) string {
	words := func(key string) (all []string) {
		items, _ := r[key].([]any)
		for _, one := range items {
			all = append(all, one.(string))
		}
		return all
	}
	text := strings.Join(words("verbs"), ", ") + " " + words("resources")[0]
	if group := words("apiGroups")[0]; group != "" {
		text += "." + group
	}
	if names := words("resourceNames"); len(names) > 0 {
		text += " " + names[0]
	}
	if namespace == "" {
		return text + " in the whole cluster"
	}
	return text + " in namespace " + namespace
}

// A service account with exactly the role that rbac prints may play the run;
// without any one of its rules plan names that rule, with who needs it, and
// nothing else.
func TestKubeE2ERoleExactly(t *testing.T) {
	b := newBound(t, "role-exactly")
	on := []string{"--workers", "3", "--on", "kubernetes", "--image", "brunt.test/brunt:1"}
	if all, out := b.denied(t, on...); len(all) != 7 {
		t.Errorf("without any right, plan names %d that are missing\n%s", len(all), out)
	}
	_, wait := start(t, "run", b.scenario, "--out", filepath.Join(t.TempDir(), "refused"))
	if got := wait(); got.code != exitUsage || !strings.Contains(got.stderr, "refused before any traffic: not allowed in Kubernetes") || !strings.Contains(got.stderr, "watch nodes") {
		t.Errorf("run without any right: exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}

	_, wait = start(t, "rbac", b.scenario, "--on", "kubernetes", "--service-account", b.Namespace+":tester")
	printed := wait()
	if printed.code != exitPass {
		t.Fatalf("rbac: exit %d\n%s", printed.code, printed.stderr)
	}
	t.Logf("rbac --on kubernetes:\n%s", printed.stdout)
	b.bind(t, printed.stdout)
	b.Until(t, "the role is enough", func() bool { lines, _ := b.denied(t, on...); return len(lines) == 0 })
	if lines, out := b.denied(t, on...); strings.Contains(out, "forbidden") || strings.Contains(out, "would not take it") {
		t.Errorf("with the role: %v\n%s", lines, out)
	}
	_, wait = start(t, "run", b.scenario, "--out", filepath.Join(t.TempDir(), "run"))
	if got := wait(); got.code != exitPass {
		t.Errorf("with the role, the run: exit %d\n%s%s", got.code, got.stdout, got.stderr)
	}

	for _, path := range b.roles {
		role := b.Get(t, path)
		namespace, _ := role["metadata"].(kubetest.Object)["namespace"].(string)
		rules := role["rules"].([]any)
		set := func(rules []any) {
			text, err := json.Marshal(kubetest.Object{"rules": rules})
			if err != nil {
				t.Fatal(err)
			}
			b.Patch(t, path, string(text))
		}
		for i, r := range rules {
			want := rule(r.(kubetest.Object), namespace)
			t.Run(want, func(t *testing.T) {
				set(slices.Delete(slices.Clone(rules), i, i+1))
				var lines []string
				var out string
				b.Until(t, "its lack shows", func() bool { lines, out = b.denied(t, on...); return len(lines) > 0 })
				if len(lines) != 1 || !strings.HasPrefix(lines[0], want+": ") {
					t.Errorf("plan names %q\n%s", lines, out)
				}
				t.Log(lines[0])
			})
		}
		set(rules)
		b.Until(t, "it is whole again", func() bool { lines, _ := b.denied(t, on...); return len(lines) == 0 })
	}
}
