package truth

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestReadRequest(t *testing.T) {
	for _, test := range []struct {
		in, path string
		size     int // 0: partial, -1: bad
		close    bool
	}{
		{"GET /none HTTP/1.1\r\n\r\n", "/none", 22, false},
		{"GET /none?n=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /next", "/none", 35, false},  // a query, and another behind it
		{"POST /none HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", "/none", 45, false}, // a body
		{"POST /none HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", "", 0, false},        // half a body
		{"GET /none HTTP/1.0\r\n\r\n", "/none", 22, true},                           // the old version closes
		{"GET /none HTTP/1.1\r\nConnection: Close\r\n\r\n", "/none", 41, true},      // asked to close
		{"GET /none HTTP/1.1\r\n\r", "", 0, false},                                  // not whole
		{"", "", 0, false},                                    // nothing
		{"GET /none HTTP/2\r\n\r\n", "", -1, false},           // another protocol
		{"GET /none\r\n\r\n", "", -1, false},                  // no version
		{"\r\n\r\n", "", -1, false},                           // no request line
		{"GET / HTTP/1.1\r\nno colon\r\n\r\n", "", -1, false}, // a field without a name
		{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "", -1, false}, // two lengths
		{"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "", -1, false},                     // no length
		{"GET / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", "", -1, false},                // too long
		{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "", -1, false},             // not for this server
		{strings.Repeat("a", largest), "", -1, false},                                       // never ends
	} {
		r, err := readRequest([]byte(test.in))
		switch {
		case test.size == 0 && !errors.Is(err, errPartial), test.size < 0 && !errors.Is(err, errBad):
			t.Errorf("%.60q: error %v", test.in, err)
		case test.size > 0 && (err != nil || r.size != test.size || string(r.path) != test.path || r.close != test.close):
			t.Errorf("%.60q: %d bytes, path %s, close %v, error %v", test.in, r.size, r.path, r.close, err)
		}
	}
}

// The answers are what their heads say.
func TestAnswers(t *testing.T) {
	if n := len(answerOf(answered, false)); n != 66 {
		t.Errorf("the answer is %d bytes", n)
	}
	for _, answer := range []string{answerOf(answered, false), answerOf(failed, false), badAnswer, emptyAnswer, string(textAnswer("404 Not Found", "text/plain", []byte("no"), false))} {
		in := bufio.NewReader(strings.NewReader(answer))
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%q: %v", answer, err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || int64(len(body)) != r.ContentLength || in.Buffered() > 0 {
			t.Errorf("%q: body %q, %d bytes behind it, error %v", answer, body, in.Buffered(), err)
		}
	}
}

// What this reader takes, net/http takes as a request of the same length.
func FuzzReadRequest(f *testing.F) {
	f.Add([]byte("GET /fixed/1ms?n=2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"))
	f.Add([]byte("HEAD / HTTP/1.0\r\nConnection: close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := readRequest(data)
		if err != nil {
			return
		}
		if r.size < 4 || r.size > len(data) || bytes.Contains(r.path, []byte("?")) {
			t.Fatalf("size %d of %d, path %q", r.size, len(data), r.path)
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return // stricter than this server need be
		}
		body, err := io.ReadAll(theirs.Body)
		if err != nil {
			t.Fatal(err)
		}
		if end := bytes.Index(data, []byte("\r\n\r\n")) + 4 + len(body); end != r.size {
			t.Errorf("%q: %d bytes, and net/http says %d", data, r.size, end)
		}
	})
}
