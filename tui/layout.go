package tui

import (
	"fmt"
	"strings"
)

// The smallest window that shows anything but a word about its size.
const (
	leastWidth  = 60
	leastHeight = 16
)

// Windows from these sizes on show all panes at once, one above the other, and
// then side by side. Below, one pane shows at a time.
const (
	stackWidth, stackHeight = 76, 22
	wideWidth, wideHeight   = 110, 28
	tallHeight              = 45 // charts twice as high
)

// A pane is one part of the screen below the timeline.
type pane int

const (
	loadsPane pane = iota
	objectivesPane
	faultsPane
	probesPane
	logPane
	panes
)

func (p pane) String() string {
	return [...]string{"Loads", "Objectives", "Faults", "Probes", "Events"}[p]
}

// A screen draws a snapshot into a window.
type screen struct {
	*snapshot
	width, height int
	focus         pane
	chosen        bool       // the focus was chosen by key: that pane gets more room
	scroll        [panes]int // lines scrolled away at the top; in the log, at the bottom
	hidden        [panes]int // lines that did not fit when last drawn: as far as one can scroll
	help          bool
	paused        bool
	leaving       bool // the run is being ended from outside: leave once it is over
	asked         asked
}

// rows draws the whole screen.
func (s *screen) rows() []row {
	if s.width < leastWidth || s.height < leastHeight {
		return s.tooSmall()
	}
	rows := []row{s.header()}
	for _, b := range s.banner() {
		rows = append(rows, b.fit(s.width))
	}
	foot := s.footer()
	if s.help {
		rows = append(rows, s.helpPage(s.height-len(rows)-1)...)
		return append(rows, foot)
	}
	rows = append(rows, s.timeline()...)
	room := s.height - len(rows) - 1
	body := s.wide(room)
	if body == nil {
		body = s.stack(room)
	}
	if body == nil {
		body = s.single(room)
	}
	return append(append(rows, body...), foot)
}

// tooSmall says all that matters in whatever room there is.
func (s *screen) tooSmall() []row {
	lines := []string{
		fmt.Sprintf("%s %s of %s", s.stateWord(), clock(s.now), clock(s.plan.Duration)),
		fmt.Sprintf("Window %d×%d: make it %d×%d", s.width, s.height, leastWidth, leastHeight),
		"U undo every fault",
		"q " + s.quitWord(),
	}
	var rows []row
	for i := range min(max(s.height, 0), len(lines)) {
		rows = append(rows, row{{lines[i], plain}}.fit(s.width))
	}
	return rows
}

// single shows the pane in focus, under a line of all their names.
func (s *screen) single(h int) []row {
	var tabs row
	for p := range panes {
		text := fmt.Sprintf(" %d %s ", p+1, p)
		if p == s.focus {
			tabs = append(tabs, span{text, bar})
		} else {
			tabs = append(tabs, span{text, plain})
		}
	}
	return append([]row{tabs.fit(s.width)}, s.content(s.focus, s.width, h-1)...)
}

// stack shows all panes one above the other, or nil when they do not fit.
func (s *screen) stack(h int) []row {
	if s.width < stackWidth || s.height < stackHeight {
		return nil
	}
	shown := s.shown()
	least := func(p pane) int {
		rows := [panes]int{loadsPane: 5, objectivesPane: 4, faultsPane: 3, probesPane: 2, logPane: 3}
		if s.chosen && p != s.focus {
			rows = [panes]int{loadsPane: 2 + min(len(s.loads), 2), objectivesPane: 2, faultsPane: 2, probesPane: 2, logPane: 2}
		}
		if p == loadsPane {
			return min(rows[p], 2+len(s.loads))
		}
		return min(rows[p], s.want(p, s.width))
	}
	want := func(p pane) int {
		n := s.want(p, s.width)
		switch {
		case p == s.focus && s.chosen:
		case p == loadsPane:
			n = 2 + len(s.loads) // a table; charts are for who asks for them
		case p == logPane:
			n = min(n, 7)
		}
		return n
	}
	heights, ok := divide(h, shown, least, want, s.order(objectivesPane, faultsPane, probesPane, loadsPane, logPane))
	if !ok {
		return nil
	}
	var rows []row
	for _, p := range shown {
		rows = append(rows, s.box(p, s.width, heights[p])...)
	}
	return rows
}

// wide shows loads over the whole width, under them objectives beside faults
// and probes, and events at the bottom; nil when they do not fit.
func (s *screen) wide(h int) []row {
	if s.width < wideWidth || s.height < wideHeight {
		return nil
	}
	shown := s.shown()
	right := min(max(s.width*42/100, 50), 90)
	left := s.width - right - 3
	var beside []pane
	sum := 0
	for _, p := range shown {
		if p == faultsPane || p == probesPane {
			beside = append(beside, p)
			sum += s.want(p, right)
		}
	}
	middle := sum
	if len(s.objectives) > 0 {
		middle = max(middle, s.want(objectivesPane, left))
	}
	// Three bands: loads, what is judged and broken, what happened.
	table := 2 + len(s.loads)
	want := func(p pane) int {
		switch p {
		case loadsPane:
			return s.want(loadsPane, s.width)
		case objectivesPane:
			return middle
		}
		return s.want(p, s.width)
	}
	least := func(p pane) int {
		return min(want(p), [panes]int{loadsPane: min(table, 8), objectivesPane: 7, logPane: 4}[p])
	}
	bands := []pane{loadsPane, logPane}
	if middle > 0 {
		bands = []pane{loadsPane, objectivesPane, logPane}
	}
	order := s.order(objectivesPane, loadsPane, logPane)
	if order[0] == faultsPane || order[0] == probesPane {
		order[0] = objectivesPane // the band they are in
	}
	heights, ok := divide(h, bands, least, want, order)
	if !ok {
		return nil
	}
	rows := s.box(loadsPane, s.width, heights[loadsPane])
	if middle > 0 {
		rows = append(rows, s.middle(beside, left, right, heights[objectivesPane])...)
	}
	return append(rows, s.box(logPane, s.width, heights[logPane])...)
}

