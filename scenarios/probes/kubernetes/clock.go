package kubernetes

import (
	"net/http"
	"sync"
	"time"
)

// A serverClock learns how far the API server's clock is ahead of this
// machine's, as an interval: every answer says in its Date, to the second, what
// time it was there at some moment between the question and the answer. It is
// safe for concurrent use.
type serverClock struct {
	mu        sync.Mutex
	low, high time.Duration // ahead by at least, at most
	known     bool
}

// observe takes in one answer.
func (c *serverClock) observe(sent, received, date time.Time) {
	low, high := date.Sub(received), date.Add(time.Second).Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		low, high = max(low, c.low), min(high, c.high)
	}
	if low > high {
		// A clock was set: what was learned before is over.
		low, high = date.Sub(received), date.Add(time.Second).Sub(sent)
	}
	c.low, c.high, c.known = low, high, true
}

// doubt is how far a stamp may be off when no answer had a Date.
const doubt = time.Second

// stamp turns a time that the server wrote in whole seconds into one of this
// machine, and how far off that may be. seen is when this machine was told.
func (c *serverClock) stamp(t, seen time.Time) (time.Time, time.Duration) {
	c.mu.Lock()
	low, high := c.low, c.high
	if !c.known {
		low, high = -doubt, doubt
	}
	c.mu.Unlock()
	from, to := t.Add(-high), t.Add(time.Second-low)
	if to.After(seen) {
		to = seen
	}
	if from.After(to) {
		// Some other clock than the server's, and ahead of it.
		return seen, from.Sub(seen)
	}
	half := to.Sub(from) / 2
	return from.Add(half), half
}

// transport observes every answer.
func (c *serverClock) transport(next http.RoundTripper) http.RoundTripper {
	return &dated{next: next, clock: c}
}

type dated struct {
	next  http.RoundTripper
	clock *serverClock
}

func (d *dated) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	answer, err := d.next.RoundTrip(r)
	if err == nil {
		if date, bad := http.ParseTime(answer.Header.Get("Date")); bad == nil {
			d.clock.observe(sent, time.Now(), date)
		}
	}
	return answer, err
}

// WrappedRoundTripper lets idle connections be found and closed.
func (d *dated) WrappedRoundTripper() http.RoundTripper { return d.next }
