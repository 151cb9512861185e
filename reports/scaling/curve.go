package scaling

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A Curve is a number over time that keeps its value from one point to the
// next. Before its first point nothing is known.
type Curve []Point

// A Point is where a curve takes a new value, or is lost sight of.
type Point struct {
	At    time.Duration
	Value float64
	Known bool
	// Since is when the value before was last seen: the change lies between
	// that and At.
	Since time.Duration
}

// readCurve follows one series of a probe's readings; the name "" is the
// reading itself.
func readCurve(readings []journal.Event, series string) Curve {
	var c Curve
	seen := time.Duration(math.MinInt64)
	for _, e := range readings {
		p := Point{At: e.At, Since: max(seen, 0)}
		if e.Kind == journal.ProbeReading && e.Value != nil {
			p.Value, p.Known = *e.Value, true
			if series != "" {
				p.Value, p.Known = e.Series[series]
			}
		}
		if p.Known {
			seen = e.At
		}
		if n := len(c); n > 0 && c[n-1].Known == p.Known && c[n-1].Value == p.Value {
			continue
		}
		c = append(c, p)
	}
	if !slices.ContainsFunc(c, func(p Point) bool { return p.Known }) {
		return nil
	}
	return c
}

// at is the curve's value at a time.
func (c Curve) at(t time.Duration) (v float64, known bool) {
	i := sort.Search(len(c), func(i int) bool { return c[i].At > t })
	if i == 0 {
		return 0, false
	}
	return c[i-1].Value, c[i-1].Known
}

// from gives the points after a time and before another.
func (c Curve) between(from, to time.Duration) Curve {
	lo := sort.Search(len(c), func(i int) bool { return c[i].At > from })
	hi := sort.Search(len(c), func(i int) bool { return c[i].At >= to })
	return c[lo:max(lo, hi)]
}

// extremes are the least and the most of the curve in [from, to).
func (c Curve) extremes(from, to time.Duration) (low, high float64, ok bool) {
	take := func(v float64, known bool) {
		if !known {
			return
		}
		if !ok {
			low, high, ok = v, v, true
		}
		low, high = min(low, v), max(high, v)
	}
	take(c.at(from))
	for _, p := range c.between(from, to) {
		take(p.Value, p.Known)
	}
	return low, high, ok
}

// mean is the curve's mean over the part of [from, to) for which it is known.
func (c Curve) mean(from, to time.Duration) (float64, bool) {
	sum, length := 0.0, 0.0
	times := cuts(from, to, c)
	for i := range len(times) - 1 {
		if v, known := c.at(times[i]); known {
			x := (times[i+1] - times[i]).Seconds()
			sum, length = sum+v*x, length+x
		}
	}
	return sum / length, length > 0
}

// first finds the first time in [from, to) at which the curve fits, as the
// interval in which it came to.
func (c Curve) first(from, to time.Duration, fits func(float64) bool) (moment, bool) {
	if v, known := c.at(from); known && fits(v) {
		return moment{at: from}, true
	}
	for _, p := range c.between(from, to) {
		if p.Known && fits(p.Value) {
			since := max(p.Since, from)
			return moment{at: since + (p.At-since)/2, within: (p.At - since) / 2}, true
		}
	}
	return moment{}, false
}

// A moment is a time and how far off it may be.
type moment struct{ at, within time.Duration }

// cuts are the times in [from, to] at which any of the curves changes, both
// ends in.
func cuts(from, to time.Duration, curves ...Curve) []time.Duration {
	times := []time.Duration{from, to}
	for _, c := range curves {
		for _, p := range c.between(from, to) {
			times = append(times, p.At)
		}
	}
	slices.Sort(times)
	return slices.Compact(times)
}
