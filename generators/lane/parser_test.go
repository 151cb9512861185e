package lane

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// parse feeds an answer in pieces of the given size, as a connection would.
func parse(answer []byte, piece int, head bool) (p parser, rest int, err error) {
	return parseAfter(nil, answer, piece, head)
}

// parseAfter does the same on a lane whose last header block is known.
func parseAfter(last *lastHeader, answer []byte, piece int, head bool) (p parser, rest int, err error) {
	p.same = last
	p.begin(head)
	var pending []byte
	for len(answer) > 0 && !p.done() {
		take := min(piece, len(answer))
		pending = append(pending, answer[:take]...)
		answer = answer[take:]
		n, err := p.feed(pending)
		if err != nil {
			return p, 0, err
		}
		pending = pending[n:]
	}
	rest = len(pending) + len(answer)
	if !p.done() {
		err = p.eof()
	}
	return p, rest, err
}

func TestParser(t *testing.T) {
	tests := []struct {
		name, answer string
		head         bool
		status, body int
		rest         int
		close        bool
		err          error
	}{
		{name: "length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: 5},
		{name: "no reason phrase", answer: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "bare line feeds in the header", answer: "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", status: 200, body: 1},
		{name: "bytes after the answer are not the answer's", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1", status: 200, body: 1, rest: 8},
		{name: "chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA \r\n0123456789\r\n0\r\n\r\n", status: 200, body: 15},
		{name: "chunked with trailer", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\r\n\r\n", status: 200, body: 1},
		{name: "chunked wins over a length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", status: 200, body: 1, close: true},
		{name: "close-delimited", answer: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, body: 5, close: true},
		{name: "1xx come first", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", status: 201},
		{name: "HEAD has no body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head: true, status: 200},
		{name: "204 has no body", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", status: 204},
		{name: "304 has no body", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304},
		{name: "Connection: close", answer: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "HTTP/1.0 closes", answer: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "HTTP/1.0 kept alive", answer: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "the same length twice", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", status: 200, body: 1},
		{name: "cut in the header", answer: "HTTP/1.1 200 OK\r\nConte", err: ErrCut},
		{name: "cut in the body", answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", err: ErrCut},
		{name: "cut in a chunk", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", err: ErrCut},
		{name: "nothing", answer: "", err: ErrCut},
		{name: "garbage", answer: "SSH-2.0-OpenSSH_9.2\r\n", err: ParseError("no HTTP/1 status line")},
		{name: "another protocol, without asking", answer: "HTTP/1.1 101 Switching\r\n\r\n", err: ParseError("unasked-for answer 101")},
		{name: "two lengths", answer: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", err: ParseError("two content lengths")},
		{name: "negative length", answer: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", err: ParseError("content length is not a number")},
		{name: "signed length", answer: "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", err: ParseError("content length is not a number")},
		{name: "length of 2^64", answer: "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", err: ParseError("content length is empty or too large")},
		{name: "space before the colon", answer: "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n", err: ParseError("header name with a byte that no name may hold")},
		{name: "carriage return in a value", answer: "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", err: ParseError("header value with a control byte")},
		{name: "encoding other than chunked", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", err: ParseError("transfer encoding is not chunked alone")},
		{name: "chunk size of 2^63", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n", err: ParseError("chunk size is too large")},
		{name: "chunk size too long", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001\r\n", err: ParseError("chunk size is empty or too long")},
		{name: "chunk longer than said", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n", err: ParseError("chunk is longer than its size")},
		{name: "bare line feed after a size", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n", err: ParseError("line of a chunked body does not end in CRLF")},
		{name: "header without end", answer: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", maxHeader), err: ParseError("header over 32768 bytes")},
		{name: "many 1xx come first", answer: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "1xx without end", answer: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxInterim/20), err: ParseError("over 1048576 bytes of answers 100 before the final one")},
		{name: "chunk extension without end", answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", maxLine) + "\r\nx\r\n", err: ParseError("line over 4096 bytes in a chunked body")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, piece := range []int{1, 2, 7, 1 << 20} {
				p, rest, err := parse([]byte(test.answer), piece, test.head)
				if !errors.Is(err, test.err) {
					t.Fatalf("in pieces of %d: error %v, want %v", piece, err, test.err)
				}
				if test.err != nil {
					continue
				}
				if int(p.status) != test.status || int(p.body) != test.body || p.close != test.close || rest != test.rest {
					t.Errorf("in pieces of %d: status %d body %d close %v rest %d, want %d %d %v %d", piece,
						p.status, p.body, p.close, rest, test.status, test.body, test.close, test.rest)
				}
			}
		})
	}
}

// What the parser accepts, net/http accepts with the same meaning; and the
// size of the pieces changes nothing.
func FuzzParser(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\nConnection: keep-alive\n\nhello",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
	} {
		f.Add([]byte(seed), uint8(3), false)
		f.Add([]byte(seed), uint8(1), true)
	}
	f.Fuzz(func(t *testing.T, answer []byte, piece uint8, head bool) {
		whole, rest, err := parse(answer, len(answer)+1, head)
		pieces, pieceRest, pieceErr := parse(answer, int(piece)+1, head)
		if (err == nil) != (pieceErr == nil) || err == nil && (whole != pieces || rest != pieceRest) {
			t.Fatalf("whole: %+v %d %v; in pieces: %+v %d %v", whole, rest, err, pieces, pieceRest, pieceErr)
		}
		// What the lane remembers of the last answer changes nothing either.
		var last lastHeader
		for range 2 {
			again, againRest, againErr := parseAfter(&last, answer, int(piece)+1, head)
			again.same = nil
			if (err == nil) != (againErr == nil) || err == nil && (whole != again || rest != againRest) {
				t.Fatalf("anew: %+v %d %v; remembered: %+v %d %v", whole, rest, err, again, againRest, againErr)
			}
		}
		if err != nil {
			return
		}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		r := bufio.NewReader(bytes.NewReader(answer))
		response, err := http.ReadResponse(r, &http.Request{Method: method})
		for err == nil && response.StatusCode < 200 {
			response, err = http.ReadResponse(r, &http.Request{Method: method})
		}
		if err != nil {
			t.Fatalf("accepted %q, net/http: %v", answer, err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("accepted %q, net/http: %v", answer, err)
		}
		if response.StatusCode != int(whole.status) || int64(len(body)) != whole.body {
			t.Fatalf("%q: status %d and %d bytes, net/http: %d and %d", answer, whole.status, whole.body, response.StatusCode, len(body))
		}
		if response.Close && !whole.close {
			t.Fatalf("%q: net/http would close the connection", answer)
		}
	})
}

func BenchmarkParser(b *testing.B) {
	answer := []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 07:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nConnection: keep-alive\r\n\r\nHello, World!")
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	p := parser{same: new(lastHeader)}
	for b.Loop() {
		p.begin(false)
		if _, err := p.feed(answer); err != nil || !p.done() {
			b.Fatal(err)
		}
	}
}
