package kubernetes

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
)

const deployment = "/apis/apps/v1/namespaces/shop/deployments/pay"

// inject prepares and injects a fault.
func inject(t *testing.T, fault chaos.Fault, err error) chaos.Receipt {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	receipt.Most = time.Minute
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	return receipt
}

func replicas(o kubetest.Object) any { return o["spec"].(kubetest.Object)["replicas"] }

func setReplicas(n float64) func(kubetest.Object) {
	return func(o kubetest.Object) { o["spec"].(kubetest.Object)["replicas"] = n }
}

// What someone else does to a scaled deployment meanwhile is never undone.
func TestOthersMeanwhile(t *testing.T) {
	for _, test := range []struct {
		name    string
		to      int64
		other   func(*kubetest.API)
		want    any  // replicas after the undo
		refused bool // the undo is a conflict
	}{
		{name: "nobody", to: 0, other: func(*kubetest.API) {}, want: 3.0},
		{name: "an autoscaler", to: 1, other: func(a *kubetest.API) { a.Edit(deployment, setReplicas(5)) }, want: 5.0, refused: true},
		{name: "someone who put it back", to: 0, other: func(a *kubetest.API) { a.Edit(deployment, setReplicas(3)) }, want: 3.0},
		// Marks can be lost: without both, it is not known whose the value is.
		{name: "someone who took the label off", to: 0, other: func(a *kubetest.API) {
			a.Edit(deployment, func(o kubetest.Object) {
				delete(o["metadata"].(kubetest.Object)["labels"].(kubetest.Object), kube.Label)
			})
		}, want: 3.0},
		{name: "someone who took all marks off", to: 0, other: func(a *kubetest.API) {
			a.Edit(deployment, func(o kubetest.Object) {
				delete(o["metadata"].(kubetest.Object)["labels"].(kubetest.Object), kube.Label)
				delete(o["metadata"].(kubetest.Object), "annotations")
			})
		}, want: 0.0, refused: true},
		{name: "someone who made it anew", to: 0, other: func(a *kubetest.API) {
			a.Remove(deployment)
			a.Put(deployment, `{"spec":{"replicas":0},"status":{}}`)
		}, want: 0.0},
		{name: "someone who changed other things", to: 0, other: func(a *kubetest.API) {
			a.Edit(deployment, func(o kubetest.Object) { o["spec"].(kubetest.Object)["paused"] = true })
		}, want: 3.0},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := cluster(t)
			fault, err := faults.Scale(Scale{Workload: Workload{Deployment: "pay"}, To: test.to}, env(api))
			receipt := inject(t, fault, err)
			test.other(api)
			err = faults.Mend("scale")().Undo(t.Context(), receipt)
			if errors.Is(err, chaos.ErrConflict) != test.refused || err != nil && !test.refused {
				t.Errorf("undo: %v", err)
			}
			o := api.Get(deployment)
			if replicas(o) != test.want {
				t.Errorf("%v replicas after the undo, want %v", replicas(o), test.want)
			}
			if text := api.State(); strings.Contains(text, "brunt.dev/") {
				t.Errorf("marks are left: %s", text)
			}
		})
	}
}

// An object that changes between the read and the write, as pods and nodes do
// all the time, is read again.
func TestChangesInBetween(t *testing.T) {
	api := cluster(t)
	fault, err := faults.Scale(Scale{Workload: Workload{Deployment: "pay"}}, env(api))
	races := 0
	api.Set(func(a *kubetest.API) {
		a.Refuse = func(r *http.Request) int {
			if r.Method == http.MethodPatch && races < 3 {
				races++
				return http.StatusConflict
			}
			return 0
		}
	})
	receipt := inject(t, fault, err)
	if races != 3 || replicas(api.Get(deployment)) != 0.0 {
		t.Errorf("%d races, %v replicas", races, replicas(api.Get(deployment)))
	}
	if err := fault.Undo(t.Context(), receipt); err != nil || replicas(api.Get(deployment)) != 3.0 {
		t.Errorf("undo: %v, %v replicas", err, replicas(api.Get(deployment)))
	}
}

// Two faults on one object would each undo the other.
func TestOneFaultAnObject(t *testing.T) {
	api := cluster(t)
	first, err := faults.Scale(Scale{Workload: Workload{Deployment: "pay"}}, env(api))
	second, err2 := faults.Config(Config{Object: "deployment/pay", Field: "spec.paused", To: true}, env(api))
	if err2 != nil {
		t.Fatal(err2)
	}
	late, err2 := second.Prepare(t.Context())
	if err2 != nil {
		t.Fatal(err2)
	}
	inject(t, first, err)
	if err := second.Inject(t.Context(), late); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("inject of a second fault: %v", err)
	}
	if _, err := second.Prepare(t.Context()); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("prepare of a second fault: %v", err)
	}
}

