package http

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/generators"
)

// A testProxy is a proxy on loopback, for HTTP or SOCKS5.
type testProxy struct {
	*rawServer
	user, password string            // wanted, unless user is empty
	names          map[string]string // where names lead

	mu   sync.Mutex
	seen []string
}

func (p *testProxy) saw(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, what)
}

func (p *testProxy) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.seen...)
}

func (p *testProxy) addr() string { return strings.TrimPrefix(p.url, "http://") }

// reach connects to where an address leads.
func (p *testProxy) reach(addr string) (net.Conn, error) {
	if !strings.Contains(addr, ":") {
		addr += ":80"
	}
	if to := p.names[addr]; to != "" {
		addr = to
	}
	return net.Dial("tcp", addr)
}

// pipe copies both ways until either side is done.
func pipe(c net.Conn, r io.Reader, to net.Conn) {
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(to, r)
		to.Close()
	})
	_, _ = io.Copy(c, to)
	c.Close()
	to.Close()
	wg.Wait()
}

// httpProxy starts a proxy that makes tunnels and forwards.
func httpProxy(t testing.TB, p *testProxy) *testProxy {
	t.Helper()
	p.rawServer = serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		for {
			req, err := nethttp.ReadRequest(r)
			if err != nil {
				return
			}
			p.saw(req.Method + " " + req.RequestURI)
			if p.user != "" && req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(p.user+":"+p.password)) {
				io.Copy(io.Discard, req.Body)
				io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			if req.Method == "CONNECT" {
				to, err := p.reach(req.RequestURI)
				if err != nil {
					io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
					return
				}
				io.WriteString(c, "HTTP/1.1 200 Connected\r\n\r\n")
				pipe(c, r, to)
				return
			}
			to, err := p.reach(req.URL.Host)
			if err != nil {
				io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			req.Header.Del("Proxy-Authorization")
			req.Write(to)
			// A client that goes is noticed while the answer is awaited.
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				r.Peek(1)
				to.Close()
			}()
			resp, err := nethttp.ReadResponse(bufio.NewReader(to), req)
			if err != nil {
				c.Close()
				<-gone
				return
			}
			body, _ := io.ReadAll(resp.Body)
			fmt.Fprintf(c, "HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", resp.StatusCode, len(body), body)
			<-gone
		}
	})
	return p
}

// socksProxy starts a SOCKS5 proxy.
func socksProxy(t testing.TB, p *testProxy) *testProxy {
	t.Helper()
	read := func(r io.Reader, n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return make([]byte, n)
		}
		return b
	}
	p.rawServer = serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		methods := read(r, int(read(r, 2)[1]))
		if p.user != "" {
			if !strings.Contains(string(methods), "\x02") {
				c.Write([]byte{5, 0xff})
				return
			}
			c.Write([]byte{5, 2})
			user := read(r, int(read(r, 2)[1]))
			password := read(r, int(read(r, 1)[0]))
			if string(user) != p.user || string(password) != p.password {
				c.Write([]byte{1, 1})
				return
			}
			c.Write([]byte{1, 0})
		} else {
			c.Write([]byte{5, 0})
		}
		host := ""
		switch read(r, 4)[3] {
		case socksIPv4:
			host = netip.AddrFrom4([4]byte(read(r, 4))).String()
		case socksIPv6:
			host = netip.AddrFrom16([16]byte(read(r, 16))).String()
		case socksName:
			host = string(read(r, int(read(r, 1)[0])))
		}
		addr := net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(read(r, 2)))))
		p.saw(addr)
		to, err := p.reach(addr)
		if err != nil {
			c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		c.Write(append([]byte{5, 0, 0, socksName, 3}, "a.b\x00\x01"...))
		pipe(c, r, to)
	})
	return p
}

