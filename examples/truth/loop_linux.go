package truth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators/uring"
)

const (
	maxEvents = 256
	// maxBeds bounds the memory that clients can make this server take: a bed
	// has two histograms of 300 KiB.
	maxBeds = 64

	// What an event is about, when it is not a connection's slot.
	aboutListener = -1
	aboutEnd      = -2

	// epollET is unix.EPOLLET in the type of an event's mask.
	epollET = 1 << 31
)

// A loop is the server at work. Everything in it belongs to its thread.
type loop struct {
	epoll, listener, ended int
	origin                 time.Time
	options                Options

	events  [maxEvents]unix.EpollEvent
	buffer  []byte
	control [64]byte

	conns       []*conn // by slot
	free        []int32
	generations int32

	now, wall time.Duration // of this wake: since origin, and since 1970
	asked     []*conn       // whose requests came in this wake
	due       dueHeap
	beds      map[string]*bed

	// With Fast:
	same lastRequest
	fast []*conn     // whose answers are to go out
	ring *uring.Ring // nil where the kernel lets us have none
}

// Serve answers at the address (an IP and a port, 0 for any) until ctx ends,
// and calls ready with its URL when it listens. It locks the thread it runs
// on.
func Serve(ctx context.Context, address string, options Options, ready func(url string)) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The kernel may wake a thread up to its timer slack late, 50 µs unless told otherwise.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err == nil {
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // 0: back to the default
	}
	l := &loop{origin: time.Now(), options: options, buffer: make([]byte, largest+1), beds: map[string]*bed{}}
	defer l.close()
	if options.Fast {
		if ring, err := uring.New(fastBatch); err == nil {
			l.ring = ring
		}
	}
	if err := l.listen(at); err != nil {
		return fmt.Errorf("listen at %s: %w", address, err)
	}
	url, err := l.url()
	if err != nil {
		return fmt.Errorf("listen at %s: %w", address, err)
	}
	wake := context.AfterFunc(ctx, func() {
		one := [8]byte{1}
		_, _ = unix.Write(l.ended, one[:]) // an eventfd with room for it
	})
	ready(url)
	err = l.serve(ctx)
	if !wake() {
		<-ctx.Done()
		l.awaitWake()
	}
	return err
}

func (l *loop) listen(at netip.AddrPort) (err error) {
	l.epoll, l.listener, l.ended = -1, -1, -1
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if l.ended, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	family := unix.AF_INET6
	var address unix.Sockaddr = &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}
	if at.Addr().Unmap().Is4() {
		family = unix.AF_INET
		address = &unix.SockaddrInet4{Addr: at.Addr().Unmap().As4(), Port: int(at.Port())}
	}
	if l.listener, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	stamps := 1
	if l.options.Fast {
		stamps = 0
	}
	for _, option := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		// Accepted sockets inherit these. The first packets of a connection
		// would have no stamp otherwise.
		{unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, stamps},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	} {
		if err := unix.SetsockoptInt(l.listener, option.level, option.name, option.value); err != nil {
			return err
		}
	}
	if err := unix.Bind(l.listener, address); err != nil {
		return err
	}
	if err := unix.Listen(l.listener, 4096); err != nil {
		return err
	}
	return errors.Join(l.watch(l.listener, unix.EPOLLIN, aboutListener, 0), l.watch(l.ended, unix.EPOLLIN, aboutEnd, 0))
}

func (l *loop) watch(fd int, mask uint32, about, generation int32) error {
	event := unix.EpollEvent{Events: mask, Fd: about, Pad: generation}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event)
}

func (l *loop) url() (string, error) {
	name, err := unix.Getsockname(l.listener)
	if err != nil {
		return "", err
	}
	var at netip.AddrPort
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		at = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		at = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return "http://" + at.String(), nil
}

