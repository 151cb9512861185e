package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/reports/scaling"
)

// An Autoscaler is how one reacted to the steps of the load. What the words
// mean, and what is not known, package scaling says.
type Autoscaler struct {
	Name       string           `json:"name"`
	Kind       string           `json:"kind"`
	What       string           `json:"what,omitempty"`
	Unit       string           `json:"load_unit"`             // arrivals/s or users
	PerReplica float64          `json:"per_replica,omitempty"` // of the load, that one replica bears; 0: not known
	Basis      string           `json:"basis"`                 // how that is known, or why not
	Steps      []scaling.Step   `json:"steps"`
	Measures   scaling.Measures `json:"measures"` // over the judged time

	Wanted  *ReplicaLine `json:"wanted,omitempty"`
	Desired *ReplicaLine `json:"desired,omitempty"`
	Ready   *ReplicaLine `json:"ready,omitempty"`
	Serving *ReplicaLine `json:"serving,omitempty"` // replicas that answered anything, second by second
}

// A ReplicaLine is a number of replicas over time: from each time on the value
// beside it, −1 where it is not known.
type ReplicaLine struct {
	At     []int64   `json:"t_ns"`
	Values []float64 `json:"replicas"`
}

// readAutoscalers analyses every probe that watches replicas, and those that an
// objective takes for one.
func (r *Report) readAutoscalers(j *journal.Journal) {
	asked := map[string]bool{}
	for _, p := range j.Plan.Objectives {
		if o, err := objective.Compile(p.Source); err == nil && o.Scaling() {
			for _, ref := range o.References() {
				asked[ref.Name] = true
			}
		}
	}
	for _, p := range j.Plan.Probes {
		if p.Scaling == nil && !asked[p.Name] {
			continue
		}
		a := scaling.Analyse(j, p.Name)
		r.Autoscalers = append(r.Autoscalers, Autoscaler{
			Name: p.Name, Kind: p.Kind, What: p.What, Unit: a.Unit, PerReplica: roundTo(a.PerReplica, 6), Basis: a.Basis,
			Steps: append([]scaling.Step{}, a.Steps...), Measures: a.Measure(a.Judged),
			Wanted: replicaLine(a.Wanted, a.End), Desired: replicaLine(a.Desired, a.End), Ready: replicaLine(a.Ready, a.End), Serving: replicaLine(a.Serving, a.End),
		})
	}
}

// maxReplicaPoints bounds a line: more than a screen shows apart.
const maxReplicaPoints = 2000

func replicaLine(c scaling.Curve, end time.Duration) *ReplicaLine {
	l := &ReplicaLine{At: []int64{}, Values: []float64{}}
	for _, p := range c {
		if p.At >= end {
			break
		}
		v := p.Value
		if !p.Known {
			v = -1
		}
		l.At, l.Values = append(l.At, int64(max(p.At, 0))), append(l.Values, v)
	}
	if len(l.At) == 0 {
		return nil
	}
	for len(l.At) > maxReplicaPoints {
		l = l.thin()
	}
	return l
}

// thin keeps of each four points the lowest and the highest.
func (l *ReplicaLine) thin() *ReplicaLine {
	out := &ReplicaLine{}
	for i := 0; i < len(l.At); i += 4 {
		n := min(i+4, len(l.At))
		low, high := i, i
		for k := i; k < n; k++ {
			if l.Values[k] < l.Values[low] {
				low = k
			}
			if l.Values[k] > l.Values[high] {
				high = k
			}
		}
		for _, k := range slices.Compact([]int{min(low, high), max(low, high)}) {
			out.At, out.Values = append(out.At, l.At[k]), append(out.Values, l.Values[k])
		}
	}
	return out
}

// title names the autoscaler and what it is.
func (a Autoscaler) title() string {
	if a.What == "" {
		return a.Name
	}
	return a.Name + ": " + a.What
}

// ups are the steps that it was asked to answer.
func (a Autoscaler) ups() []scaling.Step {
	return slices.DeleteFunc(slices.Clone(a.Steps), func(s scaling.Step) bool { return !s.Up })
}

// stepTitle says what the load did, and what was there.
func (a Autoscaler) stepTitle(s scaling.Step) string {
	load := func(v float64) string {
		if a.Unit == "users" {
			return significant(v) + " users"
		}
		return rate(v)
	}
	text := fmt.Sprintf("%s to %s at %s", load(s.From), load(s.To), moment(s.Start))
	if s.Full > s.Start {
		text = fmt.Sprintf("%s to %s from %s to %s", load(s.From), load(s.To), moment(s.Start), moment(s.Full))
	}
	if s.Before != nil {
		text += fmt.Sprintf(", %s ready before", significant(*s.Before))
	}
	if s.Wanted != nil {
		text += fmt.Sprintf(", %s wanted", significant(*s.Wanted))
	}
	if s.Excluded {
		text += " (not judged)"
	}
	if s.Absorbed {
		text += ": what was there was enough"
	}
	return text
}

