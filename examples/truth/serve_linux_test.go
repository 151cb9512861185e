package truth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is brunt itself when Start runs it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "truth" {
		os.Exit(Main(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// serve runs a server for the test and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	return serveWith(t, Options{})
}

func serveWith(t *testing.T, options Options) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- Serve(ctx, "127.0.0.1:0", options, func(url string) { listening <- url }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case url := <-listening:
		return url
	case err := <-ended:
		ended <- err
		t.Fatal(err)
		return ""
	}
}

func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func reported(t *testing.T, c *http.Client, url string) Report {
	t.Helper()
	answer, err := c.Get(url + "/truth")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var r Report
	if err := json.NewDecoder(answer.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Whatever the machine does: no answer comes before it is due, and a client
// sees it no sooner than the server says that it left.
func TestTruthIsWithinWhatAClientSees(t *testing.T) {
	url, c := serve(t), client(t)
	const n, planted = 50, 2 * time.Millisecond
	var sum, least time.Duration
	for k := range n {
		sent := time.Now()
		answer, err := c.Get(fmt.Sprintf("%s/fixed/2ms?n=%d", url, k))
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(sent)
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 || string(body) != okBody {
			t.Fatalf("status %d, body %q, error %v", answer.StatusCode, body, err)
		}
		answer.Body.Close()
		sum += took
		if k == 0 || took < least {
			least = took
		}
	}
	p := reported(t, c, url).Paths["/fixed/2ms"]
	// Two histograms of 3 digits may be this far apart.
	digits := func(d time.Duration) time.Duration { return d / 500 }
	if p.Requests != n || p.Count != n || p.Errors+p.Resets+p.Hangs+p.Gone != 0 {
		t.Errorf("counted %+v", p)
	}
	if p.Min < planted-digits(planted) || p.Min > least+digits(least) || p.Mean > sum/n+digits(sum/n) {
		t.Errorf("the server says min %s mean %s; planted %s, the client saw min %s mean %s", p.Min, p.Mean, planted, least, sum/n)
	}
	if p.Late.Max > p.Max-planted+digits(p.Max) {
		t.Errorf("late by %s, and yet no delay over %s", p.Late.Max, p.Max)
	}
}

func TestOutcomes(t *testing.T) {
	url, c := serve(t), client(t)
	for path, status := range map[string]int{
		"/none": 200, "/errors/1": 503, "/errors/0": 200, "/md1/1ms": 200, "/mm1/1ms": 200,
		"/bimodal/1ms/2ms/0.5": 200, "/stall/1ms/20ms": 200, "/nowhere": 404, "/fixed/x": 404,
	} {
		answer, err := c.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, answer.StatusCode, status)
		}
	}
	answer, err := c.Post(url+"/resets/1", "text/plain", strings.NewReader("x"))
	if err == nil {
		answer.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("/resets/1: error %v, want a reset", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", url+"/hangs/1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	hangs := make(chan error, 1)
	go func() {
		answer, err := c.Do(request)
		if err == nil {
			answer.Body.Close()
		}
		hangs <- err
	}()
	for reported(t, c, url).Paths["/hangs/1"].Hangs == 0 {
		time.Sleep(time.Millisecond) // until the request is there
	}
	cancel()
	if err := <-hangs; !errors.Is(err, context.Canceled) {
		t.Errorf("/hangs/1: error %v", err)
	}
	r := reported(t, c, url)
	if p := r.Paths["/errors/1"]; p.Errors != 1 || p.Count != 1 {
		t.Errorf("errors: %+v", p)
	}
	if p := r.Paths["/resets/1"]; p.Resets != 1 || p.Count != 0 || p.Requests != 1 {
		t.Errorf("resets: %+v", p)
	}
	request, err = http.NewRequestWithContext(t.Context(), "DELETE", url+"/truth", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err = c.Do(request); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if r := reported(t, c, url); len(r.Paths) != 0 {
		t.Errorf("remembers %v", r.Paths)
	}
}

// Requests that arrive together or in pieces are answered one by one, in order.
func TestPipelinesAndPieces(t *testing.T) {
	url := serve(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, piece := range []string{
		"GET /none HTTP/1.1\r\n\r\nGET /fixed/3ms HTTP/1.1\r\n\r\nGET /errors/1 HT", "TP/1.1\r\n\r\nGET /truth HTTP/1.1\r\n\r\nHEAD /none HTTP/1.1\r\n\r",
		"\nPOST /none HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", "cdeGET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\nGET /none HTTP/1.1\r\n\r\n",
	} {
		if _, err := conn.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // makes it likely, not certain, that they arrive apart
	}
	all, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) { // closed with a request unread
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(string(all), "\n") {
		if status, ok := strings.CutPrefix(line, "HTTP/1.1 "); ok {
			got = append(got, status[:3])
		}
	}
	if want := "200 200 503 200 200 200 404"; strings.Join(got, " ") != want {
		t.Errorf("answered %v, want %s", got, want)
	}
}

// Clients that leave in the middle, send nonsense or never stop leave the
// server as it was.
func TestBadClients(t *testing.T) {
	url, c := serve(t), client(t)
	address := strings.TrimPrefix(url, "http://")
	for _, text := range []string{"", "GET /fix", "GET /fixed/1h HTTP/1.1\r\n\r\n", "GET /fixed/200ms HTTP/1.1\r\n\r\n", "\x16\x03\x01\r\n\r\n", "POST /none HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("a", 2*largest)} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(text)) // the server may have hung up by now
		conn.Close()
	}
	for reported(t, c, url).Paths["/fixed/200ms"].Gone == 0 {
		time.Sleep(time.Millisecond) // until the server has seen that it left
	}
	for _, connections := range []int{1, 8} {
		d, err := Bare(t.Context(), url+"/fixed/100us", 2000*float64(connections), 20, connections)
		if err != nil || d.Min < 100*time.Microsecond*998/1000 {
			t.Errorf("%d connections: min %s, error %v", connections, d.Min, err)
		}
	}
}

func TestBareRefusesWhatIsNoAnswer(t *testing.T) {
	url := serve(t)
	for _, path := range []string{"/errors/1", "/resets/1", "/nowhere"} {
		if _, err := Bare(t.Context(), url+path, 1000, 2, 2); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	if _, err := Bare(t.Context(), "http://127.0.0.1:1/none", 1000, 1, 1); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestStartAndStop(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), exe, "-spin", "0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Bare(t.Context(), s.URL+"/none", 1000, 5, 1); err != nil {
		t.Error(err)
	}
	r, err := s.Report(t.Context())
	if err != nil || r.Paths["/none"].Count != 5 {
		t.Errorf("report %+v, error %v", r, err)
	}
	if err := s.Forget(t.Context()); err != nil {
		t.Error(err)
	}
	if r, err = s.Report(t.Context()); err != nil || len(r.Paths) != 0 {
		t.Errorf("report %+v, error %v", r, err)
	}
	s.Stop()
	s.Stop()
	if _, err := s.Report(t.Context()); err == nil {
		t.Error("it still answers")
	}

	if _, err := Start(t.Context(), exe, "-listen", "nowhere"); err == nil || !strings.Contains(err.Error(), "not an ip:port") {
		t.Errorf("started at no address: %v", err)
	}
}

// A fast server answers like any other, counts, and has nothing planted.
func TestFast(t *testing.T) {
	url := serveWith(t, Options{Fast: true})
	c := client(t)
	for i, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{http.MethodGet, "/none", http.StatusOK, okBody},
		{http.MethodGet, "/none", http.StatusOK, okBody}, // the same again, which is not read twice
		{http.MethodHead, "/none", http.StatusOK, ""},
		{http.MethodHead, "/none", http.StatusOK, ""},
		{http.MethodGet, "/none?n=1", http.StatusOK, okBody},
		{http.MethodGet, "/fixed/1ms", http.StatusNotFound, "a fast server has no path but /none\n"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != test.status || string(body) != test.body {
			t.Errorf("request %d: status %d, %q", i, answer.StatusCode, body)
		}
	}
	if p := reported(t, c, url).Paths["/none"]; p.Requests != 5 || p.Count != 5 {
		t.Errorf("it counted %+v", p)
	}
}

// Answers that go out together reach each its own, also the client that has
// several requests under way and has said that no more will come.
func TestFastTogether(t *testing.T) {
	const clients, each = 40, 3
	url := serveWith(t, Options{Fast: true})
	conns := make([]*net.TCPConn, clients)
	for i := range conns {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns[i] = c.(*net.TCPConn)
	}
	for _, c := range conns {
		if _, err := io.WriteString(c, strings.Repeat("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", each)); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range conns {
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if came, err := io.ReadAll(c); err != nil || string(came) != strings.Repeat(answerOf(answered, false), each) {
			t.Errorf("client %d got %q, %v", i, came, err)
		}
	}
	if p := reported(t, client(t), url).Paths["/none"]; p.Count != clients*each {
		t.Errorf("it counted %+v", p)
	}
}

// The way of a request through the server allocates nothing.
func BenchmarkServe(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- Serve(ctx, "127.0.0.1:0", Options{}, func(url string) { listening <- url }) }()
	client, err := dialBare(<-listening+"/none", 1)
	if err != nil {
		b.Fatal(err)
	}
	at, record := func(int) time.Duration { return 0 }, func(time.Duration) {}
	b.ReportAllocs()
	for b.Loop() {
		if err := client.play(ctx, 1, at, record); err != nil {
			b.Fatal(err)
		}
	}
	client.close()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
