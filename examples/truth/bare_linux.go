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

// Bare measures n requests at a steady rate (a second) over one connection
// with the least that a client can be: one thread that sleeps in epoll until
// a request is due, sends it, and sleeps in epoll until its answer is there.
// The times are from due to answered. What it measures over the server's own
// truth is what this machine takes to wake up and to carry the bytes, which no
// load generator can be without. A request that is late because the answer
// before it was still counts from when it was due.
func Bare(ctx context.Context, target string, rate float64, n int) (Distribution, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err == nil {
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }() // 0: back to the default
	}
	b, err := dialBare(target)
	if err != nil {
		return Distribution{}, fmt.Errorf("measure bare: %w", err)
	}
	defer b.close()
	h := hdr.New(1, int64(longest), 3)
	origin := time.Now()
	for k := range n {
		if err := ctx.Err(); err != nil {
			return Distribution{}, fmt.Errorf("measure bare: %w", context.Cause(ctx))
		}
		due := time.Duration(float64(k) / rate * float64(time.Second))
		for left := due - time.Since(origin); left > 0; left = due - time.Since(origin) {
			if err := b.wait(left); err != nil {
				return Distribution{}, fmt.Errorf("measure bare: %w", err)
			}
		}
		if err := b.exchange(); err != nil {
			return Distribution{}, fmt.Errorf("measure bare: request %d: %w", k, err)
		}
		_ = h.RecordValue(int64(min(time.Since(origin)-due, longest)))
	}
	return summarize(h), nil
}

// A bare client has one connection.
type bare struct {
	fd, epoll int
	request   []byte
	answer    [4096]byte
}

// bareTimeout bounds the wait for one answer.
const bareTimeout = 2 * time.Second

func dialBare(target string) (*bare, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return nil, err
	}
	b := &bare{fd: -1, epoll: -1, request: []byte("GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\n\r\n")}
	if err := b.connect(at); err != nil {
		b.close()
		return nil, fmt.Errorf("connect to %s: %w", at, err)
	}
	return b, nil
}

func (b *bare) connect(at netip.AddrPort) (err error) {
	family := unix.AF_INET6
	var address unix.Sockaddr = &unix.SockaddrInet6{Addr: at.Addr().As16(), Port: int(at.Port())}
	if at.Addr().Is4() {
		family = unix.AF_INET
		address = &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}
	}
	if b.fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err = unix.SetsockoptInt(b.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err = unix.Connect(b.fd, address); err != nil {
		return err
	}
	if err = unix.SetNonblock(b.fd, true); err != nil {
		return err
	}
	if b.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return unix.EpollCtl(b.epoll, unix.EPOLL_CTL_ADD, b.fd, &unix.EpollEvent{Events: unix.EPOLLIN | epollET})
}

func (b *bare) close() {
	for _, fd := range []int{b.fd, b.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// wait sleeps until the answer is there, for d at the most.
func (b *bare) wait(d time.Duration) error {
	var events [1]unix.EpollEvent
	timeout := unix.NsecToTimespec(int64(d))
	if _, err := epollWait(b.epoll, events[:], &timeout); !errors.Is(err, unix.EINTR) {
		return err
	}
	return nil
}

// exchange sends the request and reads the answer.
func (b *bare) exchange() error {
	if _, err := unix.Write(b.fd, b.request); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	sent, got := time.Now(), 0
	for {
		n, err := unix.Read(b.fd, b.answer[got:])
		switch {
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
			if time.Since(sent) > bareTimeout {
				return fmt.Errorf("no answer within %s", bareTimeout)
			}
			if err := b.wait(bareTimeout); err != nil {
				return fmt.Errorf("await answer: %w", err)
			}
			continue
		case err != nil:
			return fmt.Errorf("read answer: %w", err)
		case n == 0:
			return errors.New("the connection ended")
		}
		got += n
		switch {
		case string(b.answer[:got]) == okHead+okBody:
			return nil
		case got > len(okHead+okBody) || !bytes.HasPrefix([]byte(okHead+okBody), b.answer[:got]):
			return fmt.Errorf("an answer that no plant gives: %q", b.answer[:min(got, 40)])
		}
	}
}
