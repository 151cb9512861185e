package proxy

import (
	"bytes"
	"context"
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
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The API as Toxiproxy documents it: what clients send, and what they get.
func TestToxiproxyAPI(t *testing.T) {
	p := newToxiproxy()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	defer p.close()
	h := p.handler()
	const db = `{"name":"db","listen":"LISTEN","upstream":"127.0.0.1:1","enabled":true,"toxics":[]}`
	const slow = `{"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1,"attributes":{"jitter":0,"latency":100}}`
	listen := ""
	for i, test := range []struct {
		method, path, body string
		status             int
		want               string // the whole answer; LISTEN stands for the proxy's address
	}{
		{"GET", "/version", "", 200, `{"version":"2.12.0"}`},
		{"GET", "/proxies", "", 200, `{}`},
		{"POST", "/proxies", `{"name":"db","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}`, 201, db},
		{"POST", "/proxies", `{"name":"db","upstream":"127.0.0.1:1"}`, 409, `{"error":"proxy already exists","status":409}`},
		{"POST", "/proxies", `{"upstream":"127.0.0.1:1"}`, 400, `{"error":"missing required field: name","status":400}`},
		{"POST", "/proxies", `{"name":"x"}`, 400, `{"error":"missing required field: upstream","status":400}`},
		{"POST", "/proxies", `{`, 400, `{"error":"bad request body: unexpected EOF","status":400}`},
		{"GET", "/proxies", "", 200, `{"db":` + db + `}`},
		{"GET", "/proxies/db", "", 200, db},
		{"GET", "/proxies/other", "", 404, `{"error":"proxy not found","status":404}`},
		{"POST", "/proxies/db/toxics", `{"type":"latency","attributes":{"latency":100,"nonsense":1}}`, 200, slow},
		{"POST", "/proxies/db/toxics", `{"type":"latency"}`, 409, `{"error":"toxic already exists","status":409}`},
		{"POST", "/proxies/db/toxics", `{"type":"nonsense"}`, 400, `{"error":"invalid toxic type","status":400}`},
		{"POST", "/proxies/db/toxics", `{"type":"latency","stream":"left"}`, 400, `{"error":"stream was invalid, can be either upstream or downstream","status":400}`},
		{"GET", "/proxies/db/toxics", "", 200, "[" + slow + "]"},
		{"GET", "/proxies/db/toxics/latency_downstream", "", 200, slow},
		{"GET", "/proxies/db/toxics/other", "", 404, `{"error":"toxic not found","status":404}`},
		{"POST", "/proxies/db/toxics/latency_downstream", `{"attributes":{"jitter":5}}`, 200, strings.Replace(slow, `"jitter":0`, `"jitter":5`, 1)},
		{"PATCH", "/proxies/db/toxics/latency_downstream", `{"toxicity":0.5}`, 200, strings.NewReplacer(`"jitter":0`, `"jitter":5`, `"toxicity":1`, `"toxicity":0.5`).Replace(slow)},
		{"POST", "/proxies/db/toxics", `{"name":"n","type":"limit_data","stream":"upstream","toxicity":0.25,"attributes":{"bytes":7}}`, 200, `{"name":"n","type":"limit_data","stream":"upstream","toxicity":0.25,"attributes":{"bytes":7}}`},
		{"DELETE", "/proxies/db/toxics/n", "", 204, ""},
		{"DELETE", "/proxies/db/toxics/n", "", 404, `{"error":"toxic not found","status":404}`},
		{"POST", "/proxies/db", `{"enabled":false}`, 200, strings.Replace(strings.Replace(db, "[]", "["+strings.NewReplacer(`"jitter":0`, `"jitter":5`, `"toxicity":1`, `"toxicity":0.5`).Replace(slow)+"]", 1), "true", "false", 1)},
		{"POST", "/reset", "", 204, ""},
		{"GET", "/proxies/db", "", 200, db},
		{"PATCH", "/proxies/db", `{"upstream":"127.0.0.1:2"}`, 200, strings.Replace(db, ":1\"", ":2\"", 1)},
		{"POST", "/populate", `[{"name":"db","listen":"LISTEN","upstream":"127.0.0.1:2"}]`, 201, `{"proxies":[` + strings.Replace(db, ":1\"", ":2\"", 1) + `]}`},
		{"POST", "/populate", `[{"name":"db","listen":"LISTEN","upstream":"127.0.0.1:1"}]`, 201, `{"proxies":[` + db + `]}`},
		{"POST", "/populate", `[{"name":"off","upstream":"127.0.0.1:1","enabled":false}]`, 201, `{"proxies":[{"name":"off","listen":"","upstream":"127.0.0.1:1","enabled":false,"toxics":[]}]}`},
		{"POST", "/populate", `[{"name":"x"}]`, 400, `{"error":"missing required field: upstream at proxy 1","status":400}`},
		{"DELETE", "/proxies/off", "", 204, ""},
		{"DELETE", "/proxies/db", "", 204, ""},
		{"DELETE", "/proxies/db", "", 404, `{"error":"proxy not found","status":404}`},
		{"GET", "/proxies", "", 200, `{}`},
	} {
		if d := p.proxies["db"]; d != nil {
			listen = d.Listen
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(test.method, test.path, strings.NewReader(strings.ReplaceAll(test.body, "LISTEN", listen))))
		if d := p.proxies["db"]; d != nil {
			listen = d.Listen
		}
		want := strings.ReplaceAll(test.want, "LISTEN", listen)
		if got := strings.TrimSpace(w.Body.String()); w.Code != test.status || got != want {
			t.Errorf("%d: %s %s: %d %s\nwant %d %s", i, test.method, test.path, w.Code, got, test.status, want)
		}
	}
	// No page can make a browser ask.
	r := httptest.NewRequest("POST", "/reset", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("a browser gets %d", w.Code)
	}
}

// Every type of Toxiproxy's is one of ours, in its units; and those that do
// nothing are none.
func TestToxiproxyTypes(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		kind       string
		attributes map[string]int64
		want       Toxic
		ok         bool
	}{
		{"latency", map[string]int64{"latency": 100, "jitter": 10}, Toxic{Type: latencyType, Way: upstream, Delay: 100 * ms, Jitter: 10 * ms}, true},
		{"latency", map[string]int64{"latency": 10, "jitter": 100}, Toxic{Type: latencyType, Way: upstream, Delay: 10 * ms, Jitter: 10 * ms}, true}, // not before it was sent
		{"latency", map[string]int64{}, Toxic{}, false},
		{"bandwidth", map[string]int64{"rate": 8}, Toxic{Type: bandwidthType, Way: upstream, Rate: 8000}, true},
		{"bandwidth", map[string]int64{"rate": 0}, Toxic{}, false},
		{"slow_close", map[string]int64{"delay": 5}, Toxic{Type: slowCloseType, Way: upstream, Delay: 5 * ms}, true},
		{"timeout", map[string]int64{"timeout": 0}, Toxic{Type: timeoutType, Way: upstream, Closing: true}, true},
		{"timeout", map[string]int64{"timeout": 5}, Toxic{Type: timeoutType, Way: upstream, Delay: 5 * ms, Closing: true}, true},
		{"reset_peer", map[string]int64{"timeout": 5}, Toxic{Type: resetType, Delay: 5 * ms}, true},
		{"slicer", map[string]int64{"average_size": 64, "size_variation": 64, "delay": 10}, Toxic{Type: slicerType, Way: upstream, Bytes: 64, Variation: 63, Delay: 10 * time.Microsecond}, true},
		{"limit_data", map[string]int64{"bytes": 0}, Toxic{Type: limitType, Way: upstream}, true},
		{"noop", nil, Toxic{}, false},
		{"latency", map[string]int64{"latency": 1 << 62}, Toxic{Type: latencyType, Way: upstream, Delay: longestExpiry}, true}, // no overflow
	} {
		got, ok := peerToxic{Name: "n", Type: test.kind, Stream: upstream, Toxicity: 1, Attributes: test.attributes}.toxic()
		test.want.Label, test.want.Share = "n", 1
		if ok != test.ok || ok && got != test.want {
			t.Errorf("%s %v: %+v, %v; want %+v", test.kind, test.attributes, got, ok, test.want)
		}
	}
	if _, ok := (peerToxic{Type: "latency", Stream: upstream, Attributes: map[string]int64{"latency": 5}}).toxic(); ok {
		t.Error("a toxicity of 0 hits")
	}
}

