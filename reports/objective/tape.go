package objective

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A tape is what a subject is computed from, in order of time, with a span of
// it selected. Spans enter and leave, so that a window can slide.
type tape interface {
	// enter selects what lies in [from, to) as well; leave takes it out. What
	// leaves is what entered first.
	enter(from, to time.Duration)
	leave(from, to time.Duration)
	// measure computes the statistic over what is selected, of that length in all.
	measure(length time.Duration) measured
}

// measured is one statistic over one window.
type measured struct {
	ok      bool    // false: there was nothing to measure, for the reason missing
	value   float64 // in the base of the subject's unit
	num     int64   // value = num/den, exactly, when den is not 0
	den     int64
	samples int64
	missing string
	at      time.Duration // when the worst reading was taken, for a bare probe
	misses  int64         // readings that did not hold, for a bare probe
	lost    int64         // looks that failed
	hollow  bool          // of a latency: nothing succeeded, and this is how long failures took
}

func exactly(num, den, samples int64) measured {
	return measured{ok: true, value: float64(num) / float64(den), num: num, den: den, samples: samples}
}

// newTape reads what a statement needs of [from, to).
func (s statement) newTape(j *journal.Journal, from, to time.Duration) tape {
	sub := s.subject
	switch {
	case sub.isProbe(j.Plan):
		return &probeTape{s: s, events: ofSeries(j.Readings(sub.name, from, to), sub.step)}
	case sub.latency():
		m := sub.measure
		if m == "" {
			m = journal.Response
		}
		return &latencyTape{sub: sub, rolling: journal.NewRolling(sub.outcomes()), seconds: j.Seconds(sub.name, sub.step, m, from, to)}
	case sub.stat == errorsStat:
		return &errorTape{s: s, seconds: j.Seconds(sub.name, sub.step, journal.Response, from, to)}
	}
	return &countTape{sub: sub, seconds: j.LoadSeconds(sub.name, from+stampLag, to+stampLag)}
}

// ofSeries gives readings of one of a probe's series; "" is its own number.
func ofSeries(events []journal.Event, series string) []journal.Event {
	if series == "" {
		return events
	}
	for i := range events {
		events[i].Value = nil // no reading, where it is not in it
		if v, ok := events[i].Series[series]; ok {
			events[i].Value = &v
		}
	}
	return events
}

// isProbe settles x.max < 300ms, which can be about a load or a probe.
func (s subject) isProbe(p journal.Plan) bool {
	return s.role == Probe || s.role == LoadOrProbe && !slices.Contains(loadNames(p), s.name)
}

func (s subject) outcomes() journal.Outcomes {
	switch s.outcome {
	case "ok":
		return journal.OnlyOK
	case "failed":
		return journal.OnlyFailed
	}
	return journal.All
}

// cut gives the seconds that start in [from, to); seconds are in order.
func cut(seconds []journal.Second, from, to time.Duration) []journal.Second {
	lo := sort.Search(len(seconds), func(i int) bool { return seconds[i].Start >= from })
	hi := sort.Search(len(seconds), func(i int) bool { return seconds[i].Start >= to })
	return seconds[lo:max(lo, hi)]
}

// A latencyTape is the distribution of a measure.
type latencyTape struct {
	sub     subject
	seconds []journal.Second
	rolling *journal.Rolling
}

func (l *latencyTape) enter(from, to time.Duration) {
	for _, s := range cut(l.seconds, from, to) {
		l.rolling.Add(s)
	}
}

func (l *latencyTape) leave(from, to time.Duration) {
	for _, s := range cut(l.seconds, from, to) {
		l.rolling.Drop(s)
	}
}

func (l *latencyTape) measure(time.Duration) measured {
	var d time.Duration
	var ok bool
	switch l.sub.stat {
	case percentileStat:
		d, ok = l.rolling.Quantile(l.sub.q)
	case minStat:
		d, ok = l.rolling.Min()
	case meanStat:
		d, ok = l.rolling.Mean()
	default:
		d, ok = l.rolling.Max()
	}
	if !ok {
		return measured{missing: l.missing()}
	}
	m := exactly(int64(d), 1, l.rolling.Count())
	m.hollow = l.sub.measure != journal.Wait && l.rolling.OnlyFailures()
	return m
}

func (l *latencyTape) missing() string {
	switch {
	case l.sub.outcome == "ok":
		return "no operation succeeded"
	case l.sub.outcome == "failed":
		return "no operation failed, so there is no time of a failed one"
	case l.sub.measure != "" && l.sub.measure != journal.Response:
		return "no " + string(l.sub.measure) + " time was recorded"
	}
	return "no operation was recorded"
}

// An errorTape counts operations and those that failed.
type errorTape struct {
	s           statement
	seconds     []journal.Second
	all, failed int64
}

func (f *errorTape) enter(from, to time.Duration) { f.count(from, to, 1) }
func (f *errorTape) leave(from, to time.Duration) { f.count(from, to, -1) }

