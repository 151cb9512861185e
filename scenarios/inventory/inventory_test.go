package inventory

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func matching(key, value string) func(map[string]string) bool {
	return func(l map[string]string) bool { return l[key] == value }
}

// sound is a namespace with nothing wrong.
func sound() Namespace {
	return Namespace{
		Name: "shop",
		Workloads: []Workload{{
			Kind: "Deployment", Name: "web", Replicas: 3, Labels: map[string]string{"app": "web"}, Spread: true,
			Containers: []Container{{Name: "web", CPU: true, Memory: true, Readiness: true, Delayed: true}},
		}},
		Autoscalers: []Autoscaler{{Name: "web", Target: "Deployment/web", Min: 2, Max: 10, Current: 3, OnCPU: true, ScaleDown: time.Minute}},
		Budgets:     []Budget{{Name: "web", Match: matching("app", "web"), Pods: 3, Allowed: 1}},
		Services:    []Service{{Name: "web", Match: matching("app", "web"), Port: 80, HTTP: true}},
	}
}

func TestLint(t *testing.T) {
	for _, row := range []struct {
		what   string
		change func(*Namespace)
		need   Need
		want   string // SEVERITY CODE OBJECT, in order
	}{
		{what: "nothing wrong"},
		{what: "a container without a CPU request blinds the HPA", change: func(n *Namespace) { n.Workloads[0].Containers[0].CPU = false },
			want: "error hpa-blind HorizontalPodAutoscaler/web"},
		{what: "one of two containers is enough", change: func(n *Namespace) {
			n.Workloads[0].Containers = append(n.Workloads[0].Containers, Container{Name: "sidecar", Memory: true})
		}, want: "error hpa-blind HorizontalPodAutoscaler/web"},
		{what: "memory counts where it is scaled on", change: func(n *Namespace) {
			n.Autoscalers[0].OnMemory = true
			n.Workloads[0].Containers[0].Memory = false
		}, want: "error hpa-blind HorizontalPodAutoscaler/web"},
		{what: "an HPA on other metrics needs no request", change: func(n *Namespace) {
			n.Autoscalers[0].OnCPU = false
			n.Workloads[0].Containers[0].CPU = false
		}},
		{what: "its target is gone", change: func(n *Namespace) { n.Autoscalers[0].Target = "Deployment/wbe" },
			want: "error hpa-target-missing HorizontalPodAutoscaler/web"},
		{what: "no room", change: func(n *Namespace) { n.Autoscalers[0].Min = 10 },
			want: "error hpa-fixed HorizontalPodAutoscaler/web"},
		{what: "at its end already", change: func(n *Namespace) { n.Autoscalers[0].Current = 10 },
			want: "warning hpa-at-max HorizontalPodAutoscaler/web"},
		{what: "less than the load needs", need: Need{Replicas: 11}, want: "error hpa-max-below-need HorizontalPodAutoscaler/web"},
		{what: "just what the load needs", need: Need{Replicas: 10}},
		{what: "a window longer than any phase", need: Need{Phase: 30 * time.Second}, want: "warning hpa-window-longer-than-phase HorizontalPodAutoscaler/web"},
		{what: "as long as a phase", need: Need{Phase: time.Minute}},
		{what: "the default window is five minutes", need: Need{Phase: 4 * time.Minute}, change: func(n *Namespace) { n.Autoscalers[0].ScaleDown = 0 },
			want: "warning hpa-window-longer-than-phase HorizontalPodAutoscaler/web"},
		{what: "it says so itself", change: func(n *Namespace) { n.Autoscalers[0].Failing = []string{"ScalingActive: no metrics"} },
			want: "error hpa-failing HorizontalPodAutoscaler/web"},
		{what: "a budget that allows none, ever", change: func(n *Namespace) { n.Budgets[0].Never = true },
			want: "error pdb-blocks-drain PodDisruptionBudget/web"},
		{what: "a budget that allows none now", change: func(n *Namespace) { n.Budgets[0].Allowed = 0 },
			want: "warning pdb-exhausted PodDisruptionBudget/web"},
		{what: "a budget for nobody", change: func(n *Namespace) { n.Budgets[0] = Budget{Name: "old", Match: matching("app", "old")} },
			want: "note no-pdb Deployment/web, note pdb-covers-nothing PodDisruptionBudget/old"},
		{what: "one replica behind a Service", change: func(n *Namespace) { n.Autoscalers[0].Min = 1 },
			want: "warning single-replica Deployment/web"},
		{what: "one replica that nobody asks", change: func(n *Namespace) {
			n.Autoscalers, n.Services = nil, nil
			n.Workloads[0].Replicas = 1
		}},
		{what: "all in one zone", change: func(n *Namespace) { n.Workloads[0].Spread = false },
			want: "note not-spread Deployment/web"},
		{what: "requests before it can answer", change: func(n *Namespace) { n.Workloads[0].Containers[0].Readiness = false },
			want: "warning no-readiness Deployment/web"},
		{what: "a probe that begins at once", change: func(n *Namespace) { n.Workloads[0].Containers[0].Delayed = false },
			want: "note readiness-without-delay Deployment/web"},
		{what: "the worst comes first", change: func(n *Namespace) {
			n.Workloads[0].Spread = false
			n.Autoscalers[0].Current = 10
			n.Budgets[0].Never = true
		}, want: "error pdb-blocks-drain PodDisruptionBudget/web, warning hpa-at-max HorizontalPodAutoscaler/web, note not-spread Deployment/web"},
	} {
		n := sound()
		if row.change != nil {
			row.change(&n)
		}
		var got []string
		for _, f := range n.Lint(row.need) {
			got = append(got, f.Severity.String()+" "+f.Code+" "+f.Object)
			if f.Message == "" || f.Hint == "" {
				t.Errorf("%s: %s says nothing: %+v", row.what, f.Code, f)
			}
		}
		if strings.Join(got, ", ") != row.want {
			t.Errorf("%s: got %q, want %q", row.what, strings.Join(got, ", "), row.want)
		}
	}
}

func TestStarterNeedsHTTP(t *testing.T) {
	n := sound()
	n.Services[0].HTTP = false
	if _, err := n.Starter(); err == nil || !strings.Contains(err.Error(), "no Service with a port that speaks HTTP") {
		t.Errorf("got %v", err)
	}
}

func TestStarterNames(t *testing.T) {
	for in, want := range map[string]string{"web": "web", "api-v2": "api_v2", "2nd": "x_2nd", "--": "x_"} {
		if got := name(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := sorted(map[string]string{"b": "", "a": ""}); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
}