// The object says whose the fault is, until when, and how to mend it.
func TestMarks(t *testing.T) {
	api := cluster(t)
	fault, err := faults.Scale(Scale{Workload: Workload{Deployment: "pay"}}, env(api))
	receipt := inject(t, fault, err)
	meta := api.Get(deployment)["metadata"].(kubetest.Object)
	annotations := meta["annotations"].(kubetest.Object)
	if meta["labels"].(kubetest.Object)[kube.Label] != kube.MarkOf(receipt) {
		t.Errorf("labels %v", meta["labels"])
	}
	if annotations[kube.Expires] != receipt.Made.Add(time.Minute).Format(time.RFC3339) {
		t.Errorf("expires at %v", annotations[kube.Expires])
	}
	if note, ok := annotations[kube.UndoNote].(string); !ok || !strings.Contains(note, `"before":3`) || !strings.Contains(note, receipt.ID) {
		t.Errorf("note %v", annotations[kube.UndoNote])
	}
}

// A receipt never leads to another cluster that has its context's name by now.
func TestMovedContext(t *testing.T) {
	api, other := cluster(t), cluster(t)
	fault, err := faults.Scale(Scale{Workload: Workload{Deployment: "pay"}}, env(api))
	receipt := inject(t, fault, err)
	receipt.Data = []byte(strings.Replace(string(receipt.Data), `"kubeconfig":"`+api.URL, `"kubeconfig":"`+other.URL, 1))
	before := len(other.Calls())
	if err := faults.Mend("scale")().Undo(t.Context(), receipt); !errors.Is(err, chaos.ErrConflict) || !strings.Contains(err.Error(), api.URL) {
		t.Errorf("undo: %v", err)
	}
	if state, err := faults.Mend("scale")().Verify(t.Context(), receipt); err == nil {
		t.Errorf("verify: %s", state)
	}
	if len(other.Calls()) != before {
		t.Errorf("the other cluster was called: %v", other.Calls())
	}
}

// An API server that is down for a while is asked until it answers, or the bound
// of an undo has passed.
func TestServerDown(t *testing.T) {
	for name, downs := range map[string]int{"for a while": 5, "for good": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			api := cluster(t)
			fault, err := faults.Scale(Scale{Workload: Workload{Deployment: "pay"}}, env(api))
			receipt := inject(t, fault, err)
			api.Set(func(a *kubetest.API) {
				a.Refuse = func(*http.Request) int {
					if downs--; downs >= 0 {
						return http.StatusServiceUnavailable
					}
					return 0
				}
			})
			ctx := t.Context()
			if name == "for good" {
				bounded, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				ctx = bounded
			}
			err = faults.Mend("scale")().Undo(ctx, receipt)
			if (err == nil) != (name == "for a while") {
				t.Errorf("undo: %v", err)
			}
		})
	}
}

// A namespace deleted in the middle takes the fault with it.
func TestNamespaceDeleted(t *testing.T) {
	api := cluster(t)
	fault, err := faults.Scale(Scale{Workload: Workload{App: "pay"}}, env(api))
	receipt := inject(t, fault, err)
	api.Remove(deployment)
	outcome := chaos.UndoOne(t.Context(), nil, faults.Mend("scale")(), receipt)
	if !outcome.Gone() {
		t.Errorf("outcome %v", outcome)
	}
}

