package vegeta

import (
	"bytes"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/gentest"
	"github.com/brunt-dev/brunt/generators/http"
)

func everywhere(string) error { return nil }

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReadTargets(t *testing.T) {
	body := writeFile(t, "body.json", `{"n":1}`)
	for _, test := range []struct {
		name, format, text string
		want               []http.Target
		fails              string
	}{
		{"requests, headers, bodies and comments", "", "GET http://a.test/1\n\n# a comment\nPOST http://a.test/2\nX-Case-kept: 1\nX-Case-kept: 2\n@" + body + "\n\nHEAD https://b.test\n", []http.Target{
			{Method: "GET", URL: "http://a.test/1", Header: nethttp.Header{}},
			{Method: "POST", URL: "http://a.test/2", Header: nethttp.Header{"X-Case-kept": {"1", "2"}}, Body: []byte(`{"n":1}`)},
			{Method: "HEAD", URL: "https://b.test", Header: nethttp.Header{}},
		}, ""},
		{"json", "json", `{"method":"POST","url":"http://a.test/","body":"aGVsbG8=","header":{"X":["1"]}}` + "\n" + `{"method":"GET","url":"http://b.test/"}`, []http.Target{
			{Method: "POST", URL: "http://a.test/", Header: nethttp.Header{"X": {"1"}}, Body: []byte("hello")},
			{Method: "GET", URL: "http://b.test/", Header: nethttp.Header{}},
		}, ""},
		{"nothing", "http", "\n\n", nil, "no targets"},
		{"no method", "http", "http://a.test/", nil, "bad target"},
		{"body file that is not there", "http", "POST http://a.test/\n@no/such/file\n", nil, "bad body"},
		{"json without a method", "json", `{"url":"http://a.test/"}`, nil, "method is missing"},
		{"json cut off", "json", `{"method":"GET","url"`, nil, ""},
		{"a line that the library's scanner would stop at", "http", "GET http://a.test/\nX: " + strings.Repeat("y", 70000) + "\n\nGET http://a.test/2\n", nil, "line 2 is longer"},
		{"unknown format", "yaml", "x", nil, "no target format"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ReadTargets(writeFile(t, "targets", test.text), test.format)
			if test.want == nil {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Fatalf("error %v does not say %q", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := New(Config{Targets: "no/such/file"}, generators.Env{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// FuzzTargets: whatever a target file holds, reading it does no harm, and what
// is accepted can be made a generator or is refused with an error.
func FuzzTargets(f *testing.F) {
	f.Add([]byte("GET http://a.test/\nX: 1\n\nPOST http://b.test/\n"), false)
	f.Add([]byte(`{"method":"GET","url":"http://a.test/"}`), true)
	f.Fuzz(func(t *testing.T, text []byte, json bool) {
		format := "http"
		if json {
			format = "json"
		}
		if bytes.Contains(text, []byte("@")) {
			return // would read any file
		}
		targets, err := parseTargets(text, format)
		if err != nil {
			return
		}
		if len(targets) == 0 {
			t.Fatal("no targets and no error")
		}
		g, err := http.NewRotation(http.Config{}, targets, generators.Env{})
		if (g == nil) == (err == nil) {
			t.Fatalf("generator %v, error %v", g, err)
		}
	})
}

// Arrivals play the targets in turn, by their index alone, as they are
// written.
func TestRotation(t *testing.T) {
	var mu sync.Mutex
	var got []string
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Method+" "+r.Host+" "+r.RequestURI+" "+strings.Join(r.Header["X-A"], ",")+" "+r.UserAgent()+" "+string(body))
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	file := writeFile(t, "targets", strings.ReplaceAll("GET URL/1?x=${y}\nX-A: ${a}\nX-A: b\n\nPURGE URL/2\nuser-agent: mine\nHost: other.test\n\nPOST URL/3\n@"+writeFile(t, "body", "hello ${x}")+"\n", "URL", srv.URL))
	c := Config{Targets: file, Headers: map[string]string{"X-A": "${all}"}}
	g, err := New(c, generators.Env{Allow: everywhere})
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, index := range []int64{0, 1, 2, 3, 7} {
		r := s.Do(t.Context(), generators.Arrival{Index: index, Due: time.Now()})
		if len(r.Ops) != 1 || r.Ops[0].Class != generators.OK || r.Ops[0].Step != 0 {
			t.Fatalf("%+v", r.Ops)
		}
	}
	want := []string{
		"GET " + host + " /1?x=$%7By%7D ${a},b brunt/1 ",
		"PURGE other.test /2 ${all} mine ",
		"POST " + host + " /3 ${all} brunt/1 hello ${x}",
		"GET " + host + " /1?x=$%7By%7D ${a},b brunt/1 ",
		"PURGE other.test /2 ${all} mine ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if names := Steps(c); len(names) != 1 {
		t.Errorf("steps %q", names)
	}
}

func TestRefusedTargets(t *testing.T) {
	for _, test := range []struct {
		name, text, protocol, fails string
	}{
		{"no host", "GET /path\n", "", "target 1: "},
		{"another scheme", "GET http://a.test/\n\nGET ftp://a.test/\n", "", "target 2: scheme"},
		{"a field that brunt sets", "GET http://a.test/\nContent-Length: 5\n", "", "header Content-Length"},
		{"h2 without TLS", "GET http://a.test/\n", "h2", "https"},
		{"CONNECT", "CONNECT http://a.test/\n", "", "CONNECT"},
	} {
		_, err := New(Config{Targets: writeFile(t, "targets", test.text), Protocol: test.protocol}, generators.Env{Allow: everywhere})
		if err == nil || !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: error %v does not say %q", test.name, err, test.fails)
		}
	}
}

func TestContract(t *testing.T) {
	gentest.Run(t, gentest.Subject{Start: func(t *testing.T) gentest.Target {
		var mu sync.Mutex
		var operations int64
		hanging, breaking, seen := false, false, make(chan struct{}, 100)
		srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
			mu.Lock()
			operations++
			hang, breaks := hanging, breaking
			breaking = false
			mu.Unlock()
			if breaks {
				panic(nethttp.ErrAbortHandler)
			}
			if hang {
				seen <- struct{}{}
				<-r.Context().Done()
			}
		}))
		t.Cleanup(srv.Close)
		g, err := New(Config{Targets: writeFile(t, "targets", "GET "+srv.URL+"/a\n\nGET "+srv.URL+"/b\n")}, generators.Env{Allow: everywhere})
		if err != nil {
			t.Fatal(err)
		}
		return gentest.Target{
			Generator: g, Steps: 1,
			Operations: func() int64 {
				mu.Lock()
				defer mu.Unlock()
				return operations
			},
			Hang: func() <-chan struct{} {
				mu.Lock()
				defer mu.Unlock()
				hanging = true
				return seen
			},
			Break: func(bool) { // resets are package http's business
				mu.Lock()
				defer mu.Unlock()
				breaking = true
			},
			Vanish: func() {
				srv.CloseClientConnections()
				srv.Close()
			},
		}
	}})
}

// What is written is what vegeta reads.
func TestResults(t *testing.T) {
	due := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	op := func(class generators.Class, status int, err error) generators.Op {
		return generators.Op{Due: due, Started: due.Add(time.Second), Ended: due.Add(3 * time.Second), Class: class, Status: status, Err: err, BytesIn: 10, BytesOut: 20}
	}
	result := func(seq uint64, code uint16, text string) vegeta.Result {
		return vegeta.Result{Attack: "browse", Seq: seq, Code: code, Timestamp: due, Latency: 3 * time.Second, BytesIn: 10, BytesOut: 20, Error: text, Method: "GET", URL: "http://a.test/"}
	}
	for _, test := range []struct {
		name string
		op   generators.Op
		want *vegeta.Result
	}{
		{"success", op(generators.OK, 200, nil), ptr(result(0, 200, ""))},
		{"status", op(generators.Status, 503, errors.New("status 503")), ptr(result(0, 503, "status: status 503"))},
		// vegeta looks at the code alone: 200 would be a success.
		{"check", op(generators.Check, 200, errors.New("no")), ptr(result(0, 0, "check: no"))},
		{"timeout", op(generators.Timeout, 0, errors.New("late")), ptr(result(0, 0, "timeout: late"))},
		{"dropped", op(generators.Dropped, 0, nil), ptr(result(0, 0, "dropped"))},
		{"canceled", op(generators.Canceled, 0, nil), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var buf bytes.Buffer
			w := NewResultsWriter(&buf)
			if err := w.Write(test.op, "GET", "http://a.test/", "browse", 0); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			var got vegeta.Result
			err := vegeta.NewDecoder(&buf).Decode(&got)
			if test.want == nil {
				if err != io.EOF {
					t.Fatalf("%+v was written", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(*test.want) {
				t.Errorf("result %+v, want %+v", got, *test.want)
			}
		})
	}
}

// vegeta's own report comes to the same numbers.
func TestReport(t *testing.T) {
	var buf bytes.Buffer
	w := NewResultsWriter(&buf)
	start := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 250 {
				seq := worker*250 + i
				op := generators.Op{Due: start.Add(time.Duration(seq) * time.Millisecond), Class: generators.OK, Status: 200}
				if seq%10 == 0 {
					op.Class, op.Err = generators.Timeout, errors.New("no full answer within 5s")
				}
				op.Started, op.Ended = op.Due, op.Due.Add(time.Duration(seq+1)*time.Microsecond)
				if err := w.Write(op, "GET", "http://a.test/", "browse", uint64(seq)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var m vegeta.Metrics
	for dec := vegeta.DecoderFor(&buf); ; {
		var r vegeta.Result
		if err := dec.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		m.Add(&r)
	}
	m.Close()
	if m.Requests != 1000 || m.Success != 0.9 || m.Latencies.Max != time.Millisecond || len(m.Errors) != 1 || m.StatusCodes["200"] != 900 || m.StatusCodes["0"] != 100 {
		t.Errorf("%d requests, success %v, max %v, errors %q, codes %v", m.Requests, m.Success, m.Latencies.Max, m.Errors, m.StatusCodes)
	}
}

// The first error of writing is kept.
func TestResultsError(t *testing.T) {
	full := errors.New("disk full")
	w := NewResultsWriter(failing{full})
	op := generators.Op{Class: generators.OK, Err: nil}
	for range 100_000 { // more than the buffer holds
		if err := w.Write(op, "GET", "http://a.test/", "browse", 0); err != nil {
			break
		}
	}
	if err := w.Write(op, "GET", "http://a.test/", "browse", 0); !errors.Is(err, full) {
		t.Errorf("Write: %v", err)
	}
	if err := w.Flush(); !errors.Is(err, full) {
		t.Errorf("Flush: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func ptr[T any](v T) *T { return &v }

func BenchmarkResults(b *testing.B) {
	w := NewResultsWriter(io.Discard)
	now := time.Now()
	op := generators.Op{Due: now, Started: now, Ended: now, Class: generators.OK, Status: 200}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(op, "GET", "http://a.test/", "browse", 0); err != nil {
			b.Fatal(err)
		}
	}
}
