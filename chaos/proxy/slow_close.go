package proxy

import (
	"time"
)

const slowCloseType = "slow_close"

// slowClose lets the end of a stream leave later, and nothing else.
type slowClose struct{ delay time.Duration }

func newSlowClose(t Toxic) shaper { return slowClose{t.Delay} }

func (s slowClose) leave(p piece, ready time.Time, _ *memory) time.Time {
	if p.end {
		ready = ready.Add(s.delay)
	}
	return ready
}
