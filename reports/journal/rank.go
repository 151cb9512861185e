package journal

import "time"

// CountUpTo returns how many of the samples are at most v, to the precision of
// the histogram: a slot that v lies in the middle of does not count. It is
// plain under All too.
func (r *Rolling) CountUpTo(v time.Duration) int64 { return r.asked.upTo(int64(v)) }

// upTo counts the slots that reach no further than v.
func (t *tally) upTo(v int64) int64 {
	if v < lowestValue {
		return 0
	}
	slots := indexOf(clamp(v))
	if highestAt(slots) <= v {
		slots++
	}
	var n int64
	for b := range slots / blockSize {
		n += t.blocks[b]
	}
	for i := slots / blockSize * blockSize; i < slots; i++ {
		n += t.n[i]
	}
	return n
}
