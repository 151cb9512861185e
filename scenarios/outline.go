package scenarios

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// The width of the timeline and of the names before it, in columns: 80 in all.
const (
	timelineWidth = 60
	nameWidth     = 18
)

// Outline writes what a plan would do, for people: a timeline, the requests
// each load would send, what each fault would touch, what must hold, and the
// warnings. It touches nothing.
func Outline(w io.Writer, p *Plan) error {
	out := bufio.NewWriter(w)
	o := outliner{Writer: out, plan: p}
	o.heading()
	o.timeline()
	o.phases()
	o.loads()
	o.faults()
	o.watch()
	o.objectives()
	o.list("What may be loaded or broken", p.Info.Target)
	o.list("Warnings", p.Info.Warnings)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write outline: %w", err)
	}
	return nil
}

type outliner struct {
	*bufio.Writer
	plan *Plan
}

func (o outliner) printf(format string, args ...any) { fmt.Fprintf(o.Writer, format, args...) }

func (o outliner) heading() {
	info := o.plan.Info
	o.printf("%s: %s in %s, seed %d\n", info.Name, decode.FormatDuration(info.Duration), count(len(info.Phases), "phase"), info.Seed)
	if info.Description != "" {
		o.printf("%s\n", strings.Join(strings.Fields(info.Description), " "))
	}
}

func (o outliner) timeline() {
	info := o.plan.Info
	if info.Duration <= 0 {
		return
	}
	o.printf("\n")
	o.row("", o.ruler())
	o.row("phases", o.phaseBand())
	for i, l := range o.plan.Loads {
		o.row(info.Loads[i].Name, sparkline(l.Pieces, info.Duration, timelineWidth)+"  peak "+o.peak(i))
	}
	for _, all := range byName(info.Faults) {
		o.row("! "+all[0].Name, o.faultBand(all))
	}
}

func (o outliner) row(name, band string) {
	o.printf("%s %s\n", pad(name, nameWidth), strings.TrimRight(band, " "))
}

// column is where a time falls on the timeline.
func (o outliner) column(t time.Duration) int {
	return min(timelineWidth, int(math.Round(float64(t)/float64(o.plan.Info.Duration)*timelineWidth)))
}

// ruler marks the starts of phases, where there is room, and the end.
func (o outliner) ruler() string {
	line := newCanvas(timelineWidth + 8)
	free := 0
	end := decode.FormatDuration(o.plan.Info.Duration)
	for _, p := range o.plan.Info.Phases {
		at, text := o.column(p.Start), decode.FormatDuration(p.Start)
		if at >= free && at+len(text) < timelineWidth-1 {
			line.write(at, text)
			free = at + len(text) + 1
		}
	}
	line.write(timelineWidth-1, end)
	return line.String()
}

func (o outliner) phaseBand() string {
	line := newCanvas(timelineWidth)
	for _, p := range o.plan.Info.Phases {
		from, to := o.column(p.Start), o.column(p.End)
		if from == to {
			continue
		}
		fill := "─"
		if p.Exclude {
			fill = "·"
		}
		line.write(from, "├"+strings.Repeat(fill, to-from-1))
		if room := to - from - 2; room > 0 {
			line.write(from+1, clip(p.Name, room))
		}
	}
	return line.String()
}

// faultBand draws each occurrence of a fault as a band, or as one mark when it
// is over at once.
func (o outliner) faultBand(all []journal.FaultPlan) string {
	line := newCanvas(timelineWidth)
	for _, f := range all {
		from := min(o.column(f.At), timelineWidth-1)
		if f.OneShot && f.For == 0 {
			line.write(from, "▲")
			continue
		}
		to := timelineWidth
		if f.For > 0 {
			to = o.column(f.At + f.For)
		}
		line.write(from, strings.Repeat("▓", max(1, to-from)))
	}
	return line.String()
}

