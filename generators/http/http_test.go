package http

import (
	"bufio"
	"context"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

func everywhere(string) error { return nil }

// open makes a session of a configuration.
func open(t testing.TB, c Config) generators.Session {
	t.Helper()
	g, err := New(c, generators.Env{Load: "test", Seed: 1, Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkDo plays arrivals over loopback, against a server that costs next
// to nothing itself.
func BenchmarkDo(b *testing.B) {
	srv := serve(b, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n" + `{"items":[{"sku":"a","n":1234}]}`)
		buf := make([]byte, 4096)
		for {
			// A request comes whole, as it is written at once.
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	for _, bench := range []struct {
		name   string
		config Config
	}{
		{"constant", Config{Get: srv.url + "/products?page=1"}},
		{"templates", Config{Get: srv.url + "/products?page=${rand(1,40)}", Headers: map[string]string{"X-Id": "${uuid()}"}}},
		{"json", Config{Post: srv.url, JSON: map[string]any{"n": "${seq()}", "list": []any{"a", "b"}}}},
		{"extract", Config{Steps: []Step{{Get: srv.url, Extract: map[string]string{"sku": "$.items[0].sku"}}}}},
		{"check", Config{Get: srv.url, Check: &Check{Status: 200, BodyContains: "items"}}},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkDo(b, open(b, bench.config)) })
	}
}

// BenchmarkDoHTTP2 does the same over HTTP/2, net/http's server included.
func BenchmarkDoHTTP2(b *testing.B) {
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.WriteString(w, "hello")
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	b.Cleanup(srv.Close)
	benchmarkDo(b, open(b, Config{Get: srv.URL, TLS: TLS{Insecure: true}}))
}

func benchmarkDo(b *testing.B, s generators.Session) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	for i := int64(0); b.Loop(); i++ {
		r := s.Do(ctx, generators.Arrival{Index: i, Due: time.Now()})
		if op := r.Ops[0]; op.Class != generators.OK {
			b.Fatal(op.Class, op.Err)
		}
	}
}
