package proxy

// How the end of a body is found.
const (
	none     = iota // there is no body
	counted         // by its length
	chunks          // by a last chunk
	untilEnd        // by the connection's end
)

// maxChunkExtra bounds what a chunk's line may hold besides its size, and
// maxTrailer all trailers together.
const (
	maxChunkExtra = 1 << 10
	maxTrailer    = 64 << 10
)

// framing follows a body to its end.
type framing struct {
	kind  int
	left  int64 // bytes of the body, or of the chunk
	state chunkState
	count int // of digits, of extra bytes, or of trailers
	empty bool
}

// Where in a chunked body it stands.
type chunkState int

const (
	chunkSize chunkState = iota
	chunkExtra
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerText
	trailerLF
	lastLF
)

// next takes the part of b that belongs to the body and says how much that is,
// and whether the body is over. Body, if not nil, is given what the body says,
// without its framing.
func (f *framing) next(b []byte, body func([]byte)) (n int, done bool, err error) {
	if body == nil {
		body = func([]byte) {}
	}
	switch f.kind {
	case none:
		return 0, true, nil
	case untilEnd:
		body(b)
		return len(b), false, nil
	case counted:
		n = int(min(f.left, int64(len(b))))
		body(b[:n])
		f.left -= int64(n)
		return n, f.left == 0, nil
	}
	for n < len(b) {
		if f.state == chunkData {
			take := int(min(f.left, int64(len(b)-n)))
			body(b[n : n+take])
			n += take
			if f.left -= int64(take); f.left == 0 {
				f.state = chunkDataCR
			}
			continue
		}
		if !f.step(b[n]) {
			return n, false, errNotHTTP
		}
		n++
		if f.state == chunkSize && f.empty {
			return n, true, nil
		}
	}
	return n, false, nil
}

// step takes one byte of a chunked body's framing.
func (f *framing) step(c byte) bool {
	expect := func(want byte, next chunkState) bool {
		f.state = next
		return c == want
	}
	switch f.state {
	case chunkSize:
		digit, ok := hexDigit(c)
		switch {
		case ok && f.count < 15:
			f.left, f.count = f.left<<4|digit, f.count+1
		case ok || f.count == 0:
			return false
		case c == '\r':
			f.state = chunkSizeLF
		case c == ';' || c == ' ' || c == '\t':
			f.state, f.count = chunkExtra, 0
		default:
			return false
		}
	case chunkExtra:
		f.count++
		switch {
		case c == '\r':
			f.state = chunkSizeLF
		case f.count > maxChunkExtra, c < ' ' && c != '\t', c == 0x7f:
			return false
		}
	case chunkSizeLF:
		f.count = 0
		if f.left > 0 {
			return expect('\n', chunkData)
		}
		return expect('\n', trailerStart)
	case chunkDataCR:
		return expect('\r', chunkDataLF)
	case chunkDataLF:
		return expect('\n', chunkSize)
	case trailerStart:
		switch c {
		case '\r':
			f.state = lastLF
		case '\n':
			return false
		default:
			f.state = trailerText
		}
		f.count++
	case trailerText:
		f.count++
		switch {
		case c == '\r':
			f.state = trailerLF
		case c == '\n', f.count > maxTrailer:
			return false
		}
	case trailerLF:
		return expect('\n', trailerStart)
	case lastLF:
		f.empty = true
		return expect('\n', chunkSize)
	}
	return true
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int64(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}
