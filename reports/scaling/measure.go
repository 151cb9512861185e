package scaling

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Measures are what an autoscaler did in a window. A nil one is not known.
type Measures struct {
	From  time.Duration `json:"from_ns"`
	To    time.Duration `json:"to_ns"`
	Blind time.Duration `json:"blind_ns"` // of the window, in which the probe saw nothing

	Most  *float64 `json:"most_replicas,omitempty"` // that existed at one time
	Least *float64 `json:"least_replicas,omitempty"`
	Flaps *int64   `json:"flaps,omitempty"`

	Overshoot   *float64 `json:"overshoot,omitempty"` // the worst step's, as a share of what it needed
	Under       *float64 `json:"accuracy_under,omitempty"`
	Over        *float64 `json:"accuracy_over,omitempty"`
	UnderTime   *float64 `json:"timeshare_under,omitempty"`
	OverTime    *float64 `json:"timeshare_over,omitempty"`
	Instability *float64 `json:"instability,omitempty"`

	Short  *float64 `json:"short_replica_seconds,omitempty"`  // missing, while it was too small
	Wasted *float64 `json:"wasted_replica_seconds,omitempty"` // too many, while it was too large
	Used   *float64 `json:"replica_seconds,omitempty"`        // that existed
	Cost   *float64 `json:"cost,omitempty"`                   // of these, at the price given
}

// Measure adds up what happened in some stretches of the run.
func (a *Analysis) Measure(spans []Span) Measures {
	var m Measures
	if len(spans) == 0 {
		return m
	}
	m.From, m.To = spans[0].From, spans[len(spans)-1].To
	var acc sums
	flaps := int64(0)
	for _, s := range spans {
		s.To = min(s.To, a.End)
		if s.To <= s.From {
			continue
		}
		m.Blind += a.unknown(a.Ready, s.From, s.To)
		if low, high, ok := a.Replicas.extremes(s.From, s.To); ok {
			m.Most, m.Least = most(m.Most, high, 1), most(m.Least, low, -1)
		}
		flaps += a.flaps(s.From, s.To)
		a.add(&acc, s.From, s.To)
		for i := range a.Steps {
			if st := &a.Steps[i]; st.Up && st.Start >= s.From && st.Start < s.To {
				if v, ok := a.overshoot(st); ok {
					m.Overshoot = most(m.Overshoot, v, 1)
				}
			}
		}
	}
	if a.asked() != nil {
		m.Flaps = &flaps
	}
	if t := acc.known.Seconds(); t > 0 {
		m.Under, m.Over = ptr(acc.under/t), ptr(acc.over/t)
		m.UnderTime, m.OverTime = ptr(acc.underTime/t), ptr(acc.overTime/t)
		m.Short, m.Wasted = ptr(acc.short), ptr(acc.wasted)
	}
	if acc.pairs > 0 {
		m.Instability = ptr(float64(acc.unalike) / float64(acc.pairs))
	}
	if acc.there {
		m.Used = ptr(acc.used)
		if a.Plan.Scaling != nil && a.Plan.Scaling.Price > 0 {
			m.Cost = ptr(acc.used / 3600 * a.Plan.Scaling.Price)
		}
	}
	return m
}

func ptr(v float64) *float64 { return &v }

// most keeps the larger of two numbers, or with sign −1 the smaller.
func most(old *float64, v, sign float64) *float64 {
	if old != nil && *old*sign >= v*sign {
		return old
	}
	return &v
}

// sums are the integrals of the measures, in seconds.
type sums struct {
	known                            time.Duration
	under, over, underTime, overTime float64
	short, wasted, used              float64
	pairs, unalike                   int64
	there                            bool
}

