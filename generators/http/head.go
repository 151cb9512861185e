package http

import (
	"bytes"
	"strconv"
	"strings"
)

// fields are the header fields of an answer, whatever the HTTP version.
type fields interface {
	// first returns the value of the first field of that name, in any case.
	first(name string) (string, bool)
	// each calls f with the value of every field of that name.
	each(name string, f func(value string))
}

// A protocolError says how an answer breaks the protocol.
type protocolError string

func (e protocolError) Error() string { return string(e) }

// maxHead bounds all header bytes of one answer: status line, fields, interim
// answers and trailers.
const maxHead = 1 << 20

// A head is the status line and the header fields of an HTTP/1 answer. It
// keeps the text in one buffer and is used again for the next answer.
type head struct {
	text   []byte
	fields []span
	status int
	minor  int // of HTTP/1.x
}

// A span is where a field's name and value stand in the text.
type span struct{ nameStart, nameEnd, valueStart, valueEnd int }

func (h *head) reset() {
	h.text, h.fields, h.status, h.minor = h.text[:0], h.fields[:0], 0, 0
}

func (h *head) name(s span) []byte  { return h.text[s.nameStart:s.nameEnd] }
func (h *head) value(s span) []byte { return h.text[s.valueStart:s.valueEnd] }

func (h *head) first(name string) (string, bool) {
	for _, s := range h.fields {
		if equalFold(h.name(s), name) {
			return string(h.value(s)), true
		}
	}
	return "", false
}

func (h *head) each(name string, f func(string)) {
	for _, s := range h.fields {
		if equalFold(h.name(s), name) {
			f(string(h.value(s)))
		}
	}
}

// statusLine reads "HTTP/1.1 200 OK", without its line end.
func (h *head) statusLine(line []byte) error {
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(rest) < 1 || rest[0] != '0' && rest[0] != '1' {
		return protocolError("the answer does not begin with HTTP/1.0 or HTTP/1.1, but with " + excerpt(string(line[:min(len(line), 40)])))
	}
	if len(rest) < 5 || rest[1] != ' ' || len(rest) > 5 && rest[5] != ' ' {
		return protocolError("malformed status line " + excerpt(string(line)))
	}
	status := 0
	for _, c := range rest[2:5] {
		if c < '0' || c > '9' {
			return protocolError("malformed status line " + excerpt(string(line)))
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 {
		return protocolError("there is no status " + string(rest[2:5]))
	}
	h.minor, h.status = int(rest[0]-'0'), status
	return nil
}

// fieldLine reads the field that stands at text[start:], without its line
// end. A line that begins with a space goes on with the value before it
// (obs-fold, RFC 9112 section 5.2).
func (h *head) fieldLine(start int) error {
	line := h.text[start:]
	if line[0] == ' ' || line[0] == '\t' {
		if len(h.fields) == 0 {
			return protocolError("the first header field begins with a space")
		}
		last := &h.fields[len(h.fields)-1]
		for i := last.valueEnd; i < start; i++ {
			h.text[i] = ' '
		}
		last.valueEnd = start + len(bytes.TrimRight(line, " \t"))
		if last.valueEnd < start {
			last.valueEnd = start
		}
		return checkValue(h.value(*last))
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return protocolError("malformed header field " + excerpt(string(line)))
	}
	for _, c := range line[:colon] {
		if !isTokenByte(c) {
			return protocolError("malformed header field " + excerpt(string(line)))
		}
	}
	value := bytes.TrimLeft(line[colon+1:], " \t")
	s := span{nameStart: start, nameEnd: start + colon, valueStart: start + len(line) - len(value)}
	s.valueEnd = s.valueStart + len(bytes.TrimRight(value, " \t"))
	h.fields = append(h.fields, s)
	return checkValue(h.value(s))
}

func checkValue(v []byte) error {
	for _, c := range v {
		if c < ' ' && c != '\t' || c == 0x7f {
			return protocolError("a header field holds a control character")
		}
	}
	return nil
}

// A framing says where an answer's body ends.
type framing uint8

const (
	noBody  framing = iota
	byCount         // after so many bytes
	chunked         // after the last chunk
	byClose         // when the connection is closed
)

// framing works out how the body of the answer to a method is framed (RFC 9112
// section 6.3), and whether the connection may carry another request.
func (h *head) framing(method string) (f framing, length int64, keep bool, err error) {
	keep = h.keepAlive()
	length = -1
	coded := false
	for _, s := range h.fields {
		switch name, value := h.name(s), h.value(s); {
		case equalFold(name, "Content-Length"):
			n, ok := parseLength(value)
			if !ok {
				return 0, 0, false, protocolError("malformed Content-Length " + excerpt(string(value)))
			}
			if length >= 0 && n != length {
				return 0, 0, false, protocolError("two different Content-Length fields")
			}
			length = n
		case equalFold(name, "Transfer-Encoding"):
			if coded || !equalFold(value, "chunked") {
				return 0, 0, false, protocolError("transfer coding " + excerpt(string(value)) + " is not chunked")
			}
			coded = true
		}
	}
	switch {
	case method == "HEAD", h.status < 200, h.status == 204, h.status == 304:
		return noBody, 0, keep, nil
	case coded && h.minor == 0:
		return 0, 0, false, protocolError("a transfer coding in an HTTP/1.0 answer")
	case coded:
		// A length beside chunks is how answers are smuggled: believe the
		// chunks, and nothing that comes after them.
		return chunked, 0, keep && length < 0, nil
	case length > 0:
		return byCount, length, keep, nil
	case length == 0:
		return noBody, 0, keep, nil
	}
	return byClose, 0, false, nil
}

// keepAlive is what version and Connection fields say.
func (h *head) keepAlive() bool {
	keep := h.minor >= 1
	for _, s := range h.fields {
		if !equalFold(h.name(s), "Connection") {
			continue
		}
		for token := range bytes.SplitSeq(h.value(s), []byte{','}) {
			switch token = bytes.TrimSpace(token); {
			case equalFold(token, "close"):
				return false
			case equalFold(token, "keep-alive"):
				keep = true
			}
		}
	}
	return keep
}

// parseLength reads a Content-Length: digits only, below 2⁶³.
func parseLength(v []byte) (int64, bool) {
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

// equalFold compares ASCII without case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c != s[i] && lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// isTokenByte is true for what a method or a field's name may hold (RFC 9110
// section 5.6.2).
func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
