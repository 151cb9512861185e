package tui

import (
	"math"
	"strings"
	"time"
)

// eighths are the columns of a chart by height.
var eighths = []rune(" ▁▂▃▄▅▆▇█")

// A column is one column of a chart: lower is drawn solid, and from there up
// to upper shaded. Without has there is nothing to draw.
type column struct {
	lower, upper float64
	has          bool
}

// highest is the largest value in columns, 0 when there is none.
func highest(columns []column) float64 {
	top := 0.0
	for _, c := range columns {
		if c.has {
			top = max(top, c.lower, c.upper)
		}
	}
	return top
}

// spark draws columns in one line, by their upper values.
func spark(columns []column, top float64) string {
	var b strings.Builder
	for _, c := range columns {
		b.WriteRune(eighth(c, c.upper, top))
	}
	return b.String()
}

// eighth is the glyph of a value in one line: what is not nothing shows.
func eighth(c column, v, top float64) rune {
	if !c.has {
		return ' '
	}
	if !(v > 0) || !(top > 0) {
		return eighths[1]
	}
	return eighths[min(max(int(math.Ceil(v/top*8)), 1), 8)]
}

// bars draws columns over several lines, the topmost first: solid up to the
// lower value, shaded from there to the upper.
func bars(columns []column, top float64, height int) []string {
	lines := make([]string, height)
	for i := range lines {
		floor := float64(height-1-i) / float64(height) // of this line, as a share of top
		var b strings.Builder
		for _, c := range columns {
			b.WriteRune(cell(c, top, floor, height))
		}
		lines[i] = b.String()
	}
	return lines
}

func cell(c column, top, floor float64, height int) rune {
	if !c.has {
		return ' '
	}
	part := func(v float64) int { // how much of this cell v fills, in eighths
		if !(top > 0) || !(v > 0) {
			return 0
		}
		return min(max(int(math.Ceil((v/top-floor)*float64(height)*8-1e-9)), 0), 8)
	}
	lower, upper := part(c.lower), part(c.upper)
	switch {
	case floor == 0 && lower == 0 && upper == 0:
		return eighths[1] // a measured nothing
	case lower > 0 && (lower == 8 || upper < 8 || lower >= 4):
		return eighths[lower]
	case upper >= 4 || lower > 0:
		return '░'
	}
	return ' '
}

// A moment is what a load did in one second, for charts. The last one of a run
// can be shorter.
type moment struct {
	at, length        time.Duration
	offered, achieved float64 // a second
	p50, p99          time.Duration
	measured          bool // there were operations to take p50 and p99 of
}

// A value is one reading, for charts.
type value struct {
	at time.Duration
	v  float64
}

// chartSpan is how far back charts reach at least, if the run is that long.
const chartSpan = 2 * time.Minute

// pitch is how much time one column of a chart of w columns stands for: whole
// seconds, and the same all through the run, so that columns do not change
// once they are drawn.
func pitch(w int, duration time.Duration) time.Duration {
	span := min(chartSpan, max(duration, time.Second))
	each := span / time.Duration(max(w, 1))
	return max((each + time.Second - 1).Truncate(time.Second), time.Second)
}

// columnsOf buckets values into w columns of one pitch each. They begin with
// the run, and from when they reach their end they move with it.
func columnsOf(w int, per, now time.Duration, n int, at func(int) time.Duration, add func(*column, int)) []column {
	columns := make([]column, max(w, 0))
	// What happened at the end of a second belongs to that second.
	last := max(int((now-1)/per), w-1)
	for i := n - 1; i >= 0; i-- {
		k := w - 1 - (last - int((at(i)-1)/per))
		if k >= w {
			continue
		}
		if k < 0 {
			break
		}
		add(&columns[k], i)
	}
	return columns
}

// rateColumns are a load's achieved rate under its offered rate, each the mean
// over the column.
func rateColumns(history []moment, w int, per, now time.Duration) []column {
	counts := make(map[*column]float64)
	columns := columnsOf(w, per, now, len(history), func(i int) time.Duration { return history[i].at }, func(c *column, i int) {
		n := counts[c]
		c.lower = (c.lower*n + history[i].achieved) / (n + 1)
		c.upper = (c.upper*n + history[i].offered) / (n + 1)
		c.has = true
		counts[c] = n + 1
	})
	return columns
}

// latencyColumns are a load's p50 under its p99, each the largest of the column.
func latencyColumns(history []moment, w int, per, now time.Duration) []column {
	return columnsOf(w, per, now, len(history), func(i int) time.Duration { return history[i].at }, func(c *column, i int) {
		if m := history[i]; m.measured {
			c.lower, c.upper, c.has = max(c.lower, float64(m.p50)), max(c.upper, float64(m.p99)), true
		}
	})
}

// valueColumns are a probe's readings, the last one of each column.
func valueColumns(history []value, w int, per, now time.Duration) []column {
	return columnsOf(w, per, now, len(history), func(i int) time.Duration { return history[i].at }, func(c *column, i int) {
		if !c.has {
			*c = column{history[i].v, history[i].v, true}
		}
	})
}