func (a *Analysis) add(acc *sums, from, to time.Duration) {
	times := cuts(from, to, a.Wanted, a.Ready, a.Replicas)
	for i := range len(times) - 1 {
		t, length := times[i], times[i+1]-times[i]
		if n, ok := a.Replicas.at(t); ok {
			acc.used += n * length.Seconds()
			acc.there = true
		}
		d, wanted := a.Wanted.at(t)
		s, ready := a.Ready.at(t)
		if !wanted || !ready {
			continue
		}
		acc.known += length
		x := length.Seconds()
		switch {
		case d > s:
			acc.short += (d - s) * x
			acc.under += (d - s) / d * x
			acc.underTime += x
		case s > d:
			acc.wasted += (s - d) * x
			acc.over += (s - d) / d * x
			acc.overTime += x
		}
	}
	sign := func(c Curve, t time.Duration) (int, bool) {
		before, ok1 := c.at(t - time.Second)
		after, ok2 := c.at(t)
		return cmp.Compare(after, before), ok1 && ok2
	}
	for t := ceilSecond(from) + time.Second; t < to; t += time.Second {
		supply, ok1 := sign(a.Ready, t)
		demand, ok2 := sign(a.Wanted, t)
		if !ok1 || !ok2 {
			continue
		}
		acc.pairs++
		if supply != demand {
			acc.unalike++
		}
	}
}

// overshoot is by how much more was asked for than a step needs.
func (a *Analysis) overshoot(s *Step) (float64, bool) {
	_, high, ok := a.asked().extremes(s.Start, s.End)
	if !ok || s.Wanted == nil {
		return 0, false
	}
	if s.Before != nil && *s.Before > *s.Wanted {
		return 0, false // it was too many before: that is no answer to this step
	}
	return math.Max(0, high-*s.Wanted) / *s.Wanted, true
}

// flaps counts the reversals in [from, to) that no step of the load explains.
func (a *Analysis) flaps(from, to time.Duration) int64 {
	n := int64(0)
	direction := 0
	next := 0         // the first step that has not begun
	explained := true // the latest step has had its move
	up := false
	c := a.asked()
	last, known := 0.0, false
	for _, p := range c {
		if !p.Known {
			continue
		}
		change := 0
		if known {
			change = cmp.Compare(p.Value, last)
		}
		last, known = p.Value, true
		for next < len(a.Steps) && a.Steps[next].Start <= p.At {
			up, explained = a.Steps[next].Up, false
			next++
		}
		if change == 0 {
			continue
		}
		meant := !explained && (change > 0) == up
		if meant {
			explained = true
		}
		if direction != 0 && change != direction && !meant && p.At >= from && p.At < to {
			n++
		}
		direction = change
	}
	return n
}

// Back is how long it took, from the first step down at or after a time, until
// no more than n replicas were left; nil and a stage that is unknown when the
// load has no such step.
func (a *Analysis) Back(n float64, from time.Duration) (*Step, Stage) {
	for i := range a.Steps {
		s := a.Steps[i]
		if s.Up || s.Start < from {
			continue
		}
		// Until the load rises again, whatever it does between.
		for _, later := range a.Steps[i+1:] {
			if later.Up {
				break
			}
			s.End, s.Cut = later.End, later.Cut
		}
		m, ok := a.Replicas.first(s.Start, s.End, func(v float64) bool { return v <= n })
		if ok {
			st := reached(&s, "back", m)
			st.Text = "the load steps down at " + clock(s.Start)
			return &s, st
		}
		low, _, known := a.Replicas.extremes(s.Start, s.End)
		switch {
		case !known:
			return &s, Stage{Name: "back", State: Unknown, Text: "how many replicas there were was not seen"}
		case s.Cut:
			return &s, Stage{Name: "back", State: Unknown, After: s.End - s.Start, Text: "the run ended before"}
		}
		return &s, Stage{Name: "back", State: Not, After: s.End - s.Start, Text: "there were never less than " + number(low) + " before the end"}
	}
	if !a.Complete {
		return nil, Stage{Name: "back", State: Unknown, Text: fmt.Sprintf("the run got to %s, and the load had not stepped down", clock(a.End))}
	}
	return nil, Stage{Name: "back", State: Unknown, Text: "the load never steps down there"}
}
