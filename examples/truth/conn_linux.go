package truth

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators/uring"
)

// A conn is one connection of a client.
type conn struct {
	fd, slot, generation int32

	busy    bool // a request of it is being dealt with
	last    bool // the connection ends with the answer
	head    bool // the request is a HEAD
	unread  bool // the socket may hold more than was read
	ending  bool // the client has closed its side, or the connection broke
	outcome outcome
	bed     *bed
	arrival time.Duration // when the request's last packet came
	planned time.Duration

	partial   []byte        // what came and is not dealt with
	partialAt time.Duration // when the last of it came
	out       []byte        // the rest of an answer that the socket did not take
}

// accept takes the connections that are waiting.
func (l *loop) accept() {
	for {
		fd, _, err := unix.Accept4(l.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			// Nobody waits, or the one who did is gone. Without descriptors
			// left clients wait in the backlog, as with any server.
			return
		}
		c := &conn{fd: int32(fd), slot: int32(len(l.conns))}
		if n := len(l.free); n > 0 {
			c.slot, l.free = l.free[n-1], l.free[:n-1]
		} else {
			l.conns = append(l.conns, nil)
		}
		l.generations++
		c.generation = l.generations
		l.conns[c.slot] = c
		// Edge-triggered, registered once for all a connection will ever wait for.
		if l.watch(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|epollET, c.slot, c.generation) != nil {
			l.discard(c)
		}
	}
}

// ready deals with what epoll said of c.
func (l *loop) ready(c *conn, events uint32) {
	if events&unix.EPOLLOUT != 0 && len(c.out) > 0 {
		l.flush(c)
	}
	if events&^uint32(unix.EPOLLOUT) != 0 && l.conns[c.slot] == c {
		c.ending = c.ending || events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
		l.receive(c)
	}
}

// receive reads what the socket holds, but no more than one request ahead.
func (l *loop) receive(c *conn) {
	c.unread = true
	for len(c.partial) < largest {
		kept := copy(l.buffer, c.partial)
		room := l.buffer[kept:]
		n, at, err := l.read(c, room)
		switch {
		case errors.Is(err, unix.EAGAIN):
			c.unread = false
			return
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || n == 0:
			l.gone(c)
			return
		}
		c.partialAt = at
		c.partial = append(c.partial[:0], l.take(c, l.buffer[:kept+n])...)
		if l.conns[c.slot] != c {
			return
		}
		if n < len(room) && !c.ending {
			c.unread = false // emptied; the next edge tells of more
			return
		}
	}
}

// take deals with the requests in data until one has to wait for its answer,
// and returns the rest.
func (l *loop) take(c *conn, data []byte) []byte {
	c.partial = c.partial[:0]
	for !c.busy && len(data) > 0 {
		used := l.begin(c, data)
		if l.conns[c.slot] != c {
			return nil
		}
		if used == 0 {
			return data
		}
		data = data[used:]
	}
	return data
}

// read is recvmsg with the kernel's stamp of the last packet read, on the
// server's clock.
func (l *loop) read(c *conn, room []byte) (n int, at time.Duration, err error) {
	if l.options.Fast {
		got, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(len(room)))
		if errno != 0 {
			return 0, 0, errno
		}
		return int(got), 0, nil
	}
	data := unix.Iovec{Base: unsafe.SliceData(room)}
	data.SetLen(len(room))
	message := unix.Msghdr{Iov: &data, Control: &l.control[0]}
	message.SetIovlen(1)
	message.SetControllen(len(l.control))
	got, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&message)), 0)
	if errno != 0 {
		return 0, 0, errno
	}
	at = l.now
	if header := (*unix.Cmsghdr)(unsafe.Pointer(&l.control[0])); int(message.Controllen) >= unix.CmsgLen(int(unsafe.Sizeof(unix.Timespec{}))) &&
		header.Level == unix.SOL_SOCKET && header.Type == unix.SCM_TIMESTAMPNS {
		stamp := (*unix.Timespec)(unsafe.Pointer(&l.control[unix.CmsgLen(0)]))
		age := l.wall - time.Duration(stamp.Nano())
		// A stamp that is not of the last moment is from before the wall clock was set.
		if age.Abs() < time.Second {
			at -= age
		}
	}
	return int(got), at, nil
}

// begin takes the request at the front of data, if it is whole, and returns
// how many bytes that is.
func (l *loop) begin(c *conn, data []byte) int {
	if b := l.same.bed; b != nil && string(data) == l.same.text {
		c.busy, c.last, c.head, c.bed = true, false, false, b
		l.answerFast(c)
		return len(data)
	}
	r, err := readRequest(data)
	if errors.Is(err, errPartial) {
		return 0
	}
	c.busy, c.bed = true, nil
	if err != nil {
		c.last = true
		l.send(c, badAnswer)
		return len(data)
	}
	c.last, c.head, c.arrival, c.outcome = r.close, string(r.method) == "HEAD", c.partialAt, answered
	if string(r.path) == "/truth" {
		if string(r.method) == "DELETE" {
			clear(l.beds)
			l.same = lastRequest{}
			l.send(c, emptyAnswer)
		} else {
			l.sendBytes(c, textAnswer("200 OK", "application/json", l.report(), c.head))
		}
		return r.size
	}
	if c.bed, err = l.bed(r.path); err != nil {
		l.sendBytes(c, textAnswer("404 Not Found", "text/plain", []byte(err.Error()+"\n"), c.head))
		return r.size
	}
	if l.options.Fast {
		if !c.last && !c.head {
			l.same = lastRequest{string(data[:r.size]), c.bed}
		}
		l.answerFast(c)
		return r.size
	}
	l.asked = append(l.asked, c)
	return r.size
}

