package http

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

// errClosedEarly says that the server closed a connection before any byte of
// an answer.
var errClosedEarly = errors.New("the server closed the connection before it answered")

// errCut says that the server closed a connection in the middle of an answer.
var errCut = errors.New("the server closed the connection in the middle of the answer")

// A wire reads HTTP/1 answers from a connection. It buffers only during an
// answer: an idle connection holds no memory of it.
type wire struct {
	conn  io.Reader
	buf   []byte // what was read and not used yet is buf[r:w]
	r, w  int
	small []byte // the buffer for heads; buf is this or a large one
	large *[]byte
	head  head

	read  int64     // bytes read so far
	first time.Time // when the first of them came
	spent int       // of maxHead

	// The body, once the head has been read.
	framing framing
	left    int64 // of the body, or of the chunk
	begun   bool  // a chunk came before
	ended   bool
}

// largeBuffers are for bodies that do not fit the small buffer.
var largeBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// smallBuffer is how much of an answer is read at once at first: most heads,
// and most small answers whole.
const smallBuffer = 4 << 10

// reset begins with a new answer on a connection with nothing left over.
func (w *wire) reset(conn io.Reader) {
	if w.small == nil {
		w.small = make([]byte, smallBuffer)
	}
	w.release()
	w.conn, w.r, w.w = conn, 0, 0
	w.read, w.first, w.spent = 0, time.Time{}, 0
	w.framing, w.left, w.begun, w.ended = noBody, 0, false, false
	w.head.reset()
}

// release gives the large buffer back. Nothing may be left in it.
func (w *wire) release() {
	w.buf = w.small
	if w.large != nil {
		largeBuffers.Put(w.large)
		w.large = nil
	}
}

// fill reads more into the empty buffer. Its error is never io.EOF: where more
// is wanted, a connection that ends is errClosedEarly or errCut.
func (w *wire) fill() error {
	n, err := w.conn.Read(w.buf)
	if n > 0 {
		if w.read == 0 {
			w.first = time.Now()
		}
		w.r, w.w = 0, n
		w.read += int64(n)
		return nil
	}
	switch {
	case err == nil:
		err = io.ErrNoProgress
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		err = errCut
		if w.read == 0 {
			err = errClosedEarly
		}
	}
	return err
}

// line appends the next line without its end to dst, and counts it against
// maxHead. A bare line feed ends a line, too, except among chunks: there
// leniency is how answers are smuggled (RFC 9112 sections 2.2 and 7.1).
func (w *wire) line(dst []byte) ([]byte, error) {
	start := len(dst)
	for {
		if i := bytes.IndexByte(w.buf[w.r:w.w], '\n'); i >= 0 {
			if w.spent += i + 1; w.spent > maxHead {
				return dst, protocolError("the header is longer than 1 MiB")
			}
			dst = append(dst, w.buf[w.r:w.r+i]...)
			w.r += i + 1
			if n := len(dst); n > start && dst[n-1] == '\r' {
				dst = dst[:n-1]
			} else if w.framing == chunked {
				return dst, protocolError("a line among the chunks ends without a carriage return")
			}
			return dst, nil
		}
		if w.spent += w.w - w.r; w.spent > maxHead {
			return dst, protocolError("the header is longer than 1 MiB")
		}
		dst = append(dst, w.buf[w.r:w.w]...)
		w.r = w.w
		if err := w.fill(); err != nil {
			return dst, err
		}
	}
}

// readHead reads a status line and the header fields after it.
func (w *wire) readHead() error {
	h := &w.head
	h.reset()
	var err error
	if h.text, err = w.line(h.text); err != nil {
		return err
	}
	if err := h.statusLine(h.text); err != nil {
		return err
	}
	for {
		// A line ends before the next one begins, also where '\r' was cut
		// off: folded values are joined over the gap.
		start := len(h.text)
		h.text, err = w.line(h.text)
		if err != nil {
			return err
		}
		if len(h.text) == start {
			return nil
		}
		if err := h.fieldLine(start); err != nil {
			return err
		}
	}
}

// begin prepares for reading the body of the answer to a method. It returns
// whether the connection may be kept once the body has been read.
func (w *wire) begin(method string) (keep bool, err error) {
	w.framing, w.left, keep, err = w.head.framing(method)
	w.begun, w.ended = false, w.framing == noBody
	return keep, err
}

