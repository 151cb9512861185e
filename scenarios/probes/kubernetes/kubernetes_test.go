package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/scenarios/probes"
	"github.com/brunt-dev/brunt/scenarios/probes/probetest"
)

const shop = "shop"

var target = probes.Kubernetes{Namespace: shop}

func deploymentOf(replicas int) object {
	return object{
		"metadata": object{"uid": "d1", "generation": 1, "annotations": object{revision: "1"}},
		"spec":     object{"replicas": replicas, "selector": object{"matchLabels": object{"app": "api"}}},
		"status":   object{"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas},
	}
}

func hpaOf(desired int, utilization int) object {
	return object{
		"spec": object{"scaleTargetRef": object{"kind": "Deployment", "name": "api"}, "minReplicas": 2, "maxReplicas": 10,
			"metrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "Utilization", "averageUtilization": 50}}}}},
		"status": object{"currentReplicas": 2, "desiredReplicas": desired,
			"currentMetrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "current": object{"averageUtilization": utilization}}}},
			"conditions": []any{object{"type": "ScalingActive", "status": "True"},
				// At rest at its minimum, which is no want of anything.
				object{"type": "ScalingLimited", "status": "True", "reason": "TooFewReplicas", "message": "less than the minimum"}}},
	}
}

func podOf(name string, ready bool) object {
	status := "False"
	if ready {
		status = "True"
	}
	now := at(time.Now())
	return object{
		"metadata": object{"uid": name, "labels": object{"app": "api"}, "creationTimestamp": now},
		"spec":     object{"nodeName": "n1"},
		"status": object{"phase": "Running", "conditions": []any{
			object{"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
			object{"type": "Ready", "status": status, "lastTransitionTime": now}},
			"containerStatuses": []any{object{"state": object{"running": object{"startedAt": now}}}}},
	}
}

func nodeOf(ready string) object {
	return object{"metadata": object{"labels": object{"pool": "web"}}, "status": object{"conditions": []any{object{"type": "Ready", "status": ready, "lastTransitionTime": at(time.Now())}}}}
}

func claimOf(node string, reached ...string) object {
	var conditions []any
	for _, c := range reached {
		conditions = append(conditions, object{"type": c, "status": "True", "lastTransitionTime": at(time.Now())})
	}
	return object{"metadata": object{"labels": object{"pool": "web"}, "creationTimestamp": at(time.Now())}, "status": object{"nodeName": node, "conditions": conditions}}
}

// shopOf is a fake API with one of everything.
func shopOf(t *testing.T) *fakeAPI {
	f := newFakeAPI(t)
	f.put(shopDeployments, "api", deploymentOf(2))
	f.put(shopHPAs, "api", hpaOf(2, 40))
	f.put(shopPods, "api-1", podOf("api-1", true))
	f.put(shopPods, "api-2", podOf("api-2", true))
	f.put(shopScaled, "worker", object{"status": object{"hpaName": "api", "conditions": []any{object{"type": "Active", "status": "True"}}}})
	f.put(allNodes, "n1", nodeOf("True"))
	f.put(allClaims, "web-1", claimOf("n1", claimStages...))
	return f
}

var of = Of{Every: 20 * time.Millisecond}

// kinds are all of this package's, ready to watch the shop.
func kinds() map[string]func(Watchers, probes.Env) (probes.Probe, error) {
	return map[string]func(Watchers, probes.Env) (probes.Probe, error){
		"hpa":        func(k Watchers, e probes.Env) (probes.Probe, error) { return k.HPA(HPA{"api", of}, e) },
		"deployment": func(k Watchers, e probes.Env) (probes.Probe, error) { return k.Deployment(Deployment{"api", of}, e) },
		"pods":       func(k Watchers, e probes.Env) (probes.Probe, error) { return k.Pods(Pods{"app=api", of}, e) },
		"nodes":      func(k Watchers, e probes.Env) (probes.Probe, error) { return k.Nodes(Nodes{"pool=web", of.Every}, e) },
		"keda":       func(k Watchers, e probes.Env) (probes.Probe, error) { return k.KEDA(KEDA{"worker", of}, e) },
		"rollout":    func(k Watchers, e probes.Env) (probes.Probe, error) { return k.Rollout(Rollout{"api", of.Every}, e) },
		"cluster_autoscaler": func(k Watchers, e probes.Env) (probes.Probe, error) {
			return k.ClusterAutoscaler(ClusterAutoscaler{of.Every}, e)
		},
		"karpenter": func(k Watchers, e probes.Env) (probes.Probe, error) {
			return k.Karpenter(Karpenter{"pool=web", of.Every}, e)
		},
	}
}

func TestContract(t *testing.T) {
	for name, make := range kinds() {
		t.Run(name, func(t *testing.T) {
			probetest.Run(t, func(t *testing.T) probetest.Subject {
				f := shopOf(t)
				return probetest.Subject{
					New: func(t *testing.T, env probes.Env) probes.Probe {
						p, err := make(f.watchers(), env)
						if err != nil {
							t.Fatal(err)
						}
						return p
					},
					Break:      func() { f.answer(http.StatusServiceUnavailable) },
					Mend:       func() { f.answer(0) },
					Hang:       f.silence,
					Contacts:   func() int { return int(f.contacts.Load()) },
					Kubernetes: target,
					Ignore: []goleak.Option{
						goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"),
						goleak.IgnoreAnyFunction("k8s.io/client-go/transport.(*tlsTransportCache).startGCLocked"),
					},
				}
			})
		})
	}
}

// A watched is a probe under way, and all that it told.
type watched struct {
	t        *testing.T
	readings chan probes.Reading
	events   []probes.Event
	last     probes.Reading
}

func follow(t *testing.T, f *fakeAPI, kind string) *watched {
	t.Helper()
	p, err := kinds()[kind](f.watchers(), probes.Env{Name: kind, Kubernetes: target})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{t: t, readings: make(chan probes.Reading)}
	done := make(chan error, 1)
	go func() {
		done <- p.Watch(ctx, func(r probes.Reading) {
			select {
			case w.readings <- r:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	return w
}

// until reads on until something is so.
func (w *watched) until(what string, so func() bool) {
	w.t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		select {
		case r := <-w.readings:
			w.last = r
			w.events = append(w.events, r.Events...)
			if so() {
				return
			}
		case <-limit.C:
			w.t.Fatalf("never %s; last %+v; events %s", what, w.last, w.story())
		}
	}
}

func (w *watched) untilReady(n float64) {
	w.t.Helper()
	w.until(fmt.Sprintf("%v ready", n), func() bool { return w.last.Err == nil && w.last.Value == n })
}

// story is what happened, in words without times.
func (w *watched) story() string {
	var out []string
	for _, e := range w.events {
		s := e.Object + " " + e.What
		if e.From != nil && e.To != nil {
			s += fmt.Sprintf(" %v→%v", *e.From, *e.To)
		}
		if e.On != "" {
			s += " on " + e.On
		}
		if e.Text != "" {
			s += ": " + e.Text
		}
		out = append(out, s)
	}
	return strings.Join(out, "\n")
}

func (w *watched) has(line string) bool { return slices.Contains(strings.Split(w.story(), "\n"), line) }

// expect waits for each line, for kinds of objects are watched apart: the one
// told first is not always the one put first.
func (w *watched) expect(lines ...string) {
	w.t.Helper()
	for _, line := range lines {
		if !w.has(line) {
			w.until("told of "+line, func() bool { return w.has(line) })
		}
	}
}

// An HPA scales up: what is told of it, of the new pods, and in what series.
func TestHPATellsOfAStep(t *testing.T) {
	f := shopOf(t)
	w := follow(t, f, "hpa")
	w.untilReady(2)
	want := map[string]float64{"ready": 2, "replicas": 2, "pods": 2, "desired": 2, "min": 2, "max": 10, "metric": 0.8}
	for name, v := range want {
		if got, ok := w.last.Series[name]; !ok || got != v {
			t.Errorf("series %s is %v, want %v", name, got, v)
		}
	}
	before := time.Now()
	up := hpaOf(4, 90)
	up["status"].(object)["lastScaleTime"] = at(time.Now())
	f.put(shopHPAs, "api", up)
	f.put(shopEvents, "api.1", object{"involvedObject": object{"kind": "HorizontalPodAutoscaler", "name": "api"}, "reason": "SuccessfulRescale",
		"message": "New size: 4; reason: cpu above target", "count": 1, "lastTimestamp": at(time.Now())})
	stuck := podOf("api-4", false)
	stuck["spec"], stuck["status"] = object{}, object{"conditions": []any{object{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available", "lastTransitionTime": at(time.Now())}}}
	f.put(shopPods, "api-3", podOf("api-3", false))
	f.put(shopPods, "api-4", stuck)
	f.put(shopPods, "api-3", podOf("api-3", true))
	w.untilReady(3)
	w.until("api-4 stuck", func() bool {
		return w.has("pod/api-4 unschedulable: 0/2 nodes are available") && w.has("hpa/api said: SuccessfulRescale: New size: 4; reason: cpu above target")
	})
	w.expect("hpa/api scaled 2→4: going by cpu", "pod/api-3 created on n1", "pod/api-3 scheduled on n1", "pod/api-3 started on n1", "pod/api-3 ready on n1", "pod/api-4 created")
	for _, e := range w.events {
		if early := before.Add(-2500 * time.Millisecond); e.At.Before(early) || e.At.After(time.Now()) || e.Within > 1500*time.Millisecond {
			t.Errorf("%s %s at %s ±%s, which is not now", e.Object, e.What, e.At, e.Within)
		}
	}
	if w.has("pod/api-1 created on n1") {
		t.Error("told of a pod that was there before")
	}

	// Someone edits it, its metric goes away and comes back, and it is held at its maximum.
	edited := hpaOf(4, 90)
	edited["spec"].(object)["maxReplicas"] = 4
	edited["status"].(object)["conditions"] = []any{
		object{"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics"},
		object{"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "more than the maximum"}}
	f.put(shopHPAs, "api", edited)
	back := hpaOf(4, 90)
	back["spec"].(object)["maxReplicas"] = 4
	f.put(shopHPAs, "api", back)
	f.remove(shopPods, "api-3")
	f.remove(shopHPAs, "api")
	w.until("no HPA", func() bool {
		return w.last.Err != nil && strings.Contains(w.last.Err.Error(), "there is no HPA api in namespace shop") && w.has("pod/api-3 deleted")
	})
	w.expect("hpa/api edited: maxReplicas 10 → 4", "hpa/api metric_lost: no metrics", "hpa/api metric_back", "hpa/api limited: more than the maximum", "pod/api-3 deleted", "hpa/api deleted")
}

// A Deployment that somebody scales and rolls out.
func TestDeploymentAndRollout(t *testing.T) {
	f := shopOf(t)
	d, r := follow(t, f, "deployment"), follow(t, f, "rollout")
	d.untilReady(2)
	r.until("all new", func() bool { return r.last.Err == nil && r.last.Value == 1 })
	f.put(shopDeployments, "api", deploymentOf(4))
	d.until("scaled", func() bool { return d.has("deployment/api scaled 2→4") })
	rolling := deploymentOf(4)
	rolling["metadata"].(object)["generation"] = 2
	rolling["metadata"].(object)["annotations"] = object{revision: "2"}
	rolling["status"] = object{"observedGeneration": 2, "replicas": 5, "updatedReplicas": 2, "availableReplicas": 4}
	f.put(shopDeployments, "api", rolling)
	d.until("rolling", func() bool { return d.has("deployment/api rollout_began: revision 2") })
	// Of 4 available 3 are old: one of 4 is new.
	r.until("a quarter", func() bool { return r.last.Value == 0.25 })
	if s := r.last.Series; s["updated"] != 2 || s["old"] != 3 || s["revision"] != 2 {
		t.Errorf("series %v", s)
	}
	done := deploymentOf(4)
	done["metadata"] = object{"uid": "d1", "generation": 2, "annotations": object{revision: "2"}}
	done["status"].(object)["observedGeneration"] = 2
	f.put(shopDeployments, "api", done)
	d.until("rolled out", func() bool { return d.has("deployment/api rollout_ended") })
	r.until("all new", func() bool { return r.last.Value == 1 })
}

func TestNodesAndClaims(t *testing.T) {
	f := shopOf(t)
	n, k := follow(t, f, "nodes"), follow(t, f, "karpenter")
	n.untilReady(1)
	k.untilReady(1)
	f.put(allNodes, "n2", nodeOf("False"))
	f.put(allClaims, "web-2", claimOf(""))
	f.put(allClaims, "web-2", claimOf("n2", "Launched"))
	f.put(allNodes, "n2", nodeOf("True"))
	f.put(allClaims, "web-2", claimOf("n2", claimStages...))
	n.untilReady(2)
	k.untilReady(2)
	f.remove(allNodes, "n1")
	n.untilReady(1)
	n.expect("node/n2 created", "node/n2 ready", "node/n1 deleted")
	k.expect("nodeclaim/web-2 node_requested", "nodeclaim/web-2 launched on n2", "nodeclaim/web-2 registered on n2", "node/n2 ready on n2: from NodeClaim web-2")
}

func TestClusterAutoscalerSays(t *testing.T) {
	f := shopOf(t)
	said := func(name, reason, pod string, count int) {
		f.put(shopEvents, name, object{"involvedObject": object{"kind": "Pod", "name": pod}, "reason": reason, "message": "pod triggered scale-up", "count": count, "lastTimestamp": at(time.Now())})
	}
	said("old", "TriggeredScaleUp", "a", 3) // before the run
	w := follow(t, f, "cluster_autoscaler")
	w.untilReady(0)
	said("old", "TriggeredScaleUp", "a", 4)
	said("new", "NotTriggerScaleUp", "b", 2)
	said("other", "Scheduled", "c", 1)
	w.until("both", func() bool { return w.last.Series["triggered"] == 1 && w.last.Series["refused"] == 2 })
	w.expect("pod/a node_requested: pod triggered scale-up", "pod/b node_refused: pod triggered scale-up")
	if len(w.events) != 2 {
		t.Errorf("told\n%s", w.story())
	}
}

func TestKEDAFollowsItsHPA(t *testing.T) {
	f := shopOf(t)
	w := follow(t, f, "keda")
	w.untilReady(2)
	if w.last.Series["active"] != 1 || w.last.Series["paused"] != 0 || w.last.Series["desired"] != 2 {
		t.Errorf("series %v", w.last.Series)
	}
	other := hpaOf(5, 50)
	f.put(shopHPAs, "keda-hpa-worker", other)
	f.put(shopScaled, "worker", object{"status": object{"hpaName": "keda-hpa-worker", "conditions": []any{object{"type": "Active", "status": "False", "message": "nothing to do"}}}})
	w.until("another HPA", func() bool { return w.last.Err == nil && w.last.Series["desired"] == 5 && w.last.Series["active"] == 0 })
	w.expect("scaledobject/worker deactivated: nothing to do")
}

// What changes while nobody is told, because the watch's place is forgotten,
// is found in the next list, and told with the time of its stamp.
func TestWatchExpires(t *testing.T) {
	f := shopOf(t)
	w := follow(t, f, "hpa")
	w.untilReady(2)
	f.expire(func() {
		f.put(shopPods, "api-3", podOf("api-3", true))
		f.remove(shopPods, "api-1")
		f.put(shopPods, "api-5", podOf("api-5", true))
	})
	w.untilReady(3)
	w.expect("pod/api-3 created on n1", "pod/api-3 ready on n1", "pod/api-1 deleted", "pod/api-5 ready on n1")
	f.mu.Lock()
	lists := f.lists[shopPods]
	f.mu.Unlock()
	if lists < 2 {
		t.Errorf("%d lists of pods: the watch did not expire", lists)
	}
}

// However the API server fails, readings say so until it is back, and then go on.
func TestAPIBreaks(t *testing.T) {
	for status, says := range map[int]string{
		http.StatusForbidden:           "not allowed",
		http.StatusNotFound:            "no such resource",
		http.StatusInternalServerError: "has a problem (500)",
		http.StatusServiceUnavailable:  "has a problem (503)",
		http.StatusTooManyRequests:     "(429)",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			f := shopOf(t)
			w := follow(t, f, "hpa")
			w.untilReady(2)
			f.answer(status)
			w.until("failed, naming what cannot be seen", func() bool {
				if w.last.Err == nil {
					return false
				}
				text := w.last.Err.Error()
				return strings.Contains(text, says) && strings.Contains(text, "horizontalpodautoscalers.autoscaling") && strings.Contains(text, "pods")
			})
			f.put(shopPods, "api-3", podOf("api-3", true))
			f.answer(0)
			w.untilReady(3)
		})
	}
}

// A server that takes connections and says nothing is noticed, too.
func TestSilenceIsNoticed(t *testing.T) {
	f := shopOf(t)
	w := follow(t, f, "deployment")
	w.untilReady(2)
	f.silence()
	w.until("silence", func() bool { return w.last.Err != nil && strings.Contains(w.last.Err.Error(), "no sign of life") })
	f.answer(0)
	w.untilReady(2)
}

// An object that is not there is told by its name and place.
func TestMissingObjects(t *testing.T) {
	for kind, says := range map[string]string{
		"hpa": "there is no HPA api in namespace shop", "deployment": "there is no deployment api in namespace shop",
		"keda": "there is no ScaledObject worker in namespace shop", "rollout": "there is no deployment api in namespace shop",
	} {
		t.Run(kind, func(t *testing.T) {
			f := newFakeAPI(t)
			w := follow(t, f, kind)
			w.until("missing", func() bool { return w.last.Err != nil && w.last.Err.Error() == says })
		})
	}
	t.Run("what it scales", func(t *testing.T) {
		f := newFakeAPI(t)
		f.put(shopHPAs, "api", hpaOf(2, 40))
		w := follow(t, f, "hpa")
		w.until("missing", func() bool {
			return w.last.Err != nil && w.last.Err.Error() == "HPA api: there is no deployment api in namespace shop"
		})
	})
}

// Nothing is listed or watched without a selector, and nothing outside the
// namespace that has one.
func TestSelectorsOnly(t *testing.T) {
	f := shopOf(t)
	for kind := range kinds() {
		w := follow(t, f, kind)
		w.until("a reading", func() bool { return w.last.Err == nil })
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) < len(kinds()) {
		t.Fatalf("%d requests only", len(f.requests))
	}
	for _, r := range f.requests {
		if strings.HasPrefix(r, "/version") {
			continue
		}
		if !strings.Contains(r, "Selector=") {
			t.Errorf("no selector: %s", r)
		}
		if !strings.Contains(r, "/namespaces/shop/") && !strings.HasPrefix(r, allNodes) && !strings.HasPrefix(r, allClaims) {
			t.Errorf("outside the namespace: %s", r)
		}
	}
}

// What a probe says that it needs is what it asks for, and no more.
func TestAccessIsWhatIsAsked(t *testing.T) {
	for kind, make := range kinds() {
		t.Run(kind, func(t *testing.T) {
			f := shopOf(t)
			w := follow(t, f, kind)
			w.until("a reading", func() bool { return w.last.Err == nil })
			p, err := make(f.watchers(), probes.Env{Kubernetes: target})
			if err != nil {
				t.Fatal(err)
			}
			may := map[string]bool{}
			for _, a := range p.(probes.Accessor).Access() {
				if !slices.Equal(a.Verbs, []string{"list", "watch"}) {
					t.Errorf("%s: %v", a.Resource, a.Verbs)
				}
				may[strings.Trim(a.Namespace+"/"+a.Resource, "/")] = false
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, r := range f.requests {
				path, _, _ := strings.Cut(r, "?")
				if path == "/version" {
					continue
				}
				parts := strings.Split(path, "/")
				key := parts[len(parts)-1]
				if strings.Contains(path, "/namespaces/") {
					key = parts[len(parts)-2] + "/" + key
				}
				if _, ok := may[key]; !ok {
					t.Errorf("asked for %s without saying that it needs it", path)
				}
				may[key] = true
			}
			for key, used := range may {
				if !used {
					t.Errorf("says that it needs %s and never asks for it", key)
				}
			}
		})
	}
}

func TestSelectorsAreChecked(t *testing.T) {
	for selector, good := range map[string]bool{"app=api": true, "app in (a, b),!c": true, "app==": true, "=": false, "a b": false, " ": false} {
		field := ""
		Pods{Selector: selector}.Validate(func(f, _, _ string) { field = f })
		if (field == "") != good {
			t.Errorf("%q: problem with %q", selector, field)
		}
		if _, err := (Watchers{}).Nodes(Nodes{Selector: selector}, probes.Env{}); (err == nil) != good {
			t.Errorf("%q: New says %v", selector, err)
		}
	}
}
