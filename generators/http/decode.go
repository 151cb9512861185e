package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// acceptEncoding is what decoders exist for.
const acceptEncoding = "gzip, br, zstd, deflate"

// A bodyReader gives a body in pieces, each valid until the next call.
type bodyReader interface {
	next() ([]byte, error) // io.EOF at the end
	io.Reader
}

// readBody reads an answer's body to its end. It is decoded when compression
// was asked for or when somebody looks at it, kept only in the latter case.
func (a *attempt) readBody(b bodyReader, none, keep bool) error {
	ans := &a.sc.answer
	a.sc.kept = a.sc.kept[:0]
	if none {
		ans.body = a.sc.kept
		return nil
	}
	if keep || a.s.g.config.Compression {
		if codings := contentCodings(ans.fields); len(codings) > 0 {
			return a.readDecoded(b, codings, keep)
		}
	}
	err := a.consume(b.next, keep)
	ans.body = a.sc.kept
	return err
}

// consume reads all pieces. A body that is kept and too long is read to its
// end, so that the connection stays of use, and then is an error.
func (a *attempt) consume(next func() ([]byte, error), keep bool) error {
	ans := &a.sc.answer
	for {
		piece, err := next()
		ans.size += int64(len(piece))
		if keep && ans.size <= a.s.g.maxBody {
			a.sc.kept = append(a.sc.kept, piece...)
		}
		switch {
		case errors.Is(err, io.EOF):
			if keep && ans.size > a.s.g.maxBody {
				return checkFailed("the body is longer than max_body (%d bytes)", a.s.g.maxBody)
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// contentCodings are the codings to undo, the outermost last.
func contentCodings(f fields) []string {
	var all []string
	f.each("Content-Encoding", func(v string) {
		for c := range strings.SplitSeq(v, ",") {
			c = strings.ToLower(strings.TrimSpace(c))
			if c != "" && c != "identity" {
				all = append(all, c)
			}
		}
	})
	return all
}

// maxCodings bounds how deep a server may wrap a body.
const maxCodings = 4

// readDecoded undoes the codings while reading. The body is read to its own
// end, also when the decoder was done before.
func (a *attempt) readDecoded(b bodyReader, codings []string, keep bool) error {
	if len(codings) > maxCodings {
		return protocolError(fmt.Sprintf("the body has %d content codings", len(codings)))
	}
	source := &faithful{r: b}
	in := bufio.NewReaderSize(source, smallBuffer)
	if _, err := in.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // nothing was coded
		}
		return err
	}
	var r io.Reader = in
	for i := len(codings) - 1; i >= 0; i-- {
		d, release, err := decoder(codings[i], r)
		if err != nil {
			return a.decodeError(source, codings[i], err)
		}
		defer release()
		r = d
	}
	buf := largeBuffers.Get().(*[]byte)
	defer largeBuffers.Put(buf)
	err := a.consume(func() ([]byte, error) {
		// Undoing a coding can make much out of little: the clock is looked
		// at here, as no read from the connection may be needed for long.
		if !time.Now().Before(a.deadline) {
			return nil, context.DeadlineExceeded
		}
		n, err := r.Read(*buf)
		if n > 0 {
			err = nil
		}
		return (*buf)[:n], err
	}, keep)
	a.sc.answer.body = a.sc.kept
	var check checkError
	if err != nil && !errors.As(err, &check) {
		return a.decodeError(source, strings.Join(codings, ", "), err)
	}
	if n, _ := in.Discard(in.Buffered()); n > 0 {
		return protocolError("the body goes on after its " + strings.Join(codings, ", ") + " data")
	}
	for {
		if _, rest := b.next(); errors.Is(rest, io.EOF) {
			return err
		} else if rest != nil {
			return rest
		}
	}
}

// decodeError tells data that cannot be decoded from a connection that broke.
func (a *attempt) decodeError(source *faithful, coding string, err error) error {
	if source.err != nil {
		return source.err
	}
	if isTimeout(err) {
		return err
	}
	return protocolError(fmt.Sprintf("the body is not valid %s: %v", coding, err))
}

// A faithful reader remembers the error that ended it, which decoders tend to
// replace by their own.
type faithful struct {
	r   io.Reader
	err error
}

func (f *faithful) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// Decoders are large: they are made once and used again.
var (
	gzipReaders   = sync.Pool{New: func() any { return new(gzip.Reader) }}
	brotliReaders = sync.Pool{New: func() any { return brotli.NewReader(nil) }}
	zstdReaders   sync.Pool
)

// maxWindow is the largest zstd window that clients need to support (RFC 9659).
const maxWindow = 8 << 20

// decoder undoes one coding. release gives it back.
func decoder(coding string, r io.Reader) (d io.Reader, release func(), err error) {
	switch coding {
	case "gzip", "x-gzip":
		z := gzipReaders.Get().(*gzip.Reader)
		if err := z.Reset(r); err != nil {
			gzipReaders.Put(z)
			return nil, nil, err
		}
		return z, func() { gzipReaders.Put(z) }, nil
	case "br":
		z := brotliReaders.Get().(*brotli.Reader)
		if err := z.Reset(r); err != nil {
			return nil, nil, err
		}
		return z, func() { brotliReaders.Put(z) }, nil
	case "zstd":
		z, _ := zstdReaders.Get().(*zstd.Decoder)
		if z == nil {
			// One at a time is done without goroutines.
			if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
				return nil, nil, err
			}
		}
		if err := z.Reset(r); err != nil {
			return nil, nil, err
		}
		return z, func() {
			_ = z.Reset(nil)
			zstdReaders.Put(z)
		}, nil
	case "deflate":
		// The name means zlib, but some servers send bare deflate data.
		br, ok := r.(*bufio.Reader)
		if !ok {
			br = bufio.NewReader(r)
		}
		if h, err := br.Peek(2); err == nil && h[0]&0x0f == 8 && (uint(h[0])<<8|uint(h[1]))%31 == 0 {
			z, err := zlib.NewReader(br)
			return z, func() {}, err
		}
		return flate.NewReader(br), func() {}, nil
	}
	return nil, nil, fmt.Errorf("no decoder for content coding %s", excerpt(coding))
}
