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
// socket and in receipts. Which fields count depends on its type.
type Toxic struct {
	Type      string        `json:"type"`
	Label     string        `json:"label,omitempty"` // tells it from others of its type and way; may be empty
	Way       Way           `json:"way,omitempty"`   // empty: of the whole connection
	Delay     time.Duration `json:"delay_ns,omitempty"`
	Jitter    time.Duration `json:"jitter_ns,omitempty"`
	Rate      int64         `json:"rate_bytes_per_second,omitempty"`
	Bytes     int64         `json:"bytes,omitempty"`           // of a slice, or up to a limit
	Variation int64         `json:"variation_bytes,omitempty"` // of a slice, either way
	Closing   bool          `json:"closing,omitempty"`         // a timeout: what it held up is closed when it goes away
	Reconnect bool          `json:"reconnect,omitempty"`       // live connections are cut once, so that clients make new ones
	HTTP      *HTTPRule     `json:"http,omitempty"`
	TLS       *TLSRule      `json:"tls,omitempty"`
	Share     float64       `json:"share"` // of connections, 0 to 1
	Seed      uint64        `json:"seed"`
}

// name says what may be set once on a proxy: "latency_downstream", "reset".
func (t Toxic) name() string {
	switch {
	case t.Label != "":
		return t.Label
	case t.Way == "":
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
	// later, or never. It is called for each piece of a stream in order, one
	// at a time; those of other streams at the same time. The memory is that
	// stream's own.
	leave(p piece, ready time.Time, m *memory) time.Time
}

// A portioner is a shaper that cares how large pieces are.
type portioner interface {
	// most is how many bytes the next piece may have, at least 1.
	most(m *memory) int
}

// A memory is what a toxic knows of one stream.
type memory struct {
	rng    *rand.Rand
	last   time.Time // when its last slice left
	size   int       // of the next slice; 0: not drawn yet
	passed int64     // bytes let through
}

// How far a toxic reaches.
type reach int

const (
	oneWay  reach = iota // pieces on one way of a connection
	oneSide              // whole connections, as seen from one side
	whole                // whole connections
)

// kinds of toxics. Those with a shaper act on one way of a connection, in the
// order of this list: a narrow link comes before a long one, and what counts
// bytes or swallows them comes last.
var toxicTypes = []struct {
	name  string
	reach reach
	shape func(Toxic) shaper // nil: acts on whole connections
	check func(Toxic) error
}{
	{resetType, whole, nil, checkReset},
	{halfOpenType, oneSide, nil, func(Toxic) error { return nil }},
	{tlsType, whole, nil, checkTLS},
	{httpType, whole, nil, checkHTTP},
	{bandwidthType, oneWay, newBandwidth, checkBandwidth},
	{slicerType, oneWay, newSlicer, checkSlicer},
	{latencyType, oneWay, newLatency, checkLatency},
	{slowCloseType, oneWay, newSlowClose, checkLatency},
	{limitType, oneWay, newLimit, checkLimit},
	{timeoutType, oneWay, newTimeout, checkTimeout},
	{blackholeType, oneWay, newBlackhole, func(Toxic) error { return nil }},
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
	case kind.reach == whole && t.Way != "":
		return fmt.Errorf("%s has no direction", t.Type)
	case kind.reach != whole && t.Way != upstream && t.Way != downstream:
		return fmt.Errorf("%q is no direction", t.Way)
	case !(t.Share > 0 && t.Share <= 1):
		return errors.New("the share of connections is not between 0 and 1")
	}
	if err := kind.check(t); err != nil {
		return fmt.Errorf("%s: %w", t.Type, err)
	}
	return nil
}
