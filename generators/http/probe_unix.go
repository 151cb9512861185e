//go:build unix

package http

import (
	"net"
	"syscall"
)

// A probe looks whether an idle connection is still quiet. A server that has
// closed it, or has said something unasked, is noticed before a request is
// wasted on it.
type probe struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool // made once: it would be an allocation for every request
	got  [1]byte
	calm bool
}

func newProbe(c net.Conn) *probe {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	p := &probe{raw: raw}
	p.look = func(fd uintptr) bool {
		// The descriptor does not block. A byte that is read is lost, which
		// is no loss: the connection is given up for it.
		_, err := syscall.Read(int(fd), p.got[:])
		p.calm = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	}
	return p
}

// quiet is true when there is nothing to read and the connection stands.
func (p *probe) quiet() bool {
	if p == nil {
		return true
	}
	p.calm = false
	return p.raw.Read(p.look) == nil && p.calm
}
