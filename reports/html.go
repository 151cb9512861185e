package reports

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/objective"
)

//go:embed page.html.tmpl
var pageSource string

//go:embed page.css
var pageStyle string

// HTML prints a report as one page that needs nothing else: no network, no
// scripts, light and dark by the reader's preference, printable. report.json
// is inside it, and its numbers are the page's.
func HTML(w io.Writer, r *Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"duration": duration, "moment": moment, "count": count, "percent": percent, "rate": rate, "size": size,
		"plural": plural, "at": at, "dash": orDash, "line": lineOf, "errorRatio": errorRatio, "value": value,
		"short": shortMargin, "pointer": pointer, "sentence": sentence, "upper": upper,
	}).Parse(pageSource)
	if err != nil {
		return fmt.Errorf("read page template: %w", err)
	}
	p, err := newPage(r)
	if err != nil {
		return err
	}
	// Into memory first: a page that breaks off half-way is no page.
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("print page: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// pointer prints a duration that may be absent.
func pointer(d *time.Duration) string {
	if d == nil {
		return "-"
	}
	return duration(*d)
}

// A page is what the template prints.
type page struct {
	*Report
	Style      template.CSS
	JSON       template.JS // report.json: its own encoder keeps it inside a script element
	Meta       []string
	Tiles      []tile
	Findings   []findingRow
	Chains     []faultRow
	Often      []oftenRow
	Scalers    []autoscalerView
	Watched    []watchedRow
	Groups     []group
	ProbePlots []chart
	Phased     []phaseRow
	Lanes      []lane
	Strip      []strip
	Spectra    []chart
	Figures    []figureRow
	Failures   []failureRow
	Samples    []sampleRow
	Health     []healthRow
	WorkerRows [][]string // without the head
	LoadNotes  []string
	Env        []pair
	AllWarned  []string
}

type pair struct{ Key, Value string }

// A tile is one figure at the top of the page.
type tile struct{ Label, Value, Note, Class string }

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

// A strip is a labelled stretch on the time axis, in percent of it.
type strip struct {
	Name, Class, Title string
	Left, Width        float64
	After              float64 // where a label beside it begins
	Before             bool    // the label has room only on its left
}

// A lane is one row of the strip above the charts.
type lane struct{ Strips []strip }

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

func newPage(r *Report) (*page, error) {
	var encoded bytes.Buffer
	if err := JSON(&encoded, r); err != nil {
		return nil, err
	}
	d := newDrawing(r)
	p := &page{Report: r, Style: template.CSS(pageStyle), JSON: template.JS(encoded.String())}
	p.Meta = p.meta()
	p.Tiles = p.tiles()
	for _, o := range r.Objectives {
		p.Findings = append(p.Findings, newFindingRow(o))
	}
	for _, f := range r.Faults {
		if len(r.occurrences(f.Name)) > maxTold {
			p.Often = append(p.Often, newOftenRow(f))
		} else {
			p.Chains = append(p.Chains, newFaultRow(f))
		}
	}
	for _, a := range r.Autoscalers {
		p.Scalers = append(p.Scalers, d.autoscaler(a))
	}
	for _, name := range r.probes {
		p.Watched = append(p.Watched, newWatchedRow(name, r.Probes[name]))
		if line := r.Timeline.Probes[name]; len(line.Values) > 0 {
			p.ProbePlots = append(p.ProbePlots, d.probe(name, r.Probes[name], line))
		}
	}
	p.Strip, p.Lanes = d.strips()
	for _, name := range r.loads {
		p.addLoad(d, name)
	}
	p.Health = r.Trust.rows()
	if rows := r.workerTable(); rows != nil {
		p.WorkerRows = rows[1:]
	}
	for _, name := range r.loads {
		for _, note := range r.Loads[name].notes() {
			p.LoadNotes = append(p.LoadNotes, sentence(name+": "+note))
		}
	}
	for _, k := range sortedKeys(r.Environment) {
		p.Env = append(p.Env, pair{k, r.Environment[k]})
	}
	p.AllWarned = append(append(p.AllWarned, r.Warnings...), r.Damage...)
	return p, nil
}

func (p *page) meta() []string {
	r := p.Report
	var out []string
	if r.Run.Started != nil {
		out = append(out, r.Run.Started.Format("2 January 2006, 15:04:05 UTC"))
	}
	played := moment(r.Run.Ended) + " played"
	if r.Run.State != completed {
		played = fmt.Sprintf("%s after %s of %s", r.Run.State, moment(r.Run.Ended), moment(r.Run.Planned))
	}
	out = append(out, played, fmt.Sprintf("seed %d", r.Seed))
	if r.File != "" {
		out = append(out, r.File)
	}
	return out
}

func (p *page) tiles() []tile {
	r := p.Report
	held := 0
	for _, o := range r.Objectives {
		if o.State == objective.Pass {
			held++
		}
	}
	t := tile{Label: "Objectives held", Value: fmt.Sprintf("%d of %d", held, len(r.Objectives)), Class: "good"}
	switch {
	case len(r.Objectives) == 0:
		t.Value, t.Class = "none asked", ""
	case len(r.inState(objective.Fail)) > 0:
		t.Class = "bad"
	case held < len(r.Objectives):
		t.Class = "doubt"
	}
	tiles := []tile{t}
	if len(r.Faults) > 0 {
		proven := 0
		t := tile{Label: "Faults proven and gone", Class: "good"}
		for _, f := range r.Faults {
			switch f.Truth {
			case FaultProven:
				proven++
			case FaultNotGone:
				t.Class = "bad"
			default:
				if t.Class == "good" {
					t.Class = "doubt"
				}
			}
		}
		t.Value = fmt.Sprintf("%d of %d", proven, len(r.Faults))
		tiles = append(tiles, t)
	}
	var offered, dropped, judged, failed int64
	for _, l := range r.Loads {
		offered += l.Offered
		dropped += l.Dropped
		judged += l.JudgedOperations
		failed += l.JudgedFailed
	}
	t = tile{Label: "Arrivals offered", Value: count(offered), Note: "none dropped"}
	if dropped > 0 {
		t.Note = count(dropped) + " dropped"
	}
	tiles = append(tiles, t)
	t = tile{Label: "Operations failed", Value: errorRatio(ratio(failed, judged)), Note: fmt.Sprintf("%s of %s judged", count(failed), count(judged))}
	tiles = append(tiles, t)
	t = tile{Label: "Generator", Value: "healthy", Class: "good", Note: "worst lag " + duration(r.Trust.Worst.DispatchLag)}
	switch {
	case r.Trust.Bottleneck:
		t.Value, t.Class, t.Note = "bottleneck", "doubt", fmt.Sprintf("%s of %d strained", plural(r.Trust.Strained, "second"), r.Trust.Judged)
	case r.Trust.Unwatched:
		t.Value, t.Class, t.Note = "not known", "doubt", "no record of its health"
	}
	return append(tiles, t)
}

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

// strips lays out the phases, and a lane for each fault.
func (d *drawing) strips() (phases []strip, lanes []lane) {
	for _, ph := range d.r.Phases {
		if !ph.Reached {
			continue
		}
		s := strip{Name: ph.Name, Class: "phase", Left: d.axis.percent(ph.Start), Title: ph.Name + ", " + between(ph.Start, ph.End)}
		s.Width = roundTo(d.axis.percent(ph.End)-s.Left, 3)
		if ph.Exclude {
			s.Class, s.Title = "phase excluded", s.Title+", recorded but not judged"
		}
		phases = append(phases, s)
	}
	of := map[string]int{} // by fault: its lane
	for _, f := range d.r.Faults {
		if f.to <= f.from {
			continue
		}
		s := strip{Name: f.Name, Class: "fault", Left: d.axis.percent(f.from), Title: f.Text}
		s.Width = max(roundTo(d.axis.percent(f.to)-s.Left, 3), 0.3)
		if f.OneShot {
			s.Class = "fault shot"
		}
		at, there := of[f.Name]
		if !there {
			at, of[f.Name] = len(lanes), len(lanes)
			lanes = append(lanes, lane{})
		}
		for i := range lanes[at].Strips { // the last of a lane bears its name
			lanes[at].Strips[i].Name = ""
		}
		lanes[at].Strips = append(lanes[at].Strips, s)
	}
	for _, l := range lanes {
		last := &l.Strips[len(l.Strips)-1]
		last.After = roundTo(last.Left+last.Width, 3)
		if last.After > 70 { // no room behind it: before the first
			last.Before, last.After = true, roundTo(100-l.Strips[0].Left, 3)
		}
	}
	return phases, lanes
}

// rows are the generator's worst values beside what they were held against.
func (t Trust) rows() []healthRow {
	if t.Unwatched {
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
		row("Open files", fmt.Sprintf("%s of %s", count(int64(w.Files)), count(int64(w.FileLimit))), percent(l.Files), float64(w.Files) >= l.Files*float64(max(w.FileLimit, 1))),
		row("Errors on its own side", count(w.LocalErrors), "0", w.LocalErrors > 0),
		row("CPU of its busiest thread", percent(w.ThreadCPU)+" of a core", "", false),
		row("CPU of its garbage collector", percent(w.GCCPU)+" of a core", "", false),
		row("Scheduler latency, p99 of a second", duration(w.SchedLatency), "", false),
		row("CPU of the whole machine", significant(w.MachineCPU)+" cores", "", false),
		row("CPU taken by the hypervisor", significant(w.Steal)+" cores", "", false),
		row("Local ports in use to one address", portsText(w), "", false),
		row("TCP segments sent again, in all", count(w.Retransmits), "", false),
		row("Requests for a connection sent again, in all", count(w.SynRetransmits), "", false),
		row("Connections that full accept queues here turned away", count(w.ListenOverflows), "", false),
		row("Memory", size(float64(w.RSS)), "", false),
		row("Goroutines", count(int64(w.Goroutines)), "", false),
	}
}

// portsText says how many local ports were taken, and towards where.
func portsText(w Worst) string {
	switch {
	case w.PortLimit == 0:
		return "not known"
	case w.Ports == 0:
		return "none of " + count(int64(w.PortLimit))
	}
	return fmt.Sprintf("%s of %s to %s", count(int64(w.Ports)), count(int64(w.PortLimit)), w.PortsTo)
}
