package mesh

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // as main does
	chaostest.MainOf(m, func(kind string) (chaos.Fault, bool) {
		return Mend(kubetest.ConnectAny, kind)(), slices.Contains(Names(), kind)
	})
}

// A cluster is a fake one with two pods, and a controller that does at once what
// Chaos Mesh's does, as far as can be seen: records, conditions and a finalizer.
func cluster(t *testing.T) *kubetest.API {
	t.Helper()
	api := kubetest.New(t)
	api.React = react
	for i, name := range []string{"pay-0", "pay-1"} {
		api.Put("/api/v1/namespaces/shop/pods/"+name, fmt.Sprintf(`{"metadata":{"labels":{"app":"pay","tier":"%d"}},
			"spec":{"nodeName":"a","containers":[{"name":"web","image":"pay:1"}]},"status":{"phase":"Running","containerStatuses":[{"name":"web","restartCount":%d}]}}`, i, i))
	}
	return api
}

// react is the controller.
func react(path string, o kubetest.Object) {
	if o == nil || !strings.HasPrefix(path, "/apis/chaos-mesh.org/") {
		return
	}
	meta := o["metadata"].(kubetest.Object)
	if meta["deletionTimestamp"] != nil {
		delete(meta, "finalizers")
		return
	}
	meta["finalizers"] = []any{"chaos-mesh/records"}
	pods := o["spec"].(kubetest.Object)["selector"].(kubetest.Object)["pods"].(kubetest.Object)["shop"].([]any)
	var records []any
	for _, p := range pods {
		records = append(records, kubetest.Object{"id": "shop/" + p.(string) + "/web", "phase": "Injected", "injectedCount": 1, "recoveredCount": 0})
	}
	o["status"] = kubetest.Object{
		"conditions": []any{kubetest.Object{"type": "AllInjected", "status": "True"}},
		"experiment": kubetest.Object{"desiredPhase": "Run", "containerRecords": records},
	}
}

func env(api *kubetest.API) chaos.Env {
	return chaos.Env{Fault: "slow_pay", Seed: 7, Kubernetes: api.Target()}
}

func all() kube.Selector { return kube.Selector{App: "pay", Pick: "all"} }

