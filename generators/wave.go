package generators

import (
	"iter"
	"math"
	"sort"
)

// wave is a ramp with a sine added to it, clipped at 0. Where the rate is
// above 0 its integral has a closed form. The piece is cut at its peaks and
// troughs, which have a closed form too: between two of them lies at most one
// zero, and the integral bends one way only. So nothing is integrated
// numerically; only zeros and the inverse are iterated, inside brackets.
type wave struct {
	line      ramp
	amplitude float64
	period    float64 // seconds
	swells    []swell
	total     float64
}

// A swell is a stretch of time, in seconds from the piece's start, in which
// the rate is above 0 and only rises or only falls.
type swell struct {
	from, to float64
	before   float64 // integral up to from
	mass     float64 // integral from there to to
}

func newWave(line ramp, s Sine) *wave {
	w := &wave{line: line, amplitude: s.Amplitude, period: inSeconds(s.Period)}
	var lost float64 // what rounding took from the total (Kahan: Further remarks on reducing truncation errors, 1965)
	left, low := 0.0, w.raw(0) <= 0
	for right := range w.turns() {
		from, to, wasLow := left, right, low
		left, low = right, w.raw(right) <= 0
		switch {
		case wasLow && low:
			continue
		case wasLow:
			from = w.zero(from, to)
		case low:
			to = w.zero(from, to)
		}
		if mass := w.integral(from, to-from); mass > 0 {
			w.swells = append(w.swells, swell{from: from, to: to, before: w.total, mass: mass})
			more := mass - lost
			sum := w.total + more
			lost = (sum - w.total) - more
			w.total = sum
		}
	}
	return w
}

// turns are the times within the piece at which the rate stops rising or
// falling, and then its end.
func (w *wave) turns() iter.Seq[float64] {
	slope := (w.line.to - w.line.from) / w.line.seconds
	steepest := 2 * math.Pi * w.amplitude / w.period // of the sine alone
	return func(yield func(float64) bool) {
		if math.Abs(slope) < steepest {
			// slope + steepest·cos(2πt/period) = 0, once before and once
			// after the middle of every period.
			first := math.Acos(-slope/steepest) / (2 * math.Pi)
			for n := 0.0; n*w.period < w.line.seconds; n++ {
				for _, part := range [2]float64{first, 1 - first} {
					t := (n + part) * w.period
					if t >= w.line.seconds {
						break
					}
					if !yield(t) {
						return
					}
				}
			}
		}
		yield(w.line.seconds)
	}
}

// raw is the rate before clipping.
func (w *wave) raw(t float64) float64 {
	return w.line.at(t) + float64(w.amplitude*math.Sin(2*math.Pi*(t/w.period)))
}

// at is the rate so many seconds into the piece.
func (w *wave) at(t float64) float64 { return max(0, w.raw(t)) }

// integral is that of the raw rate over length seconds from from. The
// difference of two cosines that the sine leaves is written as a product, so
// that a short length does not cancel away.
func (w *wave) integral(from, length float64) float64 {
	rate, half := w.line.at(from), math.Pi*(length/w.period)
	slope := (w.line.to - w.line.from) / w.line.seconds
	return float64(rate*length) + float64(slope*length*length/2) +
		float64(w.amplitude*w.period/math.Pi*math.Sin(2*math.Pi*(from/w.period)+half)*math.Sin(half))
}

// zero is where the raw rate changes its sign between left and right, to a
// thousandth of a nanosecond or the last bit.
func (w *wave) zero(left, right float64) float64 {
	rising := w.raw(left) <= 0
	for right-left > 1e-12 {
		middle := left + (right-left)/2
		if middle <= left || middle >= right { // no float64 lies between
			break
		}
		if (w.raw(middle) > 0) == rising {
			right = middle
		} else {
			left = middle
		}
	}
	return right
}

func (w *wave) mass() float64 { return w.total }

// inverse is Newton's method kept inside a bracket: a step that leaves it, or
// that does not halve the one before the last, is replaced by halving the
// bracket. It ends when a step is below 0.1 ns.
func (w *wave) inverse(m float64) float64 {
	const near = 1e-10
	i := sort.Search(len(w.swells)-1, func(i int) bool { return m < w.swells[i+1].before })
	s := &w.swells[i]
	m -= s.before
	if m <= 0 {
		return s.from * 1e9
	}
	if m >= s.mass {
		return s.to * 1e9
	}
	low, high := 0.0, s.to-s.from
	t := high * (m / s.mass)
	step, before := high, high // the last two, as lengths
	for range 200 {            // the bracket alone needs no more than 100 or so
		miss := w.integral(s.from, t) - m
		if miss > 0 {
			high = t
		} else {
			low = t
		}
		next := t - miss/w.raw(s.from+t)
		if !(next > low && next < high) || math.Abs(next-t) > before/2 {
			next = low + (high-low)/2
		}
		before, step = step, math.Abs(next-t)
		t = next
		if step < near {
			break
		}
	}
	return (s.from + t) * 1e9
}
