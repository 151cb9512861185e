package network

import (
	"math/rand/v2"
	"time"
)

// orders are what the delaying process is told on its standard input, as one
// line of JSON. What follows is its lifeline.
type orders struct {
	Socket string        `json:"socket"` // where it listens
	Queue  uint16        `json:"queue"`
	Delay  time.Duration `json:"delay_ns"`
	Jitter time.Duration `json:"jitter_ns"`
	Seed   uint64        `json:"seed"`
	TTL    time.Duration `json:"ttl_ns"`
}

// ready is its one line of answer.
type ready struct {
	Error string `json:"error,omitempty"`
}

// figures are what it has done so far: the answer on its socket.
type figures struct {
	Held int64         `json:"held"`    // packets that wait now
	Let  int64         `json:"let"`     // packets let go when their time had come
	Mean time.Duration `json:"mean_ns"` // how late those left
	Max  time.Duration `json:"max_ns"`
}

// What can be asked for on the socket.
const (
	askFigures = "figures"
	askStop    = "stop"
)

// A line of packets leaves in the order it came, each packet at least as late
// as the delay and the jitter say. Not safe for concurrent use.
type line struct {
	delay, jitter time.Duration
	rng           *rand.Rand
	waiting       []waiting
	first         int // index of the oldest in waiting
}

// waiting is a packet on hold. Times are offsets from the process's start.
type waiting struct {
	id         uint32
	came, goes time.Duration
}

func newLine(o orders, stream uint64) *line {
	return &line{delay: o.Delay, jitter: o.Jitter, rng: rand.New(rand.NewPCG(o.Seed, stream))}
}

// add puts a packet at the end.
func (l *line) add(id uint32, now time.Duration) {
	goes := now + l.delay
	if l.jitter > 0 {
		goes += time.Duration((2*l.rng.Float64() - 1) * float64(l.jitter))
	}
	if n := len(l.waiting); n > l.first {
		goes = max(goes, l.waiting[n-1].goes)
	}
	l.waiting = append(l.waiting, waiting{id: id, came: now, goes: goes})
}

// next is when the oldest packet leaves.
func (l *line) next() (time.Duration, bool) {
	if l.len() == 0 {
		return 0, false
	}
	return l.waiting[l.first].goes, true
}

// take removes the oldest packet, which there must be.
func (l *line) take() waiting {
	w := l.waiting[l.first]
	l.first++
	if l.first == len(l.waiting) || l.first >= 4096 && l.first > len(l.waiting)/2 {
		l.waiting = append(l.waiting[:0], l.waiting[l.first:]...)
		l.first = 0
	}
	return w
}

func (l *line) len() int { return len(l.waiting) - l.first }
