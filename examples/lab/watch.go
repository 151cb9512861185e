package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/brunt-dev/brunt/examples/lab/serve"
)

// watch keeps the table as the API server has it, and takes a sample of the
// pods' work every window.
func (l *lab) watch(ctx context.Context, table *serve.Table) (corelisters.PodLister, error) {
	factory := informers.NewSharedInformerFactory(l.client, 0)
	pods, slices := factory.Core().V1().Pods(), factory.Discovery().V1().EndpointSlices()
	if _, err := pods.Informer().AddEventHandler(handler(table.PutPod, table.DeletePod)); err != nil {
		return nil, fmt.Errorf("watch pods: %w", err)
	}
	if _, err := slices.Informer().AddEventHandler(handler(table.PutSlice, table.DeleteSlice)); err != nil {
		return nil, fmt.Errorf("watch endpoint slices: %w", err)
	}
	lister := pods.Lister()
	ctx, stop := context.WithCancel(ctx)
	factory.Start(ctx.Done())
	l.onClose(func() { stop(); factory.Shutdown() })
	synced, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for kind, ok := range factory.WaitForCacheSync(synced.Done()) {
		if !ok {
			return nil, fmt.Errorf("watch %s: no list within a minute", kind)
		}
	}
	l.parts.Go(func() {
		tick := time.NewTicker(l.metricsWindow)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				table.Sample(now)
			case <-ctx.Done():
				return
			}
		}
	})
	return lister, nil
}

func handler[T *corev1.Pod | *discoveryv1.EndpointSlice](put, remove func(T)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { put(o.(T)) },
		UpdateFunc: func(_, o any) { put(o.(T)) },
		DeleteFunc: func(o any) {
			// A deletion that the watch missed comes with the last state known.
			if late, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = late.Obj
			}
			if obj, ok := o.(T); ok {
				remove(obj)
			}
		},
	}
}
