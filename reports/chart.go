package reports

import (
	"math"
	"strconv"
	"time"
)

// A chart is drawn as an SVG that stretches to the width there is, with its
// labels around it in HTML, so that letters keep their size and shape. Across,
// a plot has plotWidth units whatever its width; upright, one a pixel.
type chart struct {
	ID     string
	Title  string
	Note   string // what is drawn, in a few words
	Height int
	Legend []legend
	Y, X   []tick
	Bands  []shape // behind the curves: phases and faults
	Shapes []shape
	Table  sheet
}

const plotWidth = 1000

type legend struct{ Class, Text string }

// A tick is a label beside the plot, At percent of its length from the left or
// from the top.
type tick struct {
	At    float64
	Line  float64 // the same in the plot's units
	Label string
	Edge  string // "first" or "last" where the label must not hang over
	Minor bool   // may be left out where there is no room
}

// A shape is a path, or with W a rectangle of the plot's height.
type shape struct {
	Class, D, Title string
	X, W            float64
}

// A sheet is what a chart shows, as a table.
type sheet struct {
	Head []string
	Rows [][]string
	Note string
}

// A path collects the commands of an SVG path, to a tenth of a unit.
type path []byte

func (p *path) to(command byte, values ...float64) {
	*p = append(*p, command)
	for i, v := range values {
		if i > 0 {
			*p = append(*p, ' ')
		}
		*p = strconv.AppendFloat(*p, math.Round(v*10)/10+0, 'f', -1, 64)
	}
}

// An axis maps the time of the run across the plot.
type axis struct{ end time.Duration }

func (a axis) x(at time.Duration) float64 {
	return plotWidth * float64(min(max(at, 0), a.end)) / float64(a.end)
}

func (a axis) percent(at time.Duration) float64 { return roundTo(a.x(at)/plotWidth*100, 3) }

// ticks are at most nine round times.
func (a axis) ticks() []tick {
	step := 24 * time.Hour
	for _, s := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if a.end/s <= 8 {
			step = s
			break
		}
	}
	for a.end/step > 8 {
		step *= 2
	}
	var out []tick
	for at := time.Duration(0); at <= a.end; at += step {
		t := tick{At: a.percent(at), Line: a.x(at), Label: moment(at), Minor: len(out)%2 == 1}
		switch {
		case at == 0:
			t.Edge = "first"
		case t.At > 97:
			t.Edge = "last"
		}
		out = append(out, t)
	}
	return out
}

// A scale maps values upright, the largest at the top.
type scale struct {
	low, high float64
	height    float64
	log       bool
}

func (s scale) y(v float64) float64 {
	if s.log {
		v = math.Log10(max(v, 1e-9))
	}
	return s.height * (1 - min(max((v-s.low)/(s.high-s.low), 0), 1))
}

func (s scale) tick(v float64, label string) tick {
	y := s.y(v)
	return tick{At: roundTo(y/s.height*100, 3), Line: roundTo(y, 1), Label: label}
}

// logScale spans the values from low to high, both above 0, with a little room.
func logScale(low, high, height float64) scale {
	low, high = math.Log10(max(low, 1)), math.Log10(max(high, 1))
	if high-low < 0.6 {
		middle := (high + low) / 2
		low, high = middle-0.3, middle+0.3
	}
	room := 0.04 * (high - low)
	return scale{low: low - room, high: high + room, height: height, log: true}
}

// durations are ticks at 1, 2 and 5 of each decade, or at 1 alone where that
// would be many.
func (s scale) durations() []tick {
	steps := []float64{1, 2, 5}
	switch span := s.high - s.low; {
	case span > 4.5:
		steps = []float64{1}
	case span > 2.2:
		steps = []float64{1, 3}
	}
	var out []tick
	for decade := math.Floor(s.low); decade <= s.high; decade++ {
		for _, m := range steps {
			v := m * math.Pow(10, decade)
			if l := math.Log10(v); l < s.low || l > s.high {
				continue
			}
			out = append(out, s.tick(v, duration(time.Duration(math.Round(v)))))
		}
	}
	return out
}

// linearScale spans 0, or low where that is less, to high with round ticks.
func linearScale(low, high, height float64, label func(float64) string) (scale, []tick) {
	low = min(low, 0)
	if high <= low {
		high = low + 1
	}
	step := roundStep((high - low) / 3)
	s := scale{low: math.Floor(low/step) * step, height: height}
	top := math.Ceil(high/step-1e-9) * step
	s.high = top + 0.05*(top-s.low) // room for the line at the top
	var out []tick
	for k := 0; ; k++ {
		v := s.low + float64(k)*step
		if v > top+step/2 {
			return s, out
		}
		out = append(out, s.tick(v, label(roundTo(v, 9))))
	}
}

// roundStep is the smallest of 1, 2, 5, 10… that is not below v.
func roundStep(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= v*0.999 {
			return m * p
		}
	}
	return 10 * p
}

// curve draws values at the middle of their columns, with gaps where they are
// below 0. A value between two gaps is drawn as wide as its column.
func curve(values []float64, x func(column float64) float64, s scale) string {
	var p path
	for i, v := range values {
		if v < 0 {
			continue
		}
		before := i > 0 && values[i-1] >= 0
		after := i+1 < len(values) && values[i+1] >= 0
		switch {
		case before:
			p.to('L', x(float64(i)+0.5), s.y(v))
		case after:
			p.to('M', x(float64(i)+0.5), s.y(v))
		default:
			p.to('M', x(float64(i)), s.y(v))
			p.to('L', x(float64(i)+1), s.y(v))
		}
	}
	return string(p)
}

// under is the area below a curve without gaps.
func under(values []float64, x func(column float64) float64, s scale) string {
	if len(values) == 0 {
		return ""
	}
	var p path
	p.to('M', x(0.5), s.height)
	for i, v := range values {
		p.to('L', x(float64(i)+0.5), s.y(max(v, 0)))
	}
	p.to('L', x(float64(len(values))-0.5), s.height)
	p = append(p, 'Z')
	return string(p)
}

func floats(n []int64) []float64 {
	out := make([]float64, len(n))
	for i, v := range n {
		out[i] = float64(v)
	}
	return out
}
