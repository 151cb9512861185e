package http

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/gentest"
)

// An end is the server's end of a connection.
type end struct {
	net.Conn          // TLS over raw, or raw
	raw      net.Conn // what there is below
}

func (e end) closeWhole()      { _ = e.Close() }
func (e end) closeWithoutBye() { _ = e.raw.Close() } // as when TLS does not say that it ends
func (e end) closeOwnSide()    { _ = e.raw.(interface{ CloseWrite() error }).CloseWrite() }
func (e end) reset() {
	_ = e.raw.(*net.TCPConn).SetLinger(0)
	_ = e.raw.Close()
}

// readThen is what happens once the second request has been read.
func readThen(then func(end)) func(end) {
	return func(e end) {
		_, _, _ = readRequest(bufio.NewReader(e))
		then(e)
	}
}

// A request is sent again only where it is proven that the server never took
// it. Each connection here answers its first request; what becomes of the
// connection is settled just before the client sends the second on it, or once
// that has come.
func TestOnlyWhatWasNeverTakenIsSentAgain(t *testing.T) {
	get, post := Config{Get: "/"}, Config{Post: "/", Body: "x"}
	keyed := Config{Post: "/", Body: "x", Headers: map[string]string{"idempotency-key": "1"}}
	large := keyed
	large.Body = strings.Repeat("x", 8<<20) // more than the sockets take
	for _, test := range []struct {
		name   string
		config Config
		over   string    // tcp, tls, unix, socks5, or proxy
		before func(end) // the second request is sent
		met    func(end) // the second request, of which at least a part lies unread
		again  bool
	}{
		{"closed while idle", get, "tcp", end.closeWhole, nil, true},
		{"closed while idle, a POST", post, "tcp", end.closeWhole, nil, false},
		{"closed while idle, a PUT, as of net/http", Config{Put: "/", Body: "x"}, "tcp", end.closeWhole, nil, false},
		{"closed while idle, a POST with a key", keyed, "tcp", end.closeWhole, nil, true},
		{"closed while idle, a long POST with a key", large, "tcp", end.closeWhole, nil, true},
		{"own side closed while idle", get, "tcp", end.closeOwnSide, nil, true},
		// The socket takes no byte of the request, which is proof for any.
		{"reset while idle", post, "tcp", end.reset, nil, true},
		// As of a server that is killed: a reset, since there is something unread.
		{"closed with the request unread", get, "tcp", nil, end.closeWhole, false},
		{"reset with the request unread", get, "tcp", nil, end.reset, false},
		{"reset with a long request unread", large, "tcp", nil, end.reset, false},
		{"read and closed", get, "tcp", nil, readThen(end.closeWhole), false},
		{"read and own side closed", get, "tcp", nil, readThen(end.closeOwnSide), false},
		// Before the delayed acknowledgement goes out.
		{"read and reset", get, "tcp", nil, readThen(end.reset), false},

		{"closed while idle", get, "tls", end.closeWhole, nil, true},
		{"closed without a word while idle", get, "tls", end.closeWithoutBye, nil, true},
		{"closed while idle, a POST", post, "tls", end.closeWhole, nil, false},
		{"reset while idle", post, "tls", end.reset, nil, true},
		{"closed with the request unread", get, "tls", nil, end.closeWithoutBye, false},
		{"read and closed", get, "tls", nil, readThen(end.closeWhole), false},
		{"read and closed without a word", get, "tls", nil, readThen(end.closeWithoutBye), false},
		{"read and reset", get, "tls", nil, readThen(end.reset), false},

		// What was written to make the tunnel counts as well.
		{"closed while idle", get, "socks5", end.closeWhole, nil, true},
		{"closed while idle", get, "proxy", end.closeWhole, nil, true},
		{"read and closed", get, "socks5", nil, readThen(end.closeWhole), false},
		{"read and closed", get, "proxy", nil, readThen(end.closeWhole), false},

		// There is nothing that acknowledges: what was handed on counts as taken.
		{"closed while idle", post, "unix", end.closeWhole, nil, true},
		{"closed with the request unread", get, "unix", nil, end.closeWhole, false},
		{"read and closed", get, "unix", nil, readThen(end.closeWhole), false},
	} {
		play := func(t *testing.T, pausing bool) {
			leakCheck(t)
			srv, c := &deserter{before: test.before, met: test.met}, test.config
			srv.start(t, test.over, &c)
			g, _ := generatorOf(t, c)
			s := openOf(t, g, 0)
			inner := s.(*session)
			if pausing {
				pausesAlways(g)
				s = gentest.PausingSession(inner)
			}
			ok(t, s)
			held := inner.own.conns[0]
			held.nc = &hooked{Conn: held.nc, hook: func() { srv.beforeSecond(held.stream) }}
			op := once(t, s)
			want, resent := generators.Reset, int64(0)
			if test.again {
				want, resent = generators.OK, 1
			}
			if op.Class != want {
				t.Errorf("class %s (%v), want %s", op.Class, op.Err, want)
			}
			if n := g.Resent(); n != resent {
				t.Errorf("%d sent again, want %d", n, resent)
			}
			if test.again && (op.Connect <= 0 || op.FirstByte < op.Connect) {
				t.Errorf("the second attempt's connect (%v) is not within the operation (first byte after %v)", op.Connect, op.FirstByte)
			}
			ok(t, s)
		}
		t.Run(test.over+"/"+test.name, func(t *testing.T) { play(t, false) })
		t.Run(test.over+"/"+test.name+", pausing", func(t *testing.T) { play(t, true) })
	}
}

