package http

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// A poller rouses paused sessions when there is something to read on their
// connections, or when these are broken. Each place in it is a session's.
type poller struct {
	epoll int
	stop  int // an event descriptor: any value ends the goroutine
	ended chan struct{}

	mu     sync.Mutex
	places []*session // that of slot n is the one before n
	free   []int32    // slots
}

// newPoller starts a poller with a goroutine of its own.
func newPoller() (p *poller, err error) {
	p = &poller{ended: make(chan struct{})}
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make an epoll set: %w", err)
	}
	if p.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, p.stop, &unix.EpollEvent{Events: unix.EPOLLIN})
		if err != nil {
			_ = unix.Close(p.stop)
		}
	}
	if err != nil {
		_ = unix.Close(p.epoll)
		return nil, fmt.Errorf("watch an event descriptor: %w", err)
	}
	go p.run()
	return p, nil
}

// run rouses sessions until close. One that has been roused for nothing goes on
// waiting: so it is of no matter when a place has changed hands meanwhile.
func (p *poller) run() {
	defer close(p.ended)
	var events [128]unix.EpollEvent
	for {
		n, err := unix.EpollWait(p.epoll, events[:], -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return // the descriptors are this poller's own: cannot be
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd == 0 {
				return
			}
			p.mu.Lock()
			s := p.places[e.Fd-1]
			p.mu.Unlock()
			if s != nil {
				go s.rouse()
			}
		}
	}
}

// join gives a session a place.
func (p *poller) join(s *session) (slot int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		slot = p.free[n-1]
		p.free = p.free[:n-1]
		p.places[slot-1] = s
		return slot
	}
	p.places = append(p.places, s)
	return int32(len(p.places))
}

func (p *poller) leave(slot int32) {
	p.mu.Lock()
	p.places[slot-1] = nil
	p.free = append(p.free, slot)
	p.mu.Unlock()
}

// expect has the session of a place roused once a connection can be read, or
// is broken.
func (p *poller) expect(slot int32, c *conn) error {
	if c.probe == nil {
		return errors.ErrUnsupported
	}
	op := unix.EPOLL_CTL_MOD
	if c.polled != p {
		op = unix.EPOLL_CTL_ADD // closing takes it out again
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: slot}
	var failed error
	err := c.probe.raw.Control(func(fd uintptr) { failed = unix.EpollCtl(p.epoll, op, int(fd), &event) })
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("wait for a connection: %w", err)
	}
	c.polled = p
	return nil
}

// close ends the poller. All places have been left.
func (p *poller) close() {
	one := [8]byte{1}
	_, _ = unix.Write(p.stop, one[:]) // an event descriptor at 0 has room
	<-p.ended
	_, _ = unix.Close(p.stop), unix.Close(p.epoll)
}
