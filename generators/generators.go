// Package generators holds the contracts of load: what a generator, a session
// and a schedule are, and the schedules themselves. One folder below it holds
// one protocol each. It uses the standard library only.
package generators

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// A Schedule yields the offsets from the run's start at which arrivals fall
// due, non-decreasing. It is pure: the same rng gives the same arrivals on
// every machine, so that worker i of n can take every n-th of them.
type Schedule interface {
	Arrivals(*rand.Rand) iter.Seq[time.Duration]
}

// A Generator makes sessions. The engine calls Open from many goroutines at
// once; id is unique within the run, from 0 up. Open must not send traffic
// that would count as load: a session connects when it is first used.
type Generator interface {
	Open(ctx context.Context, id int) (Session, error)
}

// A Handshaker is a Generator whose sessions do TLS handshakes, and which
// counts them: full ones, and those that resumed an earlier TLS session of the
// same client. The counts only grow. It is called from any goroutine.
type Handshaker interface {
	Handshakes() (full, resumed int64)
}

// A Resender is a Generator that sends a request once more, within the same
// operation, where it is proven that the target never took it: a connection
// kept alive was closed just as the request was on its way. It counts them. The
// count only grows. It is called from any goroutine.
type Resender interface {
	Resent() int64
}

// A Spreader is a Generator whose connections are spread evenly over several
// pairs of a local address and an address of the target. Each pair has all
// local ports for itself.
type Spreader interface {
	Pairs() int // at least 1
}

// A Pooler is a Generator whose sessions share a bounded number of connections.
type Pooler interface {
	Generator
	// Pool is that number for the whole load; 0 is no bound.
	Pool() int
	// SharePool says how many of them this process has, at least one, when
	// several play the load. It is called before the first Open.
	SharePool(n int)
}

// A Patient generator says how long one operation of it may take at the most:
// the longest of its timeouts. The engine awaits for so long what is in flight
// when a load ends.
type Patient interface {
	Longest() time.Duration
}

// A Weigher is a Generator that knows how much of brunt's memory one of its
// sessions takes with its connection, where there are thousands: in bytes, and
// rounded up from measurements.
type Weigher interface {
	SessionMemory() int64
}

// A Rough generator can do with arrivals that go out a little late. The
// engine then wakes once for several of them, where they are dense; 0 wakes
// for each.
type Rough interface {
	Generator
	Precision() time.Duration
}

// A Session is one simulated client with its own connection and variables.
// It is not safe for concurrent use: the engine calls Do from one goroutine
// at a time and Close once after the last Do.
type Session interface {
	// Do plays one arrival and returns when its last operation ended, failed,
	// or ctx was cancelled. It never panics on what the target answers, and
	// never returns an error: a failure is an Op with a Class. The Result is
	// valid until the next Do.
	Do(ctx context.Context, a Arrival) Result
	Close() error
}

// An Arrival is one thing falling due: a request, or a whole flow of them.
type Arrival struct {
	Index int64     // position in the load's schedule, from 0; picks the rows of data feeds
	Due   time.Time // from the schedule alone (monotonic clock)
}

// A Result is what came of one arrival: one Op for each operation performed,
// in order. A flow that was broken off holds the operations up to there.
type Result struct {
	Ops []Op
}

// An Op is one operation as measured. All times are from the monotonic clock.
type Op struct {
	Step int // index into the load's steps

	Due     time.Time // first step: the arrival's due; later steps: when the step before ended, plus think time
	Started time.Time // first byte handed to the socket (or the attempt to connect, when that failed)
	Ended   time.Time // last byte of the answer read and checked, or the failure

	Class  Class  // OK when it succeeded
	Status int    // the protocol's own code (HTTP status); 0 when there was none
	Server string // who says that it served it, where the answer names somebody; may be empty
	Err    error  // what went wrong, for a sample in the report; nil when OK

	BytesOut, BytesIn int64

	// Stages of the operation, zero when they did not happen (a kept-alive
	// connection has no DNS, Connect and TLS). FirstByte is from Started to
	// the first byte of the answer.
	DNS, Connect, TLS, FirstByte time.Duration
}

// A Class sorts outcomes by what a person would do about them.
type Class string

const (
	OK       Class = "ok"
	DNS      Class = "dns"      // the name did not resolve
	Refused  Class = "refused"  // nothing listens there
	Connect  Class = "connect"  // unreachable, or no connection for another reason
	TLS      Class = "tls"      // handshake or certificate
	Reset    Class = "reset"    // the connection was reset or closed in the middle
	Timeout  Class = "timeout"  // no full answer within the load's timeout
	Protocol Class = "protocol" // the answer was not valid for the protocol
	Status   Class = "status"   // a status that the step did not expect
	Check    Class = "check"    // a check or an extraction failed
	Dropped  Class = "dropped"  // never sent: within the load's patience no session came free, or brunt did not come to it
	Local    Class = "local"    // brunt's own side: ports, files, a host outside the target
	Canceled Class = "canceled" // the run was stopped; not a failure of the target
	Other    Class = "other"
)