// A disruption budget that never lets go ends the drain, and says of what.
func TestDrainRefused(t *testing.T) {
	api := cluster(t)
	fault, err := faults.Drain(Drain{NodeSelector: NodeSelector{Node: "node-a"}}, env(api))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	api.Set(func(a *kubetest.API) {
		a.Refuse = func(r *http.Request) int {
			if strings.HasSuffix(r.URL.Path, "pay-2/eviction") {
				return http.StatusTooManyRequests
			}
			return 0
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := fault.Inject(ctx, receipt); err == nil || !strings.Contains(err.Error(), "pay-2") || strings.Contains(err.Error(), "pay-0") {
		t.Errorf("inject: %v", err)
	}
	if outcome := chaos.UndoOne(t.Context(), nil, faults.Mend("drain")(), receipt); !outcome.Gone() {
		t.Errorf("undo: %v", outcome)
	}
}

// What may not be broken is refused before anything is touched, in plain words.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(chaos.Env) (chaos.Fault, error)
		put  func(*kubetest.API)
		want string
	}{
		{"no such pod", func(e chaos.Env) (chaos.Fault, error) {
			return faults.PodKill(PodKill{Selector: kube.Selector{Name: "x"}}, e)
		}, nil, "namespace shop has no pod called x"},
		{"no such app", func(e chaos.Env) (chaos.Fault, error) {
			return faults.PodKill(PodKill{Selector: kube.Selector{App: "x"}}, e)
		}, nil, "no living pod in namespace shop is found by app x"},
		{"more than there are", func(e chaos.Env) (chaos.Fault, error) {
			return faults.PodKill(PodKill{Selector: kube.Selector{App: "pay", Pick: "4"}}, e)
		}, nil, "4 are to be picked, and there are 3"},
		{"no such node", func(e chaos.Env) (chaos.Fault, error) { return faults.Cordon(Cordon{NodeSelector{Node: "x"}}, e) }, nil, "no node called x"},
		{"cordoned by someone else", func(e chaos.Env) (chaos.Fault, error) { return faults.Cordon(Cordon{NodeSelector{Node: "node-a"}}, e) },
			func(a *kubetest.API) {
				a.Edit("/api/v1/nodes/node-a", func(o kubetest.Object) { o["spec"] = kubetest.Object{"unschedulable": true} })
			}, "spec.unschedulable true there already"},
		{"a pod nobody would make again", func(e chaos.Env) (chaos.Fault, error) {
			return faults.Drain(Drain{NodeSelector: NodeSelector{Node: "node-a"}}, e)
		}, func(a *kubetest.API) {
			a.Put("/api/v1/namespaces/shop/pods/alone", `{"spec":{"nodeName":"node-a","containers":[]},"status":{"phase":"Running"}}`)
		}, "pod alone on node node-a has no controller"},
		{"others' pods", func(e chaos.Env) (chaos.Fault, error) {
			return faults.Taint(Taint{NodeSelector: NodeSelector{Node: "node-a"}, Key: "k", Effect: "NoExecute"}, e)
		}, func(a *kubetest.API) {
			a.Put("/api/v1/namespaces/other/pods/theirs", `{"spec":{"nodeName":"node-a","containers":[]},"status":{"phase":"Running"}}`)
		}, "would evict pod theirs of namespace other"},
		{"no such deployment", func(e chaos.Env) (chaos.Fault, error) {
			return faults.Scale(Scale{Workload: Workload{Deployment: "x"}}, e)
		}, nil, "no deployment called x"},
		{"nothing to change", func(e chaos.Env) (chaos.Fault, error) {
			return faults.Scale(Scale{Workload: Workload{Deployment: "pay"}, To: 3}, e)
		}, nil, "spec.replicas 3 there already"},
		{"no zone", func(e chaos.Env) (chaos.Fault, error) { return faults.ZoneOutage(ZoneOutage{Zone: "x"}, e) }, nil, "zone x"},
		{"no metrics API", func(e chaos.Env) (chaos.Fault, error) {
			return faults.MetricsOutage(MetricsOutage{API: "external.metrics.k8s.io", ClusterWide: true}, e)
		}, nil, "no adapter registers it"},
		{"forbidden", func(e chaos.Env) (chaos.Fault, error) {
			return faults.PodKill(PodKill{Selector: kube.Selector{App: "pay"}}, e)
		}, func(a *kubetest.API) {
			a.Refuse = func(*http.Request) int { return http.StatusForbidden }
		}, "brunt rbac"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := cluster(t)
			if test.put != nil {
				test.put(api)
			}
			fault, err := test.make(env(api))
			if err != nil {
				t.Fatal(err)
			}
			calls := len(api.Calls())
			if _, err := fault.Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("prepare: %v, want %q in it", err, test.want)
			}
			if len(api.Calls()) != calls {
				t.Errorf("something was touched: %v", api.Calls())
			}
		})
	}
}

// The same seed picks the same pods, another may pick others.
func TestPickBySeed(t *testing.T) {
	api := cluster(t)
	picked := func(seed uint64) string {
		e := env(api)
		e.Seed = seed
		fault, err := faults.PodKill(PodKill{Selector: kube.Selector{App: "pay", Pick: "34%"}}, e)
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := fault.Prepare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(receipt.Targets, " ")
	}
	first, different := picked(1), false
	for seed := range uint64(20) {
		if again := picked(seed); again != picked(seed) || len(strings.Fields(again)) != 4 {
			t.Errorf("seed %d picks %s, then %s", seed, again, picked(seed))
		} else if again != first {
			different = true
		}
	}
	if !different {
		t.Error("every seed picks the same")
	}
}

