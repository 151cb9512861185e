package engine

import (
	"iter"
	"math/rand/v2"
	"time"

	"github.com/brunt-dev/brunt/scenarios"
)

// A Slice is one worker's part of every load of a plan: of n workers, number i
// takes every n-th arrival of the same schedule, from number i on, and of users
// and sessions its even share. The slices of a plan share no arrival and no
// user, and together are the whole. The zero Slice is the whole.
//
// An arrival keeps its number in the whole schedule, and a session its id among
// all. What is drawn for an arrival hangs on that number alone, so a row of a
// feed with pick: unique is used by one worker at the most.
type Slice struct {
	Index int // 0 to Of−1
	Of    int // how many there are; 0 is 1
}

// of is how many slices there are, at least one.
func (s Slice) of() int { return max(s.Of, 1) }

// nth is the number in the whole of number k of the slice.
func (s Slice) nth(k int64) int64 { return k*int64(s.of()) + int64(s.Index) }

// Share is the slice's part of a number of things, one too many going to the
// first slices.
func (s Slice) Share(whole int) int { return share(whole, s.Index, s.of()) }

// part is the j-th of m parts of the slice.
func (s Slice) part(j, m int) Slice { return Slice{Index: s.Index + j*s.of(), Of: s.of() * m} }

// Arrivals yields when the arrivals of the slice of an open load fall due, from
// the run's origin. It yields nothing for a closed one.
func (s Slice) Arrivals(l scenarios.Load) iter.Seq[time.Duration] {
	if l.Schedule == nil {
		return func(func(time.Duration) bool) {}
	}
	rng := rand.New(rand.NewPCG(l.Seed, scheduleStream))
	return everyNth(l.Schedule.Arrivals(rng), s.Index, s.of())
}

// scheduleStream keeps the schedule's random numbers apart from those that
// the same seed gives to the generators.
const scheduleStream = 0x5eed_5c4e_d01e

// share is part i of n of a whole, the parts adding up to it.
func share(whole, i, n int) int { return (whole + n - 1 - i) / n }

// everyNth yields elements i, i+n, i+2n, …
func everyNth[T any](all iter.Seq[T], i, n int) iter.Seq[T] {
	if n == 1 {
		return all
	}
	return func(yield func(T) bool) {
		k := 0
		for v := range all {
			if k == i && !yield(v) {
				return
			}
			if k++; k == n {
				k = 0
			}
		}
	}
}
