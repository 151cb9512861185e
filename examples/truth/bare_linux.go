package truth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// Bare measures n requests at a steady rate (a second) over some connections
// with the least that a client can be: one thread that sleeps in epoll until
// a request is due or an answer is there, and deals with it. The times are from
// due to answered. What it measures over the server's own truth is what this
// machine takes to wake up and to carry the bytes, which no load generator can
// be without. A request that is late because no connection was free still
// counts from when it was due.
func Bare(ctx context.Context, target string, rate float64, n, connections int) (Distribution, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err == nil {
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // 0: back to the default
	}
	b, err := dialBare(target, connections)
	if err != nil {
		return Distribution{}, fmt.Errorf("measure bare: %w", err)
	}
	defer b.close()
	h := hdr.New(1, int64(longest), 3)
	due := func(k int) time.Duration { return time.Duration(float64(k) / rate * float64(time.Second)) }
	if err := b.play(ctx, n, due, func(took time.Duration) { _ = h.RecordValue(int64(min(took, longest))) }); err != nil {
		return Distribution{}, fmt.Errorf("measure bare: %w", err)
	}
	return summarize(h), nil
}

// A bare client has a few connections.
type bare struct {
	epoll   int
	request []byte
	conns   []bareConn
	idle    []int32 // of conns, the most recently used last
	events  [64]unix.EpollEvent
}

type bareConn struct {
	fd     int
	due    time.Duration // of the request whose answer is awaited; -1: none is
	got    int
	answer [256]byte
}

// bareTimeout bounds the wait for any answer.
const bareTimeout = 2 * time.Second

func dialBare(target string, connections int) (*bare, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return nil, err
	}
	b := &bare{epoll: -1, request: []byte("GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\n\r\n")}
	if b.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	for range connections {
		if err := b.connect(at); err != nil {
			b.close()
			return nil, fmt.Errorf("connect to %s: %w", at, err)
		}
	}
	return b, nil
}

func (b *bare) connect(at netip.AddrPort) error {
	family := unix.AF_INET6
	var address unix.Sockaddr = &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}
	if at.Addr().Is4() {
		family = unix.AF_INET
		address = &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	n := int32(len(b.conns))
	b.conns = append(b.conns, bareConn{fd: fd, due: -1})
	b.idle = append(b.idle, n)
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, address); err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return unix.EpollCtl(b.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | epollET, Fd: n})
}

func (b *bare) close() {
	for i := range b.conns {
		_ = unix.Close(b.conns[i].fd)
	}
	if b.epoll >= 0 {
		_ = unix.Close(b.epoll)
	}
}

// play sends n requests, each when it is due or as soon after as a connection
// is free, and calls record with how long after that its answer was there.
func (b *bare) play(ctx context.Context, n int, due func(k int) time.Duration, record func(time.Duration)) error {
	origin := time.Now()
	heard := time.Duration(0) // when something last happened
	for sent, answered := 0, 0; answered < n; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left := bareTimeout
		if sent < n && len(b.idle) > 0 {
			if left = due(sent) - time.Since(origin); left <= 0 {
				if err := b.send(due(sent)); err != nil {
					return fmt.Errorf("request %d: %w", sent, err)
				}
				sent++
				heard = time.Since(origin)
				continue
			}
		} else if time.Since(origin)-heard > bareTimeout {
			return fmt.Errorf("no answer within %s", bareTimeout)
		}
		events, err := b.wait(left)
		if err != nil {
			return fmt.Errorf("await answer: %w", err)
		}
		for i := range events {
			c := &b.conns[events[i].Fd]
			whole, err := b.receive(c)
			if err != nil {
				return err
			}
			if whole {
				heard = time.Since(origin)
				record(heard - c.due)
				c.due, c.got = -1, 0
				b.idle = append(b.idle, events[i].Fd)
				answered++
			}
		}
	}
	return nil
}

// wait sleeps until something came, for d at the most.
func (b *bare) wait(d time.Duration) ([]unix.EpollEvent, error) {
	timeout := unix.NsecToTimespec(int64(d))
	n, err := epollWait(b.epoll, b.events[:], &timeout)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, err
	}
	return b.events[:n], nil
}

// send sends a request on the connection that was last used.
func (b *bare) send(due time.Duration) error {
	n := b.idle[len(b.idle)-1]
	b.idle = b.idle[:len(b.idle)-1]
	c := &b.conns[n]
	c.due = due
	if _, err := unix.Write(c.fd, b.request); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// receive reads what came and says whether that makes the answer whole.
func (b *bare) receive(c *bareConn) (whole bool, err error) {
	for {
		n, err := unix.Read(c.fd, c.answer[c.got:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("read answer: %w", err)
		case n == 0:
			return false, errors.New("the connection ended")
		}
		c.got += n
		switch {
		case c.due < 0:
			return false, errors.New("an answer to no request")
		case string(c.answer[:c.got]) == okHead+okBody:
			return true, nil
		case !bytes.HasPrefix([]byte(okHead+okBody), c.answer[:c.got]):
			return false, fmt.Errorf("an answer that no plant gives: %q", c.answer[:min(c.got, 40)])
		}
	}
}