func mustMake[C Form](t *testing.T, c C, e chaos.Env) chaos.Fault {
	t.Helper()
	fault, err := New[C](kubetest.Connect, "net_delay")(c, e)
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

func delay() NetDelay {
	return NetDelay{Network: Network{Selector: all(), Direction: "to"}, Delay: 300 * time.Millisecond, Jitter: 50 * time.Millisecond}
}

func TestContract(t *testing.T) {
	chaostest.Run(t, chaostest.Subject{Kind: "net_delay", Mend: Mend(kubetest.Connect, "net_delay"), Target: func(t *testing.T) chaostest.Target {
		api := cluster(t)
		return chaostest.Target{Fault: mustMake(t, delay(), env(api)), Look: func(*testing.T) string { return api.State() },
			// The daemon fails for one of two pods: one is hit, and the inject is an error.
			Spoil: func(*testing.T) { api.Set(func(a *kubetest.API) { a.React = failing("pay-1", "Apply") }) }}
	}})
}

// failing is a controller whose daemon fails for one pod.
func failing(pod, operation string) func(string, kubetest.Object) {
	return func(path string, o kubetest.Object) {
		recovering := o != nil && o["metadata"].(kubetest.Object)["deletionTimestamp"] != nil
		if operation == "Apply" || !recovering {
			react(path, o)
		}
		if o == nil || !strings.HasPrefix(path, "/apis/chaos-mesh.org/") || operation == "Apply" && recovering {
			return
		}
		for _, r := range o["status"].(kubetest.Object)["experiment"].(kubetest.Object)["containerRecords"].([]any) {
			r := r.(kubetest.Object)
			if !strings.Contains(r["id"].(string), pod) {
				continue
			}
			failed := kubetest.Object{"type": "Failed", "operation": operation, "message": "tc: no such qdisc"}
			switch {
			case operation == "Apply":
				r["phase"], r["injectedCount"], r["events"] = "Not Injected/Wait", 0, []any{failed, failed, failed}
			case recovering:
				r["events"] = []any{failed}
			}
		}
	}
}

// A daemon that cannot inject is believed after a few tries, and quoted.
func TestDaemonCannotInject(t *testing.T) {
	api := cluster(t)
	api.React = failing("pay-1", "Apply")
	fault := mustMake(t, delay(), env(api))
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = fault.Inject(t.Context(), receipt)
	if err == nil || !strings.Contains(err.Error(), "1 of 2 records are not injected: shop/pay-1/web: tc: no such qdisc") {
		t.Errorf("inject: %v", err)
	}
}

// A finalizer that stays is told as it is: the fault is not gone, and nobody
// takes the finalizer off.
func TestStuckFinalizer(t *testing.T) {
	api := cluster(t)
	fault := mustMake(t, delay(), env(api))
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	api.Set(func(a *kubetest.API) { a.React = failing("pay-0", "Recover") })
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	state, err := fault.Verify(t.Context(), receipt)
	if state == chaos.Gone || err == nil || !strings.Contains(err.Error(), "is being deleted") || !strings.Contains(err.Error(), "shop/pay-0/web: tc: no such qdisc") || !strings.Contains(err.Error(), "finalizer chaos-mesh/records") {
		t.Errorf("verify: %s, %v", state, err)
	}
	// Once the daemon is well again, it is gone.
	api.Set(func(a *kubetest.API) { a.React = react })
	path := "/apis/chaos-mesh.org/v1alpha1/namespaces/shop/networkchaos/"
	for _, line := range strings.Split(api.State(), "\n") {
		if at, _, _ := strings.Cut(line, " "); strings.HasPrefix(at, path) {
			api.Edit(at, func(kubetest.Object) {})
		}
	}
	if state, err := fault.Verify(t.Context(), receipt); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
}

// An object that is gone while a pod's own object still carries the fault out is
// not gone.
func TestResidue(t *testing.T) {
	api := cluster(t)
	fault := mustMake(t, delay(), env(api))
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	name := ""
	for _, line := range strings.Split(api.State(), "\n") {
		if at, _, _ := strings.Cut(line, " "); strings.Contains(at, "networkchaos/") {
			name = at[strings.LastIndexByte(at, '/')+1:]
		}
	}
	residue := "/apis/chaos-mesh.org/v1alpha1/namespaces/shop/podnetworkchaos/pay-0"
	api.Set(func(a *kubetest.API) {
		a.React = func(path string, o kubetest.Object) {
			if !strings.Contains(path, "podnetworkchaos") {
				react(path, o)
			}
		}
	})
	api.Put(residue, `{"spec":{"tcs":[{"type":"netem","source":"shop/`+name+`"}]}}`)
	if err := fault.Undo(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	if state, err := fault.Verify(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), "podnetworkchaos pay-0 still carries it out") {
		t.Errorf("verify: %s, %v", state, err)
	}
	api.Remove(residue)
	if state, err := fault.Verify(t.Context(), receipt); state != chaos.Gone || err != nil {
		t.Errorf("verify: %s, %v", state, err)
	}
}

// A cluster without Chaos Mesh says so.
func TestNoCRD(t *testing.T) {
	api := cluster(t)
	fault := mustMake(t, delay(), env(api))
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	api.Set(func(a *kubetest.API) {
		a.Unknown = func(resource string) bool { return strings.Contains(resource, "chaos-mesh.org") }
	})
	if err := fault.Inject(t.Context(), receipt); err == nil || !strings.Contains(err.Error(), "the cluster has no CRD networkchaos.chaos-mesh.org") {
		t.Errorf("inject: %v", err)
	}
	if outcome := chaos.UndoOne(t.Context(), nil, Mend(kubetest.Connect, "net_delay")(), receipt); !outcome.Gone() {
		t.Errorf("undo: %v", outcome)
	}
}

// The object names the pods, and ends by itself.
func TestObject(t *testing.T) {
	api := cluster(t)
	c := delay()
	c.Pick = "one"
	c.With = &kube.Selector{Selector: "tier=1"}
	fault := mustMake(t, c, env(api))
	receipt, err := fault.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	receipt.Most = 90 * time.Second
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	state := api.State()
	for _, want := range []string{`"duration":"1m30s"`, `"mode":"all"`, `"action":"delay"`, `"latency":"300ms"`, `"jitter":"50ms"`, `"target":{"mode":"all","selector":{"namespaces":["shop"],"pods":{"shop":["pay-1"]}}}`, kube.Label, kube.UndoNote} {
		if !strings.Contains(state, want) {
			t.Errorf("the object has no %s: %s", want, state)
		}
	}
	if len(receipt.Targets) != 1 {
		t.Errorf("targets %v", receipt.Targets)
	}
}

// everyKind has a spec for each of Chaos Mesh's kinds, without a selector.
func everyKind() map[string]map[string]any {
	return map[string]map[string]any{
		"PodChaos":     {"action": "pod-failure"},
		"NetworkChaos": {"action": "loss", "loss": map[string]any{"loss": "10"}},
		"IOChaos":      {"action": "latency", "delay": "10ms", "volumePath": "/data"},
		"StressChaos":  {"stressors": map[string]any{"cpu": map[string]any{"workers": 1, "load": 50}}},
		"TimeChaos":    {"timeOffset": "-10m"},
		"HTTPChaos":    {"target": "Request", "port": 80, "abort": true},
		"DNSChaos":     {"action": "error", "patterns": []any{"payments.*"}},
		"JVMChaos":     {"action": "latency", "class": "Main", "method": "pay", "latency": 1000},
		"KernelChaos":  {"failKernRequest": map[string]any{"failtype": 0, "callchain": []any{map[string]any{"funcname": "__x64_sys_mount"}}}},
		"BlockChaos":   {"action": "delay", "volumeName": "data", "delay": map[string]any{"latency": "10ms"}},
		"AWSChaos":     {"action": "ec2-stop", "awsRegion": "eu-central-1", "ec2Instance": "i-0"},
		"GCPChaos":     {"action": "node-stop", "project": "p", "zone": "z", "instance": "i"},
		"AzureChaos":   {"action": "vm-stop", "subscriptionID": "s", "resourceGroupName": "g", "vmName": "v"},
		"PhysicalMachineChaos": {"action": "stress-cpu", "address": []any{"127.0.0.1:31767"}, "mode": "all",
			"stress-cpu": map[string]any{"load": 10, "workers": 1}},
	}
}

// Every kind of Chaos Mesh's is known, and a good spec of it passes offline.
func TestEveryKindValidates(t *testing.T) {
	specs := everyKind()
	for _, kind := range Kinds() {
		spec, ok := specs[kind]
		if !ok {
			t.Errorf("%s is not tested", kind)
			continue
		}
		c := Mesh{Kind: kind, Spec: spec}
		if slices.Contains(outside, kind) {
			c.Outside = true
		} else {
			c.Selector = all()
		}
		c.Validate(func(field, message, _ string) { t.Errorf("%s: %s: %s", kind, field, message) })
		spec["durationn"] = 1
		found := false
		c.Validate(func(_, message, _ string) {
			found = found || strings.Contains(message, `there is no field "durationn"`)
		})
		if !found {
			t.Errorf("%s takes a field that it has not", kind)
		}
	}
}

// Every short form passes as well.
func TestShortFormsValidate(t *testing.T) {
	network := Network{Selector: all(), Direction: "to", External: []string{"10.0.0.1"}}
	httpOf := HTTP{Selector: all(), Port: 80, On: "response", Path: "/api/*", Method: "GET"}
	containers := Containers{Selector: all(), Containers: []string{"web"}}
	ioOf := IO{Containers: containers, Volume: "/data", Path: "/data/**", Methods: []string{"READ"}, Share: 0.5}
	dns := DNS{Containers: containers, Names: []string{"payments.*"}}
	for name, form := range map[string]Form{
		"net_delay": NetDelay{network, time.Second, time.Millisecond, 0.25}, "net_loss": NetLoss{network, 0.1, 0}, "net_duplicate": NetDuplicate{network, 0.1, 0},
		"net_corrupt": NetCorrupt{network, 0.1, 0}, "net_partition": NetPartition{Network{Selector: all(), Direction: "both", With: &kube.Selector{App: "db"}}}, "net_bandwidth": NetBandwidth{network, 1 << 20, 20000, 10000},
		"http_abort": HTTPAbort{httpOf}, "http_delay": HTTPDelay{httpOf, time.Second}, "io_latency": IOLatency{ioOf, time.Millisecond}, "io_fault": IOFault{ioOf, 5},
		"cpu_stress": CPUStress{containers, 2, 0.5}, "memory_stress": MemoryStress{containers, 1 << 20, 1}, "time_skew": TimeSkew{containers, -time.Hour, []string{"CLOCK_REALTIME"}},
		"dns_error": DNSError{dns}, "dns_random": DNSRandom{dns}, "container_kill": ContainerKill{all(), []string{"web"}},
		"mesh": Mesh{Kind: "PodChaos", Spec: map[string]any{"action": "pod-kill"}, Selector: all()},
	} {
		if !slices.Contains(Names(), name) {
			t.Errorf("%s is no name of this package's", name)
		}
		form.Validate(func(field, message, _ string) { t.Errorf("%s: %s: %s", name, field, message) })
		if form.what().says == "" {
			t.Errorf("%s says nothing", name)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name string
		form Form
		want string
	}{
		{"no such kind", Mesh{Kind: "NetChaos", Selector: all()}, "no kind of Chaos Mesh's"},
		{"a schedule", Mesh{Kind: "Schedule", Selector: all()}, "no kind of Chaos Mesh's that hits anything"},
		{"a bad value", Mesh{Kind: "NetworkChaos", Spec: map[string]any{"action": "loss", "loss": map[string]any{"loss": "much"}}, Selector: all()}, "parse correlation field error"},
		{"a wrong type", Mesh{Kind: "IOChaos", Spec: map[string]any{"action": "latency", "percent": "half"}, Selector: all()}, "is to be a whole number"},
		{"a duration", Mesh{Kind: "PodChaos", Spec: map[string]any{"action": "pod-failure", "duration": "1m"}, Selector: all()}, "not for a scenario to set"},
		{"machines unasked", Mesh{Kind: "AWSChaos", Spec: map[string]any{"action": "ec2-stop", "awsRegion": "r", "ec2Instance": "i"}}, "no pod of the namespace"},
		{"two selectors", Mesh{Kind: "PodChaos", Spec: map[string]any{"action": "pod-failure", "selector": map[string]any{}}, Selector: all()}, "chosen twice"},
		{"a port that is none", HTTPAbort{HTTP{Selector: all(), On: "request"}}, "port"},
		{"no pods", NetDelay{Network: Network{Direction: "to"}, Delay: time.Second}, "one of name, selector, app and role"},
	} {
		var got []string
		test.form.Validate(func(_, message, _ string) { got = append(got, message) })
		if text := strings.Join(got, "; "); !strings.Contains(text, test.want) || strings.Contains(text, "v1alpha1.") {
			t.Errorf("%s: %q, want %q in it", test.name, text, test.want)
		}
	}
}

// A spec's own selector is resolved here, and may not reach elsewhere.
func TestOwnSelector(t *testing.T) {
	for _, test := range []struct {
		name     string
		selector map[string]any
		mode     string
		want     int    // targets
		err      string // part of the refusal
	}{
		{"labels", map[string]any{"labelSelectors": map[string]any{"app": "pay"}}, "all", 2, ""},
		{"expressions", map[string]any{"expressionSelectors": []any{map[string]any{"key": "tier", "operator": "In", "values": []any{"1"}}}}, "all", 1, ""},
		{"one of them", map[string]any{"labelSelectors": map[string]any{"app": "pay"}}, "one", 1, ""},
		{"a pod", map[string]any{"pods": map[string]any{"shop": []any{"pay-0"}}}, "all", 1, ""},
		{"another namespace", map[string]any{"namespaces": []any{"other"}, "labelSelectors": map[string]any{"app": "pay"}}, "all", 0, "reaches into namespace other"},
		{"nodes", map[string]any{"nodes": []any{"a"}, "labelSelectors": map[string]any{"app": "pay"}}, "all", 0, "targets are chosen before the run"},
		{"everything", map[string]any{}, "all", 0, "chooses no pods"},
	} {
		api := cluster(t)
		c := Mesh{Kind: "PodChaos", Spec: map[string]any{"action": "pod-failure", "mode": test.mode, "selector": test.selector}}
		receipt, err := mustMake(t, c, env(api)).Prepare(t.Context())
		if test.err == "" && (err != nil || len(receipt.Targets) != test.want) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: targets %v, %v", test.name, receipt.Targets, err)
		}
	}
}