// stageRow is one stage of a waterfall in words: stage, when, in doubt by,
// since the one before, unserved, and what.
func stageRow(st scaling.Stage) []string {
	when, within := "unknown", "-"
	switch st.State {
	case scaling.Reached:
		when = duration(st.After)
		if st.Within > 0 {
			within = "±" + duration(st.Within)
		}
	case scaling.Not:
		when = "≥ " + duration(st.After)
	case scaling.Unneeded:
		when = "not needed"
	}
	unserved := "-"
	if st.Due > 0 {
		unserved = fmt.Sprintf("%s of %s", count(st.Unserved), count(st.Due))
	}
	what := st.Object
	if st.Text != "" {
		if what != "" {
			what += ", "
		}
		what += st.Text
	}
	return []string{st.Name, when, within, unserved, what}
}

// stageHead is above stageRow.
var stageHead = []string{"stage", "after the step began", "doubt", "unserved", "what"}

// measureRows are the measures in words: name, value, and what it means.
func (a Autoscaler) measureRows() [][]string {
	m := a.Measures
	number := func(v *float64) string {
		if v == nil {
			return "unknown"
		}
		return significant(*v)
	}
	share := func(v *float64) string {
		if v == nil {
			return "unknown"
		}
		return percent(*v)
	}
	flaps := "unknown"
	if m.Flaps != nil {
		flaps = count(*m.Flaps)
	}
	rows := [][]string{
		{"replicas", number(m.Least) + " to " + number(m.Most), "that existed"},
		{"flaps", flaps, "reversals that no step of the load explains"},
		{"overshoot", share(m.Overshoot), "asked for beyond what the worst step needed"},
		{"under", share(m.UnderTime), "of the time with fewer ready than wanted (timeshare_U)"},
		{"over", share(m.OverTime), "of the time with more ready than wanted (timeshare_O)"},
		{"accuracy under", share(m.Under), "missing, of those wanted, averaged over time (accuracy_U)"},
		{"accuracy over", share(m.Over), "too many, of those wanted, averaged over time (accuracy_O)"},
		{"instability", share(m.Instability), "of the time in which supply and demand did not move alike"},
		{"short", number(m.Short), "replica-seconds missing"},
		{"wasted", number(m.Wasted), "replica-seconds too many"},
		{"used", number(m.Used), "replica-seconds that existed"},
	}
	if m.Cost != nil {
		rows = append(rows, []string{"cost", number(m.Cost), "of these, at the price given"})
	}
	if m.Blind > 0 {
		rows = append(rows, []string{"blind", duration(m.Blind), "in which the probe saw nothing"})
	}
	return rows
}

// autoscalers prints them for a terminal.
func (t *text) autoscalers() {
	for _, a := range t.r.Autoscalers {
		t.section("Autoscaler " + a.title())
		for _, s := range a.ups() {
			t.lines = append(t.lines, wrap(a.stepTitle(s), "  ", "  ")...)
			if s.Absorbed {
				continue
			}
			tb := &table{right: []bool{false, true, true, true, false}}
			tb.add("", "after", "doubt", "unserved", "")
			for _, st := range s.Stages {
				row := stageRow(st)
				row[4] = shorten(row[4], 44)
				tb.add(row...)
			}
			t.lines = append(t.lines, tb.lines("    ")...)
			for _, n := range s.Notes {
				t.lines = append(t.lines, wrap(n, "    - ", "      ")...)
			}
		}
		var parts []string
		for _, row := range a.measureRows() {
			parts = append(parts, row[0]+" "+row[1])
		}
		t.lines = append(t.lines, wrap(strings.Join(parts, " · "), "  ", "  ")...)
		t.lines = append(t.lines, wrap(sentence(upper(a.Basis)), "  ", "  ")...)
	}
}

// autoscalerLines are the same lines for a log.
func (r *Report) autoscalerLines() []string {
	t := &text{r: r}
	t.autoscalers()
	return t.lines
}

