package http

import (
	"context"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/scenarios/probes"
	"github.com/brunt-dev/brunt/scenarios/probes/probetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subject is a server that works, fails or hangs at will.
func subject(t *testing.T, c Config, bad func(probes.Reading) bool) probetest.Subject {
	var contacts, mode atomic.Int64
	const working, broken, hanging = 0, 1, 2
	mended := make(chan struct{}, 1)
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, req *nethttp.Request) {
		contacts.Add(1)
		switch mode.Load() {
		case broken:
			w.WriteHeader(nethttp.StatusInternalServerError)
		case hanging:
			select {
			case <-mended:
			case <-req.Context().Done():
			}
		}
		fmt.Fprint(w, `{"ready": 2}`)
	}))
	t.Cleanup(server.Close)
	c.URL, c.Every = server.URL, time.Millisecond
	return probetest.Subject{
		New: func(t *testing.T, env probes.Env) probes.Probe {
			p, err := New(c, env)
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Break:    func() { mode.Store(broken) },
		Mend:     func() { mode.Store(working); mended <- struct{}{} },
		Hang:     func() { mode.Store(hanging) },
		Bad:      bad,
		Contacts: func() int { return int(contacts.Load()) },
		Ignore: []goleak.Option{
			goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
			goleak.IgnoreAnyFunction("net/http.(*connReader).backgroundRead"),
		},
	}
}

func TestContract(t *testing.T) {
	t.Run("health", func(t *testing.T) {
		probetest.Run(t, func(t *testing.T) probetest.Subject {
			return subject(t, Config{}, func(r probes.Reading) bool { return r.Value == 0 })
		})
	})
	t.Run("latency", func(t *testing.T) {
		probetest.Run(t, func(t *testing.T) probetest.Subject { return subject(t, Config{Value: "latency"}, nil) })
	})
	t.Run("json", func(t *testing.T) {
		probetest.Run(t, func(t *testing.T) probetest.Subject { return subject(t, Config{JSON: "$.ready"}, nil) })
	})
}

// first is the first reading of a probe of a server that answers all requests
// with handler. The path of the probe's URL is /health.
func first(t *testing.T, c Config, handler nethttp.HandlerFunc) probes.Reading {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	if c.URL == "" {
		c.URL = server.URL + "/health"
	}
	return firstOf(t, c)
}

