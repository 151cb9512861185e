package cluster

import (
	"sync"
	"time"
)

// A clock estimates how far a worker's clocks are from the controller's, as NTP
// does (RFC 5905, section 8): a ping that left at t0 and was answered at t3, with
// took of that spent by the worker, says that the worker's clock stood at mono
// halfway, to within half of what the way there and back took. The sample with
// the shortest way is the best one; there is no averaging, since delays have a
// floor and no ceiling.
//
// It is safe for concurrent use.
type clock struct {
	mu      sync.Mutex
	start   sample // the best until settled
	late    sample // the best of the current stretch of the run
	was     sample // the best of the stretch before
	since   time.Time
	fixed   bool
	samples int
}

// A sample is one estimate.
type sample struct {
	taken bool
	mono  time.Duration // the worker's monotonic clock less the controller's
	wall  time.Duration // the worker's wall clock less the controller's
	trip  time.Duration // there and back, less what the worker took
}

// within is the most that the estimate can be off by.
func (s sample) within() time.Duration { return (s.trip + 1) / 2 }

// stretch is how long samples compete with each other once the run plays, so
// that drift shows.
const stretch = 10 * time.Second

// take adds the answer to a ping. sent and received are on the controller's
// monotonic clock, wall is the controller's wall clock when it came.
func (c *clock) take(p pong, received time.Duration, wall time.Time) {
	sent := time.Duration(p.Sent)
	trip := max(received-sent-time.Duration(p.Took), 0)
	s := sample{
		taken: true,
		trip:  trip,
		mono:  time.Duration(p.Mono) - (sent + trip/2),
		// The moment that the ping came, on the controller's wall clock.
		wall: time.Unix(0, p.Wall).Sub(wall.Round(0).Add(-time.Duration(p.Took) - (trip - trip/2))),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples++
	if !c.fixed {
		c.start = better(c.start, s)
		return
	}
	if now := time.Now(); now.Sub(c.since) >= stretch {
		c.was, c.late, c.since = c.late, sample{}, now
	}
	c.late = better(c.late, s)
}

func better(a, b sample) sample {
	if !a.taken || b.trip < a.trip {
		return b
	}
	return a
}

// measured reports whether enough is known for a start.
func (c *clock) measured() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.samples >= firstPings/2
}

// settle ends the measuring before the start: the estimate is what the start is
// computed from. It is false when there is none.
func (c *clock) settle() (sample, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fixed {
		c.fixed, c.since = true, time.Now()
	}
	return c.start, c.start.taken
}

// drift is how far the wall clock has moved since the start; false when that
// was not measured.
func (c *clock) drift() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.late
	if c.was.taken && c.was.trip < last.trip {
		last = c.was // a stretch that has just begun knows less
	}
	if !last.taken || !c.start.taken {
		return 0, false
	}
	return last.wall - c.start.wall, true
}
