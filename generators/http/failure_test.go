package http

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/generators"
)

// A rawServer answers connections byte by byte.
type rawServer struct {
	url   string
	conns atomic.Int64
}

// serve starts a server on loopback that hands each connection to handle and
// closes it afterwards. It is gone, with all its goroutines, when the test is.
func serve(t testing.TB, handle func(n int64, c *net.TCPConn, r *bufio.Reader)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{url: "http://" + l.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := s.conns.Add(1)
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer func() {
					c.Close()
					mu.Lock()
					delete(open, c)
					mu.Unlock()
				}()
				handle(n, c.(*net.TCPConn), bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return s
}

// readRequest reads one request with its body, and returns false when none
// comes any more.
func readRequest(r *bufio.Reader) (*nethttp.Request, []byte, bool) {
	req, err := nethttp.ReadRequest(r)
	if err != nil {
		return nil, nil, false
	}
	body, err := io.ReadAll(req.Body)
	return req, body, err == nil
}

// answering serves the same bytes for every request of a connection, then
// does what after says.
func answering(t testing.TB, answer string, after func(c *net.TCPConn)) *rawServer {
	return serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, ok := readRequest(r); !ok {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
			if after != nil {
				after(c)
				return
			}
		}
	})
}

func hangUp(*net.TCPConn) {}

// resetConn closes with RST instead of FIN.
func resetConn(c *net.TCPConn) { _ = c.SetLinger(0) }

// hold keeps the connection open until the client goes.
func hold(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }

// once plays one arrival of a session and returns its last operation.
func once(t testing.TB, s generators.Session) generators.Op {
	t.Helper()
	return onceIn(t, t.Context(), s)
}

func onceIn(t testing.TB, ctx context.Context, s generators.Session) generators.Op {
	t.Helper()
	r := s.Do(ctx, generators.Arrival{Due: time.Now()})
	if len(r.Ops) == 0 {
		t.Fatal("no operations")
	}
	return r.Ops[len(r.Ops)-1]
}

func leakCheck(t *testing.T) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

// short is a timeout for answers that never end: long enough for loopback,
// and no test measures it.
const short = 150 * time.Millisecond

