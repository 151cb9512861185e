package reports

import (
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/objective"
)

type findingRow struct {
	Objective
	Word   string
	Window string
	// Gauge is how far along to its limit the value is, in percent of a bar
	// whose limit stands at two thirds; negative where that means nothing.
	Gauge float64
}

type faultRow struct {
	Fault
	Word  string
	Class string
	Steps []chainStep
}

type chainStep struct{ Name, At, Class string }

type watchedRow struct {
	Name string
	*Probe
	Values []string // first, min, mean, max, last
}

// A group is the charts of one load.
type group struct {
	Name   string
	Note   string
	Charts []chart
}

type phaseRow struct {
	Load, Phase string
	First       int // how many rows the load has, on its first
	Excluded    bool
	*PhaseFigures
}

type figureRow struct {
	Name   string
	Indent bool
	*Latency
}

type failureRow struct {
	Load, Class, Words string
	Count              int64
	Share              float64
}

type sampleRow struct {
	Load string
	ErrorSample
}

type healthRow struct{ Name, Worst, Limit, Class string }

func newFindingRow(o Objective) findingRow {
	row := findingRow{Objective: o, Word: string(o.State), Window: "-", Gauge: -1}
	if o.To > o.From {
		row.Window = moment(o.From) + "–" + moment(o.To)
	}
	if share, ok := gauge(o.Finding); ok {
		row.Gauge = roundTo(min(share*200/3, 100), 1)
	}
	return row
}

// gauge is the observed value over an upper limit, read off the finding's
// margin.
func gauge(f objective.Finding) (float64, bool) {
	if f.Observed == "" || len(f.Limit) == 0 || f.Limit[0] != '<' {
		return 0, false
	}
	var v float64
	var where string
	if n, _ := fmt.Sscanf(f.Margin, "%g%% %s", &v, &where); n == 2 {
		if where == "above" {
			return 1 + v/100, true
		}
		return 1 - v/100, true
	}
	if n, _ := fmt.Sscanf(f.Margin, "%g times", &v); n == 1 {
		return v, true
	}
	return 1, f.Margin == "at the limit"
}

// An oftenRow is an occurrence of a fault that came too often for a card each.
type oftenRow struct {
	Label, What, Targets                          string
	Requested, Injected, Effective, Undone, Ended string
	Word, Class, Reason                           string
}

func newOftenRow(f Fault) oftenRow {
	whole := newFaultRow(f)
	row := oftenRow{Label: f.Label(), What: f.What, Targets: strings.Join(f.Targets, ", "), Requested: at(f.Requested), Injected: at(f.Injected),
		Effective: at(f.Effective), Undone: at(f.Undone), Ended: at(f.Gone), Word: whole.Word, Class: whole.Class}
	if f.OneShot {
		row.Undone, row.Ended = "one-shot", ""
	}
	if row.Class != "good" {
		row.Reason = f.Text
	}
	return row
}

func newFaultRow(f Fault) faultRow {
	row := faultRow{Fault: f, Word: f.Truth.words(), Class: "good"}
	switch f.Truth {
	case FaultNotGone:
		row.Class = "bad"
	case FaultIneffective, FaultNotInjected:
		row.Class = "doubt"
	}
	step := func(name string, when *time.Duration, missing string) {
		s := chainStep{Name: name, At: at(when), Class: "done"}
		if when == nil {
			s.Class = missing
		}
		row.Steps = append(row.Steps, s)
	}
	step("requested", f.Requested, "open")
	step("injected", f.Injected, "open")
	step("effective", f.Effective, "doubt")
	if f.OneShot {
		row.Steps = append(row.Steps, chainStep{Name: "nothing to undo", At: "one-shot", Class: "done"})
		return row
	}
	step("undone", f.Undone, "open")
	missing := "open"
	if f.Truth == FaultNotGone {
		missing = "bad"
	}
	step("verified gone", f.Gone, missing)
	return row
}

func newWatchedRow(name string, p *Probe) watchedRow {
	row := watchedRow{Name: name, Probe: p}
	for _, v := range []*float64{p.First, p.Min, p.Mean, p.Max, p.Last} {
		text := "-"
		if v != nil {
			text = value(*v, p.Unit)
		}
		row.Values = append(row.Values, text)
	}
	return row
}

