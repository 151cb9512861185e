//go:build e2e

package mesh

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
	"github.com/brunt-dev/brunt/examples/labtest"
)

// Every kind against the real controller and webhooks of Chaos Mesh; its daemon
// is a fake that answers.
func TestKubeE2EChaosMesh(t *testing.T) {
	lab := labtest.Shared(t, "-chaos-mesh")
	r := kubetest.NewReal(t, lab.Kubeconfig, "mesh-kinds")
	r.Pods(t, "pay", 2)
	specs := everyKind()
	specs["PhysicalMachineChaos"]["address"] = []any{lab.Control + "/chaosd"}
	for _, kind := range Kinds() {
		t.Run(kind, func(t *testing.T) {
			c := Mesh{Kind: kind, Spec: specs[kind], Selector: all()}
			if slices.Contains(outside, kind) {
				c.Outside, c.Selector = true, kube.Selector{}
			}
			fault, err := New[Mesh](kubetest.ConnectAny, "mesh")(c, chaos.Env{Fault: "broken", Seed: 7, Kubernetes: r.Target()})
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := fault.Prepare(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := fault.(chaos.Rehearser).Rehearse(t.Context(), receipt); err != nil {
				t.Fatalf("the webhooks refuse it: %v", err)
			}
			if slices.Contains([]string{"AWSChaos", "GCPChaos", "AzureChaos"}, kind) {
				t.Logf("%s: validated here and by the webhooks; there is no cloud to inject into", kind)
				return
			}
			receipt.Most = time.Minute
			began := time.Now()
			err = fault.Inject(t.Context(), receipt)
			injected := time.Since(began)
			if kind == "KernelChaos" {
				// This release's controller cannot: its records leave the container out.
				if err == nil || !strings.Contains(err.Error(), "too few parts") {
					t.Errorf("inject: %v", err)
				}
			} else if err != nil {
				t.Errorf("inject: %v", err)
			} else if state, err := chaos.Await(t.Context(), fault, receipt, chaos.Active); state != chaos.Active {
				t.Errorf("verify: %s, %v", state, err)
			}
			outcome := chaos.UndoOne(t.Context(), nil, Mend(kubetest.ConnectAny, "mesh")(), receipt)
			if !outcome.Gone() {
				t.Errorf("undo: %v", outcome)
			}
			t.Logf("%s: injected in %s (%v), gone in %s", kind, injected.Round(time.Millisecond), err, outcome.Took.Round(time.Millisecond))
		})
	}
}

// The contract, as far as one kind stands for all.
func TestKubeE2EMeshContract(t *testing.T) {
	lab := labtest.Shared(t, "-chaos-mesh")
	r := kubetest.NewReal(t, lab.Kubeconfig, "mesh-contract")
	r.Pods(t, "pay", 2)
	chaostest.Run(t, chaostest.Subject{Kind: "net_loss", Mend: Mend(kubetest.ConnectAny, "net_loss"), Target: func(t *testing.T) chaostest.Target {
		c := NetLoss{Network: Network{Selector: all(), Direction: "to"}, Share: 0.1}
		fault, err := New[NetLoss](kubetest.ConnectAny, "net_loss")(c, chaos.Env{Fault: "lossy", Seed: 7, Kubernetes: r.Target()})
		if err != nil {
			t.Fatal(err)
		}
		return chaostest.Target{Fault: fault, Look: func(t *testing.T) string {
			var names []string
			for _, o := range r.Get(t, "/apis/chaos-mesh.org/v1alpha1/namespaces/$NS/networkchaos")["items"].([]any) {
				names = append(names, o.(kubetest.Object)["metadata"].(kubetest.Object)["name"].(string))
			}
			return strings.Join(names, " ")
		}}
	}})
}

// A daemon that fails is told as it is: nothing injected that is not, nothing
// gone that is not.
func TestKubeE2EMeshDaemonFails(t *testing.T) {
	lab := labtest.Start(t, "-chaos-mesh")
	r := kubetest.NewReal(t, lab.Kubeconfig, "mesh-fails")
	r.Pods(t, "pay", 2)
	make := func() (chaos.Fault, chaos.Receipt) {
		c := NetDelay{Network: Network{Selector: all(), Direction: "to"}, Delay: 100 * time.Millisecond}
		fault, err := New[NetDelay](kubetest.ConnectAny, "net_delay")(c, chaos.Env{Fault: "slow", Seed: 7, Kubernetes: r.Target()})
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := fault.Prepare(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return fault, receipt
	}
	fault, receipt := make()
	lab.Do(t, "/daemon-fail", "method", "SetTcs", "error", "no such qdisc")
	err := fault.Inject(t.Context(), receipt)
	if err == nil || !strings.Contains(err.Error(), "2 of 2 records are not injected") || !strings.Contains(err.Error(), "unable to set tcs") {
		t.Errorf("inject with a failing daemon: %v", err)
	}
	t.Logf("inject with a failing daemon: %v", err)
	lab.Do(t, "/daemon-fail", "method", "SetTcs")
	if outcome := chaos.UndoOne(t.Context(), nil, fault, receipt); !outcome.Gone() {
		t.Errorf("undo of what was not injected: %v", outcome)
	}

	fault, receipt = make()
	if err := fault.Inject(t.Context(), receipt); err != nil {
		t.Fatal(err)
	}
	lab.Do(t, "/daemon-fail", "method", "*", "error", "the node is away")
	outcome := chaos.UndoOne(t.Context(), nil, fault, receipt)
	if outcome.State != chaos.OutcomeUnverified || !strings.Contains(outcome.Reason, "finalizer") {
		t.Errorf("undo with a failing daemon: %v", outcome)
	}
	t.Logf("undo with a failing daemon: %v", outcome)
	lab.Do(t, "/daemon-fail", "method", "*")
	if outcome := chaos.UndoOne(t.Context(), nil, fault, receipt); !outcome.Gone() {
		t.Errorf("undo once the daemon is well: %v", outcome)
	}
}
