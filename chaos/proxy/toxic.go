package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A Way is one of a connection's two directions.
type Way string

const (
	upstream   Way = "upstream"   // from the client to the upstream
	downstream Way = "downstream" // from the upstream to the client
)

// A Toxic is one harm as it is set on a proxy: plain data, on the control
// socket and in receipts.
type Toxic struct {
	Type   string        `json:"type"`
	Way    Way           `json:"way,omitempty"` // empty: of the whole connection
	Delay  time.Duration `json:"delay_ns,omitempty"`
	Jitter time.Duration `json:"jitter_ns,omitempty"`
	Rate   int64         `json:"rate_bytes_per_second,omitempty"`
	Share  float64       `json:"share"` // of connections, 0 to 1
	Seed   uint64        `json:"seed"`
}

// name says what may be set once on a proxy: "latency_downstream", "reset".
func (t Toxic) name() string {
	if t.Way == "" {
		return t.Type
	}
	return t.Type + "_" + string(t.Way)
}

// hits says whether a connection is among the share that is harmed. It is a
// pure function of the seed and the connection's number.
func (t Toxic) hits(conn uint64) bool {
	return t.Share >= 1 || rand.New(rand.NewPCG(t.Seed, conn)).Float64() < t.Share
}

// A piece is a part of a stream, as it was read, or the stream's end.
type piece struct {
	size int // bytes; 0 for the end
	end  bool
}

// never is when a piece leaves that is held for as long as the toxic is set.
// No duration of a run reaches it.
var never = time.Unix(1<<40, 0)

// A shaper is what a toxic does to pieces. There is one for each toxic set,
// shared by all connections.
type shaper interface {
	// leave says when a piece that could leave at ready does leave: then or
	// later, or never. The goroutine that reads the stream calls it for each
	// piece in order; those of other connections do so at the same time. Rng
	// is that connection's own.
	leave(p piece, ready time.Time, rng *rand.Rand) time.Time
}

// kinds of toxics. Those with a shaper act on one way of a connection, in the
// order of this list: a narrow link comes before a long one.
var toxicTypes = []struct {
	name  string
	shape func(Toxic) shaper // nil: acts on whole connections
	check func(Toxic) error
}{
	{resetType, nil, func(Toxic) error { return nil }},
	{bandwidthType, newBandwidth, checkBandwidth},
	{latencyType, newLatency, checkLatency},
	{slowCloseType, newSlowClose, checkLatency},
	{blackholeType, newBlackhole, func(Toxic) error { return nil }},
}

// rank is the place of a toxic's type in toxicTypes; -1 for none of them.
func (t Toxic) rank() int {
	for i, kind := range toxicTypes {
		if kind.name == t.Type {
			return i
		}
	}
	return -1
}

// check refuses a toxic that cannot be set.
func (t Toxic) check() error {
	rank := t.rank()
	if rank < 0 {
		return fmt.Errorf("no toxic is called %q", t.Type)
	}
	kind := toxicTypes[rank]
	switch {
	case kind.shape == nil && t.Way != "":
		return fmt.Errorf("%s has no direction", t.Type)
	case kind.shape != nil && t.Way != upstream && t.Way != downstream:
		return fmt.Errorf("%q is no direction", t.Way)
	case !(t.Share > 0 && t.Share <= 1):
		return errors.New("the share of connections is not between 0 and 1")
	}
	if err := kind.check(t); err != nil {
		return fmt.Errorf("%s: %w", t.Type, err)
	}
	return nil
}
