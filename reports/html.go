package reports

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
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
	case r.Trust.Unwatched, r.Trust.Judged == 0:
		t.Value, t.Class, t.Note = "not known", "doubt", "no record of its health"
	}
	return append(tiles, t)
}
