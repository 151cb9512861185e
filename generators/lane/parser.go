package lane

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// Limits of one answer. They bound what a target can make a lane hold.
const (
	maxHeader  = 32 << 10 // bytes of one header block, status line included
	maxLine    = 4 << 10  // bytes of one chunk-size or trailer line
	maxInterim = 1 << 20  // bytes of header blocks before the final one (1xx answers)
)

// A ParseError says what about an answer was not valid HTTP/1.1.
type ParseError string

func (e ParseError) Error() string { return "malformed HTTP answer: " + string(e) }

// ErrCut is an answer that ended early because the connection closed.
var ErrCut = errors.New("connection closed in the middle of the answer")

// A parser reads HTTP/1.1 answers from the bytes of one connection. It keeps
// nothing of them but what is needed to find their ends.
//
// Whatever it accepts, net/http.ReadResponse accepts with the same status and
// the same length; it refuses some that net/http lets pass (white space before
// a colon, bare line feeds between chunks, continued header lines).
type parser struct {
	state  state
	noBody bool // the request was a HEAD
	close  bool // the connection must not be used again after this answer
	status int16

	interim int32 // bytes of header blocks so far
	left    int64 // bytes to go of the body or chunk
	body    int64 // bytes of body so far

	same *lastHeader // may be nil
}

// A lastHeader remembers the last header block that was parsed and what came
// of it. Targets answer with the same block for as long as the date's second
// lasts, and comparing it is far cheaper than parsing. It belongs to one lane.
type lastHeader struct {
	block  []byte
	noBody bool
	parsed parser // as it was after the block
}

// recall takes a block that is the last one again.
func (p *parser) recall(b []byte) (n int, ok bool) {
	last := p.same
	if last == nil || p.interim > 0 || last.noBody != p.noBody || len(last.block) == 0 || !bytes.HasPrefix(b, last.block) {
		return 0, false
	}
	*p = last.parsed
	return len(last.block), true
}

// remember keeps a block that came alone and was parsed whole.
func (p *parser) remember(block []byte) {
	if p.same == nil || p.interim > 0 {
		return
	}
	p.same.block = append(p.same.block[:0], block...)
	p.same.noBody, p.same.parsed = p.noBody, *p
}

type state uint8

const (
	inHeader state = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd // the line end after a chunk
	inTrailer
	untilClose
	complete
)

// begin makes the parser ready for the next answer.
func (p *parser) begin(head bool) { *p = parser{noBody: head, same: p.same} }

// feed takes what has come of the answer and was not yet consumed. It returns
// how many bytes it consumed; those it left must be given again, at the front
// of what comes next.
func (p *parser) feed(b []byte) (n int, err error) {
	for n < len(b) && p.state != complete {
		took, err := p.step(b[n:])
		if err != nil {
			return n, err
		}
		if took == 0 {
			return n, nil // not enough to make a line
		}
		n += took
	}
	return n, nil
}

func (p *parser) done() bool { return p.state == complete }

// eof says that the target closed its side. An answer without a length is
// complete then; any other was cut off.
func (p *parser) eof() error {
	if p.state != untilClose {
		return ErrCut
	}
	p.state = complete
	return nil
}

func (p *parser) step(b []byte) (int, error) {
	switch p.state {
	case inHeader:
		return p.header(b)
	case inBody, inChunk:
		n := int(min(int64(len(b)), p.left))
		p.left -= int64(n)
		p.body += int64(n)
		if p.left == 0 {
			if p.state == inBody {
				p.state = complete
			} else {
				p.state = inChunkEnd
			}
		}
		return n, nil
	case untilClose:
		p.body += int64(len(b))
		return len(b), nil
	default:
		return p.betweenChunks(b)
	}
}

// betweenChunks takes one line of a chunked body's framing.
func (p *parser) betweenChunks(b []byte) (int, error) {
	end := bytes.IndexByte(b, '\n')
	if end > maxLine || end < 0 && len(b) > maxLine {
		return 0, ParseError(fmt.Sprintf("line over %d bytes in a chunked body", maxLine))
	}
	if end < 0 {
		return 0, nil
	}
	if end == 0 || b[end-1] != '\r' {
		return 0, ParseError("line of a chunked body does not end in CRLF")
	}
	line := b[:end-1]
	switch p.state {
	case inChunkEnd:
		if len(line) != 0 {
			return 0, ParseError("chunk is longer than its size")
		}
		p.state = inChunkSize
	case inChunkSize:
		size, err := chunkSize(line)
		if err != nil {
			return 0, err
		}
		p.left, p.state = size, inChunk
		if size == 0 {
			p.state = inTrailer
		}
	case inTrailer:
		if len(line) == 0 {
			p.state = complete
			break
		}
		if _, _, err := field(line); err != nil {
			return 0, err
		}
		if p.left += int64(end); p.left > maxHeader {
			return 0, ParseError(fmt.Sprintf("trailer over %d bytes", maxHeader))
		}
	}
	return end + 1, nil
}

func chunkSize(line []byte) (int64, error) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i] // extensions mean nothing to us
	}
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 || len(line) > 16 {
		return 0, ParseError("chunk size is empty or too long")
	}
	size := uint64(0)
	for _, c := range line {
		digit := uint64(0)
		switch {
		case '0' <= c && c <= '9':
			digit = uint64(c - '0')
		case 'a' <= c && c <= 'f':
			digit = uint64(c-'a') + 10
		case 'A' <= c && c <= 'F':
			digit = uint64(c-'A') + 10
		default:
			return 0, ParseError("chunk size is not hexadecimal")
		}
		size = size<<4 | digit
	}
	if size > math.MaxInt64 {
		return 0, ParseError("chunk size is too large")
	}
	return int64(size), nil
}

