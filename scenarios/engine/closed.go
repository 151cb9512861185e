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
	end   time.Duration // of the plan: no arrival starts then or later
	users []*user       // those that are to go on
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
			c.users = append(c.users, c.newUser(c.ids))
			c.ids++
		}
		for len(c.users) > want {
			last := len(c.users) - 1
			c.users[last].quit.Store(true)
			c.users[last] = nil
			c.users = c.users[:last]
		}
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
	}
}

// A user starts its next arrival when the last one has ended. It has a goroutine
// while it is at work, and none while its session is paused.
type user struct {
	clientSession
	of   *closedLoad
	quit atomic.Bool // after the arrival that it is at
	wake func()      // goOn
}

// newUser starts a user. It counts among the load's sessions until it ends.
func (c *closedLoad) newUser(id int) *user {
	u := &user{clientSession: clientSession{load: c.load, id: id}, of: c}
	u.wake = u.goOn
	c.sessions.Add(1)
	go u.play(false)
	return u
}

func (u *user) goOn() { u.play(u.rested(u.resume(u.of.ctx))) }

// play starts one arrival after the other, after the one that more is to come
// of, until the user is to end or its session pauses.
func (u *user) play(more bool) {
	c := u.of
	for !more {
		if u.quit.Load() || c.ctx.Err() != nil || time.Since(c.origin) >= c.end {
			u.close()
			c.sessions.Done()
			return
		}
		c.offered.Add(1)
		more = u.rested(u.start(c.ctx, generators.Arrival{Index: c.slice.nth(c.next.Add(1) - 1), Due: time.Now()}))
	}
	u.pausing.Pause(u.wake) // and is another goroutine's from here on
}

// rested has a user rest that did not reach the target: it tries again about
// with the next look at the plan, or brunt would do nothing else, and count
// failures as fast as its processors go.
func (u *user) rested(more bool) bool {
	if more || !u.missed {
		return more
	}
	t := time.NewTimer(adjustEvery)
	defer t.Stop()
	select {
	case <-t.C:
	case <-u.of.ctx.Done():
	}
	return false
}

func (c *closedLoad) expire(time.Time) {}

func (c *closedLoad) gather() int { return 0 }

// finish lets every user end after the arrival it is at. It must be called
// after dispatch has returned.
func (c *closedLoad) finish(bool) {
	for _, u := range c.users {
		u.quit.Store(true)
	}
	c.users = nil
}
