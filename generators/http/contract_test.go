package http

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/gentest"
)

func TestContract(t *testing.T) {
	for _, test := range []struct {
		name   string
		config Config
		tls    bool
	}{
		// Each session its own HTTP/1.1 connection.
		{name: "h1", config: Config{Get: "/"}},
		// The same behind TLS.
		{name: "h1 tls", config: Config{Get: "/", Protocol: "h1"}, tls: true},
		// HTTP/2 by negotiation.
		{name: "h2", config: Config{Get: "/"}, tls: true},
		// HTTP/2 without TLS.
		{name: "h2c", config: Config{Get: "/", Protocol: "h2c"}},
		// Connections shared by more sessions than there are.
		{name: "h1 shared", config: Config{Get: "/", Connections: Connections{Max: 3}}},
		{name: "h2 shared", config: Config{Get: "/", Connections: Connections{Max: 2}}, tls: true},
		// A flow, with bodies.
		{name: "flow", config: Config{Steps: []Step{
			{Get: "/a", Extract: map[string]string{"v": "regexp:h(.)llo"}},
			{Think: "1ms"},
			{Post: "/b", JSON: map[string]any{"v": "${v}"}},
		}}},
		// A body that is written while the answer is read.
		{name: "large body", config: Config{Post: "/", Body: string(make([]byte, parallelBody+1))}},
	} {
		t.Run(test.name, func(t *testing.T) {
			gentest.Run(t, gentest.Subject{Start: func(t *testing.T) gentest.Target {
				return startTarget(t, test.config, test.tls)
			}})
		})
	}
}

// startTarget starts a server that can hang and vanish, and a generator for it.
func startTarget(t *testing.T, c Config, useTLS bool) gentest.Target {
	var operations atomic.Int64
	var hanging atomic.Bool
	seen := make(chan struct{}, 100)
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		operations.Add(1)
		if hanging.Load() {
			// Reading to the end also lets the server see the client go.
			io.Copy(io.Discard, r.Body)
			seen <- struct{}{}
			<-r.Context().Done()
			return
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "hello")
	}))
	srv.Config.Protocols = new(nethttp.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetHTTP2(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.BaseContext = func(net.Listener) context.Context { return t.Context() }
	if useTLS {
		srv.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
		srv.EnableHTTP2 = true
		srv.StartTLS()
		c.TLS.Insecure = true
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	c.Base = srv.URL
	g, err := New(c, generators.Env{Load: "test", Seed: 1, Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	return gentest.Target{
		Generator:  g,
		Steps:      len(Steps(c)),
		Operations: operations.Load,
		Hang: func() <-chan struct{} {
			hanging.Store(true)
			return seen
		},
		Vanish: func() {
			srv.CloseClientConnections()
			srv.Close()
		},
	}
}