func TestFailures(t *testing.T) {
	leakCheck(t)
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, test := range []struct {
		name   string
		answer string
		after  func(*net.TCPConn)
		config Config
		class  generators.Class
		text   string // within the error
	}{
		// Connections that end at every possible place.
		{"closed unanswered", "", hangUp, Config{}, generators.Reset, "before it answered"},
		{"reset unanswered", "", resetConn, Config{}, generators.Reset, "connection reset"},
		{"closed in the status line", "HTTP/1.1 2", hangUp, Config{}, generators.Reset, "in the middle"},
		{"closed in the header", ok + "Content-Le", hangUp, Config{}, generators.Reset, "in the middle"},
		{"closed mid-body", ok + "Content-Length: 10\r\n\r\nhello", hangUp, Config{}, generators.Reset, "read the body"},
		{"reset mid-body", ok + "Content-Length: 10\r\n\r\nhello", resetConn, Config{}, generators.Reset, "read the body"},
		{"closed in a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", hangUp, Config{}, generators.Reset, "read the body"},
		{"closed before the last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", hangUp, Config{}, generators.Reset, "read the body"},
		{"closed in the trailers", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n", hangUp, Config{}, generators.Reset, "read the body"},

		// Answers that never end, each at another place.
		{"hangs unanswered", "", hold, Config{Timeout: short}, generators.Timeout, "read the answer"},
		{"hangs in the header", ok + "A: b\r\n", hold, Config{Timeout: short}, generators.Timeout, "read the answer"},
		{"hangs in the body", ok + "Content-Length: 10\r\n\r\nhello", hold, Config{Timeout: short}, generators.Timeout, "read the body"},
		{"hangs before the close that ends the body", ok + "\r\nhello", hold, Config{Timeout: short}, generators.Timeout, "read the body"},
		{"hangs after 100 continue", "HTTP/1.1 100 Continue\r\n\r\n", hold, Config{Timeout: short}, generators.Timeout, "read the answer"},

		// What is no HTTP.
		{"garbage", "\x00\x01\x02\xff\xfe\n", hold, Config{}, generators.Protocol, "does not begin with HTTP"},
		{"garbage without an end", strings.Repeat("x", maxHead+10), hold, Config{}, generators.Protocol, "longer than 1 MiB"},
		{"another protocol", "220 mail.example.com ESMTP\r\n", hold, Config{}, generators.Protocol, "does not begin with HTTP"},
		{"HTTP/2 unasked", "HTTP/2 200\r\n\r\n", hold, Config{}, generators.Protocol, "does not begin with HTTP"},
		{"status with letters", "HTTP/1.1 2x0 OK\r\n\r\n", hold, Config{}, generators.Protocol, "malformed status line"},
		{"status below 100", "HTTP/1.1 042 No\r\n\r\n", hold, Config{}, generators.Protocol, "no status"},
		{"switches protocols", "HTTP/1.1 101 Switching\r\n\r\n", hold, Config{}, generators.Protocol, "switched protocols"},
		{"field without a colon", ok + "nonsense\r\n\r\n", hold, Config{}, generators.Protocol, "malformed header field"},
		{"space before the colon", ok + "Content-Length : 5\r\n\r\nhello", hold, Config{}, generators.Protocol, "malformed header field"},
		{"control character in a field", ok + "A: b\x00c\r\n\r\n", hold, Config{}, generators.Protocol, "control character"},
		{"begins with a folded line", ok + " A: b\r\n\r\n", hold, Config{}, generators.Protocol, "begins with a space"},
		{"header without an end", ok + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 1100), hold, Config{}, generators.Protocol, "longer than 1 MiB"},
		{"flood of interim answers", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxHead/20), hold, Config{}, generators.Protocol, "longer than 1 MiB"},
		{"trailers without an end", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 1100), hold, Config{}, generators.Protocol, "longer than 1 MiB"},

		// Lies about the length.
		{"negative length", ok + "Content-Length: -1\r\n\r\n", hold, Config{}, generators.Protocol, "Content-Length"},
		{"length with a sign", ok + "Content-Length: +5\r\n\r\nhello", hold, Config{}, generators.Protocol, "Content-Length"},
		{"length past 2^63", ok + "Content-Length: 9223372036854775808\r\n\r\n", hold, Config{}, generators.Protocol, "Content-Length"},
		{"two lengths", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", hold, Config{}, generators.Protocol, "two different"},
		{"unknown transfer coding", ok + "Transfer-Encoding: gzip\r\n\r\n", hold, Config{}, generators.Protocol, "not chunked"},
		{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hold, Config{}, generators.Protocol, "HTTP/1.0"},
		{"chunk of 2^63", ok + "Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\n", hold, Config{}, generators.Protocol, "out of range"},
		{"chunk of 2^64", ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", hold, Config{}, generators.Protocol, "out of range"},
		{"chunk size of nothing", ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", hold, Config{}, generators.Protocol, "no size"},
		{"chunk size of letters", ok + "Transfer-Encoding: chunked\r\n\r\nhello\r\n", hold, Config{}, generators.Protocol, "malformed chunk size"},
		{"bare line feed among chunks", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", hold, Config{}, generators.Protocol, "carriage return"},
		{"chunk longer than it says", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", hold, Config{}, generators.Protocol, "longer than its size"},

		// Bodies that cannot be decoded.
		{"not gzip", ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", hold, Config{Compression: true}, generators.Protocol, "not valid gzip"},
		{"unknown coding", ok + "Content-Encoding: pack200\r\nContent-Length: 5\r\n\r\nhello", hold, Config{Compression: true}, generators.Protocol, "pack200"},
		{"codings without end", ok + "Content-Encoding: " + strings.Repeat("gzip,", 9) + "\r\nContent-Length: 5\r\n\r\nhello", hold, Config{Compression: true}, generators.Protocol, "9 content codings"},
		{"gzip cut by the server", ok + "Content-Encoding: gzip\r\nContent-Length: 50\r\n\r\n\x1f\x8b\x08", hangUp, Config{Compression: true}, generators.Reset, "in the middle"},

		// What HTTP allows but the scenario does not.
		{"status", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", hold, Config{}, generators.Status, "status 503 Service Unavailable"},
		{"body longer than max_body", ok + "Content-Length: 11\r\n\r\nhello world", hold, Config{MaxBody: 10, Check: &Check{BodyContains: "hello"}}, generators.Check, "max_body"},
		{"check", ok + "Content-Length: 5\r\n\r\nhello", hold, Config{Check: &Check{BodyContains: "bye"}}, generators.Check, `does not contain "bye"`},
		{"malformed Location", "HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n", hold, Config{Redirects: 1}, generators.Protocol, "Location"},
		{"redirect to another scheme", "HTTP/1.1 302 Found\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n", hold, Config{Redirects: 1}, generators.Protocol, "ftp"},
		{"redirects without end", "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n", nil, Config{Redirects: 3}, generators.Check, "more than 3 redirects"},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := answering(t, test.answer, test.after)
			test.config.Get = srv.url
			op := once(t, open(t, test.config))
			if op.Class != test.class {
				t.Fatalf("class %s (%v), want %s", op.Class, op.Err, test.class)
			}
			if op.Err == nil || !strings.Contains(op.Err.Error(), test.text) {
				t.Errorf("error %q does not say %q", op.Err, test.text)
			}
			if strings.Contains(op.Err.Error(), "->") {
				t.Errorf("error %q names the ports of one connection", op.Err)
			}
		})
	}
}

// An endless body is bounded by the timeout, whether it is kept or not.
func TestEndlessBody(t *testing.T) {
	leakCheck(t)
	for _, test := range []struct {
		name   string
		header string
		piece  string
		config Config
	}{
		{"until close", "\r\n", strings.Repeat("x", 64<<10), Config{}},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\n", "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n", Config{}},
		{"chunks of one byte", "Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\nx\r\n", 1000), Config{}},
		{"kept", "\r\n", strings.Repeat("x", 64<<10), Config{MaxBody: 1 << 20, Check: &Check{BodyContains: "y"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
				if _, _, ok := readRequest(r); !ok {
					return
				}
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n"+test.header)
				for err == nil {
					_, err = io.WriteString(c, test.piece)
				}
			})
			test.config.Get, test.config.Timeout = srv.url, short
			op := once(t, open(t, test.config))
			if op.Class != generators.Timeout {
				t.Fatalf("class %s (%v), want timeout", op.Class, op.Err)
			}
			if op.BytesIn == 0 || op.Status != 200 {
				t.Errorf("status %d and %d bytes in", op.Status, op.BytesIn)
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	leakCheck(t)
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + l.Addr().String()
		l.Close()
		op := once(t, open(t, Config{Get: url}))
		expectClass(t, op, generators.Refused, "connect to 127.0.0.1:")
	})
	t.Run("outside the target", func(t *testing.T) {
		srv := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", nil)
		g, err := New(Config{Get: srv.url}, generators.Env{Allow: func(a string) error { return fmt.Errorf("%s is outside", a) }})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := g.Open(t.Context(), 0)
		defer s.Close()
		expectClass(t, once(t, s), generators.Local, "is outside")
		if srv.conns.Load() != 0 {
			t.Error("a connection was made all the same")
		}
	})
	t.Run("no permission given at all", func(t *testing.T) {
		g, err := New(Config{Get: "http://127.0.0.1:1/"}, generators.Env{})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := g.Open(t.Context(), 0)
		defer s.Close()
		expectClass(t, once(t, s), generators.Local, "outside the target")
	})
	t.Run("redirected outside the target", func(t *testing.T) {
		srv := answering(t, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:9/\r\nContent-Length: 0\r\n\r\n", nil)
		g, err := New(Config{Get: srv.url, Redirects: 2}, generators.Env{Allow: func(a string) error {
			if strings.HasPrefix(a, "127.0.0.2") {
				return errors.New("127.0.0.2:9 is outside")
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := g.Open(t.Context(), 0)
		defer s.Close()
		expectClass(t, once(t, s), generators.Local, "127.0.0.2:9 is outside")
	})
	for _, test := range []struct {
		name  string
		addrs []netip.Addr
		err   error
		class generators.Class
	}{
		{"name that does not resolve", nil, &net.DNSError{Err: "no such host", Name: "shop.test", IsNotFound: true}, generators.DNS},
		{"name without addresses", nil, nil, generators.DNS},
		{"name server that does not answer", nil, &net.DNSError{Err: "timeout", Name: "shop.test", IsTimeout: true}, generators.DNS},
		{"no files left for the lookup", nil, &net.DNSError{Err: "socket", UnwrapErr: syscall.EMFILE}, generators.Local},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, err := New(Config{Get: "http://shop.test/"}, generators.Env{Allow: everywhere})
			if err != nil {
				t.Fatal(err)
			}
			g.(*generator).resolve = func(context.Context, string) ([]netip.Addr, error) { return test.addrs, test.err }
			s, _ := g.Open(t.Context(), 0)
			defer s.Close()
			op := once(t, s)
			expectClass(t, op, test.class, "look up shop.test")
			if op.DNS <= 0 {
				t.Error("the lookup was not recorded")
			}
		})
	}
	t.Run("redirected to where the protocol cannot be spoken", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(nethttp.RedirectHandler("http://127.0.0.1:9/", 302))
		srv.EnableHTTP2 = true
		srv.StartTLS()
		defer srv.Close()
		op := once(t, open(t, Config{Get: srv.URL, Protocol: "h2", Redirects: 1, TLS: TLS{Insecure: true}}))
		expectClass(t, op, generators.Local, "h2 needs an https URL")
	})
	t.Run("name server that hangs", func(t *testing.T) {
		g, err := New(Config{Get: "http://shop.test/", Timeout: short}, generators.Env{Allow: everywhere})
		if err != nil {
			t.Fatal(err)
		}
		g.(*generator).resolve = func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, &net.DNSError{Err: ctx.Err().Error(), Name: "shop.test", IsTimeout: true, UnwrapErr: ctx.Err()}
		}
		s, _ := g.Open(t.Context(), 0)
		defer s.Close()
		expectClass(t, once(t, s), generators.Timeout, "look up shop.test")
	})
}

func expectClass(t testing.TB, op generators.Op, class generators.Class, text string) {
	t.Helper()
	if op.Class != class {
		t.Fatalf("class %s (%v), want %s", op.Class, op.Err, class)
	}
	if op.Err == nil || !strings.Contains(op.Err.Error(), text) {
		t.Errorf("error %v does not say %q", op.Err, text)
	}
}

func TestBadTLS(t *testing.T) {
	leakCheck(t)
	quiet := func(srv *httptest.Server) { srv.Config.ErrorLog = discardLog() }
	t.Run("certificate that nobody vouches for", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(nethttp.NotFoundHandler())
		quiet(srv)
		srv.StartTLS()
		defer srv.Close()
		op := once(t, open(t, Config{Get: srv.URL}))
		expectClass(t, op, generators.TLS, "certificate")
		if op.TLS <= 0 || op.Connect <= 0 {
			t.Error("the stages were not recorded")
		}
	})
	t.Run("certificate for another name", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(nethttp.NotFoundHandler())
		quiet(srv)
		srv.StartTLS()
		defer srv.Close()
		ca := writePEM(t, srv.Certificate().Raw)
		op := once(t, open(t, Config{Get: srv.URL, TLS: TLS{CA: ca, ServerName: "other.test"}}))
		expectClass(t, op, generators.TLS, "other.test")
		op = once(t, open(t, Config{Get: srv.URL, TLS: TLS{CA: ca}, Check: &Check{Status: 404}}))
		if op.Class != generators.OK {
			t.Errorf("class %s (%v) with the right name", op.Class, op.Err)
		}
	})
	t.Run("versions without overlap", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(nethttp.NotFoundHandler())
		quiet(srv)
		srv.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
		srv.StartTLS()
		defer srv.Close()
		op := once(t, open(t, Config{Get: srv.URL, TLS: TLS{Insecure: true, MinVersion: "1.3"}}))
		expectClass(t, op, generators.TLS, "protocol version")
	})
	t.Run("certificate of the client missing", func(t *testing.T) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			srv := httptest.NewUnstartedServer(nethttp.NotFoundHandler())
			quiet(srv)
			srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version}
			srv.StartTLS()
			op := once(t, open(t, Config{Get: srv.URL, TLS: TLS{Insecure: true}}))
			expectClass(t, op, generators.TLS, "tls: ")
			srv.Close()
		}
	})
	t.Run("no TLS there at all", func(t *testing.T) {
		plain := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
			_, _ = r.Peek(1)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		})
		op := once(t, open(t, Config{Get: strings.Replace(plain.url, "http:", "https:", 1), TLS: TLS{Insecure: true}}))
		expectClass(t, op, generators.TLS, "TLS handshake with 127.0.0.1")
	})
	t.Run("reset in the handshake", func(t *testing.T) {
		srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
			_, _ = r.Peek(1)
			resetConn(c)
		})
		op := once(t, open(t, Config{Get: strings.Replace(srv.url, "http:", "https:", 1), TLS: TLS{Insecure: true}}))
		expectClass(t, op, generators.Reset, "TLS handshake")
	})
	t.Run("hangs in the handshake", func(t *testing.T) {
		srv := serve(t, func(_ int64, c *net.TCPConn, _ *bufio.Reader) { hold(c) })
		op := once(t, open(t, Config{Get: strings.Replace(srv.url, "http:", "https:", 1), TLS: TLS{Insecure: true}, Timeout: short}))
		expectClass(t, op, generators.Timeout, "TLS handshake")
	})
	t.Run("HTTP/2 asked for and not offered", func(t *testing.T) {
		srv := httptest.NewUnstartedServer(nethttp.NotFoundHandler())
		quiet(srv)
		srv.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
		srv.StartTLS()
		defer srv.Close()
		op := once(t, open(t, Config{Get: srv.URL, Protocol: "h2", TLS: TLS{Insecure: true}}))
		expectClass(t, op, generators.TLS, "application protocol")
	})
}

