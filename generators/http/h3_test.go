package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/brunt-dev/brunt/generators"
)

// h3Config is a configuration for a server of serveH3.
func h3Config(srv *h3Server, a *authority, path string) Config {
	_, port, _ := net.SplitHostPort(srv.addr)
	return Config{Get: "https://shop.test:" + port + path, Protocol: "h3", TLS: TLS{CA: a.file}}
}

func TestHTTP3(t *testing.T) {
	leakCheck(t)
	a := newAuthority(t)
	srv := serveH3(t, a, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %s %s", r.Proto, r.Method, r.RequestURI, r.Header.Get("X-A"), r.TLS.ServerName))
		if r.Header.Get("Expect") != "" {
			t.Error("an expectation was sent")
		}
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(204)
		case "/large":
			w.Write(bytes.Repeat([]byte("x"), 1<<20))
		default:
			w.Write(body)
		}
	}, nil)
	base := h3Config(srv, a, "")
	base.Base, base.Get = base.Get, ""
	base.Headers = map[string]string{"X-A": "b"}
	base.Steps = []Step{
		{Get: "/get", Check: &Check{Header: map[string]string{"x-seen": "HTTP/3.0 GET /get b shop.test"}}},
		{Head: "/head"},
		{Get: "/none", Check: &Check{Status: 204}},
		{Get: "/large", Check: &Check{Size: "== 1MiB"}},
		{Post: "/post", Body: strings.Repeat("y", 300<<10), Headers: map[string]string{"Expect": "100-continue"}, Check: &Check{Size: "== 300KiB"}},
		{Put: "/empty", Check: &Check{Size: "== 0B"}},
	}
	g, asked := generatorOf(t, base)
	s := openOf(t, g, 0)
	r := s.Do(t.Context(), generators.Arrival{Due: time.Now()})
	if len(r.Ops) != len(base.Steps) {
		t.Fatalf("%d operations; the last is class %s (%v)", len(r.Ops), r.Ops[len(r.Ops)-1].Class, r.Ops[len(r.Ops)-1].Err)
	}
	for i, op := range r.Ops {
		if op.Class != generators.OK {
			t.Errorf("step %d: class %s (%v)", i, op.Class, op.Err)
		}
		if i == 0 && (op.DNS <= 0 || op.Connect <= 0 || op.TLS <= 0 || op.FirstByte < op.Connect+op.TLS) {
			t.Errorf("stages of the first: dns %v, connect %v, tls %v, first byte %v", op.DNS, op.Connect, op.TLS, op.FirstByte)
		}
		if i > 0 && (op.DNS != 0 || op.Connect != 0 || op.TLS != 0) {
			t.Errorf("stages of step %d: dns %v, connect %v, tls %v", i, op.DNS, op.Connect, op.TLS)
		}
		if op.FirstByte <= 0 || op.BytesIn == 0 || op.BytesOut == 0 {
			t.Errorf("step %d: first byte after %v, %d bytes in, %d out", i, op.FirstByte, op.BytesIn, op.BytesOut)
		}
	}
	if diff := cmp.Diff([]string{strings.TrimPrefix(base.Base, "https://")}, asked()); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

// One connection a session, or as many as are shared, resumed but never with
// early data, and gone when the session is.
func TestHTTP3Connections(t *testing.T) {
	no := false
	for _, test := range []struct {
		name          string
		config        Config
		sessions      int
		full, resumed int64
	}{
		{"kept", Config{}, 2, 2, 0},
		{"shared", Config{Connections: Connections{Max: 2}}, 5, 2, 0},
		{"not kept, resumed", Config{Connections: Connections{KeepAlive: &no}}, 2, 2, 6},
		{"not kept, not resumed", Config{TLS: TLS{Resume: &no}, Connections: Connections{KeepAlive: &no}}, 1, 4, 0},
		{"replaced", Config{Connections: Connections{MaxRequests: 2}}, 1, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			leakCheck(t)
			a := newAuthority(t)
			var early atomic.Int64
			var mu sync.Mutex
			peers := map[string]bool{}
			srv := serveH3(t, a, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				if !r.TLS.HandshakeComplete {
					early.Add(1)
				}
				mu.Lock()
				defer mu.Unlock()
				peers[r.RemoteAddr] = true
			}, nil)
			c := h3Config(srv, a, "/")
			c.Connections, c.TLS.Resume = test.config.Connections, test.config.TLS.Resume
			g, _ := generatorOf(t, c)
			var sessions []generators.Session
			for id := range test.sessions {
				sessions = append(sessions, openOf(t, g, id))
			}
			for range 4 {
				for _, s := range sessions {
					ok(t, s)
				}
			}
			if full, resumed := g.Handshakes(); full != test.full || resumed != test.resumed {
				t.Errorf("%d full handshakes and %d resumed, want %d and %d", full, resumed, test.full, test.resumed)
			}
			mu.Lock()
			n := int64(len(peers))
			mu.Unlock()
			if n != test.full+test.resumed {
				t.Errorf("%d sockets for %d connections", n, test.full+test.resumed)
			}
			if early.Load() != 0 {
				t.Errorf("%d requests came before the handshake was done", early.Load())
			}
			for _, s := range sessions {
				s.Close()
			}
			if open := socketsTo(t, srv.addr); open != 0 {
				t.Errorf("%d UDP sockets are left", open)
			}
		})
	}
}

