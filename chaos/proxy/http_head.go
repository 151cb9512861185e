package proxy

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// maxHead bounds the head of an HTTP/1 message. A longer one is passed through
// unread, as is everything after it on its connection.
const maxHead = 64 << 10

var (
	// errShort says that the head, or the chunk, is not all there yet.
	errShort = errors.New("more is to come")
	// errNotHTTP says that it is not HTTP/1, or not so plainly that everybody
	// would read it the same way.
	errNotHTTP = errors.New("not plain HTTP/1")
)

// A head is what a proxy has to know of an HTTP/1 message: where it ends, and
// what its rules ask for. The texts are copies.
type head struct {
	size    int // bytes, with the empty line
	line    int // bytes of the first line, with its end
	method  string
	target  string
	status  int
	version int   // 0 or 1, of HTTP/1.x
	length  int64 // Content-Length; -1: none
	chunked bool
	coded   bool // a transfer coding that is not chunked alone
	closes  bool // Connection: close
	keeps   bool // Connection: keep-alive
	upgrade bool // asks for another protocol
	expects bool // Expect: 100-continue
	encoded bool // a Content-Encoding other than identity
}

// parseRequest reads a request's head from the start of b. It is strict: what
// two parsers could read differently is errNotHTTP.
func parseRequest(b []byte) (head, error) {
	h, line, err := parseHead(b)
	if err != nil {
		return head{}, err
	}
	method, rest, ok := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || !isToken(method) || len(target) == 0 || !h.setVersion(version) {
		return head{}, errNotHTTP
	}
	for _, c := range target {
		if c <= ' ' || c >= 0x7f {
			return head{}, errNotHTTP
		}
	}
	h.method, h.target = string(method), string(target)
	if h.coded || h.chunked && h.version == 0 {
		return head{}, errNotHTTP
	}
	return h, nil
}

// parseResponse reads a response's head.
func parseResponse(b []byte) (head, error) {
	h, line, err := parseHead(b)
	if err != nil {
		return head{}, err
	}
	version, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || !h.setVersion(version) || len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' {
		return head{}, errNotHTTP
	}
	for _, c := range rest[:3] {
		if c < '0' || c > '9' {
			return head{}, errNotHTTP
		}
	}
	h.status, _ = strconv.Atoi(string(rest[:3])) // three digits
	if h.status < 100 || h.chunked && h.version == 0 {
		return head{}, errNotHTTP
	}
	return h, nil
}

func (h *head) setVersion(text []byte) bool {
	switch string(text) {
	case "HTTP/1.0":
	case "HTTP/1.1":
		h.version = 1
	default:
		return false
	}
	return true
}

// parseHead finds the head's end, reads its fields and returns its first line.
func parseHead(b []byte) (h head, line []byte, err error) {
	h.length = -1
	for first := true; ; first = false {
		end := bytes.IndexByte(b[h.size:], '\n')
		if end < 0 {
			if len(b) >= maxHead {
				return h, nil, errNotHTTP
			}
			return h, line, errShort
		}
		text := b[h.size : h.size+end]
		h.size += end + 1
		if h.size > maxHead || len(text) == 0 || text[len(text)-1] != '\r' {
			return h, nil, errNotHTTP
		}
		text = text[:len(text)-1]
		switch {
		case first && len(text) == 0:
			return h, nil, errNotHTTP
		case first:
			line, h.line = text, h.size
			if !isText(text) {
				return h, nil, errNotHTTP
			}
		case len(text) == 0:
			if h.chunked && h.length >= 0 {
				return h, nil, errNotHTTP // the stuff that smugglers deal in
			}
			return h, line, nil
		default:
			if err := h.field(text); err != nil {
				return h, nil, err
			}
		}
	}
}

// field reads one header field.
func (h *head) field(text []byte) error {
	name, value, ok := bytes.Cut(text, []byte(":"))
	if !ok || !isToken(name) || !isText(value) {
		return errNotHTTP
	}
	switch len(name) { // most fields are of no interest
	case 6, 7, 10, 14, 16, 17:
	default:
		return nil
	}
	value = bytes.Trim(value, " \t")
	switch {
	case equalFold(name, "content-length"):
		n, err := parseLength(value)
		if err != nil || h.length >= 0 && h.length != n {
			return errNotHTTP
		}
		h.length = n
	case equalFold(name, "transfer-encoding"):
		if h.chunked || h.coded {
			return errNotHTTP
		}
		h.chunked = equalFold(value, "chunked")
		h.coded = !h.chunked
	case equalFold(name, "connection"):
		for _, option := range strings.Split(string(value), ",") {
			switch option = strings.Trim(option, " \t"); {
			case strings.EqualFold(option, "close"):
				h.closes = true
			case strings.EqualFold(option, "keep-alive"):
				h.keeps = true
			}
		}
	case equalFold(name, "upgrade"):
		h.upgrade = true
	case equalFold(name, "expect"):
		h.expects = true
	case equalFold(name, "content-encoding"):
		h.encoded = !equalFold(value, "identity")
	}
	return nil
}

// parseLength reads digits and nothing else.
func parseLength(b []byte) (int64, error) {
	if len(b) == 0 || len(b) > 18 {
		return 0, errNotHTTP
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errNotHTTP
		}
		n = 10*n + int64(c-'0')
	}
	return n, nil
}

func equalFold(b []byte, lower string) bool {
	return len(b) == len(lower) && strings.EqualFold(string(b), lower)
}

// isToken says whether b is a token of RFC 9110.
func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenByte[c] {
			return false
		}
	}
	return len(b) > 0
}

var tokenByte = func() (is [256]bool) {
	for c := byte('0'); c <= 'z'; c++ {
		is[c] = c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a'
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		is[c] = true
	}
	return is
}()

// isText says whether b has no control characters but tabs.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// body is how the request's body is framed.
func (h head) requestBody() framing {
	switch {
	case h.chunked:
		return framing{kind: chunks}
	case h.length > 0:
		return framing{kind: counted, left: h.length}
	}
	return framing{}
}

// responseBody is how the body of the response to a request of that method is
// framed.
func (h head) responseBody(method string) framing {
	switch {
	case method == "HEAD", h.status < 200, h.status == 204, h.status == 304:
		return framing{}
	case h.chunked:
		return framing{kind: chunks}
	case h.length >= 0 && !h.coded:
		return framing{kind: counted, left: h.length}
	}
	return framing{kind: untilEnd}
}

// persists says whether the connection goes on after this message.
func (h head) persists() bool { return !h.closes && (h.version == 1 || h.keeps) }
