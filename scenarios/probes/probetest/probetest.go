// Package probetest is the suite that every probe kind must pass: what the
// contract in package probes promises, checked from outside.
package probetest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/scenarios/probes"
)

// A Subject is one kind, made ready for the suite: a thing to watch, in the
// test's own process or on loopback, and a probe that watches it every few
// milliseconds.
type Subject struct {
	// New makes the probe. It fails the test itself when it cannot.
	New func(t *testing.T, env probes.Env) probes.Probe
	// Break makes every further look fail: as readings with Err, or with a
	// value for which Bad is true. Mend makes them succeed again.
	Break, Mend func()
	// Bad reports whether a reading without Err tells of something broken.
	// Nil: looks at a broken thing always have Err.
	Bad func(probes.Reading) bool
	// Hang makes further looks wait for an answer that does not come, until
	// Mend. Nil: nothing the kind does can hang.
	Hang func()
	// Contacts counts how often anything was asked of the thing watched.
	Contacts func() int
	// Kubernetes is the target of kinds that it bounds, and not addresses: the
	// cluster is named in the scenario. Without one such a kind touches nothing.
	Kubernetes probes.Kubernetes
	// Ignore says which goroutines are not the probe's: those of the thing
	// watched.
	Ignore []goleak.Option
}

// patience bounds every wait of the suite; a probe that is right never gets
// near it.
const patience = 20 * time.Second

// Run runs the suite. Each part gets a subject of its own from make.
func Run(t *testing.T, make func(t *testing.T) Subject) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"reads a working thing", readsWorking},
		{"a failed look is a reading and not the end", failedLookIsReading},
		{"returns nil when ctx ends", returnsWhenDone},
		{"says nothing when ctx had ended before", silentWhenDone},
		{"returns in the middle of a look", returnsFromHang},
		{"asks before it touches", asksFirst},
		{"touches nothing without leave", nilAllowsNothing},
		{"touches nothing before Watch", inertBeforeWatch},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, make(t)) })
	}
}

// everything allows any address.
func everything(string) error { return nil }

func (s Subject) env() probes.Env {
	return probes.Env{Name: "subject", Allow: everything, Kubernetes: s.Kubernetes}
}

// A watching is a Watch under way.
type watching struct {
	t        *testing.T
	cancel   context.CancelFunc
	readings chan probes.Reading
	done     chan error
	before   goleak.Option

	inside sync.Mutex // held while emit runs
}

// watch starts Watch as the engine does. Every reading is checked against the
// rules for emit.
func watch(t *testing.T, s Subject, p probes.Probe) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{
		t: t, cancel: cancel,
		readings: make(chan probes.Reading),
		done:     make(chan error, 1),
		before:   goleak.IgnoreCurrent(),
	}
	t.Cleanup(func() { w.end(s) })
	go func() {
		var returned atomic.Bool
		err := p.Watch(ctx, func(r probes.Reading) {
			if !w.inside.TryLock() {
				t.Error("emit was called while it ran already")
				return
			}
			defer w.inside.Unlock()
			if returned.Load() {
				t.Error("emit was called after Watch had returned")
			}
			select {
			case w.readings <- r:
			case <-ctx.Done():
			}
		})
		returned.Store(true)
		w.done <- err
	}()
	return w
}

// next waits for a reading that fits, and passes over others.
func (w *watching) next(what string, fits func(probes.Reading) bool) {
	w.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		select {
		case r := <-w.readings:
			if fits(r) {
				return
			}
		case err := <-w.done:
			w.done <- err
			w.t.Fatalf("Watch returned %v; want it to go on to %s", err, what)
		case <-limit.C:
			w.t.Fatalf("no reading came that is %s", what)
		}
	}
}

// end cancels the watch, waits for it, and looks for what it left running.
func (w *watching) end(s Subject) {
	w.t.Helper()
	w.cancel()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case err := <-w.done:
		w.done <- err
		if err != nil {
			w.t.Errorf("Watch returned %v when its ctx ended; want nil", err)
		}
	case <-limit.C:
		w.t.Fatal("Watch did not return when its ctx ended")
	}
	if err := goleak.Find(append(s.Ignore, w.before)...); err != nil {
		w.t.Errorf("Watch left something running: %v", err)
	}
}

func (s Subject) good(r probes.Reading) bool {
	return r.Err == nil && (s.Bad == nil || !s.Bad(r))
}

func (s Subject) broken(r probes.Reading) bool { return !s.good(r) }

func readsWorking(t *testing.T, s Subject) {
	w := watch(t, s, s.New(t, s.env()))
	w.next("good", s.good)
	w.next("good again", s.good)
}

func failedLookIsReading(t *testing.T, s Subject) {
	w := watch(t, s, s.New(t, s.env()))
	w.next("good", s.good)
	s.Break()
	w.next("a failure", s.broken)
	w.next("a failure again", s.broken)
	s.Mend()
	w.next("good after the mending", s.good)
}

func returnsWhenDone(t *testing.T, s Subject) {
	w := watch(t, s, s.New(t, s.env()))
	w.next("good", s.good)
	w.end(s)
}

func silentWhenDone(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.New(t, s.env()).Watch(ctx, func(r probes.Reading) {
		t.Errorf("emitted %+v though ctx had ended", r)
	})
	if err != nil {
		t.Errorf("Watch returned %v; want nil", err)
	}
}

func returnsFromHang(t *testing.T, s Subject) {
	if s.Hang == nil {
		return // nothing to wait for
	}
	s.Hang()
	defer s.Mend()
	contacted := s.Contacts()
	w := watch(t, s, s.New(t, s.env()))
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); s.Contacts() == contacted; <-poll.C {
		if time.Now().After(deadline) {
			t.Fatal("the probe does not look")
		}
	}
	w.end(s)
}

func asksFirst(t *testing.T, s Subject) {
	if s.Kubernetes != (probes.Kubernetes{}) {
		return // the target is what it was given: see nilAllowsNothing
	}
	asked := make(chan string, 1)
	e := s.env()
	e.Allow = func(address string) error {
		select {
		case asked <- address:
		default:
		}
		return context.DeadlineExceeded // any error
	}
	w := watch(t, s, s.New(t, e))
	w.next("an error", func(r probes.Reading) bool { return r.Err != nil })
	w.end(s)
	select {
	case <-asked:
	default:
		t.Error("the probe did not ask whether it may")
	}
	if n := s.Contacts(); n > 0 {
		t.Errorf("%d contacts with an address that is not allowed", n)
	}
}

func nilAllowsNothing(t *testing.T, s Subject) {
	e := s.env()
	e.Allow, e.Kubernetes = nil, probes.Kubernetes{}
	w := watch(t, s, s.New(t, e))
	w.next("an error", func(r probes.Reading) bool { return r.Err != nil })
	w.end(s)
	if n := s.Contacts(); n > 0 {
		t.Errorf("%d contacts though nothing is allowed", n)
	}
}

func inertBeforeWatch(t *testing.T, s Subject) {
	s.New(t, s.env())
	if n := s.Contacts(); n > 0 {
		t.Errorf("%d contacts before Watch was called", n)
	}
}
