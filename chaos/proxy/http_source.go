package proxy

import (
	"errors"
	"net"
	"os"
	"time"
)

// firstBuffer is the size of a source's buffer before a head asks for more.
const firstBuffer = 16 << 10

// errFull says that a source's buffer is full.
var errFull = errors.New("too much to look at")

// A source reads ahead on a connection. It belongs to the stream's goroutine.
type source struct {
	conn *net.TCPConn
	dead <-chan struct{}
	buf  []byte
	r, w int
}

// bytes are those read and not yet taken.
func (s *source) bytes() []byte { return s.buf[s.r:s.w] }

// take takes the first n bytes.
func (s *source) take(n int) { s.r += n }

// free forgets what is left and the buffer with it.
func (s *source) free() { s.buf, s.r, s.w = nil, 0, 0 }

// fill reads more, behind what is there. It returns os.ErrDeadlineExceeded
// when stop, which may be nil, says so; it is asked before each read, and
// whoever changes its answer ends the read by a deadline.
func (s *source) fill(stop func() bool) error {
	if s.r == s.w {
		s.r, s.w = 0, 0
	}
	if s.w == len(s.buf) {
		if s.r == 0 && len(s.buf) > maxHead {
			return errFull
		}
		grown := s.buf
		if s.r == 0 {
			grown = make([]byte, max(firstBuffer, 2*len(s.buf)))
		}
		s.w = copy(grown, s.bytes())
		s.r, s.buf = 0, grown
	}
	for {
		_ = s.conn.SetReadDeadline(time.Time{})
		select {
		case <-s.dead:
			return errDead
		default:
		}
		if stop != nil && stop() {
			return os.ErrDeadlineExceeded
		}
		n, err := s.conn.Read(s.buf[s.w:])
		s.w += n
		if n > 0 {
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}
