package http

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/brunt-dev/brunt/generators"
)

// idleServer, in the environment, makes the test binary a server of that
// protocol until its stdin ends.
const idleServer = "BRUNT_HTTP_IDLE_SERVER"

func TestMain(m *testing.M) {
	if protocol := os.Getenv(idleServer); protocol != "" {
		os.Exit(serveIdle(protocol))
	}
	os.Exit(m.Run())
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
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), idleServer+"="+bench.server)
			in, err := cmd.StdinPipe()
			if err != nil {
				b.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			defer cmd.Wait()
			defer in.Close()
			url, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			c := bench.config
			c.Get, c.TLS.Insecure = strings.TrimSpace(url), true
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