// socketsTo counts this machine's UDP sockets that are connected to an address.
func socketsTo(t *testing.T, addr string) int {
	t.Helper()
	table, err := os.ReadFile("/proc/net/udp")
	if errors.Is(err, os.ErrNotExist) {
		return 0 // not Linux: goroutines are what is left to count
	}
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(addr)
	ip := to.Addr().As4()
	peer := fmt.Sprintf(" %02X%02X%02X%02X:%04X ", ip[3], ip[2], ip[1], ip[0], to.Port())
	n := 0
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 2 && " "+fields[2]+" " == peer {
			n++
		}
	}
	return n
}

func TestHTTP3Failures(t *testing.T) {
	leakCheck(t)
	a, other := newAuthority(t), newAuthority(t)
	srv := serveH3(t, a, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/abort":
			panic(nethttp.ErrAbortHandler)
		case "/cut":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "hello")
			w.(nethttp.Flusher).Flush()
			panic(nethttp.ErrAbortHandler)
		case "/short":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "hello")
		case "/hang":
			<-r.Context().Done()
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/flood":
			for i := range 20 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("y", 60<<10))
			}
		case "/503":
			w.WriteHeader(503)
		}
	}, nil)
	for _, test := range []struct {
		path  string
		class generators.Class
		text  string
	}{
		{"/abort", generators.Reset, "read the answer"},
		{"/cut", generators.Reset, "H3_INTERNAL_ERROR"}, // which may overtake what came before
		{"/short", generators.Reset, "read the body"},
		{"/hang", generators.Timeout, "read the answer"},
		{"/endless", generators.Timeout, "read the body"},
		{"/flood", generators.Protocol, "read the answer"},
		{"/503", generators.Status, "status 503"},
	} {
		t.Run(test.path, func(t *testing.T) {
			c := h3Config(srv, a, test.path)
			if test.class == generators.Timeout {
				c.Timeout = short
			}
			g, _ := generatorOf(t, c)
			s := openOf(t, g, 0)
			for range 2 { // a stream's failure is not the connection's
				expectClass(t, once(t, s), test.class, test.text)
			}
			if full, resumed := g.Handshakes(); full+resumed != 1 {
				t.Errorf("%d connections", full+resumed)
			}
		})
	}
	t.Run("wrong authority", func(t *testing.T) {
		c := h3Config(srv, a, "/")
		c.TLS.CA = other.file
		g, _ := generatorOf(t, c)
		expectClass(t, once(t, openOf(t, g, 0)), generators.TLS, "QUIC handshake with shop.test at "+srv.addr)
	})
	t.Run("client certificate missing", func(t *testing.T) {
		srv := serveH3(t, a, func(nethttp.ResponseWriter, *nethttp.Request) {}, func(s *h3Server) { s.tls.ClientAuth = tls.RequireAnyClientCert })
		g, _ := generatorOf(t, h3Config(srv, a, "/"))
		expectClass(t, once(t, openOf(t, g, 0)), generators.TLS, "certificate required")
	})
	t.Run("another protocol over QUIC", func(t *testing.T) {
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		tr := &quic.Transport{Conn: quietUDP{udp}}
		defer tr.Close()
		config := serverTLS(a.issue(t, "shop.test"))
		config.NextProtos = []string{"doq"}
		l, err := tr.Listen(config, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		g, _ := generatorOf(t, h3Config(&h3Server{addr: udp.LocalAddr().String()}, a, "/"))
		expectClass(t, once(t, openOf(t, g, 0)), generators.TLS, "no application protocol")
	})
	t.Run("nothing listens there", func(t *testing.T) {
		srv := serveH3(t, a, nil, nil)
		srv.stop()
		g, _ := generatorOf(t, h3Config(srv, a, "/"))
		expectClass(t, once(t, openOf(t, g, 0)), generators.Refused, "connection refused")
	})
	t.Run("nobody answers", func(t *testing.T) {
		c := h3Config(&h3Server{addr: silent(t)}, a, "/")
		c.Timeout = short
		g, _ := generatorOf(t, c)
		op := once(t, openOf(t, g, 0))
		expectClass(t, op, generators.Timeout, "QUIC handshake")
		if op.Connect <= 0 || op.TLS != 0 {
			t.Errorf("connect %v, tls %v", op.Connect, op.TLS)
		}
	})
	t.Run("nobody answers before QUIC gives up", func(t *testing.T) {
		g, _ := generatorOf(t, h3Config(&h3Server{addr: silent(t)}, a, "/"))
		g.quic = &quic.Config{HandshakeIdleTimeout: short}
		expectClass(t, once(t, openOf(t, g, 0)), generators.Connect, "connection timed out")
	})
	t.Run("no common version", func(t *testing.T) {
		srv := serveH3(t, a, nil, func(s *h3Server) { s.quic.Versions = []quic.Version{quic.Version2} })
		g, _ := generatorOf(t, h3Config(srv, a, "/"))
		g.quic = &quic.Config{Versions: []quic.Version{quic.Version1}}
		expectClass(t, once(t, openOf(t, g, 0)), generators.Protocol, "no compatible QUIC version")
	})
	t.Run("idle", func(t *testing.T) {
		g, _ := generatorOf(t, h3Config(srv, a, "/hang"))
		g.quic = &quic.Config{MaxIdleTimeout: short}
		expectClass(t, once(t, openOf(t, g, 0)), generators.Reset, "no recent network activity")
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		silentAddr, seen := silentSeen(t)
		g, _ := generatorOf(t, h3Config(&h3Server{addr: silentAddr}, a, "/"))
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("the run was stopped")
		go func() {
			<-seen
			cancel(stopped)
		}()
		op := onceIn(t, ctx, openOf(t, g, 0))
		if op.Class != generators.Canceled || !errors.Is(op.Err, stopped) {
			t.Errorf("class %s (%v)", op.Class, op.Err)
		}
	})
}

