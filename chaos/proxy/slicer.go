package proxy

import (
	"errors"
	"sync/atomic"
	"time"
)

const slicerType = "slicer"

// slicer cuts what is sent into small pieces, which leave one by one, at least
// Delay apart: what a reader sees that took a message for a read.
type slicer struct {
	size, variation int64
	delay           time.Duration
	sliced          atomic.Int64 // slices that were cut off, rather than short by themselves
}

func newSlicer(t Toxic) shaper { return &slicer{size: t.Bytes, variation: t.Variation, delay: t.Delay} }

func checkSlicer(t Toxic) error {
	if t.Bytes <= 0 || t.Variation < 0 || t.Variation >= t.Bytes || t.Delay < 0 {
		return errors.New("the size must be above 0 and above its variation, and the delay not negative")
	}
	return nil
}

func (s *slicer) most(m *memory) int {
	if m.size == 0 {
		m.size = int(min(s.size, readSize))
		if s.variation > 0 {
			m.size = int(min(s.size+m.rng.Int64N(2*s.variation+1)-s.variation, readSize))
		}
	}
	return m.size
}

func (s *slicer) leave(p piece, ready time.Time, m *memory) time.Time {
	if p.size > 0 && p.size == m.size {
		s.sliced.Add(1)
	}
	m.size = 0
	if next := m.last.Add(s.delay); next.After(ready) {
		ready = next
	}
	m.last = ready
	return ready
}
