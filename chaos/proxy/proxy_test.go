//go:build unix

package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/chaostest"
	"github.com/brunt-dev/brunt/chaos/middlebox"
	"github.com/brunt-dev/brunt/chaos/proxy"
)

// TestMain makes the test binary the hidden command too, because Start runs
// its own binary anew.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == proxy.Command {
		syscall.Exit(proxy.Main(os.Args[2:])) // without the race detector's pause
	}
	if upstream := os.Getenv(bruntVariable); upstream != "" {
		fmt.Fprintln(os.Stderr, brunt(upstream)) // it returns only when it failed
		os.Exit(1)
	}
	chaostest.Main(m, proxy.Kind, proxy.Mend)
}

// echo is an upstream that sends back what it gets.
func echo(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// startProxy starts a proxy process in front of an upstream.
func startProxy(t testing.TB, upstream string) (p *middlebox.Process, file string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, files, err := proxy.Start(t.Context(), exe, filepath.Join(t.TempDir(), "proxies"),
		map[string]middlebox.Endpoint{"payments": {Listen: "127.0.0.1:0", Upstream: upstream}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(bounded(t)); err != nil {
			t.Error(err)
		}
	})
	return p, files["payments"]
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

func newFault(t testing.TB, c proxy.Config, file string) chaos.Fault {
	t.Helper()
	c.On = "payments"
	fault, err := proxy.New(c, chaos.Env{Fault: "slow_pay", Seed: 1, Proxies: map[string]string{"payments": file}})
	if err != nil {
		t.Fatal(err)
	}
	return fault
}

func TestContract(t *testing.T) {
	for _, test := range []struct {
		name       string
		config     proxy.Config
		oneProcess bool
	}{
		{name: "latency", config: proxy.Config{Latency: 40 * time.Millisecond, Jitter: 10 * time.Millisecond}},
		{name: "bandwidth", config: proxy.Config{Bandwidth: 10 << 10, Direction: "downstream"}, oneProcess: true},
		{name: "reset", config: proxy.Config{Reset: true}, oneProcess: true},
		{name: "blackhole", config: proxy.Config{Blackhole: true}, oneProcess: true},
		{name: "slow_close", config: proxy.Config{SlowClose: 30 * time.Millisecond}, oneProcess: true},
		{name: "slicer", config: proxy.Config{Slicer: &proxy.Slicer{Size: 100}}, oneProcess: true},
		{name: "limit", config: proxy.Config{Limit: 100}, oneProcess: true},
		{name: "timeout", config: proxy.Config{Timeout: time.Minute}, oneProcess: true},
		{name: "half_open upstream", config: proxy.Config{HalfOpen: "upstream"}, oneProcess: true},
		{name: "half_open client", config: proxy.Config{HalfOpen: "client"}, oneProcess: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: proxy.Kind, Mend: proxy.Mend, OneProcess: test.oneProcess,
				Target: func(t *testing.T) chaostest.Target {
					p, file := startProxy(t, echo(t))
					return chaostest.Target{
						Fault: newFault(t, test.config, file),
						Look:  func(t *testing.T) string { return toxics(t, file) },
						Stir: func(t *testing.T) {
							conn, err := net.Dial("tcp", p.Address("payments"))
							if err != nil {
								return // reset already: an effect too
							}
							t.Cleanup(func() { _ = conn.Close() })
							_, _ = conn.Write(make([]byte, 1000))
							_ = conn.(*net.TCPConn).CloseWrite()
						},
					}
				},
			})
		})
	}
}