// Without target.kubernetes, nothing in any cluster is touched.
func TestNoTarget(t *testing.T) {
	if _, err := faults.PodKill(PodKill{Selector: kube.Selector{App: "pay"}}, chaos.Env{Fault: "x"}); err == nil || !strings.Contains(err.Error(), "target.kubernetes is missing") {
		t.Errorf("error %v", err)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		config interface {
			Validate(func(field, message, hint string))
		}
		want string // part of the first complaint; empty: none
	}{
		{"nothing", PodKill{}, "one of name, selector, app and role is needed"},
		{"two ways", PodKill{Selector: kube.Selector{App: "a", Selector: "b=c"}}, "there are 2"},
		{"a role alone", PodKill{Selector: kube.Selector{Role: "primary"}}, ""},
		{"no selector", PodKill{Selector: kube.Selector{Selector: "a in b"}}, "no label selector"},
		{"no pick", PodKill{Selector: kube.Selector{App: "a", Pick: "some"}}, "no number of targets"},
		{"no share", PodKill{Selector: kube.Selector{App: "a", Pick: "0%"}}, "no share"},
		{"pick of a name", PodKill{Selector: kube.Selector{Name: "a", Pick: "all"}}, "leaves nothing to choose"},
		{"no node", Cordon{}, "one of node, selector and app is needed"},
		{"no workload", Scale{}, "there are 0"},
		{"two workloads", RolloutRestart{Workload{Deployment: "a", App: "b"}}, "there are 2"},
		{"no object", Config{Object: "checkout", Field: "data.A", To: "b"}, "it is KIND/NAME"},
		{"a secret", Config{Object: "secret/x", Field: "data.A", To: "b"}, "never touched"},
		{"an unknown kind", Config{Object: "widget/x", Field: "spec.a", To: "b"}, "well-known"},
		{"an unknown kind with its version", Config{Object: "widget/x", APIVersion: "acme.io/v1", Field: "spec.a", To: "b"}, ""},
		{"a bad path", Config{Object: "configmap/x", Field: "data[", To: "b"}, "no ]"},
		{"a status", Config{Object: "deployment/x", Field: "status.replicas", To: 3}, "not for anyone to set"},
		{"a name", Config{Object: "deployment/x", Field: "metadata.name", To: "y"}, "not for anyone to set"},
		{"neither to nor remove", Config{Object: "configmap/x", Field: "data.A"}, "exactly one of to and remove"},
		{"metrics unasked", MetricsOutage{API: "metrics.k8s.io"}, "whole cluster's"},
	} {
		got := ""
		test.config.Validate(func(_, message, _ string) {
			if got == "" {
				got = message
			}
		})
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q in it", test.name, got, test.want)
		}
	}
}

// Every kind that undo mends is found by its marks alone, and mended by them.
func TestFoundByMarks(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			api := cluster(t)
			before := without(api.State(), form.ignore)
			fault, err := form.make(env(api))
			receipt := inject(t, fault, err)
			target := api.Target()
			target.Namespace = "elsewhere" // what the finder does not know
			sight, err := kube.Marked(t.Context(), kubetest.Connect, target)
			if err != nil || len(sight.Blind) > 0 {
				t.Fatalf("%v, blind to %v", err, sight.Blind)
			}
			if receipt.OneShot {
				if len(sight.Receipts) > 0 {
					t.Errorf("found %v of what has nothing to undo", sight.Receipts)
				}
				return
			}
			if len(sight.Receipts) != 1 || sight.Receipts[0].ID != receipt.ID || sight.Receipts[0].Most != receipt.Most.Truncate(time.Second) && sight.Receipts[0].Most.Round(time.Second) > receipt.Most {
				t.Fatalf("found %+v of %+v", sight.Receipts, receipt)
			}
			if outcome := chaos.UndoOne(t.Context(), nil, faults.Mend(form.kind)(), sight.Receipts[0]); !outcome.Gone() {
				t.Errorf("undo: %v", outcome)
			}
			if after := without(api.State(), form.ignore); after != before {
				t.Errorf("the cluster is %s; before, it was %s", after, before)
			}
		})
	}
}

// Who may not list everything is told what was out of sight.
func TestBlind(t *testing.T) {
	api := cluster(t)
	api.Set(func(a *kubetest.API) {
		a.Refuse = func(r *http.Request) int {
			if strings.HasSuffix(r.URL.Path, "/nodes") || r.URL.Path == "/api/v1/pods" {
				return http.StatusForbidden
			}
			return 0
		}
	})
	sight, err := kube.Marked(t.Context(), kubetest.Connect, api.Target())
	if err != nil || !slices.Equal(sight.Blind, []string{"nodes"}) { // pods are seen in the namespace
		t.Errorf("blind to %v, %v", sight.Blind, err)
	}
}
