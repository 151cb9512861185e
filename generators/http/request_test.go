package http

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/brunt-dev/brunt/generators"
)

// A seen request is what a server got.
type seen struct {
	line, body string
	header     nethttp.Header
	proto      string
}

// recorder is a server that keeps what it gets and answers 200.
func recorder(t testing.TB) (url string, requests func() []seen) {
	t.Helper()
	var mu sync.Mutex
	var all []seen
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, seen{line: r.Method + " " + r.Host + " " + r.RequestURI, body: string(body), header: r.Header, proto: r.Proto})
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() []seen {
		mu.Lock()
		defer mu.Unlock()
		return append([]seen{}, all...)
	}
}

func feedOf(t testing.TB, name string, columns []string, rows ...[]string) *generators.Feed {
	t.Helper()
	f, err := generators.NewFeed(name, columns, rows, generators.FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is sent, to the byte, for what a step says.
func TestRequests(t *testing.T) {
	users := feedOf(t, "users", []string{"id", "name"}, []string{"7", `Ann "A&B" Öz`})
	for _, test := range []struct {
		name  string
		step  Step
		want  string // request line without the host's port, and body
		field map[string]string
	}{
		{"a path", Step{Get: "/a/b?c=d"}, "GET /a/b?c=d", nil},
		{"nothing but the base", Step{Get: "/"}, "GET /", nil},
		{"a path without its slash", Step{Get: "a"}, "GET /a", nil},
		{"a query alone", Step{Get: "?q=1"}, "GET /?q=1", nil},
		{"a fragment is not sent", Step{Get: "/a#b"}, "GET /a", nil},
		{"characters that a URL cannot hold", Step{Get: "/a b?c=ü&d=\"x\""}, "GET /a%20b?c=%C3%BC&d=%22x%22", nil},
		{"what is escaped stays", Step{Get: "/a%2Fb"}, "GET /a%2Fb", nil},
		{"values are escaped in a path", Step{Get: "/users/${users.name}/x"}, "GET /users/Ann%20%22A&B%22%20%C3%96z/x", nil},
		{"values are escaped in a query", Step{Get: "/find?name=${users.name}&x=1"}, "GET /find?name=Ann%20%22A%26B%22%20%C3%96z&x=1", nil},
		{"functions", Step{Get: "/a?n=${rand(5,5)}&seq=${seq()}&s=${session()}"}, "GET /a?n=5&seq=0&s=0", nil},
		{"query parameters", Step{Get: "/a", Query: map[string]string{"b": "x y", "a": "${users.id}"}}, "GET /a?a=7&b=x%20y", nil},
		{"query parameters after a query", Step{Get: "/a?z=1", Query: map[string]string{"b": "&"}}, "GET /a?z=1&b=%26", nil},
		{"text body", Step{Post: "/p", Body: "id=${users.id}"}, "POST /p\nid=7", nil},
		{"no body where one is expected", Step{Post: "/p"}, "POST /p", map[string]string{"Content-Length": "0"}},
		{"no body and none expected", Step{Delete: "/p"}, "DELETE /p", map[string]string{"Content-Length": ""}},
		{"form", Step{Post: "/p", Form: map[string]string{"name": "${users.name}", "a b": "1"}},
			"POST /p\na%20b=1&name=Ann%20%22A%26B%22%20%C3%96z", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
		{"json", Step{Put: "/p", JSON: map[string]any{
			"id": "${users.id}", "name": "${users.name}", "n": int64(3), "big": uint64(1 << 63), "f": 1.5, "t": true, "none": nil,
			"list": []any{"a", int64(1), map[string]any{}}, `q"`: "line\nend\t\x01",
		}}, `PUT /p
{"big":9223372036854775808,"f":1.5,"id":"7","list":["a",1,{}],"n":3,"name":"Ann \"A&B\" Öz","none":null,"q\"":"line\nend\t\u0001","t":true}`,
			map[string]string{"Content-Type": "application/json"}},
		{"headers", Step{Get: "/", Headers: map[string]string{"x-user": "${users.id}", "user-agent": "mine", "accept": "text/plain"}}, "GET /",
			map[string]string{"X-User": "7", "User-Agent": "mine", "Accept": "text/plain", "X-Load": "yes"}},
		{"headers that every request has", Step{Get: "/"}, "GET /", map[string]string{"User-Agent": "brunt/1", "Accept": "*/*", "Accept-Encoding": ""}},
		{"the step's header over the load's", Step{Get: "/", Headers: map[string]string{"X-LOAD": "no"}}, "GET /", map[string]string{"X-Load": "no"}},
		{"another content type", Step{Post: "/", JSON: "x", Headers: map[string]string{"content-type": "text/json"}}, "POST /\n\"x\"", map[string]string{"Content-Type": "text/json"}},
		{"a literal dollar brace", Step{Get: "/a$${b}"}, "GET /a$%7Bb%7D", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, requests := recorder(t)
			for _, protocol := range []string{"h1", "auto"} {
				g, err := New(Config{Base: url, Protocol: protocol, Headers: map[string]string{"X-Load": "yes"}, Steps: []Step{test.step}},
					generators.Env{Allow: everywhere, Feeds: map[string]*generators.Feed{"users": users}})
				if err != nil {
					t.Fatal(err)
				}
				s, _ := g.Open(t.Context(), 0)
				op := once(t, s)
				s.Close()
				if op.Class != generators.OK {
					t.Fatalf("class %s (%v)", op.Class, op.Err)
				}
				all := requests()
				got := all[len(all)-1]
				host := strings.TrimPrefix(url, "http://")
				have := strings.Replace(got.line, " "+host+" ", " ", 1)
				if got.body != "" {
					have += "\n" + got.body
				}
				if diff := cmp.Diff(test.want, have); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				for name, want := range test.field {
					if have := got.header.Get(name); have != want {
						t.Errorf("%s: %q, want %q", name, have, want)
					}
				}
			}
		})
	}
}

// Bases and URLs put together.
func TestLinks(t *testing.T) {
	for _, test := range []struct {
		base, ref string
		want      string // endpoint and path
		fails     string
	}{
		{"http://a.test", "/x", "http a.test a.test:80 /x", ""},
		{"http://a.test/", "/x", "http a.test a.test:80 /x", ""},
		{"http://a.test/api/", "/x?y=http://z", "http a.test a.test:80 /api/x?y=http://z", ""},
		{"https://A.Test.:443", "x", "https a.test a.test:443 /x", ""},
		{"https://a.test:8443", "/", "https a.test:8443 a.test:8443 /", ""},
		{"http://a.test", "https://b.test/y", "https b.test b.test:443 /y", ""},
		{"", "HTTP://[::1]:80/", "http [::1] [::1]:80 /", ""},
		{"", "http://[::1]:81?q", "http [::1]:81 [::1]:81 /?q", ""},
		{"http://a.test", "/go/http://z/", "http a.test a.test:80 /go/http://z/", ""},
		{"", "http://$${x}/", "", "braces"},
		{"", "/x", "", "base"},
		{"", "ftp://a.test/", "", "scheme"},
		{"", "http:///x", "", "no host"},
		{"", "http://user:secret@a.test/", "", "Authorization"},
		{"", "http://a.test:port/", "", "host:port"},
		{"", "http://münchen.test/", "", "xn--"},
	} {
		l, err := newLink(test.base, test.ref)
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q + %q: error %v does not say %q", test.base, test.ref, err, test.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q + %q: %v", test.base, test.ref, err)
			continue
		}
		have := fmt.Sprintf("%s %s %s %s", l.fixed.scheme(), l.fixed.authority, l.fixed.addr, l.constant)
		if have != test.want {
			t.Errorf("%q + %q: %s, want %s", test.base, test.ref, have, test.want)
		}
	}
}