// middle shows objectives beside other panes.
func (s *screen) middle(beside []pane, left, right, h int) []row {
	if len(beside) == 0 {
		return s.box(objectivesPane, s.width, h)
	}
	if len(s.objectives) == 0 {
		left, right = -3, s.width
	}
	heights, ok := divide(h, beside, func(p pane) int { return min(s.want(p, right), 3) }, func(p pane) int { return s.want(p, right) },
		s.order(faultsPane, probesPane))
	if !ok {
		beside, heights = beside[:1], [panes]int{}
		heights[beside[0]] = h
	}
	var column []row
	for _, p := range beside {
		column = append(column, s.box(p, right, heights[p])...)
	}
	if left < 0 {
		return column
	}
	rows := s.box(objectivesPane, left, h)
	for i := range rows {
		rows[i] = append(append(rows[i], span{" │ ", dim}), column[i]...)
	}
	return rows
}

// order is who gets room first: the pane chosen, then the others as given.
func (s *screen) order(others ...pane) []pane {
	if s.chosen {
		return append([]pane{s.focus}, others...)
	}
	return others
}

// shown is the panes that have something to show.
func (s *screen) shown() []pane {
	shown := []pane{loadsPane}
	if len(s.objectives) > 0 {
		shown = append(shown, objectivesPane)
	}
	if len(s.faults) > 0 {
		shown = append(shown, faultsPane)
	}
	if len(s.probes) > 0 {
		shown = append(shown, probesPane)
	}
	return append(shown, logPane)
}

// divide divides h lines among panes: to each what it needs least, then to
// each what it wants, in order of who comes first, and what is left to the
// last of them. It is false when there are not enough.
func divide(h int, shown []pane, least, want func(pane) int, order []pane) (heights [panes]int, ok bool) {
	for _, p := range shown {
		heights[p] = least(p)
		h -= heights[p]
	}
	if h < 0 {
		return heights, false
	}
	for _, p := range order {
		if heights[p] == 0 { // not shown
			continue
		}
		more := min(h, max(want(p)-heights[p], 0))
		heights[p] += more
		h -= more
	}
	heights[shown[len(shown)-1]] += h
	return heights, true
}

// box is a pane under its title, in exactly w by h cells.
func (s *screen) box(p pane, w, h int) []row {
	if h <= 0 {
		return nil
	}
	head := title
	if p == s.focus && s.chosen {
		head = bar
	}
	left := row{{"──", dim}, {fmt.Sprintf(" %d %s ", p+1, p), head}}
	right := row{{"──", dim}}
	if note := s.note(p); note != "" {
		right = row{{" " + note + " ", dim}, {"──", dim}}
	}
	rule := span{strings.Repeat("─", max(0, w-left.width()-right.width())), dim}
	top := append(append(left, rule), right...).fit(w)
	return append([]row{top}, s.content(p, w, h-1)...)
}

// content is the lines of a pane, scrolled, in exactly w by h cells.
func (s *screen) content(p pane, w, h int) []row {
	if h <= 0 {
		return nil
	}
	lines := s.lines(p, w, h)
	hidden := max(len(lines)-h, 0)
	s.hidden[p] = hidden
	skip := min(s.scroll[p], hidden)
	if p == logPane { // the newest is at the bottom
		skip = hidden - skip
	}
	lines = lines[skip:min(skip+h, len(lines))]
	rows := make([]row, 0, h)
	for _, l := range lines {
		rows = append(rows, l.fit(w))
	}
	for len(rows) < h {
		rows = append(rows, row{}.fit(w))
	}
	if below := hidden - skip; below > 0 && p != logPane {
		more := row{{fmt.Sprintf(" %d more ", below), bar}}
		rows[h-1] = spread(lines[h-1], more, w)
	}
	return rows
}

// lines is all there is to say in a pane of width w, of which h lines show.
func (s *screen) lines(p pane, w, h int) []row {
	switch p {
	case loadsPane:
		return s.loadLines(w, h)
	case objectivesPane:
		return s.objectiveLines(w, h)
	case faultsPane:
		return s.faultLines(w)
	case probesPane:
		return s.probeLines(w)
	}
	return s.logLines()
}

// want is how many lines a pane could use, its title among them.
func (s *screen) want(p pane, w int) int {
	if p == loadsPane {
		// A table, and charts of a readable height.
		tall := chartHeight
		if s.height >= tallHeight {
			tall *= 2
		}
		return 2 + len(s.loads) + (1+tall)*chartRows(len(s.loads), w)
	}
	return 1 + max(len(s.lines(p, w, 0)), 1)
}

// note is what stands at the right end of a pane's title.
func (s *screen) note(p pane) string {
	switch p {
	case loadsPane:
		note := fmt.Sprintf("now: the last %ds", recentSeconds)
		if h := s.health; h.Cores > 0 {
			note = fmt.Sprintf("brunt: %s late, %s of %d cores · %s", latency(h.DispatchLag), amount(h.CPU), h.Cores, note)
		}
		return note
	case objectivesPane:
		return s.tally()
	case faultsPane:
		n := 0
		for _, f := range s.faults {
			if f.present() {
				n++
			}
		}
		if n == 0 {
			return "none in place"
		}
		return fmt.Sprintf("%d in place", n)
	}
	return ""
}