// silent is a UDP socket that answers nothing.
func silent(t *testing.T) string {
	addr, _ := silentSeen(t)
	return addr
}

// silentSeen says as well when the first datagram has come.
func silentSeen(t *testing.T) (string, <-chan struct{}) {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	seen, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		udp.ReadFrom(make([]byte, 2000))
		close(seen)
	}()
	t.Cleanup(func() {
		udp.Close()
		<-done
	})
	return udp.LocalAddr().String(), seen
}

// What is noticed between requests costs no request: a server that said
// goodbye is dialled anew, one that forgot the connection is a reset.
func TestHTTP3Gone(t *testing.T) {
	leakCheck(t)
	a := newAuthority(t)
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	key := quic.StatelessResetKey{1}
	config := http3.ConfigureTLSConfig(serverTLS(a.issue(t, "shop.test")))
	// start serves on the socket. It ends with a goodbye, or without.
	start := func() (end func(goodbye bool)) {
		tr := &quic.Transport{Conn: quietUDP{udp}, StatelessResetKey: &key}
		l, err := tr.ListenEarly(config, nil)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http3.Server{Handler: nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {})}
		var wg sync.WaitGroup
		wg.Go(func() { _ = srv.ServeListener(l) })
		return func(goodbye bool) {
			if goodbye {
				_ = srv.Close()
			}
			_ = tr.Close()
			wg.Wait()
		}
	}
	g, _ := generatorOf(t, h3Config(&h3Server{addr: udp.LocalAddr().String()}, a, "/"))
	s := openOf(t, g, 0)
	end := start()
	ok(t, s)
	gone := g.connectionOf(s).Context().Done()
	end(true)
	<-gone
	end = start()
	ok(t, s)
	end(false)
	end = start()
	defer end(true)
	expectClass(t, once(t, s), generators.Reset, "stateless reset")
	ok(t, s)
}

