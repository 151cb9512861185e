package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// site is an HTTP server with a page for each thing that HTTP can do.
func site(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Saw", r.Header.Get("X-Say"))
		_, _ = io.WriteString(w, "hello")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		body, err := io.ReadAll(r.Body) // all of it: to answer is to stop reading
		if err != nil {
			t.Errorf("echo: %v", err)
		}
		_, _ = w.Write(body)
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		for i := range 20 {
			fmt.Fprintf(w, "part %d;", i)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/none", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/same", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) })
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, strings.Repeat("to the end ", 1000))
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "hello, so to speak")
	})
	mux.HandleFunc("/upgrade", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("no") {
			_, _ = io.WriteString(w, "no")
			return
		}
		conn, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
		for line, err := b.ReadString('\n'); err == nil; line, err = b.ReadString('\n') {
			_, _ = io.WriteString(conn, strings.ToUpper(line))
		}
	})
	server := httptest.NewUnstartedServer(mux)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &protocols
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// visitor is a client of one connection at a time.
func visitor(t *testing.T) *http.Client {
	transport := &http.Transport{MaxConnsPerHost: 1, DisableCompression: true, ExpectContinueTimeout: hang}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: hang, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// visit makes one request and returns all of the answer in one line.
func visit(t *testing.T, c *http.Client, method, url string, body io.Reader, header ...string) (answer string, reused bool) {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	}))
	response, err := c.Do(r)
	if err != nil {
		return "error: " + err.Error(), reused
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	h := response.Header
	return fmt.Sprintf("%d %d %v %s|%s|%s|%s|%v %d:%.60s %v", response.StatusCode, response.ContentLength, response.TransferEncoding,
		h.Get("X-Length"), h.Get("X-Saw"), response.Trailer.Get("X-Sum"), h.Get("X-New"), response.Close, len(text), text, err), reused
}

// nobody is a rule about no request at all: it makes the proxy read along.
var nobody = Toxic{Type: httpType, HTTP: &HTTPRule{Path: "/nobody", Abort: 500}}

// Read along, everything arrives as it does without a proxy, on connections
// that last as long.
func TestHTTPTransparent(t *testing.T) {
	address := site(t)
	ways := map[string]func(s *server){
		"before the connection": func(s *server) { s.must(t, nobody) },
		"with latency": func(s *server) {
			s.must(t, nobody, Toxic{Type: latencyType, Way: upstream, Delay: time.Millisecond}, Toxic{Type: latencyType, Way: downstream, Delay: time.Millisecond})
		},
		"in slices": func(s *server) {
			s.must(t, nobody, Toxic{Type: slicerType, Way: upstream, Bytes: 7}, Toxic{Type: slicerType, Way: downstream, Bytes: 7})
		},
	}
	for name, set := range ways {
		t.Run(name, func(t *testing.T) {
			s := serveOn(t, address)
			set(s)
			direct, proxied := visitor(t), visitor(t)
			for i, ask := range []struct {
				method, path string
				body         func() io.Reader
				header       []string
			}{
				{method: "GET", path: "/hello"},
				{method: "GET", path: "/hello"},
				{method: "HEAD", path: "/hello"},
				{method: "POST", path: "/echo", body: func() io.Reader { return strings.NewReader("counted") }},
				{method: "POST", path: "/echo", body: func() io.Reader { return io.MultiReader(strings.NewReader("in "), strings.NewReader("chunks")) }},
				{method: "POST", path: "/echo", body: func() io.Reader { return strings.NewReader("please") }, header: []string{"Expect", "100-continue"}},
				{method: "POST", path: "/none", body: func() io.Reader { return strings.NewReader("") }},
				{method: "GET", path: "/stream"},
				{method: "GET", path: "/none"},
				{method: "GET", path: "/same"},
				{method: "HEAD", path: "/stream"},
				{method: "PUT", path: "/echo", body: func() io.Reader { return bytes.NewReader(make([]byte, 300<<10)) }},
				{method: "GET", path: "/upgrade?no", header: []string{"Connection", "Upgrade", "Upgrade", "shout"}},
				{method: "GET", path: "/missing"},
				{method: "GET", path: "/end"},
				{method: "GET", path: "/hello"},
			} {
				var here, there io.Reader
				if ask.body != nil {
					here, there = ask.body(), ask.body()
				}
				want, wantReused := visit(t, direct, ask.method, "http://"+address+ask.path, here, ask.header...)
				got, reused := visit(t, proxied, ask.method, "http://"+s.listener.Addr().String()+ask.path, there, ask.header...)
				if got != want || reused != wantReused {
					t.Errorf("%d: %s %s: %s, reused %v; want %s, %v", i, ask.method, ask.path, got, reused, want, wantReused)
				}
			}
			if c := s.toxics()[0].counters(); c.Seen != 16 || c.Unread != 0 || c.Matched != 0 {
				t.Errorf("counters %+v", c)
			}
		})
	}
}

