package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/brunt-dev/brunt/generators"
)

// ownProcess, in the environment, makes the test binary a server of that kind
// until its stdin ends. The first line it prints is its URL.
const ownProcess = "BRUNT_HTTP_TEST_SERVER"

func TestMain(m *testing.M) {
	switch kind := os.Getenv(ownProcess); kind {
	case "":
		os.Exit(m.Run())
	case "slow":
		os.Exit(serveSlow())
	default:
		os.Exit(serveIdle(kind))
	}
}

// startProcess starts such a server. It ends with the test, if not by kill.
func startProcess(t testing.TB, kind string) (url string, says *bufio.Reader, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownProcess+"="+kind)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	says = bufio.NewReader(out)
	if url, err = says.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url), says, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// serveIdle prints its URL and serves until stdin ends.
func serveIdle(protocol string) int {
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, "hello") }))
	srv.EnableHTTP2 = true
	if protocol == "clear" {
		srv.Start()
	} else {
		srv.StartTLS()
	}
	url := srv.URL
	if protocol == "h3" {
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		h3 := &http3.Server{Handler: srv.Config.Handler, TLSConfig: http3.ConfigureTLSConfig(serverTLS(srv.TLS.Certificates[0])), QUICConfig: &quic.Config{MaxIdleTimeout: time.Hour}}
		go h3.Serve(quietUDP{udp})
		url = "https://" + udp.LocalAddr().String()
	}
	fmt.Println(url)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// serveSlow answers the first request of each connection at once and is very
// slow with the others, for each of which it prints a line.
func serveSlow() int {
	type requests struct{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	srv := &nethttp.Server{
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, requests{}, new(atomic.Int64))
		},
		Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			if r.Context().Value(requests{}).(*atomic.Int64).Add(1) > 1 {
				fmt.Println("took one")
				select {
				case <-time.After(time.Hour):
				case <-r.Context().Done():
				}
			}
			io.WriteString(w, "hello")
		}),
	}
	fmt.Println("http://" + l.Addr().String())
	go srv.Serve(l)
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// BenchmarkIdleSession measures what a session costs that has made one request
// and keeps its connection: the heap and the stacks. The server is a process
// of its own.
func BenchmarkIdleSession(b *testing.B) {
	for _, bench := range []struct {
		name, server string
		config       Config
	}{
		{"clear", "clear", Config{}},
		{"tls", "h1", Config{Protocol: "h1"}},
		{"h2", "h2", Config{Protocol: "h2"}},
		{"h3", "h3", Config{Protocol: "h3"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			c := bench.config
			c.Get, _, _ = startProcess(b, bench.server)
			c.TLS.Insecure = true
			g, err := New(c, generators.Env{Allow: everywhere})
			if err != nil {
				b.Fatal(err)
			}
			var sessions []generators.Session
			defer func() {
				for _, s := range sessions {
					s.Close()
				}
			}()
			// What is made once is not a session's.
			warm, _ := g.Open(b.Context(), 0)
			sessions = append(sessions, warm)
			ok(b, warm)
			before, goroutines := inUse(), runtime.NumGoroutine()
			n := 0
			for b.Loop() {
				n++
				s, err := g.Open(b.Context(), n)
				if err != nil {
					b.Fatal(err)
				}
				sessions = append(sessions, s)
				ok(b, s)
			}
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(n), "goroutines/session")
			b.ReportMetric(float64(inUse()-before)/float64(n), "B/session")
		})
	}
}

// inUse is the heap that is reachable, and the stacks.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools let go of what they hold in two steps
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