// connectionOf is the HTTP/3 connection of a session.
func (g *generator) connectionOf(s generators.Session) *http3.ClientConn {
	return s.(*session).own.conns[0].mux.(*h3Conn).ClientConn
}

// Nobody is upgraded to HTTP/3 for being offered it.
func TestHTTP3NotUnasked(t *testing.T) {
	a := newAuthority(t)
	var asked atomic.Int64
	h3 := serveH3(t, a, func(nethttp.ResponseWriter, *nethttp.Request) { asked.Add(1) }, nil)
	_, port, _ := net.SplitHostPort(h3.addr)
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("Alt-Svc", `h3=":`+port+`"; ma=86400`)
		io.WriteString(w, r.Proto)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	no := false
	s := open(t, Config{Get: srv.URL, TLS: TLS{Insecure: true}, Connections: Connections{KeepAlive: &no}, Check: &Check{BodyContains: "HTTP/2.0"}})
	for range 3 {
		ok(t, s)
	}
	if asked.Load() != 0 {
		t.Errorf("%d requests came over HTTP/3", asked.Load())
	}
}

// Connections over UDP go to other addresses, and to all of a name in turn.
func TestHTTP3Route(t *testing.T) {
	leakCheck(t)
	a := newAuthority(t)
	no := false
	var mu sync.Mutex
	from := map[string]bool{}
	srv := serveH3(t, a, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		mu.Lock()
		defer mu.Unlock()
		from[host+" "+r.Host] = true
	}, nil)
	c := Config{Get: "https://shop.test/", Protocol: "h3", TLS: TLS{CA: a.file}, Connections: Connections{KeepAlive: &no},
		ConnectTo: map[string][]string{"shop.test:443": {srv.addr}}, Source: []string{"127.0.0.2", "127.0.0.3"}}
	g, asked := generatorOf(t, c)
	s := openOf(t, g, 0)
	ok(t, s)
	ok(t, s)
	mu.Lock()
	diff := cmp.Diff(map[string]bool{"127.0.0.2 shop.test": true, "127.0.0.3 shop.test": true}, from)
	mu.Unlock()
	if diff != "" {
		t.Errorf("requests from (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{srv.addr, srv.addr}, asked()); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	t.Run("the next address is tried", func(t *testing.T) {
		g, _ := generatorOf(t, h3Config(srv, a, "/"))
		g.resolve = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.0.1")}, nil
		}
		ok(t, openOf(t, g, 0))
	})
}

// QUIC has nothing to say on stderr about the kernel's limits.
func TestHTTP3Quiet(t *testing.T) {
	var said bytes.Buffer
	log.SetOutput(&said)
	defer log.SetOutput(os.Stderr)
	a := newAuthority(t)
	srv := serveH3(t, a, func(nethttp.ResponseWriter, *nethttp.Request) {}, nil)
	g, _ := generatorOf(t, h3Config(srv, a, "/"))
	ok(t, openOf(t, g, 0))
	if said.Len() > 0 {
		t.Errorf("logged: %s", said.String())
	}
}

