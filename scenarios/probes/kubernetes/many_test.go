package kubernetes

import (
	"fmt"
	"runtime"
	"testing"
)

// Five thousand pods are counted, and then replaced: what is kept of each is
// small, and what is told of single ones is bounded.
func TestManyPods(t *testing.T) {
	const many = 5000
	f := newFakeAPI(t)
	f.put(shopDeployments, "api", deploymentOf(many))
	f.put(shopHPAs, "api", hpaOf(many, 40))
	for i := range many {
		f.put(shopPods, fmt.Sprint("api-", i), podOf(fmt.Sprint("api-", i), true))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := follow(t, f, "hpa")
	w.untilReady(many)
	if len(w.events) > 0 {
		t.Errorf("%d events of pods that were there before", len(w.events))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("%d MiB are kept for %d pods", grown>>20, many)
	}
	for i := range many {
		f.put(shopPods, fmt.Sprint("new-", i), podOf(fmt.Sprint("new-", i), true))
	}
	w.untilReady(2 * many)
	for i := range many {
		f.remove(shopPods, fmt.Sprint("api-", i))
	}
	w.untilReady(many)
	if n := len(w.events); n < maxEvents || n > maxEvents+1 {
		t.Errorf("%d events, want %d: four of each new pod, and what there is room for of the deleted", n, maxEvents)
	}
}