// addLoad adds a load to every part of the page that has one.
func (p *page) addLoad(d *drawing, name string) {
	l, line := p.Loads[name], p.Timeline.Loads[name]
	g := group{Name: name, Note: fmt.Sprintf("%s, %s model", l.Kind, l.Model)}
	if l.Offered > 0 {
		g.Charts = append(g.Charts, d.rates(line))
	}
	if line.Heatmap != nil {
		g.Charts = append(g.Charts, d.latencies(name, line), d.heat(line))
	}
	if line.anyErrors() {
		g.Charts = append(g.Charts, d.errors(line))
	}
	p.Groups = append(p.Groups, g)
	if l.Spectrum != nil {
		p.Spectra = append(p.Spectra, d.spectrum(name, l))
	}
	p.addFigures(name, l)
	for i, ph := range p.Phases {
		row := phaseRow{Load: name, Phase: ph.Name, Excluded: ph.Exclude, PhaseFigures: l.Phases[ph.Name]}
		if i == 0 {
			row.First = len(p.Phases)
		}
		p.Phased = append(p.Phased, row)
	}
	total := int64(0)
	for _, n := range l.Errors {
		total += n
	}
	for _, class := range byCount(l.Errors) {
		p.Failures = append(p.Failures, failureRow{Load: name, Class: class, Words: classWords(class), Count: l.Errors[class],
			Share: float64(l.Errors[class]) / float64(max(total, 1))})
	}
	for _, s := range l.Samples {
		p.Samples = append(p.Samples, sampleRow{Load: name, ErrorSample: s})
	}
}

func (p *page) addFigures(name string, l *Load) {
	add := func(name string, indent bool, v *Latency) {
		if v != nil {
			p.Figures = append(p.Figures, figureRow{Name: name, Indent: indent, Latency: v})
		}
	}
	add(name, false, l.Response)
	add("successful alone", true, l.ResponseOK)
	if len(l.steps) > 1 {
		for _, step := range l.steps {
			add("step "+step, true, l.Steps[step].Response)
		}
	}
	add("service", true, l.Service)
	add("wait", true, l.Wait)
	add("dns", true, l.DNS)
	add("connect", true, l.Connect)
	add("tls", true, l.TLS)
	add("first byte", true, l.FirstByte)
}

// rows are the generator's worst values beside what they were held against.
func (t Trust) rows() []healthRow {
	if t.Judged == 0 {
		return nil
	}
	w, l := t.Worst, t.Limits
	row := func(name, worst, limit string, over bool) healthRow {
		h := healthRow{Name: name, Worst: worst, Limit: limit}
		if over {
			h.Class = "doubt"
		}
		return h
	}
	return []healthRow{
		row("Dispatch lag, p99 of a second", duration(w.DispatchLag), duration(l.DispatchLag), w.DispatchLag > l.DispatchLag),
		row(fmt.Sprintf("CPU of its %s", plural(int64(w.Cores), "core")), percent(w.CPU), percent(l.CPU), w.CPU >= l.CPU),
		row("Garbage collection, longest pause", duration(w.GCPause), duration(l.GCPause), w.GCPause > l.GCPause),
		row("Open files", filesText(w), percent(l.Files), float64(w.Files) >= l.Files*float64(max(w.FileLimit, 1))),
		row("Errors on its own side", count(w.LocalErrors), "0", w.LocalErrors > 0),
		row("CPU of its busiest thread", percent(w.ThreadCPU)+" of a core", "", false),
		row("CPU of its garbage collector", percent(w.GCCPU)+" of a core", "", false),
		row("Scheduler latency, p99 of a second", duration(w.SchedLatency), "", false),
		row("CPU of the whole machine", machineCores(w, w.MachineCPU), "", false),
		row("CPU taken by the hypervisor", machineCores(w, w.Steal), "", false),
		row("Local ports in use to one address", portsText(w), "", false),
		row("TCP segments sent again, in all", known(w.Retransmits), "", false),
		row("Requests for a connection sent again, in all", known(w.SynRetransmits), "", false),
		row("Connections that full accept queues here turned away", known(w.ListenOverflows), "", false),
		row("Memory", size(float64(w.RSS)), "", false),
		row("Goroutines", count(int64(w.Goroutines)), "", false),
	}
}

func filesText(w Worst) string {
	if w.Files < 0 {
		return notKnown
	}
	return fmt.Sprintf("%s of %s", count(int64(w.Files)), count(int64(w.FileLimit)))
}

// known is a count, which is -1 where it is not known.
func known(n int64) string {
	if n < 0 {
		return notKnown
	}
	return count(n)
}

// portsText says how many local ports were taken, and towards where.
func portsText(w Worst) string {
	switch {
	case w.PortLimit == 0:
		return notKnown
	case w.Ports == 0:
		return "none of " + count(int64(w.PortLimit))
	}
	return fmt.Sprintf("%s of %s to %s", count(int64(w.Ports)), count(int64(w.PortLimit)), w.PortsTo)
}
