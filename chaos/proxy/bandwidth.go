package proxy

import (
	"errors"
	"sync"
	"time"
)

const bandwidthType = "bandwidth"

// burst is how much unused time a link may make up for: the depth of the token
// bucket, in seconds of its rate.
const burst = 10 * time.Millisecond

// bandwidth is a link of limited rate, shared by all connections: a token
// bucket kept as the time at which it is free again.
type bandwidth struct {
	rate int64 // bytes a second

	mu   sync.Mutex
	free time.Time
}

func newBandwidth(t Toxic) shaper { return &bandwidth{rate: t.Rate} }

func checkBandwidth(t Toxic) error {
	if t.Rate <= 0 {
		return errors.New("the rate must be above 0")
	}
	return nil
}

func (b *bandwidth) leave(p piece, ready time.Time, _ *memory) time.Time {
	takes := time.Duration(float64(p.size) / float64(b.rate) * float64(time.Second))
	b.mu.Lock()
	defer b.mu.Unlock()
	if idle := ready.Add(-burst); b.free.Before(idle) {
		b.free = idle
	}
	b.free = b.free.Add(takes)
	if b.free.After(ready) {
		return b.free
	}
	return ready
}

// most keeps pieces small, so that a slow link trickles rather than lurches: a
// hundredth of a second's worth.
func (b *bandwidth) most(*memory) int { return int(min(max(b.rate/100, 1), readSize)) }
