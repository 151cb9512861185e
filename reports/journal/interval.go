package journal

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Measure is one of the times taken of an operation.
type Measure string

// Every operation has a Response; the others are there when they happened.
const (
	Response  Measure = "response"   // ended − due: what a user feels
	Service   Measure = "service"    // ended − started
	Wait      Measure = "wait"       // started − due: the generator's lag, and waiting for a session
	DNS       Measure = "dns"        // resolving the name
	Connect   Measure = "connect"    // making the connection
	TLS       Measure = "tls"        // the handshake
	FirstByte Measure = "first_byte" // started to the first byte of the answer
)

// Outcomes with a meaning of their own. Every other outcome is an error class
// of the generators, and a failure.
const (
	OutcomeOK       = "ok"
	OutcomeDropped  = "dropped"  // failed: never sent
	OutcomeCanceled = "canceled" // neither well nor badly: the run was stopped; never in a histogram
)

// The range of values, in nanoseconds, and their precision. Values outside
// the range are counted at its ends.
const (
	lowestValue       = int64(1)
	highestValue      = int64(time.Hour)
	significantDigits = 3
)

// NewHistogram returns an empty histogram of the journal's geometry: 1 ns to
// 1 h in nanoseconds, with 3 significant digits. It is the packed kind: a
// dense one takes 264 KiB whatever is in it, and after a stall a run holds
// hundreds of them.
func NewHistogram() *hdrhistogram.PackedHistogram {
	return hdrhistogram.NewPacked(lowestValue, highestValue, significantDigits)
}

// An Interval is the distribution of one measure over the operations of one
// load, step and outcome that fell due in [Start, Start+Length). Several
// intervals may have the same key and start, because operations that fell due
// together do not end together: whoever reads them adds them up.
type Interval struct {
	Load, Step, Outcome string
	Measure             Measure
	Start, Length       time.Duration // from the run's origin
	Hist                *hdrhistogram.PackedHistogram
}

// A Sample is one operation that ended, as the recorder takes it. Times are
// offsets from the run's origin.
type Sample struct {
	Step    int    // index into the load's steps
	Outcome string // "ok" or an error class
	Due     time.Duration
	Started time.Duration // negative: never started, so there is no service time and it waited until Ended
	Ended   time.Duration

	DNS, Connect, TLS, FirstByte time.Duration // zero when they did not happen
}

// A Batch is what happened since the batch before. Nobody changes it, or
// anything in it, once it is handed on.
type Batch struct {
	Events    []Event
	Intervals []Interval
}