// A connection that broke off-beat must never give one request the answer of
// another.
func TestNeverOutOfStep(t *testing.T) {
	leakCheck(t)
	for _, test := range []struct {
		name   string
		answer func(n int) string // to the n-th request of a connection
	}{
		{"more body than said", func(n int) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX"
		}},
		{"a body where there is none", func(n int) string {
			return "HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nX"
		}},
		{"a second answer unasked", func(n int) string {
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\nHTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"
		}},
		{"chunks and a length", func(n int) string {
			return "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n"
		}},
		{"says close and stays", func(n int) string {
			return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"
		}},
		{"HTTP/1.0 without keep-alive", func(n int) string {
			return "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
				for n := 0; ; n++ {
					if _, _, ok := readRequest(r); !ok {
						return
					}
					answer := test.answer(n)
					if n > 0 {
						answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX"
					}
					io.WriteString(c, answer)
				}
			})
			s := open(t, Config{Get: srv.url, Check: &Check{BodyMatches: "^1?$"}})
			for range 5 {
				if op := once(t, s); op.Class != generators.OK {
					t.Fatalf("class %s (%v)", op.Class, op.Err)
				}
			}
			if n := srv.conns.Load(); n != 5 {
				t.Errorf("%d connections for 5 requests: one was kept that must not be", n)
			}
		})
	}
}

