package engine

import (
	"context"
	"runtime"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// An openLoad plays a load in the open model: arrivals fall due by the
// schedule alone, whatever the target does.
type openLoad struct {
	*load
	queue *arrivalQueue
	wait  Waiter
}

// newOpenLoad makes the load's queue; sessions live until ctx ends or the
// queue is closed and empty.
func newOpenLoad(ctx context.Context, l *load, wait Waiter) *openLoad {
	o := &openLoad{load: l, wait: wait}
	o.queue = &arrivalQueue{max: l.slice.share(l.plan.MaxInFlight), patience: l.plan.Patience, drop: l.drop}
	o.queue.open = func(id int, first generators.Arrival) {
		l.sessions.Go(func() { l.serve(ctx, o.queue, id, first) })
	}
	return o
}

// dispatch hands out every arrival of the schedule at its due time, from a
// thread of its own, until the schedule ends or stop closes. What is overdue
// goes out at once, and its wait shows it, up to the load's patience: past its
// ceiling brunt falls no further behind than that, and drops the rest.
func (o *openLoad) dispatch(stop <-chan struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	k := int64(0)
	for offset := range o.slice.Arrivals(o.plan) {
		due := o.origin.Add(offset)
		if !o.wait(due, stop) {
			return
		}
		now := time.Now()
		o.lag.add(now.Sub(due))
		o.offered.Add(1)
		arrival := generators.Arrival{Index: o.slice.nth(k), Due: due}
		k++
		if now.Sub(due) > o.plan.Patience {
			o.drop(arrival, now)
			continue
		}
		o.queue.offer(arrival)
	}
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