// A flow hands values from one answer to the next request.
func TestFlow(t *testing.T) {
	mux := nethttp.NewServeMux()
	mux.HandleFunc("GET /items", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("X-Token", "t0k")
		w.Header().Add("Set-Cookie", "a=1; Path=/")
		w.Header().Add("Set-Cookie", "sid=s3; Path=/; HttpOnly")
		io.WriteString(w, `{"items":[{"sku":"a/b","n":1},{"sku":"second","n":2.5}],"next":"/items?page=2","form":"<input name=csrf value=\"xyz\">"}`)
	})
	var got []string
	mux.HandleFunc("/", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.RequestURI+" "+r.Header.Get("X-Token")+" "+string(body))
		w.WriteHeader(201)
		io.WriteString(w, `{"ok":true,"id":"o-1","n":3}`)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c := Config{Base: srv.URL, Steps: []Step{
		{Get: "/items", Name: "list", Extract: map[string]string{
			"sku": "$.items[0].sku", "last": "$.items[-1]['n']", "token": "header:x-token", "sid": "cookie:sid",
			"csrf": `regexp:value=\\"(\w+)`, "code": "status", "next": "$.next", "any": "$.items[*].sku",
		}},
		{Think: "0s"},
		{Post: "/cart/${sku}?c=${csrf}", JSON: map[string]any{"n": "${last}", "sid": "${sid}", "code": "${code}"},
			Headers: map[string]string{"X-Token": "${token}"},
			Check: &Check{Status: []any{int64(200), "201"}, JSON: map[string]any{"$.ok": true, "$.n": int64(3), "$.id": "o-${rand(1,1)}"},
				Header: map[string]string{"content-type": "text/plain; charset=utf-8"}, Size: "< 1KiB", Time: "< 10s", BodyContains: "o-1", BodyMatches: `"id":"o-\d"`}},
		{Get: "${next}"},
	}}
	if diff := cmp.Diff([]string{"list", "post-cart-sku", "get-next"}, Steps(c)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	s := open(t, c)
	r := s.Do(t.Context(), generators.Arrival{Due: time.Now()})
	if len(r.Ops) != 3 {
		t.Fatalf("%d operations, want 3: %+v", len(r.Ops), r.Ops)
	}
	for i, op := range r.Ops {
		if op.Class != generators.OK || op.Step != i {
			t.Errorf("operation %d: step %d, class %s (%v)", i, op.Step, op.Class, op.Err)
		}
	}
	if diff := cmp.Diff([]string{`POST /cart/a/b?c=xyz t0k {"code":"200","n":"2.5","sid":"s3"}`}, got); diff != "" {
		t.Errorf("second request (-want +got):\n%s", diff)
	}
}

