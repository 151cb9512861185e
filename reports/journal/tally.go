package journal

import (
	"math"
	"math/bits"
)

const (
	blockSize = 256
	blocksLen = countsLen / blockSize
)

// A tally is a dense sum of payloads that can be taken out again. Sums over
// blocks of slots make it cheap to find a rank, and to clear, without knowing
// where the counts begin and end.
type tally struct {
	n      [countsLen]int64
	blocks [blocksLen]int64
	total  int64
	// Twice the sum of all samples, each taken for the middle of its bucket,
	// in 128 bits: exact, so that what is dropped leaves nothing behind.
	sumHigh, sumLow uint64
}

// add counts n samples into slot i, or takes −n out.
func (t *tally) add(i int, n int64) {
	t.n[i] += n
	t.blocks[i/blockSize] += n
	t.total += n
	middle := uint64(2*lowestAt(i) + widthAt(i) - 1)
	var carry uint64
	if n >= 0 {
		high, low := bits.Mul64(middle, uint64(n))
		t.sumLow, carry = bits.Add64(t.sumLow, low, 0)
		t.sumHigh += high + carry
		return
	}
	high, low := bits.Mul64(middle, uint64(-n))
	t.sumLow, carry = bits.Sub64(t.sumLow, low, 0)
	t.sumHigh -= high + carry
}

// addPayload adds every bucket of a payload.
func (t *tally) addPayload(payload []byte) {
	// A payload was checked when it was appended or read.
	_ = eachCount(payload, t.add)
}

// clear empties the tally.
func (t *tally) clear() {
	for b, n := range t.blocks {
		if n != 0 {
			clear(t.n[b*blockSize : (b+1)*blockSize])
			t.blocks[b] = 0
		}
	}
	t.total, t.sumHigh, t.sumLow = 0, 0, 0
}

// quantile returns the highest value of the slot that holds rank ⌈q·n/100⌉.
func (t *tally) quantile(q float64) int64 {
	// The float next below q, so that 99.9 of 1000 is rank 999 although the
	// nearest float to 99.9 lies above it.
	rank := int64(math.Ceil(math.Nextafter(q, 0) * float64(t.total) / 100))
	return t.at(min(max(rank, 1), t.total))
}

// max and min return the ends of what is not empty.
func (t *tally) max() int64 { return t.at(t.total) }
func (t *tally) min() int64 { return max(lowestAt(t.slot(1)), lowestValue) }

// at returns the highest value of the slot that holds a rank.
func (t *tally) at(rank int64) int64 { return highestAt(t.slot(rank)) }

// slot returns the slot that holds a rank, from 1 to the total.
func (t *tally) slot(rank int64) int {
	var seen int64
	for b, inBlock := range t.blocks {
		if seen+inBlock < rank {
			seen += inBlock
			continue
		}
		for i := b * blockSize; i < (b+1)*blockSize; i++ {
			if seen += t.n[i]; seen >= rank {
				return i
			}
		}
	}
	return countsLen - 1
}

func (t *tally) mean() int64 {
	sum := float64(t.sumHigh)*(1<<64) + float64(t.sumLow)
	return int64(math.Round(sum / 2 / float64(t.total)))
}
