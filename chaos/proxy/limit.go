package proxy

import (
	"errors"
	"time"
)

const limitType = "limit"

// limit ends a connection once so many bytes have passed on one way of it,
// counted from when the toxic was set. What comes after them is lost.
type limit struct{ bytes int64 }

func newLimit(t Toxic) shaper { return limit{t.Bytes} }

func checkLimit(t Toxic) error {
	if t.Bytes < 0 {
		return errors.New("the number of bytes is negative")
	}
	return nil
}

// most is one byte past the limit of nothing: that byte ends the connection,
// and does not pass.
func (l limit) most(m *memory) int { return int(min(max(1, l.bytes-m.passed), readSize)) }

func (l limit) leave(p piece, ready time.Time, m *memory) time.Time {
	m.passed += int64(p.size)
	return ready
}

// reached says whether the piece that was let through last is the last one,
// and whether even that one is too much.
func (l limit) reached(m *memory) (last, tooMuch bool) {
	return m.passed >= l.bytes, m.passed > l.bytes
}