// A flow ends with its first failure.
func TestFlowBrokenOff(t *testing.T) {
	url, requests := recorder(t)
	for _, test := range []struct {
		name string
		step Step
		text string
	}{
		{"nothing to extract", Step{Get: "/a", Extract: map[string]string{"x": "header:X-None"}}, "nothing to extract for x at header:X-None"},
		{"not JSON", Step{Get: "/a", Extract: map[string]string{"x": "$.a"}}, "nothing to extract for x at $.a"},
		{"check of a header", Step{Get: "/a", Check: &Check{Header: map[string]string{"X-None": "1"}}}, "header X-None is missing"},
		{"check of JSON", Step{Get: "/a", Check: &Check{JSON: map[string]any{"$.a": "1"}}}, "$.a: the body is not JSON"},
		{"check of the size", Step{Get: "/a", Check: &Check{Size: "> 1B"}}, "the body has 0 bytes, not > 1B"},
		{"check of the time", Step{Get: "/a", Check: &Check{Time: "< 1ns"}}, "not < 1ns"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(requests())
			s := open(t, Config{Base: url, Steps: []Step{{Get: "/first"}, test.step, {Get: "/never"}}})
			r := s.Do(t.Context(), generators.Arrival{Due: time.Now()})
			if len(r.Ops) != 2 || len(requests())-before != 2 {
				t.Fatalf("%d operations and %d requests, want 2", len(r.Ops), len(requests())-before)
			}
			expectClass(t, r.Ops[1], generators.Check, test.text)
		})
	}
}

// Feeds give each arrival its row; a feed that ended is brunt's own side.
func TestFeeds(t *testing.T) {
	url, requests := recorder(t)
	f, err := generators.NewFeed("u", []string{"id"}, [][]string{{"a"}, {"b"}}, generators.FeedOptions{Pick: "unique"})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(Config{Base: url, Get: "/${u.id}/${rand(1,1000000)}"}, generators.Env{Allow: everywhere, Seed: 5, Feeds: map[string]*generators.Feed{"u": f}})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := g.Open(t.Context(), 0)
	defer a.Close()
	b, _ := g.Open(t.Context(), 1)
	defer b.Close()
	// The same arrival is the same request, whichever session plays it.
	for _, s := range []generators.Session{a, b} {
		for i := range 2 {
			if op := s.Do(t.Context(), generators.Arrival{Index: int64(i), Due: time.Now()}).Ops[0]; op.Class != generators.OK {
				t.Fatalf("class %s (%v)", op.Class, op.Err)
			}
		}
	}
	r := requests()
	if len(r) != 4 || r[0].line != r[2].line || r[1].line != r[3].line || r[0].line == r[1].line {
		t.Errorf("requests %v", r)
	}
	op := a.Do(t.Context(), generators.Arrival{Index: 2, Due: time.Now()}).Ops[0]
	expectClass(t, op, generators.Local, "no more rows")
	// A value that would break the request out of its line is not sent.
	bad := feedOf(t, "u", []string{"id"}, []string{"x\r\nEvil: 1"})
	g, err = New(Config{Base: url, Get: "/", Headers: map[string]string{"X": "${u.id}"}}, generators.Env{Allow: everywhere, Feeds: map[string]*generators.Feed{"u": bad}})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := g.Open(t.Context(), 0)
	defer s.Close()
	expectClass(t, once(t, s), generators.Local, "line break")
}

