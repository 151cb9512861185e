package engine

import (
	"context"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// An openLoad plays a load in the open model: arrivals fall due by the
// schedule alone, whatever the target does.
type openLoad struct {
	*load
	queue *arrivalQueue
	wait  Waiter // nil: a timer of the kernel's
}

// newOpenLoad makes the load's queue; sessions live until ctx ends or the
// queue is closed and empty.
func newOpenLoad(ctx context.Context, l *load, wait Waiter) *openLoad {
	o := &openLoad{load: l, wait: wait}
	o.queue = &arrivalQueue{max: l.slice.Share(l.plan.MaxInFlight), patience: l.plan.Patience, drop: l.drop, behind: l.lag.add}
	o.queue.open = func(id int, first generators.Arrival) { newServer(ctx, l, o.queue, id, first) }
	return o
}

// dispatch hands out every arrival of the schedule at its due time, until the
// schedule ends or stop closes. What is overdue goes out at once, and its wait
// shows it, up to the load's patience: past its ceiling brunt falls no further
// behind than that, and drops the rest.
func (o *openLoad) dispatch(stop <-chan struct{}) {
	wait := o.wait
	if wait == nil {
		precise, closeTimer, err := newPreciseWaiter()
		if err != nil { // out of descriptors: as good as it gets
			precise, closeTimer = TimerWait, func() error { return nil }
		}
		wait = precise
		defer func() { _ = closeTimer() }() // nobody waits for it any more
	}
	k := int64(0)
	now, woke, overslept := o.origin, o.origin, time.Duration(0)
	for offset := range o.slice.Arrivals(o.plan) {
		due := o.origin.Add(offset)
		at, sleeps := due, now.Before(due)
		if sleeps {
			for due.Sub(now) > late && o.queue.short() {
				if !o.relieve(wait, stop) {
					return
				}
				now = time.Now()
			}
			// Dense arrivals share a waking: it costs more than sending them.
			at = latest(due, woke.Add(o.plan.Precision))
		}
		if !wait(at, stop) {
			return
		}
		if now = time.Now(); sleeps {
			woke, overslept = now, now.Sub(at)
		}
		lag := now.Sub(due)
		o.lag.add(lag)
		o.offered.Add(1)
		arrival := generators.Arrival{Index: o.slice.nth(k), Due: due}
		k++
		if lag > o.plan.Patience {
			o.drop(arrival, now)
			continue
		}
		// Those that a late waking finds overdue are late together, the last of
		// them as well: the sessions at work had the processor.
		o.queue.offer(arrival, max(lag-o.plan.Precision, overslept))
	}
	for o.queue.short() {
		if !o.relieve(wait, stop) {
			return
		}
	}
}

// relieve gives those that wait a while to find a session, and then opens some
// for them. It returns false once stop has closed.
func (o *openLoad) relieve(wait Waiter, stop <-chan struct{}) bool {
	if !wait(time.Now().Add(late), stop) {
		return false
	}
	o.queue.relieve(relief)
	return true
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (o *openLoad) expire(now time.Time) { o.queue.expire(now) }

func (o *openLoad) gather() (waiting int) {
	return o.queue.waitingNow()
}

// finish lets the sessions end: after what is waiting has been played or has
// run out of patience, or at once with abandon.
func (o *openLoad) finish(abandon bool) {
	given := o.queue.close(abandon)
	o.canceled.Add(int64(len(given)))
}
