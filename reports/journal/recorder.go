package journal

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// The resolution of the journal: samples are kept by the second they fell due in.
const second = time.Second

// A Recorder takes the samples of one load while it runs and hands them over
// as intervals once a second. Record may be called from any goroutine, Flush
// from any other; neither keeps the other waiting for longer than it takes to
// swap two pointers.
//
// Its memory is bounded by the number of seconds, steps, outcomes and pages of
// the value range that samples fell into since the last Flush, not by the
// number of samples.
type Recorder struct {
	load   string
	steps  []string
	shards []*shard

	flushing sync.Mutex // one Flush at a time
}

// A shard is recorded into under its lock. Flush swaps the table recorded
// into for the one it emptied the last time.
type shard struct {
	mu     sync.Mutex
	active *table
	spare  *table   // owned by Flush
	_      [64]byte // keep the locks of two shards off one cache line
}

// NewRecorder returns a recorder for one load. steps are the names that
// Sample.Step indexes (at least one); shards is how many goroutines may record
// without meeting (at least one is made). It panics when there are no steps.
func NewRecorder(load string, steps []string, shards int) *Recorder {
	if len(steps) == 0 {
		panic("journal: a recorder needs at least one step")
	}
	r := &Recorder{load: load, steps: slices.Clone(steps), shards: make([]*shard, max(shards, 1))}
	for i := range r.shards {
		r.shards[i] = &shard{active: &table{steps: len(steps)}, spare: &table{steps: len(steps)}}
	}
	return r
}

// Record takes one operation that ended. Any shard is right; goroutines that
// use different ones (taken modulo the number there is) do not wait for each
// other. A canceled operation is not recorded. Record panics when s.Step is
// not one of the recorder's steps.
func (r *Recorder) Record(shard int, s Sample) {
	if uint(s.Step) >= uint(len(r.steps)) {
		panic(fmt.Sprintf("journal: record step %d of load %s, which has %d", s.Step, r.load, len(r.steps)))
	}
	if s.Outcome == OutcomeCanceled {
		return
	}
	sh := r.shards[uint(shard)%uint(len(r.shards))]
	sh.mu.Lock()
	sh.active.record(&s)
	sh.mu.Unlock()
}

// Flush returns everything recorded since the last Flush, one interval for
// each due second, step, outcome and measure that has samples, in that order.
func (r *Recorder) Flush() []Interval {
	r.flushing.Lock()
	defer r.flushing.Unlock()

	cells := make(map[cellKey][]*cell)
	for _, sh := range r.shards {
		sh.mu.Lock()
		sh.active, sh.spare = sh.spare, sh.active
		sh.mu.Unlock()
		sh.spare.gather(cells)
	}
	keys := make([]cellKey, 0, len(cells))
	for k := range cells {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b cellKey) int {
		return cmp.Or(cmp.Compare(a.second, b.second), cmp.Compare(a.step, b.step), cmp.Compare(a.outcome, b.outcome))
	})
	var out []Interval
	for _, k := range keys {
		for m := range numMeasures {
			h := NewHistogram()
			sum(h.RecordValues, cells[k], m)
			if h.TotalCount() == 0 {
				continue
			}
			out = append(out, Interval{
				Load: r.load, Step: r.steps[k.step], Outcome: k.outcome, Measure: measureAt(m),
				Start: time.Duration(k.second) * second, Length: second,
				Hist: h,
			})
		}
	}
	for _, sh := range r.shards {
		sh.spare.reset()
	}
	return out
}

type cellKey struct {
	second  int64
	step    int
	outcome string
}

// gather adds the table's cells to those of the other shards.
func (t *table) gather(cells map[cellKey][]*cell) {
	for i := range t.slots {
		for _, c := range t.slots[i].cells {
			k := cellKey{second: c.second, step: i % t.steps, outcome: t.outcomes[i/t.steps]}
			cells[k] = append(cells[k], c)
		}
	}
}

// sum records the counts of one measure of cells, in ascending order of
// values: a packed histogram appends those, and would shift for any other.
func sum(record func(v, n int64) error, cells []*cell, measure int) {
	for k := range numPages {
		var row [pageLen]int64
		hit := false
		for _, c := range cells {
			if p := c.pages[measure][k]; p != nil {
				hit = true
				for i, n := range p {
					row[i] += int64(n)
				}
			}
		}
		if !hit {
			continue
		}
		for i, n := range row {
			if n > 0 {
				// The geometry is the histogram's own, so this cannot fail.
				if err := record(lowestAt(k<<pageBits+i), n); err != nil {
					panic("journal: flush: " + err.Error())
				}
			}
		}
	}
}
