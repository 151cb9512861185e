package shop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// known are backends that nobody checks, all healthy, in this order.
func known(addresses ...string) *backends {
	b := newBackends()
	var all []*backend
	for i, address := range addresses {
		k := &backend{backendState: backendState{Name: replicaName(i), Address: address}, stop: func() {}}
		k.healthy.Store(true)
		all = append(all, k)
	}
	b.all.Store(&all)
	return b
}

func TestPick(t *testing.T) {
	b := known("a", "b", "c")
	all := *b.all.Load()
	counts := map[string]int{}
	for range 300 {
		counts[b.pick(nil).Address]++
	}
	if counts["a"] != 100 || counts["b"] != 100 || counts["c"] != 100 {
		t.Errorf("equals were not taken in turn: %v", counts)
	}
	all[0].outstanding.Store(2)
	all[1].outstanding.Store(1)
	all[2].outstanding.Store(2)
	if k := b.pick(nil); k != all[1] {
		t.Errorf("picked %s, want the one with the fewest under way", k.Address)
	}
	if k := b.pick(all[1:2]); k == all[1] {
		t.Error("picked the one that was tried")
	}
	all[1].eject(io.EOF)
	if k := b.pick(nil); k == all[1] {
		t.Error("picked the unhealthy one")
	}
	if k := b.pick(all); k != nil {
		t.Errorf("picked %s, though all were tried", k.Address)
	}
	if k := known().pick(nil); k != nil {
		t.Error("picked one of none")
	}
}

// refusing is an address at which nothing listens.
func refusing(t *testing.T) string {
	t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0])
}

func TestBalancerAnswers(t *testing.T) {
	server := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	good := server(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		fmt.Fprintf(w, "%s %s %s", req.Method, req.URL, body)
	})
	teapot := server(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	broken := server(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	dead := refusing(t)
	tests := []struct {
		name     string
		backends []string
		request  string // method and body
		status   int
		body     string
		left     int // healthy backends afterwards
	}{
		{"passes it on", []string{good}, "POST sent", 200, "POST /path?q=1 sent", 1},
		{"passes on what the replica says", []string{teapot}, "GET", 418, "", 1},
		{"no replicas at all", nil, "GET", 503, "Unavailable", 0},
		{"a GET goes to the next one when it cannot connect", []string{good, dead, dead}, "GET", 200, "GET /path?q=1", 1},
		{"a POST does not", []string{dead}, "POST sent", 502, "Bad Gateway", 0},
		{"nor what has a body", []string{dead}, "GET sent", 502, "Bad Gateway", 0},
		{"all dead", []string{dead, dead}, "GET", 502, "Bad Gateway", 0},
		{"broken off: not sent twice, and not a matter of health", []string{broken}, "POST sent", 502, "Bad Gateway", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			b := &balancer{backends: known(tt.backends...), upstream: transport}
			method, body, _ := strings.Cut(tt.request, " ")
			var in io.Reader
			if body != "" {
				in = strings.NewReader(body)
			}
			rec := httptest.NewRecorder()
			b.backends.turn.Store(uint64(len(tt.backends))) // the next is the one at index 1
			b.handler().ServeHTTP(rec, httptest.NewRequest(method, "/path?q=1", in))
			if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.body) {
				t.Errorf("got %d %q, want %d %q", rec.Code, rec.Body, tt.status, tt.body)
			}
			left := 0
			for _, k := range *b.backends.all.Load() {
				if k.healthy.Load() {
					left++
				}
				if n := k.outstanding.Load(); n != 0 {
					t.Errorf("%d requests seem to be under way", n)
				}
			}
			if left != tt.left {
				t.Errorf("%d healthy backends left, want %d", left, tt.left)
			}
		})
	}
}

// stuck is an upstream that never answers.
type stuck struct{}

func (stuck) RoundTrip(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func TestBalancerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &balancer{backends: known("a"), upstream: stuck{}}
		rec, start := httptest.NewRecorder(), time.Now()
		b.handler().ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
		if rec.Code != http.StatusGatewayTimeout || time.Since(start) != upstreamTime {
			t.Errorf("got %d after %s, want 504 after %s", rec.Code, time.Since(start), upstreamTime)
		}
	})
}

// health is a replica's health endpoint that can be taken down.
type health struct{ down atomic.Bool }

func (h *health) RoundTrip(*http.Request) (*http.Response, error) {
	if h.down.Load() {
		return nil, io.ErrUnexpectedEOF
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func TestHealthChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &health{}
		b := newBackends()
		b.client = &http.Client{Transport: h}
		ctx, cancel := context.WithCancel(t.Context())
		defer b.checks.Wait()
		defer cancel()
		one := []backendState{{Name: "shop-1", Address: "x:1", Pid: 1}}
		look := func(what string, s []backendState, want bool) {
			t.Helper()
			synctest.Wait()
			if got := b.set(ctx, s)[0].Healthy; got != want {
				t.Errorf("%s: healthy is %v", what, got)
			}
		}
		if b.set(ctx, one)[0].Healthy {
			t.Error("healthy before the first check")
		}
		look("after the first check", one, true)
		h.down.Store(true)
		time.Sleep(checkEvery)
		look("after one failure", one, true)
		time.Sleep(checkEvery)
		look("after two", one, false)
		h.down.Store(false)
		time.Sleep(checkEveryDown)
		look("after one good check", one, true)
		replaced := []backendState{{Name: "shop-1", Address: "x:1", Pid: 2}}
		h.down.Store(true)
		if b.set(ctx, replaced)[0].Healthy {
			t.Error("a replaced replica inherited its health")
		}
		look("a replaced replica that is not up", replaced, false)
	})
}

func BenchmarkBalancer(b *testing.B) {
	b.ReportAllocs()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 200, productsOn(1))
	}))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	lb := &balancer{backends: known(server.Listener.Addr().String()), upstream: transport}
	front := httptest.NewServer(lb.handler())
	defer front.Close()
	client := front.Client()
	for b.Loop() {
		if err := getJSON(b.Context(), client, front.URL, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDialVia(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	proxy, direct := listen().Addr().String(), listen().Addr().String()
	for _, tt := range []struct{ name, via, want string }{
		{"through the proxy", proxy, proxy},
		{"past one that is not there", refusing(t), direct},
	} {
		conn, err := dialVia(tt.via)(t.Context(), "tcp", direct)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.RemoteAddr().String(); got != tt.want {
			t.Errorf("%s: reached %s, want %s", tt.name, got, tt.want)
		}
		conn.Close()
	}
}