// sparkline draws a load's plan, each column the highest value in it. Zero is
// empty, and anything above zero is at least the lowest bar.
func sparkline(pieces []generators.Piece, whole time.Duration, width int) string {
	values := make([]float64, width)
	top := 0.0
	for i := range values {
		from := whole * time.Duration(i) / time.Duration(width)
		to := whole * time.Duration(i+1) / time.Duration(width)
		values[i] = highest(pieces, from, to)
		top = max(top, values[i])
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	out := make([]rune, width)
	for i, v := range values {
		switch {
		case v <= 0 || top <= 0:
			out[i] = ' '
		default:
			out[i] = bars[min(len(bars)-1, int(v/top*float64(len(bars))))]
		}
	}
	return string(out)
}

// highest is the most that is planned at any time in [from, to). A trace has
// no plan: it counts as the rate that its arrivals come to in that time.
func highest(pieces []generators.Piece, from, to time.Duration) float64 {
	top := 0.0
	for _, p := range pieces {
		a, b := max(from, p.Start), min(to, p.End)
		if a >= b {
			continue
		}
		if p.Trace != nil {
			top = max(top, float64(arrivalsBetween(p, a, b))/(b-a).Seconds())
			continue
		}
		top = max(top, planned(p, a), planned(p, b))
		if p.Sine != nil {
			const steps = 16
			for i := 1; i < steps; i++ {
				top = max(top, planned(p, a+(b-a)*time.Duration(i)/steps))
			}
		}
	}
	return top
}

// arrivalsBetween counts the arrivals of a piece with a trace in [from, to).
func arrivalsBetween(p generators.Piece, from, to time.Duration) int {
	first, _ := slices.BinarySearch(p.Trace, from-p.Start)
	last, _ := slices.BinarySearch(p.Trace, to-p.Start)
	return last - first
}

// planned is the value of one piece at t, which lies in it or at its end.
func planned(p generators.Piece, t time.Duration) float64 {
	length := p.End - p.Start
	if length <= 0 {
		return 0
	}
	v := p.From + (p.To-p.From)*float64(t-p.Start)/float64(length)
	if p.Sine != nil {
		v += p.Sine.Amplitude * math.Sin(2*math.Pi*float64(t-p.Start)/float64(p.Sine.Period))
	}
	return max(0, v)
}

func (o outliner) peak(i int) string {
	pieces := o.plan.Loads[i].Pieces
	top, trace := 0.0, false
	for _, p := range pieces {
		trace = trace || p.Trace != nil
		if p.Trace == nil {
			top = max(top, highest([]generators.Piece{p}, p.Start, p.End))
		}
	}
	switch {
	case trace && top == 0:
		return "of a trace"
	case o.plan.Info.Loads[i].Model == "closed":
		return count(int(top), "user")
	case trace:
		return decode.FormatRate(top) + " and a trace"
	}
	return decode.FormatRate(top)
}

func (o outliner) phases() {
	o.printf("\nPhases\n")
	rows := [][]string{}
	for _, p := range o.plan.Info.Phases {
		note := ""
		if p.Exclude {
			note = "recorded, never judged"
		}
		rows = append(rows, []string{p.Name, decode.FormatDuration(p.Start) + " – " + decode.FormatDuration(p.End), note})
	}
	o.table(rows)
}

func (o outliner) loads() {
	o.printf("\nLoads\n")
	for i, l := range o.plan.Info.Loads {
		o.printf("  %s  %s, %s\n", l.Name, l.Kind, o.volume(l))
		o.printf("    each arrival: %s\n", strings.Join(l.Steps, ", "))
		for _, s := range o.plan.Loads[i].Pieces {
			o.printf("    %s – %s  %s\n", decode.FormatDuration(s.Start), decode.FormatDuration(s.End), describe(s, l.Model))
		}
		o.printf("    at most %s in flight; an arrival waits up to %s and is then dropped\n", thousands(int64(l.MaxInFlight)), decode.FormatDuration(l.Patience))
	}
}

// volume says how much a load would send.
func (o outliner) volume(l journal.LoadPlan) string {
	switch {
	case l.Model == "closed":
		return "closed model: as many requests as the users get answered"
	case l.Arrivals < 0:
		return "open model: too many arrivals to count"
	}
	about := ""
	for _, s := range l.Segments {
		if s.Arrivals == string(generators.Poisson) {
			about = "about "
		}
	}
	text := fmt.Sprintf("open model: %s%s", about, counted(l.Arrivals, "arrival"))
	if n := int64(len(l.Steps)); n > 1 {
		text += fmt.Sprintf(", up to %s%s", about, counted(l.Arrivals*n, "request"))
	}
	return text
}

func describe(p generators.Piece, model string) string {
	if p.Trace != nil {
		return counted(int64(len(p.Trace)), "arrival") + " of a trace"
	}
	text := level{p.From, model == "closed"}.String()
	if p.From != p.To {
		text += " -> " + level{p.To, model == "closed"}.String()
	}
	if model == "closed" {
		text += " users"
	}
	if p.Process == generators.Poisson {
		text += ", poisson"
	}
	if p.Sine != nil {
		text += fmt.Sprintf(", ± %s every %s", decode.FormatRate(p.Sine.Amplitude), decode.FormatDuration(p.Sine.Period))
	}
	return text
}

func (o outliner) watch() {
	if len(o.plan.Info.Probes) == 0 {
		return
	}
	o.printf("\nWatched\n")
	rows := [][]string{}
	for _, p := range o.plan.Info.Probes {
		rows = append(rows, []string{p.Name, p.Kind + ": " + p.What})
	}
	o.table(rows)
}

func (o outliner) objectives() {
	o.printf("\nMust hold\n")
	if len(o.plan.Info.Objectives) == 0 {
		o.printf("  nothing: the run can only say what happened\n")
	}
	for _, j := range o.plan.Info.Objectives {
		abort := ""
		if j.Abort {
			abort = "  (or the run stops)"
		}
		o.printf("  %s%s\n", j.Source, abort)
	}
	o.list("The run stops at once when", o.plan.Info.Aborts)
}

func (o outliner) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	o.printf("\n%s\n", title)
	for _, l := range lines {
		o.printf("  %s\n", strings.ReplaceAll(l, "\n", "\n  "))
	}
}

// table prints rows with their columns in line, two spaces apart.
func (o outliner) table(rows [][]string) {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			line.WriteString("  " + pad(cell, widths[i]))
		}
		o.printf("%s\n", strings.TrimRight(line.String(), " "))
	}
}

// A canvas is one line to write on anywhere.
type canvas []rune

func newCanvas(width int) canvas {
	c := make(canvas, width)
	for i := range c {
		c[i] = ' '
	}
	return c
}

func (c canvas) write(at int, text string) {
	for _, r := range text {
		if at >= 0 && at < len(c) {
			c[at] = r
		}
		at++
	}
}

func (c canvas) String() string { return string(c) }

func pad(s string, width int) string {
	if n := utf8.RuneCountInString(s); n < width {
		return s + strings.Repeat(" ", width-n)
	}
	return s
}

// thousands writes a whole number with its thousands apart: 1,234,567.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes a number of things: "1 phase", "4 phases".
func count(n int, what string) string { return counted(int64(n), what) }

func counted(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(n) + " " + what
}
