package truth

import (
	"bytes"
	"errors"
	"strconv"
)

// A request is as much of one as this server needs.
type request struct {
	method []byte
	path   []byte // without the query
	size   int    // bytes, body included
	close  bool   // the connection ends with the answer
}

// fastPath is the one that a fast server answers.
const fastPath = "/none"

// largest is how long a request may be, body included.
const largest = 64 << 10

var (
	errPartial = errors.New("not whole yet")
	errBad     = errors.New("not a request that this server can read")
)

// readRequest reads the request at the front of data. It returns errPartial
// until all of it is there, and errBad for what never becomes one, chunked
// bodies included.
func readRequest(data []byte) (request, error) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		if len(data) >= largest {
			return request{}, errBad
		}
		return request{}, errPartial
	}
	head := data[:end]
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	method, rest, ok1 := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || len(method) == 0 || len(target) == 0 || len(version) != len("HTTP/1.1") || !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return request{}, errBad
	}
	r := request{method: method, size: end + 4, close: version[len(version)-1] == '0'}
	r.path, _, _ = bytes.Cut(target, []byte("?"))
	sized := false
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || bytes.ContainsAny(line, "\r\n") || line[0] == ' ' || line[0] == '\t' {
			return request{}, errBad
		}
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
			if err != nil || n > largest || sized {
				return request{}, errBad
			}
			sized = true
			r.size += int(n)
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return request{}, errBad
		case bytes.EqualFold(name, []byte("Connection")):
			r.close = r.close || bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
	switch {
	case r.size > largest:
		return request{}, errBad
	case r.size > len(data):
		return request{}, errPartial
	}
	return r, nil
}

// The answers. The first is 66 bytes.
const (
	okHead      = "HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n"
	okBody      = "as long as it was said to.\n"
	failedHead  = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 19\r\n\r\n"
	failedBody  = "planted: an error.\n"
	badAnswer   = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	emptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
)

// answerOf is what goes over the wire.
func answerOf(o outcome, head bool) string {
	switch {
	case o == failed && head:
		return failedHead
	case o == failed:
		return failedHead + failedBody
	case head:
		return okHead
	}
	return okHead + okBody
}

// textAnswer is an answer made for one request.
func textAnswer(status, kind string, body []byte, head bool) []byte {
	b := append([]byte("HTTP/1.1 "+status+"\r\nContent-Type: "+kind+"\r\nContent-Length: "), strconv.Itoa(len(body))...)
	b = append(b, "\r\n\r\n"...)
	if head {
		return b
	}
	return append(b, body...)
}
