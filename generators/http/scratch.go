package http

import (
	"sync"
)

// A scratch is the memory of one operation. Sessions borrow one for as long
// as an operation lasts, so that idle ones cost next to nothing.
type scratch struct {
	target []byte // path and query
	values []byte // rendered header values
	fields []renderedField
	body   []byte // of the request
	answer answer

	// These are here because pointers to them go where the compiler does not
	// follow: on their own each would be an allocation.
	attempt attempt
	message message
	sending sending

	*buffers // nil while the session is paused
}

// buffers are the part of a scratch that nothing is in while an answer is
// waited for.
type buffers struct {
	tmp  []byte
	out  []byte // the whole request, as written
	wire wire
	kept []byte // body of the answer
}

var (
	scratches  = sync.Pool{New: func() any { return &scratch{buffers: new(buffers)} }}
	allBuffers = sync.Pool{New: func() any { return new(buffers) }}
)

// maxKept bounds the memory that a scratch keeps from one operation to the
// next, per buffer.
const maxKept = 64 << 10

func (sc *scratch) release() {
	for _, b := range []*[]byte{&sc.target, &sc.values, &sc.body, &sc.tmp, &sc.out, &sc.kept, &sc.wire.head.text} {
		if cap(*b) > maxKept {
			*b = nil
		}
	}
	sc.wire.release()
	sc.wire.conn = nil
	sc.answer, sc.attempt, sc.message, sc.sending = answer{}, attempt{}, message{}, sending{}
	scratches.Put(sc)
}

// pause gives the buffers to others until resume.
func (sc *scratch) pause() {
	sc.wire.release()
	sc.wire.conn = nil
	allBuffers.Put(sc.buffers)
	sc.buffers = nil
}

func (sc *scratch) resume() { sc.buffers = allBuffers.Get().(*buffers) }