// awaitWake waits until the eventfd has been written, after which nobody uses
// it any more.
func (l *loop) awaitWake() {
	for {
		fds := []unix.PollFd{{Fd: int32(l.ended), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (l *loop) close() {
	if l.ring != nil {
		_ = l.ring.Close() // the kernel undoes all of it with the descriptor
	}
	for _, c := range l.conns {
		if c != nil {
			_ = unix.Close(int(c.fd)) // frees the descriptor whatever it returns
		}
	}
	for _, fd := range []int{l.listener, l.ended, l.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

func (l *loop) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := l.wait()
		if err != nil {
			return fmt.Errorf("wait for requests: %w", err)
		}
		l.readClock()
		for i := range n {
			e := &l.events[i]
			switch e.Fd {
			case aboutListener:
				l.accept()
			case aboutEnd: // the condition above sees why
			default:
				if c := l.conns[e.Fd]; c != nil && c.generation == e.Pad {
					l.ready(c, e.Events)
				}
			}
		}
		if len(l.fast) > 0 {
			l.sendFast()
		}
		l.plan()
		l.depart()
	}
	return nil
}

func (l *loop) readClock() {
	t := time.Now()
	l.now, l.wall = t.Sub(l.origin), time.Duration(t.UnixNano())
}

// wait sleeps until something happens or the next answer is nearly due. From
// then on it only looks.
func (l *loop) wait() (n int, err error) {
	switch {
	case l.options.Fast:
		n, err = epollWait(l.epoll, l.events[:], &unix.Timespec{})
	case len(l.due) == 0:
		n, err = epollWait(l.epoll, l.events[:], nil)
	default:
		timeout := unix.NsecToTimespec(int64(max(0, l.due[0].at-l.since()-l.options.Spin)))
		n, err = epollWait(l.epoll, l.events[:], &timeout)
	}
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, err
}

// epollWait is epoll_pwait2, whose timeout has nanoseconds; nil is forever.
// Without a timeout the call cannot block, and the runtime need not be told.
func epollWait(epoll int, events []unix.EpollEvent, timeout *unix.Timespec) (int, error) {
	var n uintptr
	var errno unix.Errno
	if timeout != nil && *timeout == (unix.Timespec{}) {
		n, _, errno = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(unsafe.Pointer(timeout)), 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), uintptr(unsafe.Pointer(timeout)), 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// plan decides on the requests that came in this wake, in the order in which
// they arrived. An answer may bring another request to light, behind it on the
// same connection; that one goes to the end.
func (l *loop) plan() {
	if len(l.asked) > 1 {
		slices.SortFunc(l.asked, func(a, b *conn) int { return int(a.arrival - b.arrival) })
	}
	for i := 0; i < len(l.asked); i++ {
		c := l.asked[i]
		if !c.busy || l.conns[c.slot] != c {
			continue // it went away within this wake
		}
		b := c.bed
		b.requests++
		c.planned, c.outcome = b.plant(c.arrival)
		switch {
		case c.outcome == hung:
			b.hangs++
		case c.planned <= l.now:
			l.answer(c)
		default:
			l.due.push(departure{c.planned, c.slot, c.generation})
		}
	}
	clear(l.asked)
	l.asked = l.asked[:0]
}

// depart sends the answers that have fallen due.
func (l *loop) depart() {
	for len(l.due) > 0 {
		if l.due[0].at > l.since() {
			return
		}
		d := l.due.pop()
		if c := l.conns[d.slot]; c != nil && c.generation == d.generation {
			l.answer(c)
			l.plan()
		}
	}
}

func (l *loop) since() time.Duration { return time.Since(l.origin) }

// bed finds or makes the bed for a path.
func (l *loop) bed(path []byte) (*bed, error) {
	if b, ok := l.beds[string(path)]; ok {
		return b, nil
	}
	if len(l.beds) >= maxBeds {
		return nil, fmt.Errorf("more than %d paths: DELETE /truth to start anew", maxBeds)
	}
	if l.options.Fast && string(path) != fastPath {
		return nil, fmt.Errorf("a fast server has no path but %s", fastPath)
	}
	p, err := newPlant(string(path))
	if err != nil {
		return nil, err
	}
	b := newBed(p)
	l.beds[string(path)] = b
	return b, nil
}

func (l *loop) report() []byte {
	r := Report{SpinNs: l.options.Spin, Paths: make(map[string]Path, len(l.beds))}
	for path, b := range l.beds {
		r.Paths[path] = b.report()
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return []byte(err.Error()) // plain numbers: it cannot happen
	}
	return append(text, '\n')
}
