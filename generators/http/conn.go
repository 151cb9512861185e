package http

import (
	"net"
	nethttp "net/http"
	"sync/atomic"
	"time"
)

// A conn is one connection to one endpoint.
type conn struct {
	tls  bool
	addr string

	nc     net.Conn     // what HTTP is spoken on: the stream, or TLS over it; nil for HTTP/3
	stream *stream      // nil for HTTP/3
	probe  *probe       // nil where the system has none
	mux    multiplexed  // set when HTTP/2 or 3 is spoken; nc is then its own
	proxy  *proxy       // set when requests go to a proxy that forwards them
	expiry time.Time    // when it is to be replaced; zero is never
	left   atomic.Int64 // how many requests it may still carry
	polled *poller      // that knows of it; nil for none

	// users counts who needs the connection: its holder, and every request
	// on it. The last one closes it.
	users atomic.Int32
}

// A multiplexed connection carries any number of requests at once.
type multiplexed interface {
	nethttp.RoundTripper
	Err() error // not nil once it takes no more requests
	Close() error
}

// drop gives up one use of the connection.
func (c *conn) drop() {
	if c.users.Add(-1) > 0 {
		return
	}
	// What is read or written no more has no use for the error.
	if c.mux != nil {
		_ = c.mux.Close()
	}
	if c.nc != nil {
		_ = c.nc.Close()
	}
}

// usable is true when the connection can carry another request now.
func (c *conn) usable(now time.Time) bool {
	if !c.expiry.IsZero() && !now.Before(c.expiry) || c.left.Load() <= 0 {
		return false
	}
	if c.mux != nil {
		return c.mux.Err() == nil
	}
	return c.probe.quiet()
}

// A holder keeps connections between requests: at most one to each endpoint.
// With them go the TLS sessions that the client may resume. It is used by one
// goroutine at a time.
type holder struct {
	conns   []*conn
	tickets *tickets // made when they are first needed
}

// resumable are the client's TLS sessions.
func (h *holder) resumable() *tickets {
	if h.tickets == nil {
		h.tickets = new(tickets)
	}
	return h.tickets
}

// maxHeld bounds how many endpoints one client stays connected to.
const maxHeld = 8

// find returns the connection to an endpoint, or nil. One that has become
// unusable is given up.
func (h *holder) find(e endpoint, now time.Time) *conn {
	for i, c := range h.conns {
		if c.tls != e.tls || c.addr != e.addr {
			continue
		}
		if c.usable(now) {
			return c
		}
		h.remove(i)
		return nil
	}
	return nil
}

// add keeps a connection, in place of the oldest when there are too many.
func (h *holder) add(c *conn) {
	if len(h.conns) >= maxHeld {
		h.remove(0)
	}
	h.conns = append(h.conns, c)
}

// forget gives up a connection, if it is still held.
func (h *holder) forget(c *conn) {
	for i := range h.conns {
		if h.conns[i] == c {
			h.remove(i)
			return
		}
	}
}

func (h *holder) remove(i int) {
	c := h.conns[i]
	h.conns = append(h.conns[:i], h.conns[i+1:]...)
	c.drop()
}

func (h *holder) close() {
	for len(h.conns) > 0 {
		h.remove(len(h.conns) - 1)
	}
}
