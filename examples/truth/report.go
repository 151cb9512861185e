package truth

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// A Report is what a truth server did, by path.
type Report struct {
	SpinNs time.Duration   `json:"spin_ns"` // how long before an answer is due the server stops sleeping
	Paths  map[string]Path `json:"paths"`
}

// A Path is what the server did with the requests for one path.
type Path struct {
	Requests int64 `json:"requests"` // that came whole
	Count    int64 `json:"count"`    // answered, errors included
	Errors   int64 `json:"errors"`   // answered 503
	Resets   int64 `json:"resets"`
	Hangs    int64 `json:"hangs"`
	Gone     int64 `json:"gone"` // the client went away before its answer was due

	Distribution              // of the delays of all answers, as they really were
	Late         Distribution `json:"late_ns"` // what the server took longer than planted
}

// A Distribution is a histogram of 3 significant digits in a few figures,
// nanoseconds all.
type Distribution struct {
	Mean time.Duration `json:"mean"`
	Min  time.Duration `json:"min"`
	P50  time.Duration `json:"p50"`
	P90  time.Duration `json:"p90"`
	P99  time.Duration `json:"p99"`
	P999 time.Duration `json:"p99.9"`
	Max  time.Duration `json:"max"`
}

func summarize(h *hdr.Histogram) Distribution {
	q := func(percentile float64) time.Duration { return time.Duration(h.ValueAtQuantile(percentile)) }
	return Distribution{
		Mean: time.Duration(h.Mean()), Min: time.Duration(h.Min()),
		P50: q(50), P90: q(90), P99: q(99), P999: q(99.9), Max: time.Duration(h.Max()),
	}
}

// A bed is a plant with what came of it.
type bed struct {
	plant plant

	requests, errors, resets, hangs, gone int64
	untimed                               int64 // answers that are not in the histograms
	delay, late                           *hdr.Histogram
}

func newBed(p plant) *bed {
	return &bed{plant: p, delay: hdr.New(1, int64(2*longest), 3), late: hdr.New(1, int64(longest), 3)}
}

// answered records an answer that was planned for one time and sent at another.
func (b *bed) answered(o outcome, arrival, planned, sent time.Duration) {
	if o == failed {
		b.errors++
	}
	// Past the range only after a pause of minutes, say of the whole machine.
	_ = b.delay.RecordValue(int64(min(max(sent-arrival, 0), 2*longest)))
	_ = b.late.RecordValue(int64(min(max(sent-planned, 0), longest)))
}

func (b *bed) report() Path {
	return Path{
		Requests: b.requests, Count: b.untimed + b.delay.TotalCount(),
		Errors: b.errors, Resets: b.resets, Hangs: b.hangs, Gone: b.gone,
		Distribution: summarize(b.delay), Late: summarize(b.late),
	}
}
