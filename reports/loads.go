package reports

import (
	"math"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// forever is past the end of every run.
const forever = time.Duration(math.MaxInt64 - int64(time.Second))

// maxSamples bounds how many failures of a load are shown in their own words.
// and maxSampleText how many runes of each: it is the target's text.
const (
	maxSamples    = 20
	maxSampleText = 300
)

// readLoads fills in the loads of the plan, and any others that the journal
// knows of.
func (r *Report) readLoads(j *journal.Journal, spans []span) {
	plans := slices.Clone(j.Plan.Loads)
	for _, name := range j.Loads() {
		if !slices.ContainsFunc(plans, func(p journal.LoadPlan) bool { return p.Name == name }) {
			plans = append(plans, journal.LoadPlan{Name: name})
		}
	}
	for _, p := range plans {
		if r.Loads[p.Name] != nil {
			continue
		}
		r.loads = append(r.loads, p.Name)
		r.Loads[p.Name] = r.readLoad(j, p, spans)
	}
	for _, e := range j.Events() {
		if e.Kind != journal.LoadError {
			continue
		}
		if l := r.Loads[e.Name]; l != nil && len(l.Samples) < maxSamples {
			l.Samples = append(l.Samples, ErrorSample{At: e.At, Step: e.Step, Class: e.State, Text: shorten(e.Text, maxSampleText)})
		}
	}
}

func (r *Report) readLoad(j *journal.Journal, p journal.LoadPlan, spans []span) *Load {
	c := j.Counts(p.Name, -1, forever)
	l := &Load{
		Kind: p.Kind, Model: p.Model, Path: p.Path, Planned: max(p.Arrivals, 0),
		Offered: c.Offered, Sent: c.Sent, Completed: c.Completed, Dropped: c.Dropped, Canceled: c.Canceled, Lost: c.Lost,
		Resent: c.Resent, BytesOut: c.BytesOut, BytesIn: c.BytesIn,
		Status:  c.Status,
		Steps:   make(map[string]*Figures),
		Phases:  make(map[string]*PhaseFigures),
		Samples: []ErrorSample{},
		steps:   p.Steps,
	}
	if c.FullHandshakes+c.ResumedHandshakes > 0 {
		l.Handshakes = &Handshakes{Full: c.FullHandshakes, Resumed: c.ResumedHandshakes}
	}
	response := figures(j, p.Name, "", spans, &l.Figures)
	l.Spectrum = spectrum(response, gather(j, p.Name, "", journal.Service, journal.All, spans))
	if seconds := r.Run.Judged.Seconds(); seconds > 0 {
		ops := int64(0)
		for _, s := range spans {
			ops += performed(counted(j, p.Name, s.from, s.to))
		}
		l.Rate = roundTo(float64(ops)/seconds, 3)
	}
	for _, step := range p.Steps {
		f := &Figures{}
		if len(p.Steps) == 1 {
			*f = l.Figures
		} else {
			figures(j, p.Name, step, spans, f)
		}
		l.Steps[step] = f
	}
	for _, ph := range r.Phases {
		l.Phases[ph.Name] = phaseFigures(j, p.Name, ph, r.Run.Ended)
	}
	return l
}

// figures fills in the operations of a load or step and returns its response
// times.
func figures(j *journal.Journal, load, step string, spans []span, f *Figures) *journal.Rolling {
	whole := j.Window(load, step, 0, forever)
	f.Operations, f.Errors = whole.Ops(), whole.Classes()
	for _, s := range spans {
		s = s.seconds()
		w := j.Window(load, step, s.from, s.to)
		f.JudgedOperations += w.Ops()
		f.JudgedFailed += w.Failed()
	}
	f.ErrorRatio = ratio(f.JudgedFailed, f.JudgedOperations)
	of := func(m journal.Measure, o journal.Outcomes) *Latency {
		return latency(gather(j, load, step, m, o, spans))
	}
	response := gather(j, load, step, journal.Response, journal.All, spans)
	f.Response = latency(response)
	f.ResponseOK = of(journal.Response, journal.OnlyOK)
	f.Service = of(journal.Service, journal.All)
	f.Wait = of(journal.Wait, journal.All)
	f.DNS = of(journal.DNS, journal.All)
	f.Connect = of(journal.Connect, journal.All)
	f.TLS = of(journal.TLS, journal.All)
	f.FirstByte = of(journal.FirstByte, journal.All)
	return response
}

func phaseFigures(j *journal.Journal, load string, ph Phase, ended time.Duration) *PhaseFigures {
	c := counted(j, load, ph.Start, ph.End)
	s := span{ph.Start, ph.End}.seconds()
	w := j.Window(load, "", s.from, s.to)
	f := &PhaseFigures{
		Offered: c.Offered, Sent: c.Sent, Completed: c.Completed, Dropped: c.Dropped,
		Operations: w.Ops(), Failed: w.Failed(),
	}
	f.ErrorRatio = ratio(f.Failed, f.Operations)
	if seconds := (min(ph.End, ended) - ph.Start).Seconds(); seconds > 0 {
		f.Rate = roundTo(float64(performed(c))/seconds, 3)
	}
	if response := latency(gather(j, load, "", journal.Response, journal.All, []span{{ph.Start, ph.End}})); response != nil {
		f.P50, f.P90, f.P99, f.Max = &response.P50, &response.P90, &response.P99, &response.Max
	}
	return f
}

// counted is what a load did in a span, by the seconds that were stamped at
// their ends. The first may be the last, and have ended early.
func counted(j *journal.Journal, load string, from, to time.Duration) journal.LoadCounts {
	if from > 0 {
		from += stampLag
	}
	return j.Counts(load, from, to+stampLag)
}

// performed is how many operations ended, without those that were dropped and
// so never began: what was not done is no rate.
func performed(c journal.LoadCounts) int64 { return c.Ops - c.Failed[journal.OutcomeDropped] }

func ratio(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	v := float64(part) / float64(whole)
	return &v
}