func TestRedirects(t *testing.T) {
	var lines []string
	var other *httptest.Server
	handler := nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		lines = append(lines, fmt.Sprintf("%s %s %s|%s|%s", r.Method, r.URL.Path, body, r.Header.Get("Authorization"), r.Header.Get("Content-Type")))
		switch r.URL.Path {
		case "/302":
			w.Header().Set("Location", "/end")
			w.WriteHeader(302)
		case "/307":
			w.Header().Set("Location", "end?x=1")
			w.WriteHeader(307)
		case "/away":
			w.Header().Set("Location", strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/end")
			w.WriteHeader(308)
		case "/nowhere":
			w.WriteHeader(301)
		}
	})
	srv := httptest.NewServer(handler)
	defer srv.Close()
	other = httptest.NewServer(handler)
	defer other.Close()
	two, none := 2, 0
	for _, test := range []struct {
		name      string
		step      Step
		redirects *int
		status    int
		lines     []string
	}{
		{"not followed unless asked", Step{Get: "/302"}, nil, 302, []string{"GET /302 |secret|"}},
		{"not followed for this step", Step{Get: "/302"}, &none, 302, []string{"GET /302 |secret|"}},
		{"302 turns POST into GET without a body", Step{Post: "/302", JSON: "x"}, &two, 200, []string{`POST /302 "x"|secret|application/json`, "GET /end |secret|"}},
		{"307 keeps method and body", Step{Post: "/307", JSON: "x"}, &two, 200, []string{`POST /307 "x"|secret|application/json`, `POST /end "x"|secret|application/json`}},
		{"another host gets no secrets", Step{Put: "/away", Body: "x"}, &two, 200, []string{"PUT /away x|secret|", "PUT /end x||"}},
		{"no Location", Step{Get: "/nowhere"}, &two, 301, []string{"GET /nowhere |secret|"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines = nil
			test.step.Redirects = test.redirects
			s := open(t, Config{Base: srv.URL, Headers: map[string]string{"Authorization": "secret"}, Steps: []Step{test.step}})
			op := once(t, s)
			if op.Class != generators.OK || op.Status != test.status {
				t.Fatalf("class %s (%v), status %d", op.Class, op.Err, op.Status)
			}
			if diff := cmp.Diff(test.lines, lines); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCookies(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.Header().Set("X-Got", r.Header.Get("Cookie"))
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "sid", Value: "1", Path: "/in"})
	}))
	defer srv.Close()
	c := func(cookies bool, want string) Config {
		return Config{Base: srv.URL, Cookies: cookies, Headers: map[string]string{"Cookie": "mine=0"}, Steps: []Step{
			{Get: "/in"},
			{Get: "/in/side", Check: &Check{Header: map[string]string{"X-Got": want}}},
			{Get: "/out", Check: &Check{Header: map[string]string{"X-Got": "mine=0"}}},
		}}
	}
	for _, config := range []Config{c(true, "mine=0; sid=1"), c(false, "mine=0")} {
		s := open(t, config)
		for _, op := range s.Do(t.Context(), generators.Arrival{Due: time.Now()}).Ops {
			if op.Class != generators.OK {
				t.Errorf("cookies %v: class %s (%v)", config.Cookies, op.Class, op.Err)
			}
		}
	}
	// Each session has its own jar.
	g, err := New(Config{Base: srv.URL, Cookies: true, Get: "/in", Check: &Check{Header: map[string]string{"X-Got": ""}}}, generators.Env{Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	for id := range 2 {
		s, _ := g.Open(t.Context(), id)
		if op := once(t, s); op.Class != generators.OK {
			t.Errorf("session %d: class %s (%v)", id, op.Class, op.Err)
		}
		s.Close()
	}
}

func TestCompression(t *testing.T) {
	text := strings.Repeat("all work and no play ", 5000)
	coded := map[string][]byte{}
	write := func(name string, make func(io.Writer) io.WriteCloser) {
		var b bytes.Buffer
		w := make(&b)
		io.WriteString(w, text)
		w.Close()
		coded[name] = b.Bytes()
	}
	write("gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	write("br", func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) })
	write("zstd", func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })
	write("deflate", func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	write("raw", func(w io.Writer) io.WriteCloser { z, _ := flate.NewWriter(w, 5); return z })
	write("gzip, br", func(w io.Writer) io.WriteCloser { b := brotli.NewWriter(w); return twoCodings{gzip.NewWriter(b), b} })
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/empty" {
			w.Header().Set("Content-Encoding", "gzip")
			return
		}
		name := r.URL.Query().Get("c")
		w.Header().Set("Content-Encoding", strings.Replace(name, "raw", "deflate", 1))
		w.Header().Set("X-Asked", r.Header.Get("Accept-Encoding"))
		body := coded[name]
		if r.URL.Path == "/trailing" {
			body = append(append([]byte{}, body...), "and more"...)
		}
		for len(body) > 0 { // in pieces, so that it is chunked
			n := min(len(body), 1000)
			w.Write(body[:n])
			w.(nethttp.Flusher).Flush()
			body = body[n:]
		}
	}))
	defer srv.Close()
	for name := range coded {
		t.Run(name, func(t *testing.T) {
			size := fmt.Sprintf("== %dB", len(text))
			for _, c := range []Config{
				// Decoded and counted.
				{Compression: true, Check: &Check{Size: size, Header: map[string]string{"X-Asked": acceptEncoding}}},
				// Decoded and looked at.
				{Compression: true, Check: &Check{Size: size, BodyContains: text[50:5000]}},
				// Looked at although the server was not asked to compress.
				{Check: &Check{BodyContains: text[50:5000], Header: map[string]string{"X-Asked": ""}}},
				// Not looked at: not decoded.
				{Check: &Check{Size: fmt.Sprintf("== %dB", len(coded[name]))}},
			} {
				c.Base, c.Get, c.Query = srv.URL, "/", map[string]string{"c": name}
				s := open(t, c)
				for range 2 { // the connection is in step afterwards
					if op := once(t, s); op.Class != generators.OK {
						t.Fatalf("class %s (%v)", op.Class, op.Err)
					}
				}
			}
		})
	}
	t.Run("nothing coded", func(t *testing.T) {
		if op := once(t, open(t, Config{Get: srv.URL + "/empty", Compression: true})); op.Class != generators.OK {
			t.Errorf("class %s (%v)", op.Class, op.Err)
		}
	})
	t.Run("too long once decoded", func(t *testing.T) {
		op := once(t, open(t, Config{Get: srv.URL + "/?c=gzip", MaxBody: 1000, Check: &Check{BodyContains: "x"}}))
		expectClass(t, op, generators.Check, "max_body")
	})
	t.Run("data after the end", func(t *testing.T) {
		op := once(t, open(t, Config{Get: srv.URL + "/trailing?c=gzip", Compression: true}))
		expectClass(t, op, generators.Protocol, "gzip")
	})
	t.Run("a bomb is bounded by the timeout", func(t *testing.T) {
		z, _ := zstd.NewWriter(nil)
		frame := z.EncodeAll(make([]byte, 16<<20), nil)
		frames := bytes.Repeat(frame, 1<<10) // 16 GiB
		bomb := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
			readRequest(r)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: %d\r\n\r\n", len(frames))
			c.Write(frames)
			hold(c)
		})
		op := once(t, open(t, Config{Get: bomb.url, Compression: true, Timeout: short}))
		expectClass(t, op, generators.Timeout, "read the body")
	})
}