func firstOf(t *testing.T, c Config) (got probes.Reading) {
	t.Helper()
	p, err := New(c, probes.Env{Allow: func(string) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := p.Watch(ctx, func(r probes.Reading) { got = r; cancel() }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReading(t *testing.T) {
	answer := func(code int, body string) nethttp.HandlerFunc {
		return func(w nethttp.ResponseWriter, _ *nethttp.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}
	}
	hang := func(_ nethttp.ResponseWriter, req *nethttp.Request) { <-req.Context().Done() }
	redirect := func(w nethttp.ResponseWriter, req *nethttp.Request) {
		if req.URL.Path != "/health" {
			t.Error("the redirect was followed")
		}
		nethttp.Redirect(w, req, "/elsewhere", nethttp.StatusFound)
	}
	tests := []struct {
		name    string
		config  Config
		handler nethttp.HandlerFunc
		want    float64
		text    string // in Text, or in Err when failed
		failed  bool
	}{
		{"healthy", Config{}, answer(200, ""), 1, "200 OK", false},
		{"any 2xx is", Config{}, answer(204, ""), 1, "204", false},
		{"a 500 is not", Config{}, answer(500, ""), 0, "status 500", false},
		{"the status asked for", Config{Status: 404}, answer(404, ""), 1, "404", false},
		{"another status", Config{Status: 201}, answer(200, ""), 0, "status 200, not 201", false},
		{"redirects are not followed", Config{}, redirect, 0, "status 302", false},
		{"but may be what is asked for", Config{Status: 302}, redirect, 1, "302", false},
		{"the body holds it", Config{BodyContains: "ok"}, answer(200, "all ok"), 1, "200", false},
		{"the body does not", Config{BodyContains: "ok"}, answer(200, "down"), 0, `does not contain "ok"`, false},
		{"no answer in time", Config{Timeout: time.Millisecond}, hang, 0, "no answer in time", false},
		{"nothing listens", Config{URL: "http://127.0.0.1:1"}, nil, 0, "connection refused", false},
		{"an answer without end", Config{}, answer(200, strings.Repeat("x", maxBody+1)), 0, "larger than", false},
		{"a number", Config{JSON: "$.ready"}, answer(200, `{"ready": 3}`), 3, "200", false},
		{"not there", Config{JSON: "$.ready"}, answer(200, `{}`), 0, "nothing at $.ready", true},
		{"not a number", Config{JSON: "$.ready"}, answer(200, `{"ready":"3"}`), 0, "a string at $.ready", true},
		{"not JSON", Config{JSON: "$.ready"}, answer(200, `<html>`), 0, "not JSON", true},
		{"a number in a bad answer is none", Config{JSON: "$.ready"}, answer(503, `{"ready": 3}`), 0, "status 503", true},
		{"no number: nothing listens", Config{JSON: "$.ready", URL: "http://127.0.0.1:1"}, nil, 0, "connection refused", true},
		{"no latency: a bad answer", Config{Value: "latency"}, answer(500, ""), 0, "status 500", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := first(t, tt.config, tt.handler)
			text := r.Text
			if tt.failed {
				if r.Err == nil {
					t.Fatalf("got %+v, want a failed look", r)
				}
				text = r.Err.Error()
			} else if r.Err != nil {
				t.Fatal(r.Err)
			}
			if r.Value != tt.want || !strings.Contains(text, tt.text) {
				t.Errorf("got %v %q, want %v %q", r.Value, text, tt.want, tt.text)
			}
		})
	}
}

func TestLatencyReading(t *testing.T) {
	r := first(t, Config{Value: "latency"}, func(nethttp.ResponseWriter, *nethttp.Request) {})
	if r.Err != nil || r.Value <= 0 {
		t.Errorf("got %+v, want some nanoseconds", r)
	}
}

// A refusal by the run is never taken for an unhealthy target.
func TestNotAllowedIsNoReading(t *testing.T) {
	denied := errors.New("not in target.hosts")
	p, err := New(Config{URL: "http://127.0.0.1:1"}, probes.Env{Allow: func(string) error { return denied }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = p.Watch(ctx, func(r probes.Reading) {
		if r.Err == nil || !strings.Contains(r.Err.Error(), denied.Error()) {
			t.Errorf("got %+v, want Err to tell of %q", r, denied)
		}
		cancel()
	})
}

func TestConfig(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		field  string // with a problem; empty: none
		unit   string
		what   string
	}{
		{"health", Config{URL: "http://x/health"}, "", "", "health of x/health"},
		{"latency", Config{URL: "https://x/health", Value: "latency"}, "", "ns", "latency of https://x/health"},
		{"a number", Config{URL: "http://x:9/s", JSON: "$.a[0]"}, "", "", "$.a[0] of x:9/s"},
		{"no scheme", Config{URL: "x:80/health"}, "url", "", ""},
		{"no host", Config{URL: "http:///health"}, "url", "", ""},
		{"another scheme", Config{URL: "ftp://x/"}, "url", "", ""},
		{"no path at all", Config{URL: "http://x", JSON: "ready"}, "json", "", ""},
		{"two readings in one", Config{URL: "http://x", JSON: "$.a", Value: "latency"}, "value", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			field := ""
			tt.config.Validate(func(f, _, _ string) { field = f })
			if field != tt.field {
				t.Fatalf("problem with %q, want %q", field, tt.field)
			}
			if _, err := New(tt.config, probes.Env{}); (err != nil) != (tt.field != "") {
				t.Errorf("New: %v", err)
			}
			if tt.field != "" {
				return
			}
			if Unit(tt.config) != tt.unit || What(tt.config) != tt.what {
				t.Errorf("got %q %q, want %q %q", Unit(tt.config), What(tt.config), tt.unit, tt.what)
			}
		})
	}
}