// nobody is an address where nothing listens.
func nobody(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestProxy(t *testing.T) {
	handler := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %q", r.Proto, r.Host, r.RequestURI, body, r.Header["Proxy-Authorization"])
	}
	clear := httptest.NewUnstartedServer(nethttp.HandlerFunc(handler))
	clear.Config.Protocols = new(nethttp.Protocols)
	clear.Config.Protocols.SetHTTP1(true)
	clear.Config.Protocols.SetUnencryptedHTTP2(true)
	clear.Start()
	defer clear.Close()
	secure := httptest.NewUnstartedServer(nethttp.HandlerFunc(handler))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer secure.Close()
	names := map[string]string{"shop.test:80": clear.Listener.Addr().String(), "shop.test:443": secure.Listener.Addr().String()}
	for _, test := range []struct {
		name           string
		kind           func(testing.TB, *testProxy) *testProxy
		scheme         string
		user, password string
		userinfo       string // as in the URL
		config         Config
		body           string // what the server saw
		seen           string // what the proxy saw, once for the connection or for each request
		each           bool
	}{
		// In the clear a proxy forwards requests, whose first line has the whole URL.
		{"forwarded", httpProxy, "http", "", "", "", Config{Post: "http://shop.test/a?b=c", Body: "x"}, `HTTP/1.1 shop.test /a?b=c x []`, "POST http://shop.test/a?b=c", true},
		{"forwarded, with a password", httpProxy, "http", "u", "p:%/@#", "u:p:%25/@#@", Config{Post: "http://shop.test/"}, `HTTP/1.1 shop.test /`, "POST http://shop.test/", true},
		{"a password that is not escaped", httpProxy, "http", "u", "100%", "u:100%@", Config{Post: "http://shop.test/"}, `HTTP/1.1`, "POST http://shop.test/", true},
		{"not a header twice", httpProxy, "http", "u", "p", "u:p@", Config{Post: "http://shop.test/", Headers: map[string]string{"proxy-authorization": "Basic eDp5"}}, `HTTP/1.1`, "POST http://shop.test/", true},
		// Anything else needs a tunnel.
		{"tunnel", httpProxy, "http", "", "", "", Config{Post: "https://shop.test/a", Protocol: "h1"}, `HTTP/1.1 shop.test /a`, "CONNECT shop.test:443", false},
		{"tunnel, with a password that stays there", httpProxy, "http", "u", "p", "u:p@", Config{Post: "https://shop.test/a"}, `HTTP/2.0 shop.test /a  []`, "CONNECT shop.test:443", false},
		{"tunnel for HTTP/2 in the clear", httpProxy, "http", "", "", "", Config{Post: "http://shop.test/a", Protocol: "h2c"}, `HTTP/2.0 shop.test /a`, "CONNECT shop.test:80", false},
		// SOCKS5 is a tunnel always, and the proxy resolves names.
		{"SOCKS5", socksProxy, "socks5", "", "", "", Config{Post: "http://shop.test/a"}, `HTTP/1.1 shop.test /a`, "shop.test:80", false},
		{"SOCKS5 with TLS", socksProxy, "socks5h", "u", "p", "u:p@", Config{Post: "https://shop.test/a"}, `HTTP/2.0 shop.test /a`, "shop.test:443", false},
		{"SOCKS5 to an address", socksProxy, "socks5", "", "", "", Config{Post: clear.URL}, `HTTP/1.1 127.0.0.1`, clear.Listener.Addr().String(), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			leakCheck(t)
			p := test.kind(t, &testProxy{user: test.user, password: test.password, names: names})
			c := test.config
			c.Proxy, c.TLS.Insecure, c.Check = test.scheme+"://"+test.userinfo+p.addr(), true, &Check{BodyContains: test.body}
			g, asked := generatorOf(t, c)
			g.resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
				return nil, errors.New(host + " is looked up, which is the proxy's business")
			}
			s := openOf(t, g, 0)
			first := ok(t, s)
			if first.Connect <= 0 || first.DNS != 0 {
				t.Errorf("connect %v, dns %v", first.Connect, first.DNS)
			}
			ok(t, s)
			want := []string{test.seen}
			if test.each {
				want = append(want, test.seen)
			}
			if diff := cmp.Diff(want, p.all()); diff != "" {
				t.Errorf("what the proxy saw (-want +got):\n%s", diff)
			}
			target := test.seen
			if test.each {
				target = "shop.test:80"
			}
			if diff := cmp.Diff([]string{strings.TrimPrefix(target, "CONNECT "), p.addr()}, asked()); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if g.program.route.detoured() == "" {
				t.Error("the fast path, which knows no proxies, may be taken")
			}
		})
	}
}

