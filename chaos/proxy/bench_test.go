//go:build unix

package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/chaos/proxy"
)

// BenchmarkRoundTrip takes one byte there and back: directly, through a proxy
// without toxics, and with latency.
func BenchmarkRoundTrip(b *testing.B) {
	for _, test := range []struct {
		name   string
		direct bool
		config proxy.Config
	}{
		{name: "direct", direct: true},
		{name: "through"},
		{name: "latency=10ms", config: proxy.Config{Latency: 10 * time.Millisecond}},
		{name: "latency=100ms", config: proxy.Config{Latency: 100 * time.Millisecond}},
	} {
		b.Run(test.name, func(b *testing.B) {
			address := path(b, echo(b), test.direct, test.config)
			conn := dial(b, address)
			one := make([]byte, 1)
			took := make([]time.Duration, 0, 1<<16)
			b.ReportAllocs()
			for b.Loop() {
				started := time.Now()
				if _, err := conn.Write(one); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(conn, one); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(started))
			}
			slices.Sort(took)
			for name, q := range map[string]int{"p50-ns": 500, "p99-ns": 990, "max-ns": 1000} {
				b.ReportMetric(float64(took[(len(took)-1)*q/1000]), name)
			}
		})
	}
}

// BenchmarkHTTP makes one request on a live connection: directly, passed by the
// kernel, and read along for a rule about other requests.
func BenchmarkHTTP(b *testing.B) {
	for _, test := range []struct {
		name   string
		direct bool
		config proxy.Config
	}{
		{name: "direct", direct: true},
		{name: "through"},
		{name: "read along", config: proxy.Config{HTTP: &proxy.HTTP{Path: "/other", Abort: 503}}},
	} {
		b.Run(test.name, func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
			b.Cleanup(server.Close)
			conn := dial(b, path(b, server.Listener.Addr().String(), test.direct, test.config))
			answers := bufio.NewReader(conn)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(conn, "GET /page HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\n\r\n"); err != nil {
					b.Fatal(err)
				}
				response, err := http.ReadResponse(answers, nil)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
			}
		})
	}
}

// BenchmarkThroughput sends to an upstream that throws away.
func BenchmarkThroughput(b *testing.B) {
	for _, test := range []struct {
		name   string
		direct bool
		config proxy.Config
	}{
		{name: "direct", direct: true},
		{name: "through"},
		{name: "latency=1ms", config: proxy.Config{Latency: time.Millisecond, Direction: "upstream"}},
		{name: "latency=100ms", config: proxy.Config{Latency: 100 * time.Millisecond, Direction: "upstream"}},
	} {
		b.Run(test.name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				buffer := make([]byte, 256<<10)
				for err == nil {
					_, err = conn.Read(buffer)
				}
			}()
			conn := dial(b, path(b, l.Addr().String(), test.direct, test.config))
			chunk := make([]byte, 128<<10)
			b.SetBytes(int64(len(chunk)))
			for b.Loop() {
				if _, err := conn.Write(chunk); err != nil {
					b.Fatal(err)
				}
			}
			// What is still on its way counts too.
			if err := conn.CloseWrite(); err != nil {
				b.Fatal(err)
			}
			_ = l.Close()
			<-drained
		})
	}
}

// path is the address through which the upstream is reached.
func path(b *testing.B, upstream string, direct bool, config proxy.Config) string {
	if direct {
		return upstream
	}
	p, file := startProxy(b, upstream)
	if config != (proxy.Config{}) {
		fault := newFault(b, config, file)
		receipt, err := fault.Prepare(bounded(b))
		if err != nil {
			b.Fatal(err)
		}
		if err := fault.Inject(bounded(b), receipt); err != nil {
			b.Fatal(err)
		}
	}
	return p.Address("payments")
}
