package proxy

import (
	"errors"
	"time"
)

const latencyType = "latency"

// latency lets every piece leave later, by Delay and evenly up to Jitter more
// or less. The queue keeps pieces in order, so with jitter a late piece holds
// up those behind it, as TCP would.
type latency struct{ delay, jitter time.Duration }

func newLatency(t Toxic) shaper { return latency{t.Delay, t.Jitter} }

func checkLatency(t Toxic) error {
	if t.Delay <= 0 || t.Jitter < 0 || t.Jitter > t.Delay {
		return errors.New("the delay must be above 0 and the jitter at most as long")
	}
	return nil
}

func (l latency) leave(_ piece, ready time.Time, m *memory) time.Time {
	ready = ready.Add(l.delay)
	if l.jitter > 0 {
		ready = ready.Add(time.Duration(m.rng.Int64N(2*int64(l.jitter)+1)) - l.jitter)
	}
	return ready
}
