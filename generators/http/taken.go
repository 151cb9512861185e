package http

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/brunt-dev/brunt/generators/lane"
)

// A stream is a connection as the system knows it. It counts what was handed
// to it, TLS and a proxy's tunnel included.
type stream struct {
	net.Conn
	handed atomic.Int64
}

func (s *stream) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	s.handed.Add(int64(n))
	return n, err
}

// SyscallConn is for those who ask the system about the connection.
func (s *stream) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := s.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// acknowledged is how much of what was handed to the connection has reached
// the system at the other end.
func (s *stream) acknowledged() (bytes int64, known bool) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) { bytes, known = lane.Acknowledged(int(fd)) })
	return bytes, known && err == nil
}

// untaken says whether it is proven that the server never took a request, and
// whether any of it was handed to the connection, to which before bytes had
// been handed until then. Of the answer no byte came: reading it failed with
// read, and sending the request with write, if at all.
//
// It is proven where nothing was handed on, and where the server's end of the
// connection (FIN, or TLS's close_notify) came without acknowledging any of
// the request: then the server had closed before the request reached it. A
// reset proves nothing, acknowledged or not: acknowledgements are delayed, and
// a server that is killed with a request unread resets the connection.
func (s *stream) untaken(before int64, read, write error) (begun, proven bool) {
	if s.handed.Load() == before {
		return false, true
	}
	// Where a reset met the sending, reading says only that it is over.
	if !errors.Is(read, errClosedEarly) || errors.Is(write, syscall.ECONNRESET) {
		return true, false
	}
	acked, known := s.acknowledged()
	return true, known && acked == before
}

// untaken marks the failure of a request that the server never took.
type untaken struct {
	err   error
	begun bool // some of it was handed to the connection
}

func (e untaken) Error() string { return e.err.Error() }
func (e untaken) Unwrap() error { return e.err }
