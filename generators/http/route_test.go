package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/generators"
)

// serveUnix starts a server on a socket in a folder of its own.
func serveUnix(t testing.TB, useTLS bool, h nethttp.HandlerFunc) (path string, srv *httptest.Server) {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") // t.TempDir may be longer than a socket's path can be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv = httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	srv.Listener = l
	srv.Config.Protocols = new(nethttp.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetHTTP2(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	if srv.EnableHTTP2 = useTLS; useTLS {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return path, srv
}

func TestUnix(t *testing.T) {
	handler := func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "%s %s %s", r.Proto, r.Host, r.RequestURI)
	}
	for _, test := range []struct {
		name   string
		config Config
		body   string
	}{
		{"in the clear", Config{Get: "http://shop.test/a?b"}, "HTTP/1.1 shop.test /a?b"},
		{"another port is only a Host", Config{Get: "http://shop.test:81/"}, "HTTP/1.1 shop.test:81 /"},
		{"HTTP/2 in the clear", Config{Get: "http://shop.test/", Protocol: "h2c"}, "HTTP/2.0 shop.test /"},
		{"TLS", Config{Get: "https://shop.test/"}, "HTTP/2.0 shop.test /"},
	} {
		t.Run(test.name, func(t *testing.T) {
			leakCheck(t)
			path, _ := serveUnix(t, strings.HasPrefix(test.config.Get, "https"), handler)
			c := test.config
			c.Unix, c.TLS.Insecure, c.Check = path, true, &Check{BodyContains: test.body}
			g, asked := generatorOf(t, c)
			s := openOf(t, g, 0)
			if op := ok(t, s); op.Connect <= 0 || op.DNS != 0 {
				t.Errorf("connect %v, dns %v", op.Connect, op.DNS)
			}
			if op := ok(t, s); op.Connect != 0 {
				t.Error("the connection was not kept")
			}
			if diff := cmp.Diff([]string{"unix:" + path}, asked()); diff != "" {
				t.Errorf("asked for (-want +got):\n%s", diff)
			}
			if loop, why := g.Loop(); loop != nil || why == "" {
				t.Error("the fast path, which knows no sockets, may be taken")
			}
		})
	}
	t.Run("nobody listens any more", func(t *testing.T) {
		path, srv := serveUnix(t, false, handler)
		// A listener that is closed removes its socket; keep it to be refused.
		srv.Listener.(*net.UnixListener).SetUnlinkOnClose(false)
		s := open(t, Config{Get: "http://shop.test/", Unix: path})
		ok(t, s)
		srv.Close()
		expectClass(t, once(t, s), generators.Refused, "connect to unix:"+path+": connection refused")
	})
	t.Run("no such socket", func(t *testing.T) {
		op := once(t, open(t, Config{Get: "http://shop.test/", Unix: "/no/such.sock"}))
		expectClass(t, op, generators.Refused, "connect to unix:/no/such.sock: no such file")
	})
	t.Run("outside the target", func(t *testing.T) {
		g, err := New(Config{Get: "http://shop.test/", Unix: "/no/such.sock"}, generators.Env{Allow: func(a string) error {
			return errors.New(a + " is outside")
		}})
		if err != nil {
			t.Fatal(err)
		}
		expectClass(t, once(t, openOf(t, g, 0)), generators.Local, "unix:/no/such.sock is outside")
	})
}

// Connections come from the source addresses in turn.
func TestSource(t *testing.T) {
	var mu sync.Mutex
	from := map[string]int{}
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		mu.Lock()
		defer mu.Unlock()
		from[host]++
	}))
	defer srv.Close()
	no := false
	// IPv6 addresses cannot reach IPv4 ones: they are passed over.
	g, _ := generatorOf(t, Config{Get: srv.URL, Source: []string{"127.0.0.2", "127.0.0.3", "::1"}, Connections: Connections{KeepAlive: &no}})
	s := openOf(t, g, 0)
	for range 9 {
		ok(t, s)
	}
	mu.Lock()
	if from["127.0.0.2"]+from["127.0.0.3"] != 9 || from["127.0.0.2"] < 3 || from["127.0.0.3"] < 3 {
		t.Errorf("requests by source: %v", from)
	}
	mu.Unlock()
	if loop, why := g.Loop(); loop == nil {
		t.Errorf("the fast path is not taken: %s", why)
	}
	t.Run("an address that is not this machine's", func(t *testing.T) {
		op := once(t, open(t, Config{Get: srv.URL, Source: []string{"192.0.2.1"}}))
		expectClass(t, op, generators.Local, "from 192.0.2.1: cannot assign requested address")
	})
	t.Run("of the other IP version", func(t *testing.T) {
		op := once(t, open(t, Config{Get: srv.URL, Source: []string{"::1"}}))
		expectClass(t, op, generators.Local, "other IP version")
	})
}