// A live connection meets the fault on its next request, and is itself again
// once the fault is gone; it is never cut.
func TestHTTPLive(t *testing.T) {
	s := serveOn(t, site(t))
	url := "http://" + s.listener.Addr().String()
	c := visitor(t)
	for round := range 3 {
		for range 3 {
			if got, reused := visit(t, c, "GET", url+"/hello", nil); !strings.HasPrefix(got, "200 ") || reused != (round > 0) && round > 0 {
				t.Fatalf("before: %s, reused %v", got, reused)
			}
		}
		s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{Abort: 503}})
		for _, ask := range []struct{ method, body string }{{"GET", ""}, {"POST", "a body that nobody reads"}, {"HEAD", ""}} {
			if got, reused := visit(t, c, ask.method, url+"/echo", strings.NewReader(ask.body)); !strings.HasPrefix(got, "503 ") || !reused {
				t.Errorf("during: %s %s, reused %v", ask.method, got, reused)
			}
		}
		if aborted := s.toxics()[0].counters().Aborted; aborted != 3 {
			t.Errorf("%d requests aborted", aborted)
		}
		s.clear()
		if got, reused := visit(t, c, "GET", url+"/hello", nil); !strings.HasPrefix(got, "200 ") || !reused {
			t.Errorf("after: %s, reused %v", got, reused)
		}
	}
}

