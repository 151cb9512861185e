package shop

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// Four requests of 10 ms come at once to 2 slots and a queue of 1: two work,
// one waits, one is refused.
func TestWorkersQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(2, 1)
		start := time.Now()
		type outcome struct {
			err  error
			took time.Duration
		}
		outcomes := make(chan outcome, 4)
		for range 4 {
			go func() {
				err := w.enter(t.Context())
				if err == nil {
					time.Sleep(10 * time.Millisecond)
					w.leave()
				}
				outcomes <- outcome{err, time.Since(start)}
			}()
			synctest.Wait()
		}
		want := []outcome{
			{errQueueFull, 0},
			{nil, 10 * time.Millisecond},
			{nil, 10 * time.Millisecond},
			{nil, 20 * time.Millisecond},
		}
		for i, want := range want {
			if got := <-outcomes; got != want {
				t.Errorf("outcome %d: %v, want %v", i, got, want)
			}
		}
		if w.served.Load() != 3 || w.refused.Load() != 1 || w.waiting.Load() != 0 {
			t.Errorf("served %d, refused %d, waiting %d; want 3, 1, 0", w.served.Load(), w.refused.Load(), w.waiting.Load())
		}
	})
}

// A client that gives up leaves the queue, and its place is free.
func TestWorkersClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(1, 1)
		if err := w.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if err := w.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the client's own deadline", err)
			}
			cancel()
		}
		w.leave()
	})
}

// The busy share is over the last 2 s: one of two slots used is 0.5, and it
// takes that long to be forgotten.
func TestWorkersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(2, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		go w.measure(ctx)
		check := func(what string, want float64) {
			t.Helper()
			if got := w.share(); math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		check("at the start", 0)
		if err := w.enter(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		check("after 1 s of one slot", 0.5)
		w.leave()
		time.Sleep(time.Second)
		check("after 1 s of rest", 0.25)
		time.Sleep(sampleWindow)
		check("after 3 s of rest", 0)
	})
}

func BenchmarkWorkers(b *testing.B) {
	b.ReportAllocs()
	w := newWorkers(2, 64)
	for b.Loop() {
		if err := w.enter(b.Context()); err != nil {
			b.Fatal(err)
		}
		w.leave()
	}
}