// Connections to one host:port are spread over others in turn, and only those
// are asked for; Host and the TLS name stay.
func TestConnectTo(t *testing.T) {
	leakCheck(t)
	a := newAuthority(t)
	no := false
	var hits [2]atomic.Int64
	var addrs []string
	for i := range hits {
		srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			hits[i].Add(1)
			fmt.Fprintf(w, "%s %s", r.Host, r.TLS.ServerName)
		}))
		srv.TLS = serverTLS(a.issue(t, "shop.test"))
		srv.StartTLS()
		defer srv.Close()
		addrs = append(addrs, srv.Listener.Addr().String())
	}
	c := Config{Get: "https://Shop.test/", ConnectTo: map[string][]string{"shop.test:443": addrs}, TLS: TLS{CA: a.file},
		Connections: Connections{KeepAlive: &no}, Check: &Check{BodyContains: "shop.test shop.test"}}
	g, asked := generatorOf(t, c)
	g.resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("looked up") }
	s := openOf(t, g, 0)
	for range 6 {
		ok(t, s)
	}
	if hits[0].Load() != 3 || hits[1].Load() != 3 {
		t.Errorf("requests by server: %d and %d", hits[0].Load(), hits[1].Load())
	}
	want := []string{addrs[0], addrs[1], addrs[0], addrs[1], addrs[0], addrs[1]}
	if diff := cmp.Diff(want, asked()); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	t.Run("other hosts are not concerned", func(t *testing.T) {
		url, _ := recorder(t)
		ok(t, open(t, Config{Get: url, ConnectTo: map[string][]string{"shop.test:443": {"127.0.0.1:1"}}}))
	})
	t.Run("one that does not answer is not passed over", func(t *testing.T) {
		url, _ := recorder(t)
		s := open(t, Config{Get: "http://shop.test/", Connections: Connections{KeepAlive: &no},
			ConnectTo: map[string][]string{"shop.test:80": {strings.TrimPrefix(url, "http://"), nobody(t)}}})
		var got []generators.Class
		for range 4 {
			got = append(got, once(t, s).Class)
		}
		if diff := cmp.Diff([]generators.Class{"ok", "refused", "ok", "refused"}, got); diff != "" {
			t.Errorf("classes (-want +got):\n%s", diff)
		}
	})
	t.Run("names are looked up", func(t *testing.T) {
		url, _ := recorder(t)
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
		g, asked := generatorOf(t, Config{Get: "http://shop.test/", ConnectTo: map[string][]string{"shop.test:80": {"canary.test:" + port}}})
		if op := ok(t, openOf(t, g, 0)); op.DNS <= 0 || asked()[0] != "canary.test:"+port {
			t.Errorf("dns %v, asked for %q", op.DNS, asked())
		}
	})
	t.Run("outside the target", func(t *testing.T) {
		g, err := New(c, generators.Env{Allow: func(a string) error { return errors.New(a + " is outside") }})
		if err != nil {
			t.Fatal(err)
		}
		expectClass(t, once(t, openOf(t, g, 0)), generators.Local, addrs[0]+" is outside")
	})
}

func TestPairs(t *testing.T) {
	two := map[string][]string{"shop.test:80": {"127.0.0.1:1", "127.0.0.1:2"}}
	for _, test := range []struct {
		name   string
		config Config
		want   int
	}{
		{"straight", Config{Get: "http://shop.test/"}, 1},
		{"from several", Config{Get: "http://shop.test/", Source: []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}}, 3},
		{"to several", Config{Get: "http://shop.test/", ConnectTo: two}, 2},
		{"from several to several", Config{Get: "http://shop.test/", ConnectTo: two, Source: []string{"127.0.0.2", "127.0.0.3"}}, 4},
		// All sessions connect to the one that is not spread, too.
		{"a step elsewhere", Config{Steps: []Step{{Get: "http://shop.test/"}, {Think: "1s"}, {Get: "http://other.test/"}}, ConnectTo: two}, 1},
		{"a proxy is one place", Config{Get: "http://shop.test/", Proxy: "http://127.0.0.1:3128"}, 1},
	} {
		g, _ := generatorOf(t, test.config)
		if got := g.Pairs(); got != test.want {
			t.Errorf("%s: %d pairs, want %d", test.name, got, test.want)
		}
		_, why := g.Loop()
		if lane := test.config.Source != nil && test.config.ConnectTo != nil; lane && why != "" {
			t.Errorf("%s: not on the fast path: %s", test.name, why)
		}
	}
}

// Targets of a rotation take the same way, and are asked for before the run.
func TestRotationRoute(t *testing.T) {
	url, requests := recorder(t)
	addr := strings.TrimPrefix(url, "http://")
	targets := []Target{{Method: "GET", URL: "http://a.test/1"}, {Method: "GET", URL: "http://b.test/2"}}
	var asked []string
	g, err := NewRotation(Config{ConnectTo: map[string][]string{"a.test:80": {addr}, "b.test:80": {addr}}}, targets,
		generators.Env{Allow: func(a string) error { asked = append(asked, a); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{addr, addr}, asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	s := openOf(t, g, 0)
	for i := range 2 {
		if r := s.Do(t.Context(), generators.Arrival{Index: int64(i), Due: time.Now()}); r.Ops[0].Class != generators.OK {
			t.Fatalf("class %s (%v)", r.Ops[0].Class, r.Ops[0].Err)
		}
	}
	if all := requests(); len(all) != 2 || all[1].line != "GET b.test /2" {
		t.Errorf("requests %v", all)
	}
}

// What breaks on a Unix socket is classed as it is on TCP.
func TestUnixAnswers(t *testing.T) {
	leakCheck(t)
	path, _ := serveUnix(t, false, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		c, _, err := w.(nethttp.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		w2 := bufio.NewWriter(c)
		io.WriteString(w2, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		w2.Flush()
	})
	op := once(t, open(t, Config{Get: "http://shop.test/", Unix: path}))
	expectClass(t, op, generators.Reset, "read the body")
}
