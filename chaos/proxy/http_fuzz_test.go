package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// follow takes a body in pieces of the given size and returns what it says and
// how many bytes it is.
func (f framing) follow(b []byte, step int) (body []byte, size int, done bool, err error) {
	for {
		n, done, err := f.next(b[size:min(size+step, len(b))], func(part []byte) { body = append(body, part...) })
		size += n
		if err != nil || done || size == len(b) {
			return body, size, done, err
		}
	}
}

// What this parser takes for a request, net/http does too, and both find the
// same end: nothing can be smuggled past one of them.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\nGET",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello",
		"PUT / HTTP/1.0\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n",
		"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n",
		preface,
	} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		h, err := parseRequest(b)
		if err != nil {
			return
		}
		if h.size > len(b) || !bytes.HasSuffix(b[:h.size], []byte("\r\n\r\n")) {
			t.Fatalf("head of %d bytes", h.size)
		}
		for n := range h.size {
			if _, err := parseRequest(b[:n]); !errors.Is(err, errShort) {
				t.Fatalf("%q is not short of anything: %v", b[:n], err)
			}
		}
		if _, err := url.ParseRequestURI(h.target); err != nil || h.method == http.MethodConnect || strings.HasPrefix(h.target, "//") {
			return // net/http minds targets, which this parser leaves alone
		}
		reader := bytes.NewReader(b)
		buffered := bufio.NewReaderSize(reader, 16)
		r, err := http.ReadRequest(buffered)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b[:h.size], err)
		}
		if r.Method != h.method || r.RequestURI != h.target || r.ProtoMinor != h.version {
			t.Fatalf("read %s %s HTTP/1.%d; net/http reads %s %s %s", h.method, h.target, h.version, r.Method, r.RequestURI, r.Proto)
		}
		if (len(r.TransferEncoding) > 0) != h.chunked || !h.chunked && r.ContentLength != max(h.length, 0) {
			t.Fatalf("%q: length %d, chunked %v; net/http says %d, %v", b, h.length, h.chunked, r.ContentLength, r.TransferEncoding)
		}
		body, size, done, err := h.requestBody().follow(b[h.size:], 1+max(step, 0)%100)
		if err != nil || !done {
			return
		}
		theirs, err := io.ReadAll(r.Body)
		if err != nil {
			if h.chunked {
				return // of trailers and extensions net/http takes fewer
			}
			t.Fatalf("%q: net/http cannot read the body: %v", b, err)
		}
		if left := reader.Len() + buffered.Buffered(); !bytes.Equal(theirs, body) || len(b)-left != h.size+size {
			t.Fatalf("%q: body %q of %d bytes; net/http reads %q of %d", b, body, size, theirs, len(b)-left-h.size)
		}
	})
}

// The same of responses.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP",
		"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nto the end",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
	} {
		f.Add([]byte(seed), "GET")
		f.Add([]byte(seed), "HEAD")
	}
	f.Fuzz(func(t *testing.T, b []byte, method string) {
		h, err := parseResponse(b)
		if err != nil || h.status < 200 || h.coded {
			return // interim ones, net/http leaves to others, and codings it refuses
		}
		if method != "HEAD" {
			method = "GET"
		}
		reader := bytes.NewReader(b)
		buffered := bufio.NewReaderSize(reader, 16)
		r, err := http.ReadResponse(buffered, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", b[:h.size], err)
		}
		if r.StatusCode != h.status {
			t.Fatalf("status %d; net/http reads %d", h.status, r.StatusCode)
		}
		framed := h.responseBody(method)
		body, size, done, err := framed.follow(b[h.size:], 7)
		if framed.kind == untilEnd {
			done = true
		}
		if err != nil || !done {
			return
		}
		theirs, err := io.ReadAll(r.Body)
		if err != nil {
			if h.chunked {
				return
			}
			t.Fatalf("%q: net/http cannot read the body: %v", b, err)
		}
		if left := reader.Len() + buffered.Buffered(); !bytes.Equal(theirs, body) || len(b)-left != h.size+size {
			t.Fatalf("%q: body %q of %d bytes; net/http reads %q of %d", b, body, size, theirs, len(b)-left-h.size)
		}
	})
}

// What net/http writes, this parser reads, whatever the body and however it
// arrives.
func FuzzWritten(f *testing.F) {
	f.Add("POST", "/a", []byte("body"), true, 3)
	f.Add("GET", "/", []byte(nil), false, 1)
	f.Fuzz(func(t *testing.T, method, path string, body []byte, chunked bool, step int) {
		r, err := http.NewRequest(method, "http://host", bytes.NewReader(body))
		if err != nil {
			return
		}
		r.URL.Path = "/" + strings.TrimLeft(path, "/")
		if chunked {
			r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
		}
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			return
		}
		h, err := parseRequest(b.Bytes())
		if err != nil {
			t.Fatalf("%q: %v", b.Bytes(), err)
		}
		got, size, done, err := h.requestBody().follow(b.Bytes()[h.size:], 1+max(step, 0)%50)
		if err != nil || !done || h.size+size != b.Len() || !bytes.Equal(got, body) {
			t.Fatalf("%q: body %q of %d bytes, done %v, %v", b.Bytes(), got, size, done, err)
		}
	})
}

func BenchmarkParseRequest(b *testing.B) {
	text := []byte("GET /products?page=7 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer abcdefghijklmnop\r\nX-Request-Id: 0123456789abcdef\r\n\r\n")
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := parseRequest(text); err != nil {
			b.Fatal(err)
		}
	}
}
