package http

import (
	"net"
	"sync/atomic"
)

// A prefaceConn looks at the first bytes from a server that was not asked
// whether it speaks HTTP/2. What net/http says of one that does not depends on
// which came first, its answer or the request.
type prefaceConn struct {
	net.Conn
	seen    int
	foreign atomic.Bool // the first frame is not SETTINGS
}

// Read is called from one goroutine, the connection's reader.
func (c *prefaceConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	const kindAt, settings = 3, 4 // RFC 9113 sections 3.4 and 4.1
	if i := kindAt - c.seen; i >= 0 && i < n && p[i] != settings {
		c.foreign.Store(true)
	}
	c.seen = min(c.seen+n, kindAt+1)
	return n, err
}
