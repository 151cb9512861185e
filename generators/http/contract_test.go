package http

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/gentest"
)

func TestContract(t *testing.T) {
	no := false
	for _, test := range []struct {
		name   string
		config Config
		tls    bool
		unix   bool
		// way puts more between the generator and the server.
		way func(t *testing.T, c *Config, addr string)
	}{
		// Each session its own HTTP/1.1 connection.
		{name: "h1", config: Config{Get: "/"}},
		// The same behind TLS.
		{name: "h1 tls", config: Config{Get: "/", Protocol: "h1"}, tls: true},
		// A handshake for every request, resumed from the second on, or never.
		{name: "tls resumed", config: Config{Get: "/", Connections: Connections{KeepAlive: &no}}, tls: true},
		{name: "tls not resumed", config: Config{Get: "/", Protocol: "h1", TLS: TLS{Resume: &no}, Connections: Connections{KeepAlive: &no}}, tls: true},
		// HTTP/2 by negotiation.
		{name: "h2", config: Config{Get: "/"}, tls: true},
		// HTTP/2 without TLS.
		{name: "h2c", config: Config{Get: "/", Protocol: "h2c"}},
		// HTTP/3, each session its own connection.
		{name: "h3", config: Config{Get: "/", Protocol: "h3"}},
		// Connections shared by more sessions than there are.
		{name: "h1 shared", config: Config{Get: "/", Connections: Connections{Max: 3}}},
		{name: "h2 shared", config: Config{Get: "/", Connections: Connections{Max: 2}}, tls: true},
		{name: "h3 shared", config: Config{Get: "/", Protocol: "h3", Connections: Connections{Max: 2}}},
		// Connections made anew, from addresses in turn.
		{name: "h3 from sources", config: Config{Post: "/", Body: "x", Protocol: "h3", Source: []string{"127.0.0.2", "127.0.0.3"}, Connections: Connections{MaxRequests: 2}}},
		// A flow, with bodies.
		{name: "flow", config: Config{Steps: []Step{
			{Get: "/a", Extract: map[string]string{"v": "regexp:h(.)llo"}},
			{Think: "1ms"},
			{Post: "/b", JSON: map[string]any{"v": "${v}"}},
		}}},
		// A body that is written while the answer is read.
		{name: "large body", config: Config{Post: "/", Body: string(make([]byte, parallelBody+1))}},
		{name: "large body h3", config: Config{Post: "/", Body: string(make([]byte, parallelBody+1)), Protocol: "h3"}},
		// Unix sockets.
		{name: "unix", config: Config{Get: "/"}, unix: true},
		{name: "unix tls", config: Config{Get: "/"}, unix: true, tls: true},
		// Proxies: requests forwarded, and through tunnels of both kinds.
		{name: "proxy", config: Config{Get: "/"}, way: func(t *testing.T, c *Config, _ string) {
			c.Proxy = "http://u:p@" + httpProxy(t, &testProxy{user: "u", password: "p"}).addr()
		}},
		{name: "proxy tls", config: Config{Get: "/"}, tls: true, way: func(t *testing.T, c *Config, _ string) {
			c.Proxy = httpProxy(t, &testProxy{}).url
		}},
		{name: "socks5", config: Config{Get: "/"}, way: func(t *testing.T, c *Config, _ string) {
			c.Proxy = "socks5://u:p@" + socksProxy(t, &testProxy{user: "u", password: "p"}).addr()
		}},
		// Source addresses in turn.
		{name: "source", config: Config{Get: "/", Source: []string{"127.0.0.2", "127.0.0.3"}}},
		// Another address than the URL's.
		{name: "connect_to", config: Config{Get: "/"}, way: func(t *testing.T, c *Config, addr string) {
			c.Base, c.ConnectTo = "http://shop.test", map[string][]string{"shop.test:80": {addr}}
		}},
	} {
		subject := func(pausing bool) gentest.Subject {
			return gentest.Subject{Start: func(t *testing.T) gentest.Target {
				c := test.config
				target := &testTarget{seen: make(chan struct{}, 100)}
				var addr string
				switch {
				case c.Protocol == "h3":
					srv := serveH3(t, newAuthority(t), target.serve, nil)
					addr, target.vanish = srv.addr, srv.stop
					c.Base, c.TLS.Insecure = "https://"+addr, true
				case test.unix:
					var srv *httptest.Server
					c.Unix, srv = serveUnix(t, test.tls, target.serve)
					c.Base = "http://shop.test"
					target.vanish = func() { srv.CloseClientConnections(); srv.Close() }
				default:
					srv := startServer(t, test.tls, target.serve)
					addr, c.Base = srv.Listener.Addr().String(), srv.URL
					target.vanish = func() { srv.CloseClientConnections(); srv.Close() }
				}
				if test.tls {
					c.TLS.Insecure = true
					c.Base = strings.Replace(c.Base, "http://", "https://", 1)
				}
				if test.way != nil {
					test.way(t, &c, addr)
				}
				of := target.of(t, c)
				if pausing {
					of.Generator = gentest.Pausing(pausesAlways(of.Generator.(*generator)))
				}
				return of
			}}
		}
		t.Run(test.name, func(t *testing.T) { gentest.Run(t, subject(false)) })
		t.Run(test.name+" pausing", func(t *testing.T) { gentest.Run(t, subject(true)) })
	}
}