// twoCodings ends both when it is closed.
type twoCodings struct {
	*gzip.Writer
	outer *brotli.Writer
}

func (c twoCodings) Close() error {
	c.Writer.Close()
	return c.outer.Close()
}

// Connections: how many are made for how many requests.
func TestConnections(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		name     string
		config   Connections
		sessions int
		requests int // by each session
		want     int64
	}{
		{"kept", Connections{KeepAlive: &yes}, 2, 5, 2},
		{"not kept", Connections{KeepAlive: &no}, 2, 3, 6},
		{"replaced after requests", Connections{MaxRequests: 2}, 1, 5, 3},
		{"replaced at an age", Connections{MaxAge: time.Nanosecond}, 1, 3, 3},
		{"old enough to stay", Connections{MaxAge: time.Hour}, 1, 3, 1},
		{"shared", Connections{Max: 2}, 5, 4, 2},
		{"shared and replaced", Connections{Max: 1, MaxRequests: 3}, 3, 2, 2},
	} {
		for _, protocol := range []string{"h1", "h2c"} {
			t.Run(test.name+" "+protocol, func(t *testing.T) {
				leakCheck(t)
				var conns atomic.Int64
				srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {}))
				srv.Config.Protocols = new(nethttp.Protocols)
				srv.Config.Protocols.SetHTTP1(true)
				srv.Config.Protocols.SetUnencryptedHTTP2(true)
				srv.Config.ConnState = func(_ net.Conn, st nethttp.ConnState) {
					if st == nethttp.StateNew {
						conns.Add(1)
					}
				}
				srv.Start()
				defer srv.Close()
				g, err := New(Config{Get: srv.URL, Protocol: protocol, Connections: test.config}, generators.Env{Allow: everywhere})
				if err != nil {
					t.Fatal(err)
				}
				var sessions []generators.Session
				for id := range test.sessions {
					s, _ := g.Open(t.Context(), id)
					defer s.Close()
					sessions = append(sessions, s)
				}
				for range test.requests {
					for _, s := range sessions {
						if op := once(t, s); op.Class != generators.OK {
							t.Fatalf("class %s (%v)", op.Class, op.Err)
						}
					}
				}
				if n := conns.Load(); n != test.want {
					t.Errorf("%d connections, want %d", n, test.want)
				}
			})
		}
	}
}

