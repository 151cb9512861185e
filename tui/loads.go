package tui

import (
	"fmt"
	"strings"
	"time"
)

const (
	chartHeight = 5  // lines of a chart, when there is room
	chartWidth  = 52 // cells of a load's two charts side by side, at least
	leastChart  = 3
)

// chartRows is how many rows of charts n loads take in w cells.
func chartRows(n, w int) int {
	across := max(w/chartWidth, 1)
	return (n + across - 1) / across
}

// A cellOf is one column of the table of loads.
type cellOf struct {
	head  string
	width int
	of    func(l loadNow) (string, role)
}

// loadLines is the table of loads, and charts of them where h leaves room.
func (s *screen) loadLines(w, h int) []row {
	name := 8
	for _, l := range s.loads {
		name = min(max(name, textWidth(clean(l.plan.Name))+1), max(12, w/6))
	}
	cells := loadCells(w - name)
	head := row{field(" load", name, dim)}
	used := name
	for _, c := range cells {
		head = append(head, number(c.head, c.width, dim))
		used += c.width
	}
	// What is left goes to what failed so far, and to a line over time where
	// there is no room for charts.
	charts := s.charts(w, h-1-len(s.loads))
	left := w - used
	sparks := 0
	if len(charts) == 0 && left >= 10 {
		sparks = min(left-2, 60)
		if left >= 60 {
			sparks = left/2 - 2
		}
		left -= sparks + 2
	}
	failures := 0
	if left >= 20 {
		failures = left
	}
	per := pitch(sparks, s.plan.Duration)
	if sparks > 0 {
		head = append(head, span{"  ", dim}, field("trend", sparks, dim))
	}
	if failures > 0 {
		head = append(head, field("  failed so far", failures, dim))
	}
	lines := []row{head}
	for _, l := range s.loads {
		r := row{field(" "+clean(l.plan.Name), name, strong)}
		for _, c := range cells {
			text, as := c.of(l)
			r = append(r, number(text, c.width, as))
		}
		if sparks > 0 {
			columns := rateColumns(l.history, sparks, per, s.now)
			for i := range columns {
				columns[i].upper = columns[i].lower
			}
			r = append(r, span{"  ", plain}, span{spark(columns, highest(columns)), accent})
		}
		if failures > 0 {
			text, as := l.failedSoFar()
			r = append(r, field("  "+text, failures, as))
		}
		lines = append(lines, r)
	}
	return append(lines, charts...)
}

// loadCells are the columns that fit into w cells, the most telling first.
func loadCells(w int) []cellOf {
	quantile := func(f func(loadNow) string) func(loadNow) (string, role) {
		return func(l loadNow) (string, role) {
			if !l.measured {
				return "–", dim
			}
			return f(l), plain
		}
	}
	all := []cellOf{
		{"offered", 8, func(l loadNow) (string, role) { return l.rate(l.offered), plain }},
		{"achieved", 9, func(l loadNow) (string, role) {
			if l.achieved < 0.9*l.offered {
				return l.rate(l.achieved), warn
			}
			return l.rate(l.achieved), plain
		}},
		{"p50", 7, quantile(func(l loadNow) string { return latency(l.p50) })},
		{"p99", 7, quantile(func(l loadNow) string { return latency(l.p99) })},
		{"errors", 7, func(l loadNow) (string, role) {
			as := plain
			if l.failed > 0 {
				as = bad
			}
			return share(l.failed, l.ops), as
		}},
		{"dropped", 8, func(l loadNow) (string, role) {
			if l.droppedNow > 0 {
				return amount(float64(l.totalDropped)), bad
			}
			return amount(float64(l.totalDropped)), plain
		}},
		{"in flight", 10, func(l loadNow) (string, role) { return amount(float64(l.inFlight)), plain }},
		{"waiting", 8, func(l loadNow) (string, role) {
			if l.waiting > 0 {
				return amount(float64(l.waiting)), warn
			}
			return "0", plain
		}},
		{"planned", 10, func(l loadNow) (string, role) {
			if l.plan.Model == "closed" {
				return amount(l.planned) + " users", plain
			}
			return l.rate(l.planned), plain
		}},
	}
	n := 0
	for i, c := range all {
		// The last columns only where a line over time still fits beside them.
		if n += c.width; n > w || i > 6 && n+24 > w {
			return all[:i]
		}
	}
	return all
}

func (l loadNow) rate(v float64) string {
	if !l.counted {
		return "–"
	}
	return perSecond(v)
}

// failedSoFar says what failed since the run began, by class.
func (l loadNow) failedSoFar() (string, role) {
	if l.totalFailed == 0 {
		return "none", dim
	}
	parts := make([]string, len(l.classes))
	for i, c := range l.classes {
		parts[i] = fmt.Sprintf("%s %s", amount(float64(c.n)), c.name)
	}
	return strings.Join(parts, ", "), bad
}

// charts draws rate and latency of each load side by side, in at most h lines.
func (s *screen) charts(w, h int) []row {
	if len(s.loads) == 0 || h < 1+leastChart {
		return nil
	}
	across := min(max(w/chartWidth, 1), len(s.loads))
	down := min((len(s.loads)+across-1)/across, h/(1+leastChart))
	tall := min(h/down-1, 2*chartHeight)
	each := w / across
	var rows []row
	for d := range down {
		block := make([]row, 1+tall)
		for a := range across {
			i := d*across + a
			if i >= len(s.loads) {
				break
			}
			for k, r := range s.loadChart(s.loads[i], each, tall) {
				block[k] = append(block[k], r...)
			}
		}
		rows = append(rows, block...)
	}
	return rows
}

// loadChart is a load's achieved rate (solid) under the offered one (shaded),
// beside its p50 (solid) under its p99 (shaded).
func (s *screen) loadChart(l loadNow, w, h int) []row {
	half := (w - 2) / 2
	per := pitch(half-1, s.plan.Duration)
	rates := rateColumns(l.history, half-1, per, s.now)
	times := latencyColumns(l.history, half-1, per, s.now)
	top, slowest := highest(rates), highest(times)
	head := func(name, title string, top float64, scale string) row {
		if top <= 0 {
			scale = ""
		}
		return spread(row{{" " + name, strong}, {title, dim}}, row{{scale + " ", dim}}, half)
	}
	rows := []row{append(head(clean(l.plan.Name), " rate", top, "top "+perSecond(top)),
		head("", "p50, p99", slowest, "top "+latency(time.Duration(slowest)))...).fit(w)}
	left, right := bars(rates, top, h), bars(times, slowest, h)
	for i := range h {
		rows = append(rows, row{{" ", plain}, {left[i], accent}, {" ", plain}, {right[i], good}}.fit(w))
	}
	return rows
}
