package lane

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators"
)

// A conn is one connection: one session of the load.
type conn struct {
	prev, next *conn // in the list of connections in flight

	fd         int32
	slot       int32
	generation int32 // tells events of this connection from those of the one before in its slot
	parser     parser
	connecting bool
	resent     bool // the operation was sent once before, on a connection that never took it
	reset      bool // the socket said so when it was to take more of the request
	busy       bool // carries an operation
	idling     bool // in the lane's idle list
	requests   int32
	sent       int32 // bytes of the request handed to the socket

	opened              time.Duration
	due, started        time.Duration
	connected, answered time.Duration // 0: not in this operation
	received            int64
	partial             []byte // what came and could not be parsed yet
}

func errTimeout(d time.Duration) error { return fmt.Errorf("no whole answer within %s", d) }

// dial opens a connection for an arrival.
func (l *lane) dial(due, now time.Duration) {
	to := l.Addresses[l.address%len(l.Addresses)]
	l.address++
	c, err := l.connect(to, now)
	if err != nil {
		l.run.Stats.Sent.Add(1)
		l.op = generators.LoopOp{Due: due, Started: now, Ended: l.now(), Class: classifyConnect(err), Err: fmt.Errorf("connect to %s: %w", to, err)}
		l.run.Record(&l.op)
		return
	}
	l.enter(c, due, now)
	l.run.Stats.Sent.Add(1)
	if !c.connecting {
		l.send(c)
	}
}

// connect makes a connection and starts its handshake.
func (l *lane) connect(to netip.AddrPort, now time.Duration) (*conn, error) {
	family := unix.AF_INET6
	var address unix.Sockaddr = &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}
	if to.Addr().Unmap().Is4() {
		family = unix.AF_INET
		address = &unix.SockaddrInet4{Addr: to.Addr().Unmap().As4(), Port: int(to.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if l.reader.stamps {
		// Where the kernel gives none, answers end when they are read.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if len(l.Sources) > 0 {
		if err := l.bind(fd, family == unix.AF_INET); err != nil {
			return nil, errors.Join(err, unix.Close(fd))
		}
	}
	c := &conn{fd: int32(fd), opened: now, parser: parser{same: &l.same}}
	err = unix.Connect(fd, address)
	if c.connecting = errors.Is(err, unix.EINPROGRESS); err != nil && !c.connecting {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if n := len(l.freeSlot); n > 0 {
		c.slot = l.freeSlot[n-1]
		l.freeSlot = l.freeSlot[:n-1]
	} else {
		c.slot = int32(len(l.conns))
		l.conns = append(l.conns, nil)
	}
	l.generations++
	c.generation = l.generations
	// Edge-triggered, registered once for all a connection will ever wait for.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | epollET, Fd: c.slot, Pad: c.generation}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		l.freeSlot = append(l.freeSlot, c.slot)
		return nil, errors.Join(err, unix.Close(fd))
	}
	l.conns[c.slot] = c
	l.open++
	l.run.Stats.Sessions.Add(1)
	return c, nil
}

// bind makes a socket come from the source address whose turn it is among
// those of its IP version.
func (l *lane) bind(fd int, is4 bool) error {
	for range l.Sources {
		from := l.Sources[l.source%len(l.Sources)]
		l.source++
		if from.Is4() != is4 {
			continue
		}
		var address unix.Sockaddr = &unix.SockaddrInet6{Addr: from.As16()}
		if is4 {
			address = &unix.SockaddrInet4{Addr: from.As4()}
		}
		// The port is found when the socket connects: until then one port
		// serves connections to many places. Kernels that do not know the
		// option do without.
		_ = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		if err := unix.Bind(fd, address); err != nil {
			return sourceError{fmt.Errorf("from %s: %w", from, err)}
		}
		return nil
	}
	return sourceError{errors.New("no source address is of the target's IP version")}
}

// A sourceError is a source address that cannot be used: brunt's own side.
type sourceError struct{ err error }

func (e sourceError) Error() string { return e.err.Error() }
func (e sourceError) Unwrap() error { return e.err }

// epollET is unix.EPOLLET in the type of an event's mask.
const epollET = 1 << 31

// begin starts an operation on a connection that is ready for one.
func (l *lane) begin(c *conn, due, now time.Duration) {
	l.enter(c, due, now)
	l.run.Stats.Sent.Add(1)
	l.post(c)
}

// enter makes c carry an operation.
func (l *lane) enter(c *conn, due, now time.Duration) {
	c.due, c.started, c.connected, c.answered = due, now, 0, 0
	c.sent, c.received, c.resent, c.reset, c.busy = 0, 0, false, false, true
	c.parser.begin(l.Head)
	l.flight.push(c)
	l.flightN++
	l.run.Stats.InFlight.Add(1)
}

// leave takes the operation off c.
func (l *lane) leave(c *conn) {
	c.busy = false
	l.flight.remove(c)
	l.flightN--
	l.run.Stats.InFlight.Add(-1)
}

// send hands the socket what it takes of the request.
func (l *lane) send(c *conn) {
	rest := l.Request[c.sent:]
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)), unix.MSG_NOSIGNAL, 0, 0)
	l.took(c, int(n), errno)
}