// next returns more of the body, valid until the next call, or io.EOF.
func (w *wire) next() ([]byte, error) {
	if w.ended {
		return nil, io.EOF
	}
	switch w.framing {
	case byClose:
		if w.r == w.w {
			w.grow(int64(len(w.small)))
			switch err := w.fill(); {
			case errors.Is(err, errClosedEarly), errors.Is(err, errCut):
				w.ended = true
				return nil, io.EOF
			case err != nil:
				return nil, err
			}
		}
		return w.take(int64(w.w - w.r)), nil
	case chunked:
		if w.left == 0 {
			if err := w.nextChunk(); err != nil {
				return nil, err
			}
			if w.ended {
				return nil, io.EOF
			}
		}
	}
	if w.r == w.w {
		more := w.left
		if w.read > int64(4*len(w.small)) {
			more = int64(len(w.small)) // many small chunks
		}
		w.grow(more)
		if err := w.fill(); err != nil {
			return nil, err
		}
	}
	b := w.take(w.left)
	if w.left -= int64(len(b)); w.left == 0 && w.framing == byCount {
		w.ended = true
	}
	return b, nil
}

// take uses up to n of the bytes in the buffer.
func (w *wire) take(n int64) []byte {
	b := w.buf[w.r:w.w]
	if int64(len(b)) > n {
		b = b[:n]
	}
	w.r += len(b)
	return b
}

// grow takes a large buffer when much more is to come. The buffer is empty.
func (w *wire) grow(more int64) {
	if w.large == nil && more >= int64(len(w.small)) {
		w.large = largeBuffers.Get().(*[]byte)
		w.buf, w.r, w.w = *w.large, 0, 0
	}
}

// nextChunk reads the line before a chunk, and after the last one the
// trailers (RFC 9112 section 7.1).
func (w *wire) nextChunk() error {
	text, known := w.head.text, len(w.head.fields)
	defer func() { w.head.text, w.head.fields = w.head.text[:len(text)], w.head.fields[:known] }()
	if w.begun {
		line, err := w.line(text)
		w.head.text = line
		if err != nil {
			return err
		}
		if len(line) != len(text) {
			return protocolError("a chunk is longer than its size says")
		}
	}
	w.begun = true
	line, err := w.line(text)
	w.head.text = line
	if err != nil {
		return err
	}
	// The lines between chunks are no header: a body may have any number.
	w.spent -= min(w.spent, len(line)-len(text)+4)
	w.left, err = chunkSize(line[len(text):])
	w.head.text = text
	if err != nil || w.left > 0 {
		return err
	}
	for {
		start := len(w.head.text)
		line, err := w.line(w.head.text)
		w.head.text = line
		if err != nil {
			return err
		}
		if len(line) == start {
			w.ended = true
			return nil
		}
		// Trailers must be fields, but nobody reads them; the first goes on
		// with no field of the header.
		if len(w.head.fields) == known && (line[start] == ' ' || line[start] == '\t') {
			return protocolError("the trailers begin with a space")
		}
		if err := w.head.fieldLine(start); err != nil {
			return err
		}
	}
}

// chunkSize reads the hexadecimal number at the start of a chunk's line.
func chunkSize(line []byte) (int64, error) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 {
		return 0, protocolError("a chunk has no size")
	}
	var n uint64
	for _, c := range line {
		var digit byte
		switch {
		case c >= '0' && c <= '9':
			digit = c - '0'
		case c >= 'a' && c <= 'f':
			digit = c - 'a' + 10
		case c >= 'A' && c <= 'F':
			digit = c - 'A' + 10
		default:
			return 0, protocolError("malformed chunk size " + excerpt(string(line)))
		}
		if n >= 1<<59 {
			return 0, protocolError("chunk size " + excerpt(string(line)) + " is out of range")
		}
		n = n<<4 | uint64(digit)
	}
	return int64(n), nil
}

// leftover is true when more bytes came than the answer has.
func (w *wire) leftover() bool { return w.r != w.w }

// Read reads the body, for decoders.
func (w *wire) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := w.next()
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	if n < len(b) {
		w.unread(len(b) - n)
	}
	return n, nil
}

// unread gives back the last n bytes that next returned.
func (w *wire) unread(n int) {
	w.r -= n
	switch w.framing {
	case byCount:
		w.ended = false
		w.left += int64(n)
	case chunked:
		w.left += int64(n)
	}
}