// Toxics come and go while many clients make requests: each gets the site's
// answer or the fault's, whole.
func TestHTTPIntegrity(t *testing.T) {
	s := serveOn(t, site(t))
	url := "http://" + s.listener.Addr().String()
	var wg sync.WaitGroup
	var aborted, passed atomic.Int64
	for worker := range 6 {
		c := visitor(t)
		wg.Go(func() {
			for i := range 150 {
				text := strings.Repeat(fmt.Sprint(worker, " ", i, ";"), i*20)
				got, _ := visit(t, c, "POST", url+"/echo", io.MultiReader(strings.NewReader(text)))
				switch {
				case strings.HasPrefix(got, "200 ") && strings.Contains(got, fmt.Sprintf(" %d:%.60s ", len(text), text)):
					passed.Add(1)
				case strings.HasPrefix(got, "503 "):
					aborted.Add(1)
				default:
					t.Errorf("answer %s", got)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	sets := [][]Toxic{
		{{Type: httpType, Share: 0.5, HTTP: &HTTPRule{Abort: 503}}},
		{{Type: latencyType, Way: downstream, Share: 1, Delay: time.Millisecond}},
		{{Type: httpType, Share: 1, HTTP: &HTTPRule{Delay: time.Microsecond}}, {Type: slicerType, Way: upstream, Share: 1, Bytes: 1000}},
	}
	for over, i := false, 0; !over; i++ {
		if err := s.inject("test", sets[i%len(sets)], time.Hour); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			over = true
		case <-time.After(time.Millisecond):
		}
		if i%2 == 0 {
			s.clear()
		}
	}
	if aborted.Load()+passed.Load() != 900 || passed.Load() == 0 {
		t.Errorf("%d aborted, %d passed", aborted.Load(), passed.Load())
	}
}

// Which requests are hit.
func TestHTTPRules(t *testing.T) {
	for _, test := range []struct {
		rule  HTTPRule
		share float64
		asks  string // one "METHOD target" a line
		want  string // a letter for each: hit, or not
	}{
		{HTTPRule{}, 1, "GET /\nPOST /a?b=c", "hh"},
		{HTTPRule{Methods: []string{"POST", "put"}}, 1, "GET /\nPOST /\nPUT /", "-hh"},
		{HTTPRule{Path: "/a"}, 1, "GET /a\nGET /a?x=/b\nGET /a/\nGET /ab\nGET /", "hh---"},
		{HTTPRule{Path: "/a/*"}, 1, "GET /a/b\nGET /a/\nGET /a/b/c\nGET /a", "hh--"},
		{HTTPRule{Path: "/a/**"}, 1, "GET /a/b\nGET /a/b/c\nGET /a", "hh-"},
		{HTTPRule{Path: "/*/x.(y)"}, 1, "GET /1/x.(y)\nGET /1/xy", "h-"}, // nothing else is special
		{HTTPRule{First: 2, Path: "/a"}, 1, "GET /b\nGET /a\nGET /a\nGET /a", "-hh-"},
		{HTTPRule{Path: "/a"}, 1, "GET http://host/a\nGET http://host", "h-"}, // as proxies are asked
		{HTTPRule{GRPC: 14}, 1, "POST /a", "-"},                               // not a gRPC call
	} {
		r, err := newRule(test.rule, 1, test.share)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for ask := range strings.SplitSeq(test.asks, "\n") {
			method, target, _ := strings.Cut(ask, " ")
			if r.takes(method, head{target: target}.path(), false) {
				got.WriteByte('h')
			} else {
				got.WriteByte('-')
			}
		}
		if got.String() != test.want {
			t.Errorf("%+v: %s, want %s", test.rule, got.String(), test.want)
		}
	}
	// A share is of requests, and the same ones for the same seed.
	hits := func(seed uint64) (which []int) {
		r, _ := newRule(HTTPRule{}, seed, 0.25)
		for i := range 4000 {
			if r.takes("GET", "/", false) {
				which = append(which, i)
			}
		}
		return which
	}
	if a := hits(1); len(a) < 900 || len(a) > 1100 || !slices.Equal(a, hits(1)) || slices.Equal(a, hits(2)) {
		t.Errorf("%d of 4000 hit", len(a))
	}
}

// A delay is measured, and let go when the fault ends.
func TestHTTPDelay(t *testing.T) {
	s := serveOn(t, site(t))
	url := "http://" + s.listener.Addr().String()
	delay := Toxic{Type: httpType, HTTP: &HTTPRule{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond}}
	s.must(t, delay)
	c := visitor(t)
	for range 3 {
		if got, _ := visit(t, c, "GET", url+"/hello", nil); !strings.HasPrefix(got, "200 ") {
			t.Error(got)
		}
	}
	if c := s.toxics()[0].counters(); c.Delayed != 3 || c.DelayMean < 15*time.Millisecond {
		t.Errorf("counters %+v", c)
	}
	delay.HTTP = &HTTPRule{Delay: time.Hour}
	s.must(t, delay)
	released := make(chan string, 1)
	go func() {
		got, _ := visit(t, c, "GET", url+"/hello", nil)
		released <- got
	}()
	waitFor(t, "the request", func() bool { return s.toxics()[0].counters().Seen == 1 })
	s.clear()
	if got := <-released; !strings.HasPrefix(got, "200 ") {
		t.Error(got)
	}
}

func text(s string) *string { return &s }

func TestHTTPPatch(t *testing.T) {
	address := site(t)
	for _, test := range []struct {
		name            string
		ask, answer     *Patch
		method, path    string
		body            io.Reader
		want            string
		patched, missed int64
	}{
		{"request header", &Patch{Set: map[string]string{"X-Say": "boo"}}, nil, "GET", "/hello", nil, "200 5 [] |boo|||false 5:hello <nil>", 1, 0},
		{"request body", &Patch{Replace: map[string]string{"a": "bb"}}, nil, "POST", "/echo", strings.NewReader("banana"), "200 9 [] 9||||false 9:bbbnbbnbb <nil>", 1, 0},
		{"request body in chunks", &Patch{Body: text("other")}, nil, "POST", "/echo", io.MultiReader(strings.NewReader("banana")), "200 5 [] 5||||false 5:other <nil>", 1, 0},
		{"status", nil, &Patch{Status: 500}, "GET", "/hello", nil, "500 5 [] ||||false 5:hello <nil>", 1, 0},
		{"header", nil, &Patch{Set: map[string]string{"X-New": "1"}, Remove: []string{"x-saw"}}, "GET", "/hello", nil, "200 5 [] |||1|false 5:hello <nil>", 1, 0},
		{"body", nil, &Patch{Body: text("{}")}, "GET", "/hello", nil, "200 2 [] ||||false 2:{} <nil>", 1, 0},
		{"body of a stream", nil, &Patch{Replace: map[string]string{"part": "p"}}, "GET", "/stream", nil, "200 90 [] ||||false 90:p 0;p 1;p 2;p 3;p 4;p 5;p 6;p 7;p 8;p 9;p 10;p 11;p 12;p 13; <nil>", 1, 0},
		{"body to the end", nil, &Patch{Body: text("short")}, "GET", "/end", nil, "200 5 [] ||||true 5:short <nil>", 1, 0},
		{"compressed, in place", nil, &Patch{Replace: map[string]string{"hello": "bye"}}, "GET", "/gzip", nil, "200 18 [] ||||false 18:hello, so to speak <nil>", 0, 1},
		{"compressed, as a whole", nil, &Patch{Body: text("plain")}, "GET", "/gzip", nil, "200 5 [] ||||false 5:plain <nil>", 1, 0},
		{"of HEAD, but its head", nil, &Patch{Status: 500, Body: text("long enough")}, "HEAD", "/hello", nil, "500 5 [] ||||false 0: <nil>", 1, 0},
		{"what had no body gets none", nil, &Patch{Status: 500}, "GET", "/none", nil, "500 0 [] ||||false 0: <nil>", 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serveOn(t, address)
			s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{Ask: test.ask, Answer: test.answer}})
			c, url := visitor(t), "http://"+s.listener.Addr().String()
			if got, _ := visit(t, c, test.method, url+test.path, test.body); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if c := s.toxics()[0].counters(); c.Patched != test.patched || c.Missed != test.missed {
				t.Errorf("counters %+v", c)
			}
			// The connection is still in step, where it lives on.
			s.clear()
			if got, _ := visit(t, c, "GET", url+"/hello", nil); got != "200 5 [] ||||false 5:hello <nil>" {
				t.Errorf("the request after it: %s", got)
			}
		})
	}
}

// Requests sent without waiting are answered in order, whoever answers.
func TestHTTPPipelined(t *testing.T) {
	s := serveOn(t, site(t))
	s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{Path: "/bad", Abort: 503}})
	conn := connect(t, s)
	var asks strings.Builder
	for i := range 30 {
		path := "/hello"
		if i%3 > 0 {
			path = "/bad"
		}
		fmt.Fprintf(&asks, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", path)
	}
	send(t, conn, asks.String())
	answers := bufio.NewReader(conn)
	for i := range 30 {
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		if bad := response.StatusCode == 503; bad != (i%3 > 0) {
			t.Errorf("answer %d is %s", i, response.Status)
		}
	}
}

