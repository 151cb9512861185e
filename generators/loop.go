package generators

import (
	"iter"
	"sync/atomic"
	"time"
)

// A Looper is a Generator that can also play a whole load by itself, without
// a goroutine a session: the fast path for loads that need no more.
type Looper interface {
	Generator
	// Loop returns nil, and why, when the load needs more than a loop can do.
	// It touches nothing.
	Loop() (loop Loop, why string)
}

// A Loop plays one share of a load on the calling goroutine's thread. Several
// may run at once, each with a LoopRun of its own.
type Loop func(LoopRun) error

// A LoopRun is what a loop is to play, and where it puts what it saw. All
// times are offsets from Origin.
type LoopRun struct {
	Origin      time.Time
	Arrivals    iter.Seq[time.Duration]    // open model: due times; nil in the closed one
	Users       func(at time.Duration) int // closed model: how many users at a time
	End         time.Duration              // closed model: when the last user ends
	MaxSessions int                        // connections at the most
	Patience    time.Duration              // how long an arrival waits for a session
	Stop        *atomic.Bool               // no more arrivals; what is in flight ends by itself
	Hurry       *atomic.Bool               // what is in flight is cut short too
	Record      func(*LoopOp)              // called on the loop's thread for each operation that ended
	Stats       *LoopStats
}

// A LoopOp is one operation as a loop measured it; see Op.
type LoopOp struct {
	Due, Started, Ended time.Duration // Started < 0: never started
	Class               Class
	Status              int
	Err                 error
	BytesOut, BytesIn   int64
	Connect, FirstByte  time.Duration
}

// LoopStats are a loop's running counts. The loop adds, anyone reads.
type LoopStats struct {
	Offered, Sent, InFlight, Waiting, Sessions atomic.Int64
	// Lag is called with how late each arrival was noticed, and once more with
	// how late one left the queue that had to wait there only because the loop
	// was behind: a connection could have been had for it.
	Lag func(time.Duration)
}
