package main

import (
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios"
)

// Each permission is asked for once, in a role of its namespace.
func TestRoles(t *testing.T) {
	needs := merged([]chaos.Access{
		{Verbs: []string{"list", "get"}, Resource: "pods", Namespace: "shop"},
		{Verbs: []string{"get", "delete"}, Resource: "pods", Namespace: "shop"},
		{Verbs: []string{"patch"}, Resource: "nodes", Name: "a"},
		{Verbs: []string{"get"}, Group: "apps", Resource: "deployments", Namespace: "shop"},
	})
	var b strings.Builder
	if err := printRoles(&b, "brunt-x", needs, "{ kind: User, name: me }"); err != nil {
		t.Fatal(err)
	}
	const want = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: brunt-x }
rules:
  - { apiGroups: [""], resources: [nodes], resourceNames: ["a"], verbs: [patch] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: brunt-x }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: brunt-x }
subjects: [{ kind: User, name: me }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: brunt-x, namespace: shop }
rules:
  - { apiGroups: [""], resources: [pods], verbs: [delete, get, list] }
  - { apiGroups: ["apps"], resources: [deployments], verbs: [get] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: brunt-x, namespace: shop }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: brunt-x }
subjects: [{ kind: User, name: me }]
`
	if b.String() != want {
		t.Errorf("printed\n%s", b.String())
	}
	for _, bad := range [][2]string{{"me", "a:b"}, {"", "a"}, {"", ":b"}} {
		if _, err := subjectOf(bad[0], bad[1]); err == nil {
			t.Errorf("--user %q --service-account %q: no error", bad[0], bad[1])
		}
	}
}

// A context that looks like production is refused even when only the kubeconfig
// names it; so is a cluster that cannot be reached, before anything starts.
func TestCheckCluster(t *testing.T) {
	file := writeKubeconfig(t, "http://127.0.0.1:1")
	text := `version: 1
name: x
target: { hosts: ["127.0.0.1:1"], kubernetes: { kubeconfig: "` + file + `", CONTEXT namespace: shop } }
loads: { a: { http: "http://127.0.0.1:1" } }
phases: [{ name: p, for: 1m, load: { a: 1/s }, faults: { f: { at: 1s, cordon: node-a } } }]
`
	for context, want := range map[string]string{
		"context: staging,": "cannot be reached",
		"context: torn,":    "which is not there",
	} {
		scenario, err := scenarios.Parse("x.yaml", []byte(strings.Replace(text, "CONTEXT", context, 1)), kinds(), scenarios.Options{Dir: "."})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := scenario.Compile(nil, placeholderEnv(scenario))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkCluster(t.Context(), plan); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %v, want %q in it", context, err, want)
		}
		plan.Kubernetes.Context = "production"
		if err := checkCluster(t.Context(), plan); err == nil || !strings.Contains(err.Error(), "looks like production") {
			t.Errorf("production: %v", err)
		}
	}
}