// What goes wrong on the way through a proxy says so, and gives no password away.
func TestProxyFailures(t *testing.T) {
	leakCheck(t)
	says := func(answer string) func(testing.TB, *testProxy) *testProxy {
		return func(t testing.TB, p *testProxy) *testProxy {
			p.rawServer = serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
				r.Peek(1)
				io.WriteString(c, answer)
				if answer == "" {
					hold(c)
				}
				c.CloseWrite()
				hold(c)
			})
			return p
		}
	}
	absent := func(t testing.TB, p *testProxy) *testProxy {
		p.rawServer = &rawServer{url: "http://" + nobody(t)}
		return p
	}
	dead := nobody(t)
	plain := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		r.Peek(1)
		io.WriteString(c, "garbage\r\n\r\n")
		hold(c)
	})
	for _, test := range []struct {
		name   string
		kind   func(testing.TB, *testProxy) *testProxy
		scheme string
		config Config
		class  generators.Class
		text   string
		status int
	}{
		{"nothing listens there", absent, "http", Config{Get: "https://shop.test/"}, generators.Refused, "connection refused", 0},
		{"nothing listens there, SOCKS5", absent, "socks5", Config{Get: "http://shop.test/"}, generators.Refused, "connection refused", 0},
		{"wrong password for a tunnel", httpProxy, "http", Config{Get: "https://shop.test/"}, generators.Status, "CONNECT with status 407", 407},
		{"wrong password for a request", httpProxy, "http", Config{Get: "http://shop.test/"}, generators.Status, "status 407", 407},
		{"wrong password, SOCKS5", socksProxy, "socks5", Config{Get: "http://shop.test/"}, generators.Connect, "name and password", 0},
		{"no tunnel", says("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "http", Config{Get: "https://" + dead}, generators.Status, "status 502", 502},
		{"refused behind SOCKS5", says("\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"), "socks5", Config{Get: "http://" + dead}, generators.Refused, "connection refused", 0},
		{"unreachable behind SOCKS5", says("\x05\x00\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"), "socks5", Config{Get: "http://" + dead}, generators.Connect, "host unreachable", 0},
		{"another code of SOCKS5", says("\x05\x00\x05\x63\x00\x01\x00\x00\x00\x00\x00\x00"), "socks5", Config{Get: "http://" + dead}, generators.Connect, "code 99", 0},
		{"not SOCKS5", says("HTTP/1.1 400 Bad Request\r\n\r\n"), "socks5", Config{Get: "http://" + dead}, generators.Protocol, "does not speak SOCKS5", 0},
		{"SOCKS5 cut", says("\x05\x00\x05\x00"), "socks5", Config{Get: "http://" + dead}, generators.Reset, "by SOCKS5", 0},
		{"an address of no kind", says("\x05\x00\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00"), "socks5", Config{Get: "http://" + dead}, generators.Protocol, "no address", 0},
		{"not HTTP", says("SSH-2.0-OpenSSH\r\n\r\n"), "http", Config{Get: "https://" + dead}, generators.Protocol, "by CONNECT", 0},
		{"closed unanswered", says("HTTP"), "http", Config{Get: "https://" + dead}, generators.Reset, "by CONNECT", 0},
		{"hangs", says(""), "http", Config{Get: "https://" + dead, Timeout: short}, generators.Timeout, "by CONNECT", 0},
		{"hangs, SOCKS5", says(""), "socks5", Config{Get: "https://" + dead, Timeout: short}, generators.Timeout, "by SOCKS5", 0},
		{"TLS behind it", func(t testing.TB, p *testProxy) *testProxy { p.user = ""; return httpProxy(t, p) }, "http",
			Config{Get: strings.Replace(plain.url, "http", "https", 1)}, generators.TLS, "TLS handshake", 0},
		{"an answer behind it", func(t testing.TB, p *testProxy) *testProxy { p.user = ""; return socksProxy(t, p) }, "socks5",
			Config{Get: plain.url}, generators.Protocol, "does not begin with HTTP", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := test.kind(t, &testProxy{user: "right", password: "s3cret", names: map[string]string{"shop.test:80": dead}})
			c := test.config
			c.Proxy = test.scheme + "://wrong:hush" + "@" + p.addr()
			g, _ := generatorOf(t, c)
			op := once(t, openOf(t, g, 0))
			expectClass(t, op, test.class, test.text)
			if op.Status != test.status {
				t.Errorf("status %d, want %d", op.Status, test.status)
			}
			// The answer to a request that was forwarded is an answer.
			forwarded := test.status > 0 && strings.HasPrefix(c.Get, "http://")
			if text := op.Err.Error(); strings.Contains(text, "via proxy "+p.addr()) == forwarded || strings.Contains(text, "hush") || strings.Contains(text, "wrong") {
				t.Errorf("error %q", text)
			}
		})
	}
	t.Run("outside the target", func(t *testing.T) {
		for _, outside := range []string{"127.0.0.1:1", "shop.test:443"} {
			g, err := New(Config{Get: "https://shop.test/", Proxy: "http://127.0.0.1:1"}, generators.Env{Allow: func(a string) error {
				if a == outside {
					return errors.New(a + " is outside")
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			expectClass(t, once(t, openOf(t, g, 0)), generators.Local, outside+" is outside")
		}
	})
	t.Run("stopped meanwhile", func(t *testing.T) {
		seen := make(chan struct{})
		srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
			r.Peek(1)
			close(seen)
			hold(c)
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-seen
			cancel()
		}()
		op := onceIn(t, ctx, open(t, Config{Get: "https://shop.test/", Proxy: srv.url}))
		if op.Class != generators.Canceled {
			t.Errorf("class %s (%v), want canceled", op.Class, op.Err)
		}
	})
	// Bytes of the target that come with the proxy's answer are the target's.
	t.Run("said too early", func(t *testing.T) {
		srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
			nethttp.ReadRequest(r)
			// The proxy's answer and a server's first frame, SETTINGS, at once.
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
			// A GOAWAY after the client's first bytes.
			r.Peek(1)
			io.WriteString(c, "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
			hold(c)
		})
		op := once(t, open(t, Config{Get: "http://shop.test/", Protocol: "h2c", Proxy: srv.url, Timeout: short}))
		if op.Class == generators.Protocol {
			t.Errorf("class %s (%v): the first frame was lost", op.Class, op.Err)
		}
	})
}

func TestParseProxy(t *testing.T) {
	for _, test := range []struct {
		url  string
		want string // address, or nothing when it is refused
		user string
	}{
		{"http://proxy:3128", "proxy:3128", ""},
		{"HTTP://Proxy.:3128/", "proxy:3128", ""},
		{"socks5://[::1]:1080", "[::1]:1080", ""},
		{"http://a%40b:c@proxy:1", "proxy:1", "a@b"},
		{"http://a@b:c@proxy:1", "proxy:1", "a@b"},
		{"http://@proxy:1", "proxy:1", ""},
		{"https://proxy:3128", "", ""},        // TLS to the proxy is not spoken
		{"proxy:3128", "", ""},                // no scheme
		{"http://proxy", "", ""},              // no port
		{"http://proxy:0", "", ""},            // no port either
		{"http://hush:hush", "", ""},          // no host
		{"http://proxy:80/path", "", ""},      // no place for a path
		{"socks5://:hush@proxy:1080", "", ""}, // no name
		{"socks5://" + strings.Repeat("u", 256) + "@proxy:1080", "", ""},
	} {
		p, message := parseProxy(test.url)
		if test.want == "" {
			if message == "" || strings.Contains(message, "hush") {
				t.Errorf("%s: message %q", test.url, message)
			}
			continue
		}
		if message != "" || p.addr != test.want || p.user != test.user {
			t.Errorf("%s: %+v (%s)", test.url, p, message)
		}
	}
}

// Whatever a SOCKS5 proxy says, it is read in bounds.
func FuzzSocks5(f *testing.F) {
	f.Add([]byte("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), "a.test:80")
	f.Add([]byte("\x05\x02\x01\x00\x05\x05\x00\x03\x02ab\x00\x00"), "[::1]:443")
	f.Fuzz(func(t *testing.T, answer []byte, addr string) {
		p := &proxy{socks: true, user: "u", password: "p"}
		_ = p.socks5(&scripted{answer: answer}, addr)
	})
}

// A scripted connection says the same whatever it is told.
type scripted struct {
	net.Conn
	answer []byte
}

func (s *scripted) Write(b []byte) (int, error) { return len(b), nil }
func (s *scripted) Read(b []byte) (int, error) {
	if len(s.answer) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.answer)
	s.answer = s.answer[n:]
	return n, nil
}