// Sent again once, and no more.
func TestSentAgainOnce(t *testing.T) {
	leakCheck(t)
	srv := &deserter{before: end.closeWhole, mute: true}
	c := Config{Get: "/"}
	srv.start(t, "tcp", &c)
	g, _ := generatorOf(t, c)
	s := openOf(t, g, 0)
	ok(t, s)
	held := s.(*session).own.conns[0]
	held.nc = &hooked{Conn: held.nc, hook: func() { srv.beforeSecond(held.stream) }}
	expectClass(t, once(t, s), generators.Reset, "before it answered")
	if n := g.Resent(); n != 1 {
		t.Errorf("%d sent again, want 1", n)
	}
}

// A hooked connection calls its hook when the next request is about to be
// sent: the client looks no more whether the connection is still good.
type hooked struct {
	net.Conn
	hook func()
	once sync.Once // a session that has paused sets the deadline anew
}

func (h *hooked) SetDeadline(t time.Time) error {
	h.once.Do(h.hook)
	return h.Conn.SetDeadline(t)
}

// A deserter is a server that leaves its first connection, after one answer.
// On the others it answers, or with mute leaves every one unanswered.
type deserter struct {
	before, met func(end)
	mute        bool
	answered    chan end // the first connection
}

// beforeSecond is called when the client is about to send its second request
// on c.
func (d *deserter) beforeSecond(c syscall.Conn) {
	if d.before != nil {
		d.before(<-d.answered)
		awaitReadable(c)
	}
}

// start starts the server, and lets c lead to it that way.
func (d *deserter) start(t *testing.T, over string, c *Config) {
	t.Helper()
	network, addr := "tcp", "127.0.0.1:0"
	if over == "unix" {
		network, addr = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var config *tls.Config
	c.Base = "http://" + l.Addr().String()
	switch over {
	case "unix":
		c.Base, c.Unix = "http://shop.test", addr
	case "socks5":
		c.Proxy = "socks5://" + socksProxy(t, &testProxy{}).addr()
	case "proxy":
		c.Proxy = httpProxy(t, &testProxy{}).url
		fallthrough
	case "tls":
		config = serverTLS(newAuthority(t).issue(t, "shop.test"))
		c.Base, c.Protocol, c.TLS.Insecure = "https://"+l.Addr().String(), "h1", true
	}
	d.answered = make(chan end, 1)
	done := make(chan struct{})
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			e := end{c, c}
			if config != nil {
				e.Conn = tls.Server(c, config)
			}
			serving.Go(func() {
				defer e.Close()
				d.serve(n, e, done)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		close(done)
		serving.Wait()
	})
}

func (d *deserter) serve(n int, e end, done <-chan struct{}) {
	r := bufio.NewReader(e)
	for {
		if _, _, ok := readRequest(r); !ok || d.mute && n > 1 {
			return
		}
		if _, err := io.WriteString(e, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
		if n == 1 {
			break
		}
	}
	d.answered <- e
	if d.met != nil {
		awaitReadable(e.raw.(syscall.Conn))
		d.met(e)
	}
	<-done
}

// awaitReadable returns once there is something to read, or the connection has
// ended.
func awaitReadable(c syscall.Conn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}, 20_000)
	})
}
