package tui

import (
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// maxFaultRows is how many faults get a line of their own in the timeline.
const maxFaultRows = 4

// timeline draws the whole run: phases, planned load, a mark for now, and
// when faults are planned and were there.
func (s *screen) timeline() []row {
	gutter := len("planned") + 2
	tall := s.height >= wideHeight
	each := tall && len(s.faults) <= maxFaultRows
	if each {
		for _, f := range s.faults {
			gutter = min(max(gutter, textWidth(f.plan.Name)+2), 20)
		}
	}
	w := s.width - gutter - 1
	label := func(text string) span { return field(" "+text, gutter, dim) }

	rows := []row{append(row{label("phases")}, s.phaseBar(w)...).fit(s.width)}
	if tall {
		columns := s.plannedColumns(w)
		rows = append(rows, row{label("planned"), {spark(columns, highest(columns)), accent}}.fit(s.width))
	}
	rows = append(rows, append(row{label("time")}, s.nowBar(w)...).fit(s.width))
	switch {
	case len(s.faults) == 0:
	case each:
		for _, f := range s.faults {
			rows = append(rows, append(row{label(clean(f.plan.Name))}, s.bands(w, []faultNow{f})...).fit(s.width))
		}
	default:
		rows = append(rows, append(row{label("faults")}, s.bands(w, s.faults)...).fit(s.width))
	}
	return rows
}

// place is the cell of w in which a time of the run lies.
func (s *snapshot) place(at time.Duration, w int) int {
	if s.plan.Duration <= 0 {
		return 0
	}
	return min(max(int(float64(at)/float64(s.plan.Duration)*float64(w)), 0), w)
}

// phaseBar names the phases, each over its time. What is not judged stands in
// brackets.
func (s *snapshot) phaseBar(w int) row {
	var r row
	used := 0
	for _, p := range s.plan.Phases {
		from, to := s.place(p.Start, w), s.place(p.End, w)
		if from < used || to <= from {
			continue
		}
		if from > used {
			r = append(r, span{text: strings.Repeat(" ", from-used)})
		}
		name, as := clean(p.Name), plain
		if p.Exclude {
			name, as = "("+name+")", dim
		}
		if p.Name == s.phase && s.phase != "" {
			as = strong
		}
		r = append(r, span{"│", dim}, field(name, to-from-1, as))
		used = to
	}
	return r
}

// nowBar is the time gone, a mark, and the time to come.
func (s *snapshot) nowBar(w int) row {
	at := min(s.place(s.now, w), w-1)
	if !s.started || at < 0 {
		return row{{strings.Repeat("─", max(w, 0)), dim}}
	}
	return row{{strings.Repeat("━", at), good}, {"●", strong}, {strings.Repeat("─", w-at-1), dim}}
}

// bands shows when faults are planned (shaded) and were there (solid).
func (s *snapshot) bands(w int, faults []faultNow) row {
	cells := make([]rune, max(w, 0))
	for i := range cells {
		cells[i] = ' '
	}
	fill := func(from, to time.Duration, r rune) {
		a := min(s.place(from, w), max(w-1, 0))
		for i := a; i < max(s.place(to, w), a+1) && i < w; i++ {
			cells[i] = r
		}
	}
	for _, f := range faults {
		fill(f.plan.At, f.plan.At+f.plan.For, '░')
	}
	for _, f := range faults {
		if !f.there {
			continue
		}
		end := s.now
		if f.to > 0 {
			end = f.to
		}
		if f.plan.OneShot && f.state != "" {
			end = min(s.now, max(f.plan.At+f.plan.For, f.from))
		}
		fill(f.from, end, '█')
	}
	var r row
	for _, c := range cells {
		as := dim
		if c == '█' {
			as = warn
		}
		r = append(r, span{string(c), as})
	}
	return r
}

// plannedColumns is the load planned over the run, all loads together. Where
// some are rates and some users, which cannot be added, each counts as a share
// of its own top.
func (s *snapshot) plannedColumns(w int) []column {
	mixed := false
	for _, l := range s.plan.Loads {
		mixed = mixed || l.Model != s.plan.Loads[0].Model
	}
	columns := make([]column, max(w, 0))
	for i := range columns {
		at := time.Duration((float64(i) + 0.5) / float64(w) * float64(s.plan.Duration))
		for _, l := range s.plan.Loads {
			unit := 1.0
			if mixed {
				unit = topPlanned(l)
			}
			if v := planned(l, at); unit > 0 && v > 0 {
				columns[i].upper += v / unit
				columns[i].has = true
			}
		}
	}
	return columns
}

func topPlanned(l journal.LoadPlan) float64 {
	top := 0.0
	for _, s := range l.Segments {
		top = max(top, s.From, s.To)
	}
	return top
}
