package generators

import "math"

// A counter carries the count of a constant process from piece to piece. The
// whole arrivals are never added up in floating point: only the fraction left
// over is needed, and it stays in [0, 1).
type counter struct {
	fraction float64
	blur     float64 // how far rounding may have put fraction off
}

// epsilon bounds, generously, the relative error of a curve's mass: a rate and
// a length each rounded to a float64, and a few operations on them.
const epsilon = 1.0 / (1 << 51)

// add counts a piece with an integral of m, above 0. Its slots are the whole
// numbers from the fraction carried in to below that plus m; offset is how far
// into the piece's integral the first of them lies.
//
// A sum that is a whole number but for rounding is taken as that number.
// Otherwise 333.3/s, which no float64 holds, would give 1199880 arrivals in an
// hour or one more, as chance has it. With at most maxArrivals the blur is far
// below one arrival.
func (c *counter) add(m float64) (offset float64, slots int64) {
	total := c.fraction + m
	c.blur += total * epsilon
	if whole := math.Round(total); whole > 0 && math.Abs(total-whole) <= c.blur {
		total, c.blur = whole, 0
	}
	slots = int64(math.Ceil(total))
	if c.fraction > 0 { // slot 0 was the fraction's, in an earlier piece
		offset = 1 - c.fraction
		slots--
	}
	c.fraction = total - math.Floor(total)
	return offset, slots
}