// After a switch of protocols nothing is read any more, though a rule would
// match what looks like a request.
func TestHTTPUpgrade(t *testing.T) {
	s := serveOn(t, site(t))
	s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{Methods: []string{"DELETE"}, Abort: 503}})
	conn := connect(t, s)
	send(t, conn, "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
	expect(t, conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
	send(t, conn, "DELETE / HTTP/1.1\r\nhost: x\r\n\r\n")
	expect(t, conn, "DELETE / HTTP/1.1\r\nHOST: X\r\n\r\n")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	expectEnd(t, conn)
}

// An aborted request that cannot leave the connection in step ends it, after
// the answer.
func TestHTTPAbortCloses(t *testing.T) {
	for name, ask := range map[string]string{
		"asked to":      "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"old":           "GET / HTTP/1.0\r\n\r\n",
		"waits for 100": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
		"endless":       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := serveOn(t, site(t))
			s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{Abort: 503}})
			conn := connect(t, s)
			send(t, conn, ask)
			got, err := io.ReadAll(conn)
			if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 503 ") || !strings.Contains(string(got), "Connection: close\r\n") {
				t.Errorf("received %q, %v", got, err)
			}
		})
	}
}

// What is not HTTP passes at once, whoever speaks first, and is counted.
func TestHTTPOther(t *testing.T) {
	for name, first := range map[string]string{
		"binary":         "\x00\x01\x02",
		"lines":          "get key\r\n",
		"almost":         "GET key\r\n",
		"smuggled":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a bare newline": "GET / HTTP/1.1\nHost: x\n\n",
		"folded":         "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"TLS":            "\x16\x03\x01\x02\x00",
	} {
		t.Run(name, func(t *testing.T) {
			s, client, up := pair(t, Toxic{Type: httpType, HTTP: &HTTPRule{Abort: 503}})
			send(t, up, "220 welcome\r\n")
			expect(t, client, "220 welcome\r\n")
			send(t, client, first)
			expect(t, up, first)
			send(t, up, "yes")
			expect(t, client, "yes")
			send(t, client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // too late
			expect(t, up, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if c := s.toxics()[0].counters(); c.Unread != 1 || c.Seen != 0 {
				t.Errorf("counters %+v", c)
			}
		})
	}
}

// In the middle of something, both sides go on as they would without a proxy.
func TestHTTPBroken(t *testing.T) {
	ask := "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
	t.Run("client ends early", func(t *testing.T) {
		_, client, up := pair(t, nobody)
		send(t, client, ask+"12345")
		_ = client.CloseWrite()
		expect(t, up, ask+"12345")
		expectEnd(t, up)
	})
	t.Run("client gives up", func(t *testing.T) {
		_, client, up := pair(t, nobody)
		send(t, client, ask+"12345")
		expect(t, up, ask+"12345")
		reset(client)
		expectReset(t, up)
	})
	t.Run("head without end", func(t *testing.T) {
		_, client, up := pair(t, nobody)
		send(t, client, "GET / HTTP/1.1\r\nHos")
		_ = client.CloseWrite()
		expect(t, up, "GET / HTTP/1.1\r\nHos")
		expectEnd(t, up)
	})
	t.Run("a head too long", func(t *testing.T) {
		_, client, up := pair(t, nobody)
		long := "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 2*maxHead)
		go func() { _, _ = io.WriteString(client, long) }()
		expect(t, up, long)
	})
	t.Run("upstream speaks nonsense", func(t *testing.T) {
		_, client, up := pair(t, nobody)
		send(t, client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		expect(t, up, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		send(t, up, "what?\r\n\r\n")
		expect(t, client, "what?\r\n\r\n")
		send(t, client, "anything")
		expect(t, up, "anything")
	})
	t.Run("upstream hints, and ends early", func(t *testing.T) {
		_, client, up := pair(t, nobody)
		send(t, client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		expect(t, up, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		answer := "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
		send(t, up, answer)
		expect(t, client, answer)
		_ = up.CloseWrite()
		expectEnd(t, client)
	})
	t.Run("upstream says goodbye", func(t *testing.T) {
		_, client, up := pair(t, nobody)
		send(t, client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		expect(t, up, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		send(t, up, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
		expect(t, client, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
		_ = up.Close()
		expectEnd(t, client)
	})
	t.Run("a toxic and its end in the middle of a body", func(t *testing.T) {
		s, client, up := pair(t)
		send(t, client, ask+"123")
		expect(t, up, ask+"123")
		s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{Abort: 503}})
		send(t, client, "4567890")
		expect(t, up, "4567890")
		send(t, up, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		expect(t, client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		send(t, client, ask)
		expect(t, client, "HTTP/1.1 503 Service Unavailable\r\n")
		s.clear() // what is left of the aborted request does not reach the upstream
		send(t, client, "1234567890GET /b HTTP/1.1\r\n\r\n")
		expect(t, up, "GET /b HTTP/1.1\r\n\r\n")
	})
}

// Live connections are cut once where that is asked for, and new ones are not.
func TestReconnect(t *testing.T) {
	s := serveOn(t, site(t))
	live := connect(t, s)
	send(t, live, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
	expect(t, live, "HTTP/1.1 200 OK\r\n")
	s.must(t, Toxic{Type: httpType, HTTP: &HTTPRule{Abort: 503}, Reconnect: true})
	for err := error(nil); !errors.Is(err, syscall.ECONNRESET); {
		if _, err = live.Read(make([]byte, 1000)); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("the live connection: %v", err)
		}
	}
	again := connect(t, s)
	send(t, again, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	expect(t, again, "HTTP/1.1 503 ")
	if cut := s.toxics()[0].cut.Load(); cut != 1 {
		t.Errorf("%d connections were cut", cut)
	}
}
