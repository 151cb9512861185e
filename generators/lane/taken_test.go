//go:build linux

package lane

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators"
)

// A request is sent again only where it is proven that the target never took
// it. Each connection here answers its first request; what becomes of the
// connection is settled before the lane sends the second on it, or once that
// has come.
func TestOnlyWhatWasNeverTakenIsSentAgain(t *testing.T) {
	closeAll := func(c *net.TCPConn) { _ = c.Close() }
	closeOwn := func(c *net.TCPConn) { _ = c.CloseWrite() }
	reset := func(c *net.TCPConn) {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	after := func(bytes int, then func(*net.TCPConn)) func(*net.TCPConn) {
		return func(c *net.TCPConn) {
			_, _ = io.ReadFull(c, make([]byte, bytes))
			then(c)
		}
	}
	all := len(config(netip.AddrPort{}).Request)
	for _, test := range []struct {
		name       string
		idempotent bool
		before     func(*net.TCPConn) // the second request is sent
		met        func(*net.TCPConn) // the second request, which lies unread
		again      bool
	}{
		{"closed while idle", true, closeAll, nil, true},
		{"closed while idle, not to be done twice", false, closeAll, nil, false},
		{"own side closed while idle", true, closeOwn, nil, true},
		// The socket takes no byte of the request, which is proof for any.
		{"reset while idle", false, reset, nil, true},
		// As of a server that is killed: a reset, since there is something unread.
		{"closed with the request unread", true, nil, closeAll, false},
		{"closed with half of the request unread", true, nil, after(all/2, closeAll), false},
		{"reset with the request unread", true, nil, reset, false},
		{"read and closed", true, nil, after(all, closeAll), false},
		{"read and own side closed", true, nil, after(all, closeOwn), false},
		// Before the delayed acknowledgement goes out.
		{"read and reset", true, nil, after(all, reset), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			answered, done := make(chan *net.TCPConn, 1), make(chan struct{})
			var serving sync.WaitGroup
			serving.Go(func() {
				for {
					c, err := listener.Accept()
					if err != nil {
						return
					}
					serving.Go(func() {
						c := c.(*net.TCPConn)
						defer c.Close()
						_, _ = io.ReadFull(c, make([]byte, all))
						answered <- c
						_, _ = io.WriteString(c, ok)
						if test.met != nil {
							awaitUnread(c)
							test.met(c)
						}
						<-done
					})
				}
			})
			defer func() {
				_ = listener.Close()
				close(done)
				serving.Wait()
			}()
			c := config(netip.MustParseAddrPort(listener.Addr().String()))
			c.Idempotent, c.Resent = test.idempotent, new(atomic.Int64)
			// The lane asks when it has read an answer and sent no other request.
			c.Accept = func(int) bool {
				if c := <-answered; test.before != nil {
					test.before(c)
				}
				return true
			}
			r := newRun()
			r.MaxSessions = 1
			r.Arrivals = evenly(6, 0)
			got := classes(collect(t, c, r))
			want, resent := map[generators.Class]int{generators.OK: 3, generators.Reset: 3}, int64(0)
			if test.again {
				// Every one but the first meets the connection of the one before.
				want, resent = map[generators.Class]int{generators.OK: 6}, 5
			}
			if got[generators.OK] != want[generators.OK] || got[generators.Reset] != want[generators.Reset] {
				t.Errorf("%v, want %v", got, want)
			}
			if n := c.Resent.Load(); n != resent {
				t.Errorf("%d sent again, want %d", n, resent)
			}
		})
	}
}

// awaitUnread returns once something lies in the connection unread.
func awaitUnread(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK)
		return err != unix.EAGAIN
	})
}
