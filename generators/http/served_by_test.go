package http

import (
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// An answer says who served it, also when it is none that was hoped for; the
// load is kept off the fast path, which does not read headers.
func TestServedBy(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/nobody" {
			w.Header().Set("X-Pod", "api-1")
		}
		if r.URL.Path == "/bad" {
			w.WriteHeader(nethttp.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	for path, want := range map[string]string{"/": "api-1", "/bad": "api-1", "/nobody": ""} {
		if op := once(t, open(t, Config{Get: srv.URL + path, ServedBy: "X-Pod"})); op.Server != want {
			t.Errorf("%s: served by %q, want %q", path, op.Server, want)
		}
	}
	if op := once(t, open(t, Config{Get: srv.URL})); op.Server != "" {
		t.Errorf("served by %q, though nobody asked", op.Server)
	}
	g, err := New(Config{Get: srv.URL, ServedBy: "X-Pod", Timeout: time.Second}, generators.Env{Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	if loop, why := g.(interface {
		Loop() (generators.Loop, string)
	}).Loop(); loop != nil || !strings.Contains(why, "served_by") {
		t.Errorf("the fast path plays it (%q)", why)
	}
}
