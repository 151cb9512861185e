package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// A closedLoad plays a load in the closed model: so many users, each starting
// its next arrival when the last one ended.
type closedLoad struct {
	*load
	ctx   context.Context
	next  atomic.Int64
	end   time.Duration   // of the plan: no arrival starts then or later
	users []chan struct{} // one a running user: closed to let it end
	ids   int
}

// adjustEvery is how often the number of users follows the plan.
const adjustEvery = 20 * time.Millisecond

func newClosedLoad(ctx context.Context, l *load) *closedLoad {
	return &closedLoad{load: l, ctx: ctx, end: l.plan.Users[len(l.plan.Users)-1].End}
}

// dispatch keeps the number of users at the plan until the plan or stop ends
// it. Users that the plan takes away end after the arrival they are at.
func (c *closedLoad) dispatch(stop <-chan struct{}) {
	ticker := time.NewTicker(adjustEvery)
	defer ticker.Stop()
	for {
		at := time.Since(c.origin)
		if at >= c.end {
			return
		}
		want := c.slice.Share(min(int(generators.At(c.plan.Users, at)+0.5), c.plan.MaxInFlight))
		for len(c.users) < want {
			quit := make(chan struct{})
			c.users = append(c.users, quit)
			id := c.ids
			c.ids++
			c.sessions.Go(func() { c.user(id, quit) })
		}
		for len(c.users) > want {
			last := len(c.users) - 1
			close(c.users[last])
			c.users = c.users[:last]
		}
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
	}
}

func (c *closedLoad) user(id int, quit <-chan struct{}) {
	s := clientSession{load: c.load, id: id}
	defer s.close()
	for !closed(quit) && c.ctx.Err() == nil && time.Since(c.origin) < c.end {
		c.offered.Add(1)
		if !s.play(c.ctx, generators.Arrival{Index: c.slice.nth(c.next.Add(1) - 1), Due: time.Now()}) {
			c.rest(quit)
		}
	}
}

// rest is what a user does that did not reach the target: it tries again with
// the next look at the plan, or brunt would do nothing else, and count failures
// as fast as its processors go.
func (c *closedLoad) rest(quit <-chan struct{}) {
	t := time.NewTimer(adjustEvery)
	defer t.Stop()
	select {
	case <-t.C:
	case <-quit:
	case <-c.ctx.Done():
	}
}

func (c *closedLoad) expire(time.Time) {}

func (c *closedLoad) gather() int { return 0 }

// finish lets every user end after the arrival it is at. It must be called
// after dispatch has returned.
func (c *closedLoad) finish(bool) {
	for _, quit := range c.users {
		close(quit)
	}
	c.users = nil
}