// A server that breaks the rules of HTTP/3, byte by byte.
func TestHTTP3Protocol(t *testing.T) {
	leakCheck(t)
	a := newAuthority(t)
	const settings = "\x00\x04\x00" // a control stream, and no settings on it
	const fine = "\x01\x03\x00\x00\xd9"
	for _, test := range []struct {
		name   string
		answer string // on the request's stream
		reset  quic.StreamErrorCode
		close  quic.ApplicationErrorCode
		class  generators.Class
		text   string
		conns  int64
	}{
		{"fine", fine + "\x00\x05hello", 0, 0, generators.OK, "", 1},
		{"no answer", "", 0, 0, generators.Reset, "EOF", 1},
		{"cut in the header", "\x01\x10\x00", 0, 0, generators.Reset, "EOF", 1},
		{"body before the header", "\x00\x01x", 0, 0, generators.Protocol, "expected first frame", 1},
		{"no status", "\x01\x02\x00\x00", 0, 0, generators.Protocol, "status", 1},
		{"header that cannot be decoded", "\x01\x02\xff\xff", 0, 0, generators.Protocol, "read the answer", 1},
		{"header without an end", "\x01\xc0\x00\x00\x01\x00\x00\x00\x00", 0, 0, generators.Protocol, "too large", 1},
		{"body longer than it says", "\x01\x06\x00\x00\xd9\x54\x01\x35\x00\x06hello!", 0, 0, generators.Protocol, "too much data", 1},
		{"body shorter than it says", "\x01\x06\x00\x00\xd9\x54\x01\x35\x00\x04hell", 0, 0, generators.Reset, "read the body", 1},
		{"reset", "", quic.StreamErrorCode(http3.ErrCodeInternalError), 0, generators.Reset, "H3_INTERNAL_ERROR", 1},
		{"our fault, it says", "", quic.StreamErrorCode(http3.ErrCodeMessageError), 0, generators.Protocol, "H3_MESSAGE_ERROR", 1},
		{"too much of us", "", quic.StreamErrorCode(http3.ErrCodeExcessiveLoad), 0, generators.Reset, "H3_EXCESSIVE_LOAD", 1},
		// Only on a kept-alive connection is a rejected request sent again.
		{"rejected", "", quic.StreamErrorCode(http3.ErrCodeRequestRejected), 0, generators.Reset, "H3_REQUEST_REJECTED", 1},
		{"connection closed", "", 0, quic.ApplicationErrorCode(http3.ErrCodeNoError), generators.Reset, "H3_NO_ERROR", 1},
		{"connection closed for our fault", "", 0, quic.ApplicationErrorCode(http3.ErrCodeFrameError), generators.Protocol, "H3_FRAME_ERROR", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := serveQUIC(t, a, func(c *quic.Conn) {
				if control, err := c.OpenUniStream(); err == nil {
					io.WriteString(control, settings)
				}
				for {
					s, err := c.AcceptStream(t.Context())
					if err != nil {
						return
					}
					io.Copy(io.Discard, s)
					switch {
					case test.close != 0:
						c.CloseWithError(test.close, "")
					case test.reset != 0:
						s.CancelWrite(test.reset)
					default:
						io.WriteString(s, test.answer)
						s.Close()
					}
				}
			})
			g, _ := generatorOf(t, h3Config(&h3Server{addr: srv}, a, "/"))
			op := once(t, openOf(t, g, 0))
			if test.class == generators.OK {
				if op.Class != generators.OK {
					t.Errorf("class %s (%v)", op.Class, op.Err)
				}
				return
			}
			expectClass(t, op, test.class, test.text)
			if full, _ := g.Handshakes(); full != test.conns {
				t.Errorf("%d connections, want %d", full, test.conns)
			}
		})
	}
	t.Run("rejected on a kept connection", func(t *testing.T) {
		var streams atomic.Int64
		srv := serveQUIC(t, a, func(c *quic.Conn) {
			if control, err := c.OpenUniStream(); err == nil {
				io.WriteString(control, settings)
			}
			for {
				s, err := c.AcceptStream(t.Context())
				if err != nil {
					return
				}
				io.Copy(io.Discard, s)
				if streams.Add(1) == 2 {
					s.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
					continue
				}
				io.WriteString(s, fine)
				s.Close()
			}
		})
		c := h3Config(&h3Server{addr: srv}, a, "/")
		c.Post, c.Get, c.Body = c.Get, "", "x" // which is never done twice otherwise
		g, _ := generatorOf(t, c)
		s := openOf(t, g, 0)
		ok(t, s)
		ok(t, s)
		if n := streams.Load(); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
}

// serveQUIC hands each connection to handle, and returns where it serves.
func serveQUIC(t *testing.T, a *authority, handle func(*quic.Conn)) string {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	tr := &quic.Transport{Conn: quietUDP{udp}}
	l, err := tr.Listen(http3.ConfigureTLSConfig(serverTLS(a.issue(t, "shop.test"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			wg.Go(func() { handle(c) })
		}
	})
	t.Cleanup(func() {
		_ = tr.Close()
		_ = udp.Close()
		wg.Wait()
	})
	return udp.LocalAddr().String()
}