// markdownAutoscalers prints them for the summary page of a CI job.
func (r *Report) markdownAutoscalers(b *strings.Builder) {
	for _, a := range r.Autoscalers {
		fmt.Fprintf(b, "\n### Autoscaler %s\n", escapeMarkdown(a.title()))
		for _, s := range a.ups() {
			fmt.Fprintf(b, "\n%s\n", escapeMarkdown(sentence(upper(a.stepTitle(s)))))
			if s.Absorbed {
				continue
			}
			b.WriteString("\n| Stage | After | Doubt | Unserved | What |\n|---|---:|---:|---:|---|\n")
			for _, st := range s.Stages {
				markdownRow(b, stageRow(st)...)
			}
			if len(s.Notes) > 0 {
				b.WriteByte('\n')
			}
			for _, n := range s.Notes {
				fmt.Fprintf(b, "- %s\n", escapeMarkdown(n))
			}
		}
		b.WriteString("\n| Measure | | |\n|---|---:|---|\n")
		for _, row := range a.measureRows() {
			markdownRow(b, row...)
		}
		fmt.Fprintf(b, "\n%s\n", escapeMarkdown(sentence(upper(a.Basis))))
	}
}

// An autoscalerView is one for the page.
type autoscalerView struct {
	Title, What, Basis string
	Chart              *chart
	Steps              []stepView
	Measures           [][]string
}

type stepView struct {
	Title string
	Head  []string
	Rows  [][]string
	Notes []string
}

func (d *drawing) autoscaler(a Autoscaler) autoscalerView {
	v := autoscalerView{Title: a.Name, What: a.What, Basis: sentence(upper(a.Basis)), Measures: a.measureRows(), Chart: d.replicas(a)}
	for _, s := range a.ups() {
		view := stepView{Title: upper(a.stepTitle(s)), Notes: s.Notes}
		if !s.Absorbed {
			view.Head = stageHead
			for _, st := range s.Stages {
				view.Rows = append(view.Rows, stageRow(st))
			}
		}
		v.Steps = append(v.Steps, view)
	}
	return v
}

// replicas draws what was wanted, asked for, ready and serving; nil where
// nothing was seen.
func (d *drawing) replicas(a Autoscaler) *chart {
	lines := []struct {
		name, class string
		of          *ReplicaLine
	}{{"wanted", "wanted", a.Wanted}, {"desired", "desired", a.Desired}, {"ready", "ready", a.Ready}, {"serving", "serving", a.Serving}}
	high := 0.0
	for _, l := range lines {
		if l.of != nil {
			high = max(high, slices.Max(l.of.Values))
		}
	}
	if high <= 0 {
		return nil
	}
	c := d.chart("Replicas", "wanted, asked for, ready and serving", 160)
	s, ticks := linearScale(0, high, 160, significant)
	c.Y = ticks
	c.Table = sheet{Head: []string{"at"}, Note: "A row for each change; - where it is not known."}
	var times []int64
	for _, l := range lines {
		if l.of == nil {
			continue
		}
		c.Shapes = append(c.Shapes, shape{Class: "line " + l.class, D: l.of.path(d.axis, s, d.r.Run.Ended)})
		c.Legend = append(c.Legend, legend{l.class, l.name})
		c.Table.Head = append(c.Table.Head, l.name)
		times = append(times, l.of.At...)
	}
	slices.Sort(times)
	times = slices.Compact(times)
	const mostRows = 1000
	if len(times) > mostRows {
		c.Table.Note += fmt.Sprintf(" The first %s of %s; all are in report.json.", count(mostRows), count(int64(len(times))))
		times = times[:mostRows]
	}
	for _, t := range times {
		row := []string{moment(time.Duration(t))}
		for _, l := range lines {
			if l.of != nil {
				row = append(row, l.of.at(t))
			}
		}
		c.Table.Rows = append(c.Table.Rows, row)
	}
	return &c
}

// at is the value at a time, in words.
func (l *ReplicaLine) at(t int64) string {
	i, _ := slices.BinarySearch(l.At, t+1)
	if i == 0 || l.Values[i-1] < 0 {
		return "-"
	}
	return significant(l.Values[i-1])
}

// path draws the line in steps, with gaps where it is not known.
func (l *ReplicaLine) path(x axis, s scale, end time.Duration) string {
	var p path
	drawing := false
	for i, v := range l.Values {
		at := x.x(time.Duration(l.At[i]))
		if drawing {
			p.to('H', at)
		}
		switch {
		case v < 0:
			drawing = false
		case drawing:
			p.to('V', s.y(v))
		default:
			p.to('M', at, s.y(v))
			drawing = true
		}
	}
	if drawing {
		p.to('H', x.x(end))
	}
	return string(p)
}