// A lastRequest is a request like which the next one probably is: a GET that
// leaves the connection open.
type lastRequest struct {
	text string
	bed  *bed
}

// answerFast answers c's request as soon as those that came with it are read.
func (l *loop) answerFast(c *conn) {
	c.bed.requests++
	c.bed.untimed++
	if l.ring == nil {
		l.send(c, answerOf(answered, c.head))
		return
	}
	l.fast = append(l.fast, c)
	if len(l.fast) == fastBatch {
		l.sendFast()
	}
}

// fastBatch is how many answers go out in one call.
const fastBatch = 16

// sendFast sends the answers to those in l.fast.
func (l *loop) sendFast() {
	for len(l.fast) > 0 {
		var batch [fastBatch]*conn
		var results [fastBatch]int32
		n := copy(batch[:], l.fast)
		l.fast = l.fast[:copy(l.fast, l.fast[n:])]
		for i, c := range batch[:n] {
			results[i] = uring.Undone
			if l.ring != nil {
				answer := answerOf(answered, c.head)
				l.ring.Put(i, c.fd, unsafe.Slice(unsafe.StringData(answer), len(answer)))
			}
		}
		if l.ring != nil {
			if err := l.ring.Send(results[:n]); err != nil {
				_ = l.ring.Close()
				l.ring = nil
			}
		}
		for i, c := range batch[:n] {
			l.sentFast(c, results[i])
		}
	}
}

// sentFast goes on from what the socket said to the answer to c.
func (l *loop) sentFast(c *conn, result int32) {
	answer := answerOf(answered, c.head)
	switch {
	case result == uring.Undone:
		l.send(c, answer)
	case int(result) == len(answer):
		l.answered(c)
	case result >= 0:
		l.sendBytes(c, []byte(answer[result:]))
	case result == -int32(unix.EAGAIN):
		l.sendBytes(c, []byte(answer))
	default:
		l.discard(c)
	}
}

// answer does what was planned for c's request.
func (l *loop) answer(c *conn) {
	if c.outcome == reset {
		c.bed.resets++
		// Not to linger: the kernel sends a reset in place of what is in order.
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		l.discard(c)
		return
	}
	c.bed.answered(c.outcome, c.arrival, c.planned, l.since())
	l.send(c, answerOf(c.outcome, c.head))
}

// send hands an answer to the socket. It is nearly always taken whole.
func (l *loop) send(c *conn, answer string) {
	n, errno := transmit(c.fd, unsafe.StringData(answer), len(answer))
	switch {
	case errno == 0 && n == len(answer):
		l.answered(c)
	case errno == 0 || errno == unix.EAGAIN || errno == unix.EINTR:
		l.sendBytes(c, []byte(answer[n:]))
	default:
		l.discard(c)
	}
}

func (l *loop) sendBytes(c *conn, answer []byte) {
	c.out = answer
	l.flush(c)
}

// flush sends what is left of an answer.
func (l *loop) flush(c *conn) {
	for {
		n, errno := transmit(c.fd, unsafe.SliceData(c.out), len(c.out))
		switch errno {
		case 0:
			if c.out = c.out[n:]; len(c.out) == 0 {
				l.answered(c)
				return
			}
		case unix.EINTR:
		case unix.EAGAIN:
			return // goes on when the socket has room
		default:
			l.discard(c)
			return
		}
	}
}

func transmit(fd int32, data *byte, n int) (int, unix.Errno) {
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(data)), uintptr(n), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), 0
}

// answered makes c ready for its next request, which may be there already.
func (l *loop) answered(c *conn) {
	c.busy, c.out, c.bed = false, nil, nil
	if c.last {
		l.discard(c)
		return
	}
	if len(c.partial) == 0 {
		return
	}
	data := c.partial
	c.partial = nil // take and what it calls must not see it twice
	c.partial = append(c.partial, l.take(c, data)...)
	if c.unread && l.conns[c.slot] == c {
		l.receive(c)
	}
}

// gone deals with a client that closed its side.
func (l *loop) gone(c *conn) {
	if len(l.fast) > 0 {
		l.sendFast() // its own may be among them
		if l.conns[c.slot] != c {
			return
		}
	}
	if c.busy && c.bed != nil && c.outcome != hung {
		c.bed.gone++
	}
	l.discard(c)
}

func (l *loop) discard(c *conn) {
	_ = unix.Close(int(c.fd)) // frees the descriptor whatever it returns
	l.conns[c.slot] = nil
	l.free = append(l.free, c.slot)
}
