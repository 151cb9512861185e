//go:build e2e

package kubernetes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/brunt-dev/brunt/examples/labtest"
)

// The definitions of ScaledObject and NodeClaim are KEDA's and Karpenter's own,
// so the API server keeps and refuses what it does in a cluster with them. KEDA's
// operator, Karpenter and the cluster autoscaler are not in the lab: the test
// writes what they write. The HPA controller is real.

// in is where objects of a resource are; cluster says that they have no namespace.
func (s *realShop) in(r resource, cluster bool) dynamic.ResourceInterface {
	if cluster {
		return s.client.Resource(gvr(r))
	}
	return s.client.Resource(gvr(r)).Namespace(s.namespace)
}

func (s *realShop) create(in dynamic.ResourceInterface, o object) {
	s.t.Helper()
	if _, err := in.Create(s.t.Context(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// patch changes an object, or a subresource of it.
func (s *realShop) patch(in dynamic.ResourceInterface, name string, change object, subresource ...string) {
	s.t.Helper()
	text, err := json.Marshal(change)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := in.Patch(s.t.Context(), name, types.MergePatchType, text, metav1.PatchOptions{}, subresource...); err != nil {
		s.t.Fatal(err)
	}
}

func conditionOf(kind, status, message string) object {
	return object{"type": kind, "status": status, "reason": "Test", "message": message, "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}
}

// A ScaledObject comes to life, its HPA scales by the real controller, and KEDA
// takes the workload to zero.
func TestKubeE2EKEDA(t *testing.T) {
	l := labtest.Shared(t, "-hpa-sync=1s", "-hpa-downscale=5s")
	s := newRealShop(t, l, "probe-keda")
	hpas, scaled := s.in(autoscalers, false), s.in(scaledObject, false)
	if err := hpas.Delete(t.Context(), "api", metav1.DeleteOptions{}); err != nil { // KEDA's takes its place
		t.Fatal(err)
	}
	w := s.watch(configOf(t, l, "lab"), kinds()["keda"])
	w.until("none there", func() bool {
		return w.last.Err != nil && w.last.Err.Error() == "there is no ScaledObject worker in namespace probe-keda"
	})
	bad := object{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": object{"name": "worker"}, "spec": object{"scaleTargetRef": object{"name": "api"}}}
	if _, err := scaled.Create(t.Context(), &unstructured.Unstructured{Object: bad}, metav1.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "spec.triggers: Required value") {
		t.Fatalf("this is not KEDA's definition: a ScaledObject without triggers: %v", err)
	}
	s.create(scaled, object{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": object{"name": "worker"}, "spec": object{
		"scaleTargetRef": object{"name": "api"}, "minReplicaCount": int64(0), "maxReplicaCount": int64(8),
		"triggers": []any{object{"type": "cpu", "metricType": "Utilization", "metadata": object{"value": "50"}}}}})
	w.until("no HPA yet", func() bool {
		return w.last.Err != nil && strings.Contains(w.last.Err.Error(), "has no HPA yet")
	})
	s.create(hpas, object{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": object{"name": "keda-hpa-worker", "labels": object{"scaledobject.keda.sh/name": "worker"}},
		"spec": object{"scaleTargetRef": object{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}, "minReplicas": int64(1), "maxReplicas": int64(8),
			"metrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "Utilization", "averageUtilization": int64(50)}}}}}})
	status := func(active, message string) {
		s.patch(scaled, "worker", object{"status": object{"hpaName": "keda-hpa-worker", "conditions": []any{conditionOf("Ready", "True", "ok"), conditionOf("Active", active, message)}}}, "status")
	}
	l.Do(t, "/set", "kind", "cpu", "namespace", s.namespace, "value", "200m")
	status("False", "nothing to do")
	w.until("two ready, not active", func() bool {
		return w.last.Err == nil && w.last.Value > 0 && w.last.Series["active"] == 0 && w.last.Series["max"] == 8
	})
	status("True", "the queue is long")
	w.until("active", func() bool { return w.last.Err == nil && w.last.Series["active"] == 1 })
	l.Do(t, "/set", "kind", "cpu", "namespace", s.namespace, "value", "400m")
	w.until("the controller has scaled, and they are ready", func() bool {
		return w.last.Err == nil && w.last.Value > 2 && w.last.Value == w.last.Series["desired"] && strings.Contains(w.story(), "keda-hpa-worker scaled")
	})
	// KEDA itself takes the workload to zero, where the HPA stands by.
	status("False", "the queue is empty")
	s.scale(0)
	w.until("none", func() bool { return w.last.Err == nil && w.last.Value == 0 && w.last.Series["active"] == 0 })
	w.expect("scaledobject/worker activated: the queue is long", "scaledobject/worker deactivated: the queue is empty")
	if strings.Contains(w.story(), "deactivated: nothing to do") || !strings.Contains(w.story(), "hpa/keda-hpa-worker scaled 2→") {
		t.Errorf("told:\n%s", w.story())
	}
	for _, e := range w.events {
		// The definition keeps no times of conditions, so the moment of seeing counts.
		if e.What == "activated" && (e.At.IsZero() || time.Since(e.At) > time.Hour) {
			t.Errorf("activated at %s", e.At)
		}
	}
}

// NodeClaims go through their conditions, as Karpenter moves them on.
func TestKubeE2EKarpenter(t *testing.T) {
	l := labtest.Shared(t, "-hpa-sync=1s", "-hpa-downscale=5s")
	s := newRealShop(t, l, "probe-karpenter")
	claims := s.in(nodeClaims, true)
	claim := func(name, pool string) {
		t.Helper()
		s.create(claims, object{"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
			"metadata": object{"name": name, "labels": object{"pool": pool}, "finalizers": []any{"karpenter.sh/termination"}},
			"spec": object{"nodeClassRef": object{"group": "karpenter.test", "kind": "TestNodeClass", "name": "default"},
				"requirements": []any{object{"key": "kubernetes.io/arch", "operator": "In", "values": []any{"amd64"}}}}})
	}
	bad := object{"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": object{"name": "bad"}, "spec": object{"requirements": []any{}}}
	if _, err := claims.Create(t.Context(), &unstructured.Unstructured{Object: bad}, metav1.CreateOptions{}); err == nil || !strings.Contains(err.Error(), "spec.nodeClassRef: Required value") {
		t.Fatalf("this is not Karpenter's definition: a NodeClaim without a class: %v", err)
	}
	status := func(name, node string, stages ...string) {
		t.Helper()
		var conditions []any
		for _, stage := range stages {
			conditions = append(conditions, conditionOf(stage, "True", ""))
		}
		s.patch(claims, name, object{"status": object{"providerID": "test://" + name, "nodeName": node, "conditions": conditions}}, "status")
	}
	gone := func(name string) {
		t.Helper()
		if err := claims.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		s.patch(claims, name, object{"metadata": object{"finalizers": []any{}}}) // Karpenter has ended the machine
	}
	claim("web-old", "web")
	status("web-old", "node-x", "Launched", "Registered", "Initialized")
	w := s.watch(configOf(t, l, "lab"), kinds()["karpenter"])
	w.until("the one before", func() bool { return w.last.Err == nil && w.last.Value == 1 && w.last.Series["claims"] == 1 })
	claim("web-new", "web")
	claim("db-new", "db")
	w.until("asked for", func() bool {
		return w.last.Err == nil && w.last.Series["claims"] == 2 && w.last.Series["launched"] == 1
	})
	status("web-new", "", "Launched")
	w.until("launched", func() bool { return w.last.Series["launched"] == 2 && w.last.Series["registered"] == 1 })
	status("web-new", "node-y", "Launched", "Registered")
	w.until("registered", func() bool { return w.last.Series["registered"] == 2 && w.last.Value == 1 })
	status("web-new", "node-y", "Launched", "Registered", "Initialized", "Ready")
	w.until("a node", func() bool { return w.last.Value == 2 && w.last.Series["nodes"] == 2 })
	gone("web-old")
	w.until("one gone", func() bool { return w.last.Err == nil && w.last.Value == 1 && w.last.Series["claims"] == 1 })
	gone("web-new")
	gone("db-new")
	w.until("none left", func() bool { return w.last.Err == nil && w.last.Series["claims"] == 0 })
	want := "nodeclaim/web-new node_requested\nnodeclaim/web-new launched\nnodeclaim/web-new registered on node-y\nnode/node-y ready on node-y: from NodeClaim web-new\nnodeclaim/web-old deleted\nnodeclaim/web-new deleted"
	if got := w.story(); got != want {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
}

// The cluster autoscaler tells of pods by events: each counts, also when it is
// repeated, and those of before the run do not.
func TestKubeE2EClusterAutoscaler(t *testing.T) {
	l := labtest.Shared(t, "-hpa-sync=1s", "-hpa-downscale=5s")
	s := newRealShop(t, l, "probe-autoscaler")
	events := s.in(eventList, false)
	say := func(name, reason, pod, message string) {
		t.Helper()
		now := time.Now().UTC().Format(time.RFC3339)
		s.create(events, object{"apiVersion": "v1", "kind": "Event", "metadata": object{"name": name}, "type": "Normal", "reason": reason, "message": message,
			"involvedObject": object{"kind": "Pod", "namespace": s.namespace, "name": pod}, "source": object{"component": "cluster-autoscaler"},
			"count": int64(1), "firstTimestamp": now, "lastTimestamp": now})
	}
	say("before", "TriggeredScaleUp", "api-old", "pod triggered scale-up: [{web 1->2 (max: 5)}]")
	w := s.watch(configOf(t, l, "lab"), kinds()["cluster_autoscaler"])
	w.until("nothing yet", func() bool { return w.last.Err == nil && w.last.Value == 0 })
	say("one", "TriggeredScaleUp", "api-1", "pod triggered scale-up: [{web 2->3 (max: 5)}]")
	w.until("asked for one", func() bool { return w.last.Value == 1 })
	say("no", "NotTriggerScaleUp", "api-2", "pod didn't trigger scale-up: 1 max node group size reached")
	w.until("refused", func() bool { return w.last.Series["refused"] == 1 })
	s.patch(events, "one", object{"count": int64(3), "lastTimestamp": time.Now().UTC().Format(time.RFC3339)})
	w.until("asked for two more", func() bool { return w.last.Value == 3 && w.last.Series["triggered"] == 3 })
	say("other", "Killing", "api-1", "Stopping container")
	say("last", "FailedToScaleUpGroup", "api-2", "Scale-up failed for group web")
	w.until("refused again", func() bool { return w.last.Series["refused"] == 2 })
	want := "pod/api-1 node_requested: pod triggered scale-up: [{web 2->3 (max: 5)}]"
	if got := strings.Count(w.story(), want); got != 2 || strings.Contains(w.story(), "api-old") || strings.Contains(w.story(), "Stopping") {
		t.Errorf("told:\n%s", w.story())
	}
}
