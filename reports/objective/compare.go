package objective

import (
	"math"
	"math/big"
)

// holds compares what was measured with the limit. Counts and ratios of counts
// are compared as they are, without rounding: 1 of 1000 is not below 0.1%.
func (s statement) holds(m measured) bool {
	c := compare(m, s.high)
	switch s.op {
	case less:
		return c < 0
	case lessEqual:
		return c <= 0
	case greater:
		return c > 0
	case greaterEqual:
		return c >= 0
	case equal:
		return c == 0
	case notEqual:
		return c != 0
	}
	return c <= 0 && compare(m, s.low) >= 0
}

// flattered reports whether a latency holds only because nothing succeeded:
// a refused connection is quick, and says nothing about how quick answers are.
// What failures took too long for fails all the same.
func (s statement) flattered(m measured) bool {
	return m.hollow && s.op != greater && s.op != greaterEqual && s.holds(m)
}

func compare(m measured, limit value) int {
	if m.den != 0 {
		return big.NewRat(m.num, m.den).Cmp(limit.base)
	}
	// A reading is a float, as is what people take it for.
	switch l := limit.float(); {
	case m.value < l:
		return -1
	case m.value > l:
		return 1
	}
	return 0
}

// badness orders values by how far they are from holding: the larger the
// worse, and within one statement every value that fails is worse than every
// one that holds.
func (s statement) badness(v float64) float64 {
	switch s.op {
	case less, lessEqual:
		return v - s.high.float()
	case greater, greaterEqual:
		return s.high.float() - v
	case equal:
		return math.Abs(v - s.high.float())
	case notEqual:
		return -math.Abs(v - s.high.float())
	}
	return max(v-s.high.float(), s.low.float()-v)
}

// tooHigh reports whether the value fails because it is above the limit.
func (s statement) tooHigh(m measured) bool {
	switch s.op {
	case less, lessEqual:
		return !s.holds(m)
	case equal, inRange:
		return compare(m, s.high) > 0
	}
	return false
}

// final reports whether a window that fails now can never hold, whatever the
// rest of it brings.
func (s statement) final(m measured, probe bool) bool {
	switch {
	case s.subject.stat == everyReading:
		return true
	case s.counts(), s.subject.stat == maxStat:
		return s.tooHigh(m)
	case s.subject.stat == minStat && probe:
		return s.op == greater || s.op == greaterEqual || s.op == inRange && compare(m, s.low) < 0
	}
	return false
}

// counts reports whether the subject is a number that only grows.
func (s statement) counts() bool {
	switch s.subject.stat {
	case offeredStat, sentStat, completedStat, droppedStat, statusStat, failuresStat:
		return true
	case errorsStat:
		return s.high.unit == plain
	}
	return false
}

// cutShort reports whether a failure may only be there because the window was
// cut short: a count that had no time to grow, a last reading that was not the last.
func (s statement) cutShort(m measured) bool {
	switch {
	case s.counts(), s.subject.stat == maxStat:
		return !s.tooHigh(m)
	case s.subject.stat == lastStat:
		return true
	}
	return false
}
