package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// readProbes fills in what was watched.
func (r *Report) readProbes(j *journal.Journal) {
	for _, p := range j.Plan.Probes {
		if r.Probes[p.Name] != nil {
			continue
		}
		r.probes = append(r.probes, p.Name)
		r.Probes[p.Name] = readProbe(j, p)
	}
}

func readProbe(j *journal.Journal, plan journal.ProbePlan) *Probe {
	p := &Probe{Kind: plan.Kind, What: plan.What, Unit: plan.Unit}
	sum := 0.0
	var values []float64
	events := j.Readings(plan.Name, 0, forever)
	for _, e := range events {
		if e.Kind == journal.ProbeFailed {
			p.Failures++
			p.Why = e.Text
			if e.State == "crashed" {
				p.Crashed = e.Text
				if p.Crashed == "" {
					p.Crashed = "for an unknown reason"
				}
			}
			continue
		}
		if e.Value != nil {
			values = append(values, *e.Value)
			sum += *e.Value
		}
	}
	p.Readings = int64(len(values))
	if n := len(values); n > 0 {
		low, high, mean := slices.Min(values), slices.Max(values), sum/float64(n)
		p.First, p.Last, p.Min, p.Max, p.Mean = &values[0], &values[n-1], &low, &high, &mean
	}
	p.Story = tellReadings(plan.Name, plan.Unit, events)
	p.Gaps = journal.Gaps(events)
	return p
}

// tellFailures says when looks of a probe failed, and why.
func (p *Probe) tellFailures(name string) string {
	if p.Failures == 0 {
		return ""
	}
	text := fmt.Sprintf("%s of %s failed", plural(p.Failures, "look"), name)
	if n := len(p.Gaps); n > 0 {
		longest := slices.MaxFunc(p.Gaps, func(a, b journal.Gap) int { return cmp.Compare(a.To-a.From, b.To-b.From) })
		what := "all"
		if longest.Looks != p.Failures {
			what = "the most in a row"
		}
		text += fmt.Sprintf(", %s from %s to %s", what, moment(longest.From), moment(longest.To))
		return text + ": " + longest.Text
	}
	return text + ": " + p.Why
}

// A move is a stretch in which readings went one way.
type move struct {
	from, to   float64
	began, end time.Duration
}

// maxMoves is how many moves are told one by one.
const maxMoves = 4

// moves cuts readings into the stretches in which they rose or fell. A move
// that had to wait for longer than rest before it went on the same way is two.
func moves(events []journal.Event) (out []move, count int) {
	const rest = 30 * time.Second
	var last *float64
	for _, e := range events {
		if e.Kind != journal.ProbeReading || e.Value == nil {
			continue
		}
		v := *e.Value
		if last != nil && v != *last {
			count++
			n := len(out) - 1
			if n >= 0 && (v > *last) == (out[n].to > out[n].from) && e.At-out[n].end <= rest {
				out[n].to, out[n].end = v, e.At
			} else {
				out = append(out, move{from: *last, to: v, began: e.At, end: e.At})
			}
		}
		last = &v
	}
	return out, count
}

// tellReadings says how readings changed: "replicas went from 2 to 5 between
// 31s and 44s". A number that never rests is told by its range. Empty when
// there were no readings.
func tellReadings(name, unit string, events []journal.Event) string {
	var low, high *float64
	var at time.Duration
	n := 0
	for _, e := range events {
		if e.Kind != journal.ProbeReading || e.Value == nil {
			continue
		}
		n++
		if low == nil || *e.Value < *low {
			low = e.Value
		}
		if high == nil || *e.Value > *high {
			high, at = e.Value, e.At
		}
	}
	if n == 0 {
		return ""
	}
	all, changes := moves(events)
	switch {
	case changes == 0 && n == 1:
		return fmt.Sprintf("%s read %s, once", name, value(*low, unit))
	case changes == 0:
		return fmt.Sprintf("%s stayed at %s", name, value(*low, unit))
	case len(all) > maxMoves:
		return fmt.Sprintf("%s ranged from %s to %s, highest at %s", name, value(*low, unit), value(*high, unit), moment(at))
	}
	var parts []string
	for i, m := range all {
		when := "at " + moment(m.began)
		if m.end != m.began {
			when = "between " + moment(m.began) + " and " + moment(m.end)
		}
		switch {
		case i == 0:
			parts = append(parts, fmt.Sprintf("went from %s to %s %s", value(m.from, unit), value(m.to, unit), when))
		default:
			parts = append(parts, fmt.Sprintf("to %s %s", value(m.to, unit), when))
		}
	}
	return name + " " + strings.Join(parts, ", then ")
}