// A server that closes right after its answer: no request may be lost to that,
// not even one that must not be done twice.
func TestClosedConnectionIsNoticed(t *testing.T) {
	leakCheck(t)
	closed := make(chan struct{})
	srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		readRequest(r)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		c.Close()
		closed <- struct{}{}
	})
	s := open(t, Config{Post: srv.url, Body: "x"})
	for range 3 {
		op := once(t, s)
		<-closed
		if op.Class != generators.OK {
			t.Fatalf("class %s (%v)", op.Class, op.Err)
		}
	}
}

// The end of the run's context is Canceled, wherever the operation is; the
// end of the operation's own time is not.
func TestCanceled(t *testing.T) {
	leakCheck(t)
	stopped := errors.New("the run was stopped")
	release := make(chan struct{})
	for _, test := range []struct {
		name   string
		serve  func(seen chan<- struct{}) func(int64, *net.TCPConn, *bufio.Reader)
		scheme string
		config Config
	}{
		{"in the handshake", func(seen chan<- struct{}) func(int64, *net.TCPConn, *bufio.Reader) {
			return func(_ int64, c *net.TCPConn, r *bufio.Reader) { r.Peek(1); seen <- struct{}{}; hold(c) }
		}, "https", Config{}},
		{"before the answer", func(seen chan<- struct{}) func(int64, *net.TCPConn, *bufio.Reader) {
			return func(_ int64, c *net.TCPConn, r *bufio.Reader) { readRequest(r); seen <- struct{}{}; hold(c) }
		}, "http", Config{}},
		{"within the body", func(seen chan<- struct{}) func(int64, *net.TCPConn, *bufio.Reader) {
			return func(_ int64, c *net.TCPConn, r *bufio.Reader) {
				readRequest(r)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
				seen <- struct{}{}
				hold(c)
			}
		}, "http", Config{}},
		{"while a large body goes out", func(seen chan<- struct{}) func(int64, *net.TCPConn, *bufio.Reader) {
			// Reads next to nothing: the body does not fit into the buffers between.
			return func(_ int64, _ *net.TCPConn, r *bufio.Reader) { r.Peek(1); seen <- struct{}{}; <-release }
		}, "http", Config{Body: strings.Repeat("x", 64<<20)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			seen := make(chan struct{}, 1)
			srv := serve(t, test.serve(seen))
			if test.config.Body != "" {
				t.Cleanup(func() { close(release) }) // before the server waits for its handlers
			}
			c := test.config
			c.TLS.Insecure = true
			c.Post = strings.Replace(srv.url, "http", test.scheme, 1)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			go func() {
				<-seen
				cancel(stopped)
			}()
			op := onceIn(t, ctx, open(t, c))
			if op.Class != generators.Canceled || !errors.Is(op.Err, stopped) {
				t.Errorf("class %s (%v), want canceled with its cause", op.Class, op.Err)
			}
		})
	}
}