// framing is what a header block says of the answer's length.
type framing struct {
	length    int64 // -1: not said
	chunked   bool
	close     bool
	keepAlive bool
}

// header takes one whole header block, or nothing.
func (p *parser) header(b []byte) (int, error) {
	if n, ok := p.recall(b); ok {
		return n, nil
	}
	if len(b) > maxHeader {
		b = b[:maxHeader]
	}
	line, n := nextLine(b)
	if n == 0 {
		return 0, tooLong(b)
	}
	status, minor, err := statusLine(line)
	if err != nil {
		return 0, err
	}
	f := framing{length: -1}
	for {
		var took int
		line, took = nextLine(b[n:])
		if took == 0 {
			return 0, tooLong(b)
		}
		n += took
		if len(line) == 0 {
			break
		}
		if err := f.heed(line); err != nil {
			return 0, err
		}
	}
	if 100 <= status && status < 200 {
		if status == 101 {
			return 0, ParseError("unasked-for answer 101")
		}
		if p.interim += int32(n); p.interim > maxInterim {
			return 0, ParseError(fmt.Sprintf("over %d bytes of answers %d before the final one", maxInterim, status))
		}
		return n, nil
	}
	p.status = int16(status)
	p.close = f.close || minor == 0 && !f.keepAlive
	if err := p.frame(f, status, minor); err != nil {
		return 0, err
	}
	p.remember(b[:n])
	return n, nil
}

// frame decides how the body ends (RFC 9112, section 6.3).
func (p *parser) frame(f framing, status, minor int) error {
	switch {
	case f.chunked && minor == 0:
		return ParseError("chunked answer in HTTP/1.0")
	case p.noBody || status == 204 || status == 304:
		p.state = complete
	case f.chunked:
		// A length beside chunks is how answers are smuggled: believe the
		// chunks, and nothing that comes after them.
		p.state, p.close = inChunkSize, p.close || f.length >= 0
	case f.length > 0:
		p.state, p.left = inBody, f.length
	case f.length == 0:
		p.state = complete
	default:
		p.state, p.close = untilClose, true
	}
	return nil
}

func tooLong(b []byte) error {
	if len(b) >= maxHeader {
		return ParseError(fmt.Sprintf("header over %d bytes", maxHeader))
	}
	return nil
}

// nextLine returns the first line without its end, and how many bytes it and
// its end take; 0 when the end has not come.
func nextLine(b []byte) (line []byte, n int) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil, 0
	}
	line = b[:end]
	if end > 0 && b[end-1] == '\r' {
		line = b[:end-1]
	}
	return line, end + 1
}

func statusLine(line []byte) (status, minor int, err error) {
	// HTTP/1.x SSS[ reason]
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' ||
		len(line) > 12 && line[12] != ' ' {
		return 0, 0, ParseError("no HTTP/1 status line")
	}
	minor = int(line[7]) - '0'
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, 0, ParseError("status is not a number")
		}
		status = status*10 + int(c-'0')
	}
	if minor != 0 && minor != 1 || status < 100 {
		return 0, 0, ParseError("no HTTP/1 status line")
	}
	return status, minor, nil
}

// heed takes what one header line says of the framing.
func (f *framing) heed(line []byte) error {
	name, value, err := field(line)
	if err != nil {
		return err
	}
	switch len(name) {
	case len("Content-Length"):
		if bytes.EqualFold(name, contentLength) {
			return f.setLength(value)
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, transferEncoding) {
			if f.chunked || !bytes.EqualFold(value, chunked) {
				return ParseError("transfer encoding is not chunked alone")
			}
			f.chunked = true
		}
	case len("Connection"):
		if bytes.EqualFold(name, connection) {
			for token := range bytes.SplitSeq(value, comma) {
				token = bytes.Trim(token, " \t")
				f.close = f.close || bytes.EqualFold(token, closing)
				f.keepAlive = f.keepAlive || bytes.EqualFold(token, keepAlive)
			}
		}
	}
	return nil
}

var (
	contentLength    = []byte("Content-Length")
	transferEncoding = []byte("Transfer-Encoding")
	connection       = []byte("Connection")
	chunked          = []byte("chunked")
	closing          = []byte("close")
	keepAlive        = []byte("keep-alive")
	comma            = []byte(",")
)

func (f *framing) setLength(value []byte) error {
	if len(value) == 0 || len(value) > 18 {
		return ParseError("content length is empty or too large")
	}
	length := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return ParseError("content length is not a number")
		}
		length = length*10 + int64(c-'0')
	}
	if f.length >= 0 && f.length != length {
		return ParseError("two content lengths")
	}
	f.length = length
	return nil
}

// field splits a header line and checks its bytes.
func field(line []byte) (name, value []byte, err error) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, ParseError("header line without a name")
	}
	name, value = line[:colon], line[colon+1:]
	for _, c := range name {
		if !tokenByte[c] {
			return nil, nil, ParseError("header name with a byte that no name may hold")
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, ParseError("header value with a control byte")
		}
	}
	return name, bytes.Trim(value, " \t"), nil
}

// tokenByte is the alphabet of header names (RFC 9110, section 5.6.2).
var tokenByte = func() (table [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		table[c] = true
	}
	return table
}()
