package objective

import (
	"math"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// Judge judges the statement on a run. It reads the journal and nothing else,
// so that a run judged again gives the same finding. It is safe to call on a
// journal that is being appended to: what is not over yet is unknown, unless
// it fails already.
func (o Objective) Judge(j *journal.Journal) Finding {
	f := Finding{Source: o.source, Phase: o.s.phase, State: Unknown, Limit: o.s.limit(), Unit: o.s.unitName()}
	for _, p := range j.Plan.Objectives {
		if p.Source == o.source {
			f.Phase, f.Line = p.Phase, p.Line
			break
		}
	}
	if err := o.check(j.Plan); err != nil {
		f.Reason = sentence(err.Message)
		return f
	}
	if o.s.hold != 0 {
		f.Reason = "\"for\" belongs to abort conditions: an expectation has nothing that trails."
		return f
	}
	if o.s.subject.stat == scalingStat {
		o.s.judgeScaling(&f, j)
		return f
	}
	h := reach(j)
	sc := o.s.resolve(j, h)
	if sc.reason != "" {
		f.Reason = sentence(sc.reason)
		return f
	}
	v := o.s.look(j, sc)
	o.s.conclude(&f, sc, v)
	return f
}

func (s statement) unitName() string {
	switch s.high.unit {
	case duration:
		return "ns"
	case ratio:
		return "ratio"
	case rate:
		return "per_second"
	case bytes:
		return "bytes"
	}
	if s.counts() || s.subject.scaling == flaps {
		return "count"
	}
	return ""
}

// A window measured: where, and what.
type look struct {
	measured
	from, to time.Duration
	partial  bool // the run ended inside it
}

// A view is all windows of a scope measured.
type view struct {
	windows  int
	failed   int // windows that do not hold, and would not have held in a longer run
	worst    look
	found    bool // worst is set
	empty    int  // windows with nothing to measure
	blank    look // the first window with nothing to measure where there should have been
	blanks   int
	skipped  look           // the first window with nothing to measure
	short    time.Duration  // a stretch shorter than the within clause
	smallest int64          // samples in the window that had the fewest
	lost     int64          // looks of a probe that failed
	blind    time.Duration  // of what is judged, in which a probe saw nothing
	whole    time.Duration  // of it in all
	gap      journal.Gap    // the longest of these
	crash    *journal.Event // the probe gave up before the end of what is judged
}

// look measures every window of the scope.
func (s statement) look(j *journal.Journal, sc scope) view {
	probe := s.subject.isProbe(j.Plan)
	bounds := func(st stretch) (from, to time.Duration) {
		if probe {
			return st.from, st.to
		}
		return st.first, st.last
	}
	v := view{smallest: math.MaxInt64}
	lastWindow := sc.windows[len(sc.windows)-1]
	from, _ := bounds(sc.windows[0][0])
	_, to := bounds(lastWindow[len(lastWindow)-1])
	t := s.newTape(j, from, to)
	if r, ok := t.(*probeTape); ok {
		v.crash = crash(j.Readings(s.subject.name, 0, to))
		for _, w := range sc.windows {
			for _, st := range w {
				v.whole += st.to - st.from
				v.countLost(r.between(st.from, st.to))
				v.countBlind(s, journal.Gaps(r.between(st.from, st.to)), st.to)
			}
		}
	}
	for i, w := range sc.windows {
		ends := sc.cut && i == len(sc.windows)-1
		if s.within == 0 {
			var total time.Duration
			for _, st := range w {
				from, to := bounds(st)
				t.enter(from, to)
				total += to - from
			}
			first, _ := bounds(w[0])
			_, last := bounds(w[len(w)-1])
			s.take(&v, j, look{t.measure(total), first, last, ends})
			for _, st := range w {
				t.leave(bounds(st))
			}
			continue
		}
		for k, st := range w {
			from, to := bounds(st)
			s.slide(&v, j, t, from, to, ends && k == len(w)-1)
		}
	}
	return v
}

// slide measures every window of the length of the within clause in [from, to).
func (s statement) slide(v *view, j *journal.Journal, t tape, from, to time.Duration, ends bool) {
	if to-from < s.within {
		if ends {
			return // more was to come
		}
		v.short = max(v.short, to-from)
		t.enter(from, to)
		s.take(v, j, look{t.measure(to - from), from, to, false})
		t.leave(from, to)
		return
	}
	t.enter(from, from+s.within)
	for {
		s.take(v, j, look{t.measure(s.within), from, from + s.within, false})
		if from+s.within+time.Second > to {
			break
		}
		t.enter(from+s.within, from+s.within+time.Second)
		t.leave(from, from+time.Second)
		from += time.Second
	}
	t.leave(from, from+s.within)
}

// take adds one window to the view.
func (s statement) take(v *view, j *journal.Journal, l look) {
	v.windows++
	if s.flattered(l.measured) {
		l.ok, l.missing = false, "no operation succeeded (how fast they failed is no latency)"
	}
	if !l.ok {
		if v.empty == 0 {
			v.skipped = l
		}
		v.empty++
		if s.expected(j.Plan, l) {
			if v.blanks == 0 {
				v.blank = l
			}
			v.blanks++
		}
		return
	}
	v.smallest = min(v.smallest, l.samples)
	fails := !s.holds(l.measured)
	if l.partial || v.crash != nil && v.crash.At < l.to {
		fails = fails && !s.cutShort(l.measured)
	}
	worse := !v.found || s.badness(l.value) > s.badness(v.worst.value)
	if fails {
		v.failed++
		worse = worse || v.failed == 1
	}
	if worse {
		v.worst, v.found = l, true
	}
}

// crash gives the event with which a probe gave up.
func crash(events []journal.Event) *journal.Event {
	for i, e := range events {
		if e.Kind == journal.ProbeFailed && e.State == "crashed" {
			return &events[i]
		}
	}
	return nil
}

func (v *view) countLost(events []journal.Event) {
	for _, e := range events {
		if !isReading(e) {
			v.lost++
		}
	}
}

// countBlind adds up the gaps of a stretch that ends at a time. For the last
// reading of it only that one matters which nothing followed.
func (v *view) countBlind(s statement, gaps []journal.Gap, end time.Duration) {
	for _, g := range gaps {
		if s.subject.stat == lastStat && !g.Open {
			continue
		}
		if g.Open {
			g.To = max(g.To, end)
		}
		v.blind += g.To - g.From
		if g.To-g.From > v.gap.To-v.gap.From {
			v.gap = g
		}
	}
}

// maxBlind is for how much of a window a probe may see nothing without what is
// judged being in doubt.
const maxBlind = 0.05

func tooBlind(blind, whole time.Duration) bool {
	return blind > max(2*time.Second, time.Duration(maxBlind*float64(whole)))
}

// expected reports whether a window with nothing in it is a hole in what
// should have been measured, rather than a time with nothing to measure.
// Operations happen where the plan offers load; that some fail, or open a
// connection, is not planned. A probe looks all the time, though not so often
// that a moment of calm between two faults must have a reading.
func (s statement) expected(p journal.Plan, l look) bool {
	if s.subject.isProbe(p) {
		return l.lost > 0 || s.within != 0 && l.to-l.from >= s.within
	}
	switch s.subject.measure {
	case journal.DNS, journal.Connect, journal.TLS:
		return false
	}
	return s.subject.outcome != "failed" && planned(p, s.subject.name, l.from, l.to)
}

// planned reports whether the plan offers so much in [from, to) that something
// must have come of it: ten arrivals, or a user all the time.
func planned(p journal.Plan, load string, from, to time.Duration) bool {
	for _, l := range p.Loads {
		if l.Name != load {
			continue
		}
		var sum, covered float64
		for _, seg := range l.Segments {
			a, b := max(from, seg.Start), min(to, seg.End)
			if a >= b {
				continue
			}
			at := func(t time.Duration) float64 {
				return seg.From + (seg.To-seg.From)*float64(t-seg.Start)/float64(seg.End-seg.Start)
			}
			sum += (at(a) + at(b)) / 2 * (b - a).Seconds()
			if min(at(a), at(b)) >= 1 {
				covered += (b - a).Seconds()
			}
		}
		if l.Model == "closed" {
			return covered >= (to - from).Seconds()
		}
		return sum >= 10
	}
	return false
}