// Answers of any shape must not break the client: what one says is read the
// way net/http reads it, or refused.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.0 200 OK\n\nhello",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nConnection: close\r\n\r\nhello",
		"HTTP/1.1 200\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := readAnswer(data, "GET")
		if err != nil {
			return
		}
		// net/http gives interim answers to the caller: skip them.
		br := bufio.NewReader(bytes.NewReader(data))
		var resp *nethttp.Response
		for {
			if resp, err = nethttp.ReadResponse(br, &nethttp.Request{Method: "GET"}); err != nil {
				if laxer(err) {
					return
				}
				t.Fatalf("net/http refuses what was accepted: %v", err)
			}
			if resp.StatusCode >= 200 || resp.StatusCode == 101 {
				break
			}
		}
		if resp.StatusCode != ours.status {
			t.Fatalf("status %d, net/http reads %d", ours.status, resp.StatusCode)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			if laxer(err) {
				return
			}
			t.Fatalf("net/http refuses the body that was accepted: %v", err)
		}
		if !bytes.Equal(body, ours.body) {
			t.Fatalf("body %q, net/http reads %q", ours.body, body)
		}
	})
}

// laxer is true for what net/http refuses and this package accepts on
// purpose: fields that mean nothing to it.
func laxer(err error) bool {
	text := err.Error()
	return strings.Contains(text, "suspiciously long trailer") || strings.Contains(text, "too many") || strings.Contains(text, "chunked line") || strings.Contains(text, "header line too long")
}

type readResult struct {
	status int
	body   []byte
	keep   bool
}

// readAnswer reads one answer from memory.
func readAnswer(data []byte, method string) (readResult, error) {
	var w wire
	w.reset(bytes.NewReader(data))
	defer w.release()
	var r readResult
	for {
		if err := w.readHead(); err != nil {
			return r, err
		}
		if w.head.status >= 200 {
			break
		}
		if w.head.status == 101 {
			return r, protocolError("switched")
		}
	}
	r.status = w.head.status
	var err error
	if r.keep, err = w.begin(method); err != nil {
		return r, err
	}
	for {
		b, err := w.next()
		r.body = append(r.body, b...)
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return r, err
		}
	}
}
