package journal

import "math/bits"

// The layout of the counts in an HdrHistogram of lowestValue, highestValue
// and significantDigits, as the format's specification derives it: 2048
// linear sub-buckets up to 2047 ns, then 1024 for every doubling.
const (
	subBits   = 10           // log2 of the sub-buckets of one doubling
	subCount  = 1 << subBits // sub-buckets of one doubling
	doublings = 32           // of 2048 ns until 1 h is covered
	countsLen = (doublings + 1) * subCount
)

// indexOf returns where a value within the range is counted.
func indexOf(v int64) int {
	shift := bits.Len64(uint64(v)|(2*subCount-1)) - (subBits + 1)
	return shift<<subBits + int(v>>shift)
}

// lowestAt returns the lowest value counted at i.
func lowestAt(i int) int64 {
	shift := i>>subBits - 1
	if shift < 0 {
		return int64(i)
	}
	return int64(i&(subCount-1)+subCount) << shift
}

// widthAt returns how many values are counted at i.
func widthAt(i int) int64 {
	return 1 << max(i>>subBits-1, 0)
}

// highestAt returns the highest value counted at i, within the range.
func highestAt(i int) int64 {
	return min(lowestAt(i)+widthAt(i)-1, highestValue)
}

// clamp brings a value into the range.
func clamp(v int64) int64 { return min(max(v, lowestValue), highestValue) }