// pausesAlways makes sessions pause for every answer that is not there at once.
func pausesAlways(g *generator) *generator {
	g.many, g.shortWait = 0, time.Nanosecond
	return g
}

// A testTarget answers, or hangs.
type testTarget struct {
	operations atomic.Int64
	hanging    atomic.Bool
	breaking   atomic.Int32 // the next: 1 in order, 2 by a reset
	seen       chan struct{}
	vanish     func()
}

func (a *testTarget) serve(w nethttp.ResponseWriter, r *nethttp.Request) {
	a.operations.Add(1)
	hanging := a.hanging.Load()
	// Reading to the end also lets the server see the client go.
	io.Copy(io.Discard, r.Body)
	switch a.breaking.Swap(0) {
	case 1:
		panic(nethttp.ErrAbortHandler)
	case 2:
		a.reset(w)
		return
	}
	if hanging {
		a.seen <- struct{}{}
		<-r.Context().Done()
		return
	}
	io.WriteString(w, "hello")
}

// reset ends an operation by a reset of its connection, or of its stream.
func (a *testTarget) reset(w nethttp.ResponseWriter) {
	c, _, err := nethttp.NewResponseController(w).Hijack()
	if err != nil {
		panic(nethttp.ErrAbortHandler) // HTTP/2 and 3 reset the stream
	}
	tcp := c
	if over, ok := c.(*tls.Conn); ok {
		tcp = over.NetConn()
	}
	if tcp, ok := tcp.(*net.TCPConn); ok { // a Unix socket knows no reset
		_ = tcp.SetLinger(0)
		_ = tcp.Close() // without TLS's close_notify
	}
	_ = c.Close()
}

// of is the target with a generator for it.
func (a *testTarget) of(t *testing.T, c Config) gentest.Target {
	g, err := New(c, generators.Env{Load: "test", Seed: 1, Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	return gentest.Target{
		Generator: g, Steps: len(Steps(c)), Operations: a.operations.Load, Vanish: a.vanish,
		Hang: func() <-chan struct{} {
			a.hanging.Store(true)
			return a.seen
		},
		Break: func(reset bool) {
			if reset {
				a.breaking.Store(2)
			} else {
				a.breaking.Store(1)
			}
		},
	}
}

// startServer starts a server for all protocols over TCP.
func startServer(t *testing.T, useTLS bool, h nethttp.HandlerFunc) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(nethttp.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetHTTP2(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.BaseContext = func(net.Listener) context.Context { return t.Context() }
	if useTLS {
		srv.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}
