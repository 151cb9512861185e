package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// A subject is what one kind knows of what it watches. Its methods are called
// from one goroutine.
type subject interface {
	// start says what to watch first.
	start(w *watching)
	// see takes in one change.
	see(w *watching, c change)
	// read is the present state. It is asked only when every source that is
	// watched is in sight.
	read() (value float64, text string, series map[string]float64, err error)
}

// probe is one of this package's, of any kind.
type probe struct {
	connect func(probes.Kubernetes) (*rest.Config, error)
	env     probes.Env
	every   time.Duration
	make    func(namespace string) subject
	needs   []resource
}

// Access is what the probe must be let do.
func (p *probe) Access() []probes.Access {
	var out []probes.Access
	for _, r := range p.needs {
		a := probes.Access{Group: r.group, Version: r.version, Resource: r.name, Namespace: p.env.Kubernetes.Namespace, Verbs: []string{"list", "watch"}}
		if r == nodeList || r == nodeClaims {
			a.Namespace = ""
		}
		out = append(out, a)
	}
	return out
}

// errNoTarget says that the scenario names no cluster.
var errNoTarget = errors.New("the scenario has no target.kubernetes, so no cluster may be watched")

// lookBound is how long one look for a sign of life may take, lookEvery how often
// there is one, and lookAgain how soon after one that saw none.
const (
	lookBound = 4 * time.Second
	lookEvery = 5 * time.Second
	lookAgain = 500 * time.Millisecond
)

// Watch watches until ctx ends.
func (p *probe) Watch(ctx context.Context, emit func(probes.Reading)) error {
	for {
		err := p.watch(ctx, emit)
		if ctx.Err() != nil {
			return nil
		}
		// There is no way to the cluster: a kubeconfig that is missing or wrong
		// may be mended while the run goes on.
		emit(probes.Reading{Err: err})
		again := time.NewTimer(max(p.every, time.Second))
		select {
		case <-ctx.Done():
			again.Stop()
			return nil
		case <-again.C:
		}
	}
}

// watch returns when ctx ends, or at once when it finds no way to the cluster.
func (p *probe) watch(ctx context.Context, emit func(probes.Reading)) error {
	if p.env.Kubernetes.Namespace == "" {
		return errNoTarget
	}
	config, err := p.connect(p.env.Kubernetes)
	if err != nil {
		return err
	}
	config = rest.CopyConfig(config)
	clock := &serverClock{}
	config.Wrap(clock.transport)
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	defer utilnet.CloseIdleConnectionsFor(http.Transport)
	client, err := dynamic.NewForConfigAndClient(config, http)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	w := &watching{ctx: ctx, client: client, clock: clock, queue: newQueue(), namespace: p.env.Kubernetes.Namespace, alive: time.Now()}
	defer w.stop()
	s := p.make(w.namespace)
	s.start(w)
	looks := startLooks(ctx, config, http, w.queue.wake)
	defer looks.stop()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	first := true
	for {
		due := false
		select {
		case <-ctx.Done():
			return nil
		case <-w.queue.signal:
		case <-tick.C:
			due = true
		}
		for _, c := range w.queue.take() {
			if w.watches(c.from) {
				s.see(w, c)
			}
		}
		r := w.reading(s, looks)
		changed := w.changed(r)
		if ctx.Err() != nil || !due && !changed && len(r.Events) == 0 || first && !due && r.Err != nil {
			// What could not be heard in the first moments is no failure yet.
			w.keep(r.Events)
			continue
		}
		first = false
		emit(r)
	}
}

// maxEvents bounds what one probe tells of single objects in a run: a thousand
// pods that come and go several times. What comes after is counted.
const maxEvents = 20_000

// A watching is one Watch under way.
type watching struct {
	ctx       context.Context
	client    dynamic.Interface
	clock     *serverClock
	queue     *queue
	namespace string

	feeds  []*feed
	alive  time.Time // when all sources were last in sight
	events []probes.Event
	told   int
	last   probes.Reading
}

// watch adds a source.
func (w *watching) watch(s source) {
	if !w.watches(s) {
		w.feeds = append(w.feeds, startFeed(w.ctx, w.client, s, w.queue))
	}
}

// drop ends the watching of a source.
func (w *watching) drop(s source) {
	w.feeds = slices.DeleteFunc(w.feeds, func(f *feed) bool {
		if f.source != s {
			return false
		}
		f.stop()
		return true
	})
}

func (w *watching) watches(s source) bool {
	return slices.ContainsFunc(w.feeds, func(f *feed) bool { return f.source == s })
}

func (w *watching) stop() {
	for _, f := range w.feeds {
		f.cancel()
	}
	for _, f := range w.feeds {
		<-f.done
	}
}

// happened notes an event with a time that the server stamped, or that of its
// sighting where there is none.
func (w *watching) happened(e probes.Event, stamped, seen time.Time) {
	if stamped.IsZero() {
		// It happened since the last time that all was in sight.
		e.At, e.Within = seen, 0
		if gap := seen.Sub(w.alive); gap > time.Second {
			e.At, e.Within = seen.Add(-gap/2), gap/2
		}
	} else {
		e.At, e.Within = w.clock.stamp(stamped, seen)
	}
	w.told++
	switch {
	case w.told < maxEvents:
		w.events = append(w.events, e)
	case w.told == maxEvents:
		w.events = append(w.events, probes.Event{Object: "probe", What: "full", At: seen, Text: fmt.Sprintf("more than %d events: single objects are told of no longer", maxEvents)})
	}
}

// keep puts events back that were not told.
func (w *watching) keep(events []probes.Event) { w.events = append(events, w.events...) }

// reading is the present state, or why it cannot be seen.
func (w *watching) reading(s subject, looks *looks) probes.Reading {
	events := w.events
	w.events = nil
	fail := func(err error) probes.Reading { return probes.Reading{Err: err, Events: events} }
	var troubles []string
	synced := true
	for _, f := range w.feeds {
		if err := f.trouble(); err != nil && !slices.Contains(troubles, err.Error()) {
			troubles = append(troubles, err.Error())
		}
		synced = synced && f.isSynced()
	}
	if err := looks.trouble(); err != nil {
		return fail(err)
	}
	if len(troubles) > 0 {
		return fail(errors.New(strings.Join(troubles, "; ")))
	}
	if !synced {
		return fail(errors.New("what there is has not been listed yet"))
	}
	w.alive = time.Now()
	value, text, series, err := s.read()
	return probes.Reading{Value: value, Text: text, Series: series, Err: err, Events: events}
}

// changed reports whether a reading says something new.
func (w *watching) changed(r probes.Reading) bool {
	last := w.last
	w.last = r
	if (r.Err == nil) != (last.Err == nil) || r.Value != last.Value || len(r.Series) != len(last.Series) {
		return true
	}
	if r.Err != nil {
		return r.Err.Error() != last.Err.Error()
	}
	for name, v := range r.Series {
		if before, ok := last.Series[name]; !ok || before != v {
			return true
		}
	}
	return false
}

// convert reads an object into a struct with JSON tags.
func convert[T any](u *unstructured.Unstructured) (T, error) {
	var out T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &out); err != nil {
		return out, fmt.Errorf("read %s %s: %w", strings.ToLower(u.GetKind()), u.GetName(), err)
	}
	return out, nil
}