func (f *errorTape) count(from, to time.Duration, sign int64) {
	for _, s := range cut(f.seconds, from, to) {
		f.all += sign * s.Count
		if class := f.s.subject.class; s.Outcome != journal.OutcomeOK && (class == "" || class == s.Outcome) {
			f.failed += sign * s.Count
		}
	}
}

func (f *errorTape) measure(time.Duration) measured {
	switch {
	case f.all == 0:
		return measured{missing: "no operation was recorded"}
	case f.s.high.unit == ratio:
		return exactly(f.failed, f.all, f.all)
	}
	return exactly(f.failed, 1, f.all)
}

// stampLag is how late the event of a second may be stamped: the engine wakes
// a little after the second is over.
const stampLag = 200 * time.Millisecond

// A countTape adds up what a load did second by second.
type countTape struct {
	sub     subject
	seconds []*journal.Event
	n       int64 // of what is asked for
	ops     int64
	offered int64
	count   int64 // of seconds
}

func (c *countTape) enter(from, to time.Duration) { c.add(from, to, 1) }
func (c *countTape) leave(from, to time.Duration) { c.add(from, to, -1) }

// between gives the seconds that end in (from, to].
func (c *countTape) between(from, to time.Duration) []*journal.Event {
	lo := sort.Search(len(c.seconds), func(i int) bool { return c.seconds[i].At > from+stampLag })
	hi := sort.Search(len(c.seconds), func(i int) bool { return c.seconds[i].At > to+stampLag })
	return c.seconds[lo:max(lo, hi)]
}

func (c *countTape) add(from, to time.Duration, sign int64) {
	for _, e := range c.between(from, to) {
		c.n += sign * c.sub.of(e.Load)
		c.ops += sign * e.Load.Ops
		c.offered += sign * (e.Load.Offered + e.Load.Dropped)
		c.count += sign
	}
}

// of is what the subject counts in one second. A dropped arrival was never
// performed, so it is not part of the achieved rate, although it counts as an
// operation that failed.
func (s subject) of(c *journal.LoadCounts) int64 {
	switch s.stat {
	case rateStat:
		return c.Ops - c.Failed[journal.OutcomeDropped]
	case offeredStat:
		return c.Offered
	case sentStat:
		return c.Sent
	case completedStat:
		return c.Completed
	case droppedStat:
		return c.Dropped
	}
	return c.Status[s.status]
}

func (c *countTape) measure(length time.Duration) measured {
	switch {
	case c.count == 0:
		return measured{missing: "nothing was recorded of this load"}
	case c.sub.stat == statusStat && c.ops == 0:
		return measured{missing: "no operation was recorded"}
	case c.sub.stat == droppedStat && c.offered == 0:
		return measured{missing: "nothing was offered that could have been dropped"}
	case c.sub.stat == rateStat:
		return exactly(c.n, max(1, int64(length/time.Second)), c.count)
	}
	return exactly(c.n, 1, c.count)
}

// A probeTape is what a probe saw.
type probeTape struct {
	s        statement
	events   []journal.Event
	selected []journal.Event
}

func (r *probeTape) between(from, to time.Duration) []journal.Event {
	lo := sort.Search(len(r.events), func(i int) bool { return r.events[i].At >= from })
	hi := sort.Search(len(r.events), func(i int) bool { return r.events[i].At >= to })
	return r.events[lo:max(lo, hi)]
}

func (r *probeTape) enter(from, to time.Duration) {
	r.selected = append(r.selected, r.between(from, to)...)
}

func (r *probeTape) leave(from, to time.Duration) {
	r.selected = r.selected[len(r.between(from, to)):]
}

func (r *probeTape) measure(time.Duration) measured {
	var m measured
	var sum float64
	for _, e := range r.selected {
		if !isReading(e) {
			m.lost++
			continue
		}
		v := *e.Value
		sum += v
		m.samples++
		if m.samples == 1 || r.replaces(v, m.value) {
			m.value, m.at = v, e.At
		}
		if r.s.subject.stat == everyReading && !r.s.holds(measured{value: v}) {
			m.misses++
		}
	}
	switch {
	case r.s.subject.stat == failuresStat && len(r.selected) > 0:
		lost := m.lost
		m = exactly(lost, 1, int64(len(r.selected)))
		m.lost = lost
		return m
	case m.samples == 0 && m.lost > 0:
		m.missing = "every look failed"
		return m
	case m.samples == 0:
		m.missing = "there was no reading"
		return m
	case r.s.subject.stat == meanStat:
		m.value = sum / float64(m.samples)
	}
	m.ok = true
	return m
}

// replaces reports whether a later reading stands for the window instead.
func (r *probeTape) replaces(v, than float64) bool {
	switch r.s.subject.stat {
	case minStat:
		return v < than
	case maxStat:
		return v > than
	case everyReading:
		return r.s.badness(v) > r.s.badness(than)
	}
	return true // last
}

func isReading(e journal.Event) bool {
	return e.Kind == journal.ProbeReading && e.Value != nil && !math.IsNaN(*e.Value) && !math.IsInf(*e.Value, 0)
}
