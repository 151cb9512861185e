package shop

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// errQueueFull says that a replica has as many requests waiting as it takes.
var errQueueFull = errors.New("queue full")

// workers are a replica's slots and the bounded queue in front of them. Who
// waits longest goes first. All methods are safe for concurrent use.
type workers struct {
	slots   chan struct{}
	queue   int64
	waiting atomic.Int64

	served, refused atomic.Int64

	mu      sync.Mutex
	busy    int           // slots in use
	worked  time.Duration // slot-time used, up to last
	last    time.Time
	samples []sample // worked over the last window, oldest first
}

// A sample is how much had been worked at a time.
type sample struct {
	at     time.Time
	worked time.Duration
}

// The busy share is over the last 2 seconds: as short as it can be without
// the autoscaler chasing the luck of the draw.
const (
	sampleEvery  = 250 * time.Millisecond
	sampleWindow = 2 * time.Second
)

func newWorkers(slots, queue int) *workers {
	now := time.Now()
	return &workers{
		slots:   make(chan struct{}, slots),
		queue:   int64(queue),
		last:    now,
		samples: []sample{{at: now}},
	}
}

// enter waits for a slot. It fails with errQueueFull at once when too many
// wait already, and with ctx's error when that ends first. After a success the
// caller calls leave.
func (w *workers) enter(ctx context.Context) error {
	select {
	case w.slots <- struct{}{}:
	default:
		if w.waiting.Add(1) > w.queue {
			w.waiting.Add(-1)
			w.refused.Add(1)
			return errQueueFull
		}
		defer w.waiting.Add(-1)
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.count(+1)
	return nil
}

// leave gives the slot back.
func (w *workers) leave() {
	w.count(-1)
	w.served.Add(1)
	<-w.slots
}

func (w *workers) count(change int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(time.Now())
	w.busy += change
}

// advance brings worked up to now. The caller holds mu.
func (w *workers) advance(now time.Time) {
	w.worked += time.Duration(w.busy) * now.Sub(w.last)
	w.last = now
}

// measure keeps the samples for share until ctx ends.
func (w *workers) measure(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.sample()
		}
	}
}

func (w *workers) sample() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(time.Now())
	if len(w.samples) > int(sampleWindow/sampleEvery) {
		copy(w.samples, w.samples[1:])
		w.samples = w.samples[:len(w.samples)-1]
	}
	w.samples = append(w.samples, sample{w.last, w.worked})
}

// share is how much of the slots' time was used lately, 0 to 1.
func (w *workers) share() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(time.Now())
	oldest := w.samples[0]
	span := w.last.Sub(oldest.at)
	if span <= 0 {
		return 0
	}
	return float64(w.worked-oldest.worked) / float64(span) / float64(cap(w.slots))
}
