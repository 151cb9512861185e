package engine

import (
	"errors"
	"math"
	"math/bits"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A lagMeter keeps how late arrivals were dispatched since it was last read,
// in four buckets to each doubling of a microsecond. Dispatchers add, the
// ticker reads.
type lagMeter struct {
	mu      sync.Mutex
	buckets [4 * 40]int64
	count   int64
}

func (m *lagMeter) add(lag time.Duration) {
	i := lagBucket(lag)
	m.mu.Lock()
	m.buckets[i]++
	m.count++
	m.mu.Unlock()
}

// lagBucket is the bucket that a lag falls into.
func lagBucket(lag time.Duration) int {
	if lag < time.Microsecond {
		return 0
	}
	quarters := uint64(lag / (time.Microsecond / 4))
	doublings := bits.Len64(quarters) - 3
	return min(4*doublings+int(quarters>>doublings&3)+1, 4*40-1)
}

// lagBound is the upper end of a bucket.
func lagBound(i int) time.Duration {
	if i == 0 {
		return time.Microsecond
	}
	doublings, quarter := (i-1)/4, (i-1)%4
	return time.Duration(5+quarter) * time.Microsecond << doublings / 4
}

// take adds the buckets to sum and empties them.
func (m *lagMeter) take(sum *lagMeter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, n := range m.buckets {
		sum.buckets[i] += n
	}
	sum.count += m.count
	m.buckets, m.count = [4 * 40]int64{}, 0
}

// p99 is the upper bound of the bucket that holds the 99th percentile.
func (m *lagMeter) p99() time.Duration {
	rank := int64(math.Ceil(float64(m.count) * 0.99))
	seen := int64(0)
	for i, n := range m.buckets {
		if seen += n; n > 0 && seen >= rank {
			return lagBound(i)
		}
	}
	return 0
}

// A healthWatch reads how brunt itself is doing. Its method is called from
// one goroutine.
type healthWatch struct {
	cores   int // that brunt may use
	system  systemWatch
	last    time.Time
	samples []metrics.Sample
	sched   []uint64 // the runtime's cumulative histograms at the last look
	pauses  []uint64
	gc      float64 // CPU seconds of the collector at the last look
	looked  bool    // second has returned something
}

func newHealthWatch(cores int) *healthWatch {
	h := &healthWatch{cores: cores, samples: []metrics.Sample{
		{Name: "/sched/latencies:seconds"},
		{Name: "/sched/pauses/total/gc:seconds"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
	}}
	h.second(&lagMeter{})
	h.looked = false
	return h
}

// shortest is the shortest time that shares of time mean something over.
const shortest = 100 * time.Millisecond

// second returns what happened since the last call; nil when that was only
// just now, as it is at the end of a run, but for one that is all that short.
func (h *healthWatch) second(lag *lagMeter) *journal.Health {
	now := time.Now()
	elapsed := now.Sub(h.last)
	if elapsed < shortest && h.looked {
		return nil
	}
	h.last, h.looked = now, true

	metrics.Read(h.samples)
	sched := h.samples[0].Value.Float64Histogram()
	pauses := h.samples[1].Value.Float64Histogram()
	gc := h.samples[2].Value.Float64()
	health := &journal.Health{
		Cores:        h.cores,
		SchedLatency: quantileSince(sched, h.sched, 0.99),
		GCPause:      quantileSince(pauses, h.pauses, 1),
		GCCPU:        max(gc-h.gc, 0) / elapsed.Seconds(),
		DispatchLag:  lag.p99(),
		Goroutines:   runtime.NumGoroutine(),
	}
	h.sched = append(h.sched[:0], sched.Counts...)
	h.pauses = append(h.pauses[:0], pauses.Counts...)
	h.gc = gc
	h.system.read(health, elapsed)
	return health
}

// quantileSince is the upper bound of the bucket that holds quantile q of what
// the histogram gained since before; 0 when it gained nothing.
func quantileSince(h *metrics.Float64Histogram, before []uint64, q float64) time.Duration {
	gained := func(i int) uint64 {
		if i < len(before) {
			return h.Counts[i] - before[i]
		}
		return h.Counts[i]
	}
	total := uint64(0)
	for i := range h.Counts {
		total += gained(i)
	}
	if total == 0 {
		return 0
	}
	rank := uint64(math.Ceil(float64(total) * q))
	seen := uint64(0)
	for i := range h.Counts {
		if seen += gained(i); seen >= rank {
			bound := h.Buckets[i+1]
			if math.IsInf(bound, 1) {
				bound = h.Buckets[i]
			}
			return time.Duration(bound * float64(time.Second))
		}
	}
	return 0
}

// openFiles counts the process's file descriptors; -1 where that is not known.
// Where none is left to count them with, it is as many as there may be. Linux
// says it as the size of the folder since 6.2; to list tens of thousands would
// hold up those that dispatch.
func openFiles(limit int) int {
	if info, err := os.Stat("/proc/self/fd"); err == nil && info.Size() > 0 {
		return int(info.Size())
	}
	entries, err := os.ReadDir("/proc/self/fd")
	switch {
	case errors.Is(err, syscall.EMFILE) && limit > 0:
		return limit
	case err != nil:
		return -1
	}
	return len(entries)
}
