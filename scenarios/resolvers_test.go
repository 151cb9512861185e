package scenarios

import (
	"testing"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/google/go-cmp/cmp"
)

// TestCompileAround: what target names besides hosts reaches the faults, and
// both ends of a resolver are part of the target.
func TestCompileAround(t *testing.T) {
	var envs []chaos.Env
	kinds := testKinds()
	for i, k := range kinds.Faults {
		kinds.Faults[i].New = func(_ any, env chaos.Env) (chaos.Fault, error) {
			if k.Name == dnsFault || k.Name == dockerFault {
				envs = append(envs, env)
			}
			return noFault{}, nil
		}
	}
	s := mustParse(t, `
version: 1
name: around
target:
  stack: shop
  resolvers: { cluster: { listen: "127.0.0.1:5301", upstream: "${stack.payments}" } }
  containers: [shop-*, "${TOKEN}"]
loads: { browse: { http: { base: "${stack.url}" } } }
phases:
  - name: steady
    for: 1m
    load: { browse: 10/s }
    faults:
      lost: { at: 10s, for: 5s, dns: { on: cluster, names: a } }
      frozen: { at: 20s, for: 5s, docker: { pause: shop-1 } }
`, kinds, Options{Env: testEnv})
	vars := map[string]string{"url": "http://127.0.0.1:20001", "status": "http://127.0.0.1:20002/", "payments": "127.0.0.1:20003", "payments_via": "127.0.0.1:20004"}
	endpoints, err := s.ResolverEndpoints(vars)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]ResolverSpec{"cluster": {Listen: "127.0.0.1:5301", Upstream: "127.0.0.1:20003"}}, endpoints); diff != "" {
		t.Error(diff)
	}
	if _, ok := s.Resolvers["cluster"]; !ok {
		t.Errorf("the scenario's resolvers are %v", s.Resolvers)
	}
	plan, err := s.Compile(vars, CompileEnv{Resolvers: map[string]string{"cluster": "/run/cluster.json"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range envs[len(envs)-2:] {
		if env.Resolvers["cluster"] != "/run/cluster.json" || !cmp.Equal(env.Containers, []string{"shop-*", secret}) {
			t.Errorf("a fault was given %+v", env)
		}
	}
	if got := plan.Faults[0].On + plan.Faults[1].On; got != "resolver cluster" {
		t.Errorf("the faults act on %q", got)
	}
	for _, address := range []string{"127.0.0.1:5301", "127.0.0.1:20003"} {
		if err := plan.Allow(address); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"stack shop", "resolver cluster", "containers shop-*", "containers ${TOKEN}"}, plan.Info.Target); diff != "" {
		t.Error(diff)
	}
}
