package journal

import (
	"bytes"
	"testing"
	"time"
)

// A stall spreads samples over many seconds at once. What that took is given
// back while the load goes on as before.
func TestRecorderGivesBackWhatAStallTook(t *testing.T) {
	r := NewRecorder("shop", []string{"list"}, 1)
	second := func(s int) {
		due := time.Duration(s) * time.Second
		for k := range 100 {
			r.Record(0, Sample{Outcome: OutcomeOK, Due: due, Started: due, Ended: due + time.Duration(k)*time.Millisecond})
		}
	}
	held := func() (pages, cells int) {
		for _, tab := range []*table{r.shards[0].active, r.shards[0].spare} {
			pages += len(tab.freePages)
			cells += len(tab.freeCells)
		}
		return pages, cells
	}
	for s := range 4 {
		second(s)
		r.Flush()
	}
	pages, cells := held()
	for s := range 300 {
		second(s)
	}
	r.Flush()
	if p, c := held(); p < 100*pages || c < 100*cells {
		t.Fatalf("the stall took %d pages and %d cells, where %d and %d were held before: not a test", p, c, pages, cells)
	}
	for s := range 40 {
		second(s)
		r.Flush()
	}
	// One more a table is what halving leaves.
	if p, c := held(); p > pages+2 || c > cells+2 {
		t.Errorf("%d pages and %d cells are held, where %d and %d were before", p, c, pages, cells)
	}
}

// What an arena kept stays as it was, whatever is kept after it.
func TestArena(t *testing.T) {
	var a arena
	var kept [][]byte
	sizes := []int{0, 1, 100, arenaBlock / 2, arenaBlock/2 - 200, 99, arenaBlock / 16, arenaBlock, 3 * arenaBlock, 1, arenaBlock / 15}
	for i, size := range sizes {
		kept = append(kept, a.keep(func(dst []byte) []byte { return append(dst, bytes.Repeat([]byte{byte(i)}, size)...) }))
	}
	for i, b := range kept {
		if !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, sizes[i])) {
			t.Errorf("item %d of %d bytes changed", i, sizes[i])
		}
		if cap(b) > len(b)+len(b)/4+64 {
			t.Errorf("item %d of %d bytes holds on to %d", i, len(b), cap(b))
		}
	}
}