// pages is an upstream that speaks HTTP/1 in the clear.
func pages(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") }))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// The faults that care what is spoken, met by a request or a handshake.
func TestSpokenContract(t *testing.T) {
	const ask = "POST /charge HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
	hello := "\x16\x03\x01\x00\x05hello" // no handshake comes of it, but it is met
	for _, test := range []struct {
		name   string
		config proxy.Config
		say    string
	}{
		{"abort", proxy.Config{HTTP: &proxy.HTTP{Method: []string{"POST"}, Path: "/charge", Abort: 503}}, ask},
		{"delay", proxy.Config{HTTP: &proxy.HTTP{Delay: 10 * time.Millisecond}}, ask},
		{"request", proxy.Config{HTTP: &proxy.HTTP{Request: &proxy.Change{Remove: []string{"X"}}}}, ask},
		{"response", proxy.Config{HTTP: &proxy.HTTP{Response: &proxy.Reply{Status: 500}}}, ask},
		{"abort and latency", proxy.Config{HTTP: &proxy.HTTP{Abort: 503, First: 1}, Latency: 10 * time.Millisecond}, ask},
		{"certificate", proxy.Config{TLS: &proxy.TLS{Fault: "expired"}}, hello},
		{"stall", proxy.Config{TLS: &proxy.TLS{Fault: "stall"}, Reconnect: true}, hello},
	} {
		t.Run(test.name, func(t *testing.T) {
			chaostest.Run(t, chaostest.Subject{
				Kind: proxy.Kind, Mend: proxy.Mend, OneProcess: true,
				Target: func(t *testing.T) chaostest.Target {
					p, file := startProxy(t, pages(t))
					return chaostest.Target{
						Fault: newFault(t, test.config, file),
						Look:  func(t *testing.T) string { return toxics(t, file) },
						Stir: func(t *testing.T) {
							conn := dial(t, p.Address("payments"))
							if _, err := io.WriteString(conn, test.say); err != nil {
								t.Error(err)
							}
						},
					}
				},
			})
		})
	}
}

// toxics is the proxy's own list.
func toxics(t *testing.T, file string) string {
	t.Helper()
	control, err := proxy.ReadControl(file)
	if err != nil {
		t.Fatal(err)
	}
	state, err := control.State(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range state.Toxics {
		names = append(names, a.Name)
	}
	return strings.Join(names, " ")
}

func TestStartFails(t *testing.T) {
	defer goleak.VerifyNone(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	good := map[string]middlebox.Endpoint{"a": {Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"}}
	for name, test := range map[string]struct {
		exe, dir string
		proxies  map[string]middlebox.Endpoint
		want     string
	}{
		"no proxies":      {exe, t.TempDir(), nil, "there are none"},
		"address in use":  {exe, t.TempDir(), map[string]middlebox.Endpoint{"a": {Listen: taken.Addr().String()}}, "address already in use"},
		"no such binary":  {exe + ".not", t.TempDir(), good, "no such file"},
		"another program": {"/bin/true", t.TempDir(), good, "start proxies"},
		"not a folder":    {exe, file, good, "not a directory"},
	} {
		if _, _, err := proxy.Start(t.Context(), test.exe, test.dir, test.proxies); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, test := range []struct {
		config proxy.Config
		what   string
		err    string // part of New's error
	}{
		{config: proxy.Config{On: "payments", Latency: 80 * time.Millisecond, Jitter: 20 * time.Millisecond}, what: "latency 80ms ±20ms on payments"},
		{config: proxy.Config{On: "payments", Bandwidth: 3 << 19, Direction: "downstream"}, what: "bandwidth 1.5MiB/s on payments, downstream"},
		{config: proxy.Config{On: "payments", Reset: true, Share: 0.125}, what: "reset on payments, for 12.5% of connections"},
		{config: proxy.Config{On: "payments", Blackhole: true, SlowClose: time.Second}, what: "blackhole and slow close 1s on payments"},
		{config: proxy.Config{On: "payments", Slicer: &proxy.Slicer{Size: 64}, Limit: 100, Timeout: time.Second, Direction: "upstream"}, what: "slices of 64 bytes and limit of 100 bytes and timeout after 1s on payments, upstream"},
		{config: proxy.Config{On: "payments", HalfOpen: "client"}, what: "half-open connections, client gone, on payments"},
		{config: proxy.Config{On: "payments", HTTP: &proxy.HTTP{Method: []string{"POST"}, Path: "/charge/*", Abort: 503}, Share: 0.1}, what: "HTTP abort 503 of POST /charge/* on payments, for 10% of requests"},
		{config: proxy.Config{On: "payments", HTTP: &proxy.HTTP{GRPC: "UNAVAILABLE", Delay: time.Second, First: 3}}, what: "HTTP delay 1s, gRPC status UNAVAILABLE, the first 3, on payments"},
		{config: proxy.Config{On: "payments", TLS: &proxy.TLS{Fault: "wrong_host"}, Reconnect: true}, what: "TLS wrong host on payments"},
		{config: proxy.Config{On: "theirs", Toxiproxy: "http://127.0.0.1:8474", Reset: true}, what: "reset on theirs, through Toxiproxy"},
		{config: proxy.Config{On: "payments", HTTP: &proxy.HTTP{Path: "/"}}, what: "HTTP  of / on payments", err: "nothing is to be done to requests"},
		{config: proxy.Config{On: "payments", HTTP: &proxy.HTTP{GRPC: "OK"}}, what: "HTTP gRPC status OK on payments", err: "no gRPC status of a failed call"},
		{config: proxy.Config{On: "payments", HTTP: &proxy.HTTP{Response: &proxy.Reply{}}}, what: "HTTP changed responses on payments", err: "nothing is to be changed"},
		{config: proxy.Config{On: "payments", TLS: &proxy.TLS{Fault: "old"}}, what: "TLS old on payments", err: "what is wrong with handshakes"},
		{config: proxy.Config{On: "payments", HalfOpen: "left"}, what: "half-open connections, left gone, on payments", err: "no side"},
		{config: proxy.Config{On: "payments", Reset: true, Reconnect: true}, what: "reset on payments", err: "no need to"},
		{config: proxy.Config{On: "payments", Slicer: &proxy.Slicer{Size: 1, Variation: 1}}, what: "slices of 1 bytes on payments", err: "no size"},
		{config: proxy.Config{On: "payments", Timeout: time.Second, Blackhole: true}, what: "timeout after 1s and blackhole on payments", err: "keeps connections open"},
		{config: proxy.Config{On: "payments", Reset: true, Probe: "x"}, what: "reset on payments", err: "no need to probe"},
		{config: proxy.Config{On: "x", Toxiproxy: "127.0.0.1:8474", Reset: true}, what: "reset on x, through Toxiproxy", err: "no address"},
		{config: proxy.Config{On: "x", Toxiproxy: "http://h:1", TLS: &proxy.TLS{Fault: "stall"}}, what: "TLS stall on x, through Toxiproxy", err: "Toxiproxy has no such toxic"},
		{config: proxy.Config{On: "x", Toxiproxy: "http://h:1", Reset: true, TTL: 1}, what: "reset on x, through Toxiproxy", err: "does not end toxics by itself"},
		{config: proxy.Config{On: "payments"}, what: " on payments", err: "nothing is to be done"},
		{config: proxy.Config{On: "payments", Latency: 1, Jitter: 2}, what: "latency 1ns ±2ns on payments", err: "jitter"},
		{config: proxy.Config{On: "payments", Reset: true, Share: 2}, what: "reset on payments", err: "share"},
		{config: proxy.Config{On: "payments", Reset: true, Direction: "up"}, what: "reset on payments, up", err: "no direction"},
		{config: proxy.Config{On: "payments", Latency: -1}, what: " on payments", err: "latency: it is negative"},
		{config: proxy.Config{On: "payment", Reset: true}, what: "reset on payment", err: "there are orders, payments"},
	} {
		_, err := proxy.New(test.config, chaos.Env{Fault: "x", Proxies: map[string]string{"payments": "", "orders": ""}})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("New(%+v): error %v, want %q", test.config, err, test.err)
		}
		if got := proxy.What(test.config); got != test.what {
			t.Errorf("What = %q, want %q", got, test.what)
		}
		if proxy.OneShot(test.config) {
			t.Errorf("OneShot(%+v)", test.config)
		}
	}
}

// Two faults must not hold the same toxic: the second one's undo would leave
// the first one's settings behind.
func TestTaken(t *testing.T) {
	_, file := startProxy(t, echo(t))
	first, second := newFault(t, proxy.Config{Latency: time.Millisecond}, file), newFault(t, proxy.Config{Latency: time.Second}, file)
	late, err := second.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := first.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Prepare(bounded(t)); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("prepare: %v, want a conflict", err)
	}
	if err := second.Inject(bounded(t), late); !errors.Is(err, chaos.ErrConflict) {
		t.Errorf("inject: %v, want a conflict", err)
	}
	if err := second.Undo(bounded(t), late); err != nil {
		t.Errorf("undo: %v", err)
	}
	if got := toxics(t, file); got != "latency_upstream latency_downstream" {
		t.Errorf("after the second's undo the first has %q", got)
	}
	// What nothing has met yet is neither active nor gone.
	if state, err := first.Verify(bounded(t), receipt); !errors.Is(err, chaos.ErrNoEvidence) {
		t.Errorf("verify without traffic: %s, %v", state, err)
	}
}

// Undo and Verify when the proxy process has ended, and when something else
// listens where its control socket was.
func TestProxyGone(t *testing.T) {
	p, file := startProxy(t, echo(t))
	control, err := proxy.ReadControl(file)
	if err != nil {
		t.Fatal(err)
	}
	fault := newFault(t, proxy.Config{Latency: time.Second}, file)
	receipt, err := fault.Prepare(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(bounded(t), receipt); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the control file is left: %v", err)
	}
	check := func() {
		t.Helper()
		if err := fault.Undo(bounded(t), receipt); err != nil {
			t.Errorf("undo: %v", err)
		}
		if state, err := fault.Verify(bounded(t), receipt); state != chaos.Gone {
			t.Errorf("verify: %s, %v", state, err)
		}
	}
	check()
	stranger, err := net.Listen("tcp", control.Address)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := stranger.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n{}")
			_ = conn.Close()
		}
	})
	check()
	_ = stranger.Close()
	wg.Wait()
}