// Driven as a whole: from a file of proxies to an effect on a connection.
func TestServeToxiproxy(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := filepath.Join(t.TempDir(), "proxies.json")
	if err := os.WriteFile(config, fmt.Appendf(nil, `[{"name": "db", "listen": "127.0.0.1:0", "upstream": %q}]`, l.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- ServeToxiproxy(ctx, ToxiproxyOptions{Address: "127.0.0.1:0", Config: config, Ready: func(a string) { ready <- a }})
	}()
	api := peer{URL: "http://" + <-ready, Proxy: "db"}
	shown, err := api.show(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", shown.Listen)
	if err != nil {
		t.Fatal(err)
	}
	client := guard(t, conn)
	if conn, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	up := guard(t, conn)
	send(t, client, "before")
	expect(t, up, "before")
	if err := api.add(ctx, peerToxic{Name: "cut", Type: "limit_data", Stream: downstream, Toxicity: 1, Attributes: map[string]int64{"bytes": 3}}); err != nil {
		t.Fatal(err)
	}
	send(t, up, "abc")
	if got, _ := io.ReadAll(client); string(got) != "abc" {
		t.Errorf("received %q", got)
	}
	// Off is refused, on again works, and the end ends everything.
	for _, on := range []bool{false, true} {
		if err := api.call(ctx, "POST", "", map[string]bool{"enabled": on}, nil); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", shown.Listen)
		if (err == nil) != on {
			t.Errorf("enabled %v: %v", on, err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestToxiproxyArguments(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, 0, "Usage: brunt proxy --toxiproxy"},
		{[]string{"--toxiproxy", "127.0.0.1:0"}, 0, "Toxiproxy's API is on http://127.0.0.1:"},
		{[]string{"--toxiproxy", "0.0.0.0:8474"}, 2, "not on loopback"},
		{[]string{"--toxiproxy", ":8474"}, 2, "not on loopback"},
		{[]string{"--toxiproxy", "8474"}, 2, "missing port"},
		{[]string{"--config", "x"}, 2, "--toxiproxy"},
		{[]string{"--nonsense"}, 2, "not defined"},
		{[]string{"--toxiproxy", "localhost:0", "more"}, 2, "nothing else"},
		{[]string{"--toxiproxy", "127.0.0.1:0", "--config", "/none/such"}, 1, "no such file"},
	} {
		var out bytes.Buffer
		if code := mainToxiproxy(ended, test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.want) {
			t.Errorf("%v: %d %s; want %d %s", test.args, code, out.String(), test.code, test.want)
		}
	}
}

// Whatever clients send, the server goes on, and what they set can be reset.
func FuzzToxiproxy(f *testing.F) {
	f.Add("/proxies/db/toxics", `{"type":"slicer","attributes":{"average_size":-1,"size_variation":9223372036854775807,"delay":9223372036854775807}}`)
	f.Add("/proxies/db/toxics", `{"type":"timeout","stream":"UPSTREAM","toxicity":1e308,"attributes":{"timeout":-9223372036854775808}}`)
	f.Add("/populate", `[{"name":"db","upstream":"x","enabled":false}]`)
	p := newToxiproxy()
	f.Cleanup(p.close)
	h := p.handler()
	f.Fuzz(func(t *testing.T, path, body string) {
		if strings.Contains(body, "listen") || strings.Contains(body, "Listen") || !strings.HasPrefix(path, "/proxies/db") && path != "/populate" {
			return // it would
		}
		r, err := http.NewRequest("POST", "http://x"+path, strings.NewReader(body))
		if err != nil {
			return
		}
		if err := p.populate(strings.NewReader(`[{"name":"db","upstream":"127.0.0.1:1"}]`)); err != nil {
			t.Fatal(err)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if err := p.reset(); err != nil {
			return // asked to listen where it cannot
		}
		if d := p.proxies["db"]; d != nil && (len(d.Toxics) > 0 || len(d.server.toxics()) > 0) {
			t.Errorf("left after the reset: %v, %v", d.Toxics, d.server.toxics())
		}
	})
}

// Toxics that come and go through the API do not hold up one another.
func TestToxiproxyTogether(t *testing.T) {
	p := newToxiproxy()
	defer p.close()
	server := httptest.NewServer(p.handler())
	defer server.Close()
	if err := p.populate(strings.NewReader(`[{"name":"db","upstream":"127.0.0.1:1"}]`)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			api := peer{URL: server.URL, Proxy: "db"}
			for range 20 {
				toxic := peerToxic{Name: fmt.Sprint("t", i), Type: "latency", Stream: upstream, Toxicity: 1, Attributes: map[string]int64{"latency": 1}}
				if err := errors.Join(api.add(t.Context(), toxic), api.remove(t.Context(), toxic.Name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(p.proxies["db"].server.toxics()); n != 0 {
		t.Errorf("%d toxics are left", n)
	}
}