// Waiting for a shared connection is wait, and is bounded.
func TestSharedConnectionsBusy(t *testing.T) {
	leakCheck(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		for {
			if _, _, ok := readRequest(r); !ok {
				return
			}
			arrived <- struct{}{}
			<-release
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	_, err := New(Config{Get: srv.url, Connections: Connections{Max: 1}, Steps: []Step{{Get: srv.url, Timeout: time.Minute}}}, generators.Env{Allow: everywhere})
	if err == nil || !strings.Contains(err.Error(), "get is for loads without steps") {
		t.Fatalf("error %v", err)
	}
	g, err := New(Config{Connections: Connections{Max: 1}, Steps: []Step{{Get: srv.url, Timeout: time.Minute}}}, generators.Env{Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := g.Open(t.Context(), 0)
	defer first.Close()
	done := make(chan generators.Op)
	go func() { done <- once(t, first) }()
	<-arrived

	// A second session finds the only connection in use.
	short, err := New(Config{Get: srv.url}, generators.Env{Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	sg := short.(*generator)
	sg.shared, sg.config.Connections.Max = g.(*generator).shared, 1
	sg.program.actions[0].timeout = 20 * time.Millisecond
	second, _ := short.Open(t.Context(), 1)
	defer second.Close()
	expectClass(t, once(t, second), generators.Timeout, "waiting for one of 1 connections")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if op := onceIn(t, ctx, second); op.Class != generators.Canceled {
		t.Errorf("class %s (%v), want canceled", op.Class, op.Err)
	}
	release <- struct{}{}
	if op := <-done; op.Class != generators.OK {
		t.Errorf("class %s (%v)", op.Class, op.Err)
	}
	if n := srv.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// New connections resolve the name anew and go to all addresses in turn.
func TestResolvesAnew(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	hits := map[string]int{}
	srv := &nethttp.Server{Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		host, _, _ := net.SplitHostPort(r.Context().Value(nethttp.LocalAddrContextKey).(net.Addr).String())
		hits[host]++
	})}
	go srv.Serve(l)
	l2, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l2)
	defer srv.Close()
	no := false
	g, err := New(Config{Get: fmt.Sprintf("http://shop.test:%d/", port), Connections: Connections{KeepAlive: &no}}, generators.Env{Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	var lookups atomic.Int64
	g.(*generator).resolve = func(context.Context, string) ([]netip.Addr, error) {
		lookups.Add(1)
		// The third has nobody behind it: the next address is tried.
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("::1")}, nil
	}
	s, _ := g.Open(t.Context(), 0)
	defer s.Close()
	for range 6 {
		op := once(t, s)
		if op.Class != generators.OK || op.DNS <= 0 || op.Connect <= 0 {
			t.Fatalf("class %s (%v), dns %v, connect %v", op.Class, op.Err, op.DNS, op.Connect)
		}
	}
	if diff := cmp.Diff(map[string]int{"127.0.0.1": 4, "127.0.0.2": 2}, hits); diff != "" || lookups.Load() != 6 {
		t.Errorf("%d lookups, requests by address (-want +got):\n%s", lookups.Load(), diff)
	}
}

// Stages appear on the operation that needed them, and only there.
func TestStages(t *testing.T) {
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) { io.WriteString(w, "hello") }))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	for _, protocol := range []string{"h1", "h2"} {
		s := open(t, Config{Get: srv.URL, Protocol: protocol, TLS: TLS{Insecure: true}})
		first := once(t, s)
		if first.DNS != 0 || first.Connect <= 0 || first.TLS <= 0 || first.FirstByte < first.Connect+first.TLS || first.FirstByte > first.Ended.Sub(first.Started) {
			t.Errorf("%s, first: %+v", protocol, first)
		}
		second := once(t, s)
		if second.DNS != 0 || second.Connect != 0 || second.TLS != 0 || second.FirstByte <= 0 {
			t.Errorf("%s, second: %+v", protocol, second)
		}
		for _, op := range []generators.Op{first, second} {
			if op.BytesOut < 20 || op.BytesIn < 20 {
				t.Errorf("%s: %d bytes out, %d in", protocol, op.BytesOut, op.BytesIn)
			}
		}
	}
}

// The shapes that an answer may have, each followed by another request on the
// same connection.
func TestAnswerShapes(t *testing.T) {
	for _, test := range []struct {
		name   string
		method string
		answer string
		body   string
		kept   bool
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
		{"length twice", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
		{"no reason", "GET", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
		{"bare line feeds", "GET", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello", true},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n003;ext=\"a\"\r\nllo\r\n0\r\n\r\n", "hello", true},
		{"chunks and trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "hello", true},
		{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nhello", "hello", false},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n\r\nhello", "hello", false},
		{"HTTP/1.0 kept", "GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
		{"closes", "GET", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 5\r\n\r\nhello", "hello", false},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "", true},
		{"304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", true},
		{"HEAD with a length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", true},
		{"HEAD with chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", true},
		{"interim answers", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
		{"folded field", "GET", "HTTP/1.1 200 OK\r\nX: a\r\n\tb\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
		{"long header and body", "GET", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 10000) + "\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("z", 100000), strings.Repeat("z", 100000), true},
		{"large chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("2710\r\n"+strings.Repeat("z", 10000)+"\r\n", 10) + "0\r\n\r\n", strings.Repeat("z", 100000), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
				for {
					if _, _, ok := readRequest(r); !ok {
						return
					}
					io.WriteString(c, test.answer)
					if !test.kept {
						return
					}
				}
			})
			c := Config{Check: &Check{BodyContains: test.body, Size: fmt.Sprintf("== %dB", len(test.body))}}
			if test.method == "HEAD" {
				c.Head = srv.url
			} else {
				c.Get = srv.url
			}
			s := open(t, c)
			for i := range 3 {
				op := once(t, s)
				if op.Class != generators.OK {
					t.Fatalf("request %d: class %s (%v)", i, op.Class, op.Err)
				}
				if want := int64(len(test.answer)); op.BytesIn != want {
					t.Errorf("request %d: %d bytes in, want %d", i, op.BytesIn, want)
				}
			}
			if n := srv.conns.Load(); test.kept && n != 1 || !test.kept && n != 3 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// Expect: 100-continue holds the body back until the server wants it.
func TestExpectContinue(t *testing.T) {
	leakCheck(t)
	for _, test := range []struct {
		name   string
		answer string // before the body is read
		body   bool   // whether it is read then
		status int
		conns  int64
	}{
		{"wanted", "HTTP/1.1 100 Continue\r\n\r\n", true, 200, 1},
		{"not wanted", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n", false, 417, 2},
		{"not known", "", true, 200, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
				for {
					req, err := nethttp.ReadRequest(r)
					if err != nil {
						return
					}
					if n := r.Buffered(); n > 0 && test.answer != "" {
						t.Errorf("%d bytes of the body came with the header", n)
					}
					io.WriteString(c, test.answer)
					if test.body {
						if body, err := io.ReadAll(req.Body); err != nil || string(body) != "hello" {
							t.Errorf("body %q (%v)", body, err)
						}
						io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				}
			})
			s := open(t, Config{Post: srv.url, Body: "hello", Headers: map[string]string{"Expect": "100-Continue"}, Check: &Check{Status: []any{"2xx", "4xx"}}})
			if test.answer == "" {
				s.(*session).g.continueWait = time.Millisecond
			}
			for range 2 {
				op := once(t, s)
				if op.Class != generators.OK || op.Status != test.status {
					t.Fatalf("class %s (%v), status %d", op.Class, op.Err, op.Status)
				}
			}
			if n := srv.conns.Load(); n != test.conns {
				t.Errorf("%d connections, want %d", n, test.conns)
			}
		})
	}
}

// Large bodies: a server may answer while it reads, or without reading.
func TestLargeBodies(t *testing.T) {
	leakCheck(t)
	large := strings.Repeat("0123456789abcdef", 1<<19) // 8 MiB: more than the buffers between
	echo := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		for {
			req, err := nethttp.ReadRequest(r)
			if err != nil {
				return
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", req.ContentLength)
			io.Copy(c, req.Body)
		}
	})
	s := open(t, Config{Post: echo.url, Body: large, Check: &Check{Size: fmt.Sprintf("== %dB", len(large))}})
	for range 2 {
		if op := once(t, s); op.Class != generators.OK || op.BytesOut < int64(len(large)) {
			t.Fatalf("echo: class %s (%v), %d bytes out", op.Class, op.Err, op.BytesOut)
		}
	}
	if n := echo.conns.Load(); n != 1 {
		t.Errorf("echo: %d connections", n)
	}
	early := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
		if _, err := nethttp.ReadRequest(r); err == nil {
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
			c.CloseWrite()
			hold(c)
		}
	})
	s = open(t, Config{Post: early.url, Body: large, Check: &Check{Status: 413}})
	for range 2 {
		if op := once(t, s); op.Class != generators.OK {
			t.Fatalf("early answer: class %s (%v)", op.Class, op.Err)
		}
	}
}

// HTTP/2: what its own failures are.
func TestHTTP2Failures(t *testing.T) {
	leakCheck(t)
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/abort":
			panic(nethttp.ErrAbortHandler)
		case "/cut":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "hello")
			w.(nethttp.Flusher).Flush()
			panic(nethttp.ErrAbortHandler)
		case "/hang":
			<-r.Context().Done()
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/flood":
			for i := range 20 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("y", 60<<10))
			}
		}
	}))
	srv.Config.ErrorLog = discardLog()
	srv.TLS = &tls.Config{NextProtos: []string{"h2"}}
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	s := map[string]generators.Session{}
	for _, test := range []struct {
		path  string
		class generators.Class
		text  string
	}{
		{"/abort", generators.Reset, "read the answer"},
		{"/cut", generators.Reset, "read the body"},
		{"/hang", generators.Timeout, "read the answer"},
		{"/endless", generators.Timeout, "read the body"},
		{"/flood", generators.Protocol, "PROTOCOL_ERROR"},
	} {
		for range 2 { // a stream's failure is not the connection's
			if s[test.path] == nil {
				c := Config{Base: srv.URL, Protocol: "h2", TLS: TLS{Insecure: true}, Get: test.path}
				if test.class == generators.Timeout {
					c.Timeout = short
				}
				s[test.path] = open(t, c)
			}
			op := once(t, s[test.path])
			if op.Class != test.class || !strings.Contains(fmt.Sprint(op.Err), test.text) {
				t.Errorf("%s: class %s (%v), want %s", test.path, op.Class, op.Err, test.class)
			}
		}
	}
	for _, s := range s {
		s.Close()
	}
	t.Run("not HTTP/2 at all", func(t *testing.T) {
		srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
			r.Peek(1)
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			hold(c)
		})
		expectClass(t, once(t, open(t, Config{Get: srv.url, Protocol: "h2c", Timeout: 5 * time.Second})), generators.Protocol, "does not answer in HTTP/2")
	})
	t.Run("closed at once", func(t *testing.T) {
		srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {})
		op := once(t, open(t, Config{Get: srv.url, Protocol: "h2c"}))
		if op.Class != generators.Reset {
			t.Errorf("class %s (%v), want reset", op.Class, op.Err)
		}
	})
	t.Run("closed between requests", func(t *testing.T) {
		h2 := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {}))
		h2.EnableHTTP2 = true
		h2.StartTLS()
		defer h2.Close()
		s := open(t, Config{Post: h2.URL, Body: "x", Protocol: "h2", TLS: TLS{Insecure: true}})
		for i := range 4 {
			if op := once(t, s); op.Class != generators.OK && op.Class != generators.Reset {
				t.Errorf("request %d: class %s (%v)", i, op.Class, op.Err)
			}
			h2.CloseClientConnections()
		}
	})
}
