package http

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A poller rouses paused sessions when there is something to read on their
// connections, or when these are broken. Each place in it is a session's.
//
// Its epoll set is itself watched by Go's: so there is no thread that blocks in
// it, and that would have to be woken beside the one that Go has for this.
type poller struct {
	epoll int
	file  *os.File // of it
	ended chan struct{}
	ready chan *session // to workers that are idle

	mu     sync.Mutex
	places []*session // that of slot n is the one before n
	free   []int32    // slots
}

// idleWorkers is how many goroutines are kept for sessions that are roused: new
// ones would have to grow their stacks first.
const idleWorkers = 16

// newPoller starts a poller with a goroutine of its own.
func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll set: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or Go does not watch it
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch an epoll set: %w", err)
	}
	p := &poller{epoll: fd, file: os.NewFile(uintptr(fd), "epoll"), ended: make(chan struct{}), ready: make(chan *session)}
	raw, err := p.file.SyscallConn()
	if err != nil {
		_ = p.file.Close()
		return nil, fmt.Errorf("watch an epoll set: %w", err)
	}
	go p.run(raw)
	return p, nil
}

// run rouses sessions until close. One that has been roused for nothing goes on
// waiting: so it is of no matter when a place has changed hands meanwhile.
func (p *poller) run(raw syscall.RawConn) {
	defer close(p.ended)
	defer close(p.ready)
	workers := make(chan struct{}, idleWorkers)
	var events [128]unix.EpollEvent
	_ = raw.Read(func(uintptr) (done bool) { // ends with an error: the set is closed
		for {
			n, err := unix.EpollWait(p.epoll, events[:], 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			for _, e := range events[:max(n, 0)] {
				p.mu.Lock()
				s := p.places[e.Fd-1]
				p.mu.Unlock()
				if s == nil {
					continue
				}
				select {
				case p.ready <- s:
				default:
					go p.work(s, workers)
				}
			}
			if n <= 0 {
				return false
			}
		}
	})
}

// work rouses a session, and then others for as long as few others do.
func (p *poller) work(s *session, idle chan struct{}) {
	for s != nil {
		s.rouse()
		select {
		case idle <- struct{}{}:
		default:
			return
		}
		s = <-p.ready
		<-idle
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

// close ends the poller. All places have been left. Workers that are idle end
// with it; it does not wait for them, since it may be a worker that closes.
func (p *poller) close() {
	_ = p.file.Close() // which ends run
	<-p.ended
}