// took deals with what the socket of c said to a send: it took n bytes.
func (l *lane) took(c *conn, n int, errno unix.Errno) {
	switch errno {
	case 0:
		c.sent += int32(n)
	case unix.EAGAIN, unix.EINTR: // goes on when the socket has room
	default:
		// Reading tells why it broke, as a reset may follow an answer; but of
		// a reset the socket tells only once.
		c.reset = errno == unix.ECONNRESET
		l.receive(c, true)
	}
}

// ready deals with what epoll said of c.
func (l *lane) ready(c *conn, events uint32) {
	if c.connecting {
		if events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
			return
		}
		errno, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = unix.Errno(errno)
		}
		now := l.now()
		if err != nil {
			l.fail(c, now, classifyConnect(err), fmt.Errorf("connect: %w", err))
			return
		}
		c.connecting = false
		c.connected = now - c.started
		l.send(c)
		// What came with the connection, its end perhaps, has no other edge.
	} else if c.busy && int(c.sent) < len(l.Request) && events&unix.EPOLLOUT != 0 {
		l.send(c)
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 && l.conns[c.slot] == c {
		l.receive(c, events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
	}
}

// receive reads until the socket is empty or the operation has ended. With
// over, the target has ended the connection already, and no edge will tell of
// it again once the data before it is read.
func (l *lane) receive(c *conn, over bool) {
	for {
		kept := copy(l.reader.buffer, c.partial)
		n, at, errno := l.reader.read(c.fd, kept)
		switch {
		case errno == unix.EAGAIN:
			return
		case errno == unix.EINTR:
			continue
		case errno != 0:
			l.broken(c, errno)
			return
		case !c.busy:
			// An answer that nobody asked for, or the target closing a
			// kept-alive connection: either way it is of no more use.
			l.discard(c)
			return
		case n == 0:
			if err := c.parser.eof(); err != nil {
				l.broken(c, err)
				return
			}
			l.finish(c, false, l.now())
			return
		}
		came := l.came(at, c.started)
		if c.answered == 0 {
			c.answered = came
		}
		c.received += int64(n)
		data := l.reader.buffer[:kept+n]
		used, err := c.parser.feed(data)
		if err == nil && c.parser.body > l.MaxBody {
			err = fmt.Errorf("body over %d bytes", l.MaxBody)
		}
		if err != nil {
			l.fail(c, l.now(), generators.Protocol, err)
			return
		}
		if c.parser.done() {
			// One that the target has ended is not kept: what is sent on it
			// is never answered.
			l.finish(c, used == len(data) && !over, came)
			return
		}
		c.partial = append(c.partial[:0], data[used:]...)
		if !over && n < len(l.reader.buffer)-kept {
			return // emptied; the next edge tells of more
		}
	}
}

// finish ends an operation whose answer came whole. Without keep the
// connection is out of step, or its end was the answer's.
func (l *lane) finish(c *conn, keep bool, ended time.Duration) {
	class, status := generators.OK, int(c.parser.status)
	var err error
	if !l.Accept(status) {
		class, err = generators.Status, statusError(status)
	}
	l.record(c, ended, class, status, err)
	c.partial = c.partial[:0]
	c.requests++
	keep = keep && !c.parser.close && int(c.sent) == len(l.Request) &&
		(l.MaxRequests == 0 || int(c.requests) < l.MaxRequests) &&
		(l.MaxAge == 0 || ended-c.opened < l.MaxAge)
	if !keep {
		l.discard(c)
	}
	l.next(c, keep, ended)
}

// A statusError is a status that the load does not accept.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// broken deals with a connection that ended before its answer did.
func (l *lane) broken(c *conn, err error) {
	if !c.busy {
		l.discard(c)
		return
	}
	if l.untaken(c, err) && l.resend(c) {
		return
	}
	if errors.Is(err, ErrCut) && c.received == 0 {
		err = errors.New("connection closed before any answer")
		if c.reset {
			err = unix.ECONNRESET
		}
	}
	l.fail(c, l.now(), classify(err), err)
}

// untaken says that the operation of a kept-alive connection may be sent again
// because the target never took it: the target had closed the connection while
// it lay idle. Package http says what proves that.
func (l *lane) untaken(c *conn, err error) bool {
	if c.requests == 0 || c.received > 0 || c.resent {
		return false
	}
	if c.sent == 0 {
		return true
	}
	if !l.Idempotent || c.reset || !errors.Is(err, ErrCut) {
		return false
	}
	acked, known := Acknowledged(int(c.fd))
	return known && acked == int64(c.requests)*int64(len(l.Request))
}

// resend plays the operation of a connection on a new one, once, its clock
// running on.
func (l *lane) resend(c *conn) bool {
	fresh, err := l.connect(l.Addresses[l.address%len(l.Addresses)], l.now())
	if err != nil {
		return false
	}
	l.leave(c)
	l.discard(c)
	l.enter(fresh, c.due, c.started)
	fresh.resent = true
	if l.Resent != nil {
		l.Resent.Add(1)
	}
	if !fresh.connecting {
		l.send(fresh)
	}
	return true
}

// fail ends an operation badly, and its connection with it.
func (l *lane) fail(c *conn, now time.Duration, class generators.Class, err error) {
	l.record(c, now, class, 0, err)
	l.discard(c)
	l.next(c, false, now)
}

// record reports the operation that c carries and takes it off.
func (l *lane) record(c *conn, now time.Duration, class generators.Class, status int, err error) {
	l.op = generators.LoopOp{
		Due: c.due, Started: c.started, Ended: now,
		Class: class, Status: status, Err: err,
		BytesOut: int64(c.sent), BytesIn: c.received, Connect: c.connected,
	}
	if c.answered > 0 {
		l.op.FirstByte = c.answered - c.started
	}
	l.leave(c)
	l.run.Record(&l.op)
}

// next starts what is to follow an operation that ended: the oldest arrival
// waiting. In the closed model the user's next one joins the queue first, but
// for a user who never got a connection: it tries again with the next look at
// the plan, or the lane would do nothing else.
func (l *lane) next(c *conn, keep bool, now time.Duration) {
	if l.closed && l.playing() < l.users && (keep || c.requests > 0) {
		l.offer(now)
	}
	if l.head < len(l.waiting) && (!keep || l.closed || l.flightN < crowd || l.idled > 0) {
		behind := l.short()
		due, _ := l.takeWaiting()
		if l.reader.stamps {
			now = l.now() // the answer ended when the kernel got it, a while ago
		}
		if behind && !l.closed {
			l.run.Stats.Lag(now - due)
		}
		if keep {
			l.begin(c, due, now)
		} else {
			l.dial(due, now)
		}
		return
	}
	if keep {
		c.idling = true
		l.idle = append(l.idle, c)
	}
}

// discard closes a connection that carries no operation.
func (l *lane) discard(c *conn) {
	if c.idling {
		l.idle = slices.DeleteFunc(l.idle, func(other *conn) bool { return other == c })
	}
	_ = unix.Close(int(c.fd)) // frees the descriptor whatever it returns
	l.conns[c.slot] = nil
	l.freeSlot = append(l.freeSlot, c.slot)
	l.open--
	l.run.Stats.Sessions.Add(-1)
}

// classifyConnect sorts why there is no connection.
func classifyConnect(err error) generators.Class {
	switch class := classify(err); {
	case class != generators.Reset, errors.Is(err, unix.ECONNRESET):
		return class
	}
	return generators.Connect
}

// classify sorts what the kernel or the parser said.
func classify(err error) generators.Class {
	switch {
	case errors.As(err, new(sourceError)):
		return generators.Local
	case errors.Is(err, unix.ECONNREFUSED):
		return generators.Refused
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EADDRINUSE), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return generators.Local
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		return generators.Connect
	}
	return generators.Reset // or closed, or ErrCut
}
