// Package lane is the fast path for HTTP/1.1 in the clear: one thread, one
// epoll loop, raw non-blocking sockets, request bytes rendered once and no
// hand-off between the moment an arrival falls due and its first byte on the
// wire. Package http takes it for loads that need no more than that.
//
// A lane that is behind sends what waits as answers come, over the connections
// that it has; it opens more, and has more than some hundred in flight, only
// for arrivals that are on time or while it has nothing to do but wait for the
// target. So it is as fast behind as in the closed model, and catches up.
// Requests that fall due together go to the kernel in one call, where it has
// io_uring and lets us use it; else, as in most containers, in a call each.
package lane

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// Config is one request and how its connections are kept.
type Config struct {
	Addresses   []netip.AddrPort // taken in turn by new connections; at least one
	Sources     []netip.Addr     // local addresses, taken in turn by new connections; none: the system's choice
	Request     []byte           // the whole request as it goes over the wire
	Head        bool             // the request is a HEAD
	Idempotent  bool             // the request may be sent again where it can only be known that the target will not answer it
	Resent      *atomic.Int64    // counts requests sent again
	Timeout     time.Duration    // from started to ended
	MaxAge      time.Duration    // a connection older than this takes no more requests; 0: any age
	MaxRequests int              // a connection takes so many requests; 0: any number
	MaxBody     int64            // bytes of body read before the answer is refused
	Accept      func(status int) bool
	// Precision is how late an arrival may go out so that several share one
	// waking of the lane; 0 wakes for each.
	Precision time.Duration
}
