package journal

import (
	"maps"
	"math"
	"slices"
	"sort"
	"sync"
	"time"
)

// A Journal is a run in memory: read back from its directory with Open, or
// live, from New, while the same batches go to disk. One goroutine may append
// to it while any number read.
//
// Intervals are kept encoded, at one to two kilobytes a load, step and second,
// and decoded when a Window is asked.
type Journal struct {
	Plan   Plan
	Damage []string // what Open could not read, a sentence each, naming file and line

	scratch *scratch

	mu     sync.RWMutex
	events []Event
	loads  map[string][]*Event // LoadSecond by load, in order of time
	probes map[string][]*Event // ProbeReading and ProbeFailed by probe, in order of time
	object map[string][]*Event // ObjectEvent by probe, in order of when they were seen
	series map[seriesKey]*series
	arena  arena
	end    time.Duration
}

type seriesKey struct {
	load, step, outcome string
	measure             Measure
}

// New returns an empty journal to append to.
func New(plan Plan) *Journal {
	return &Journal{
		Plan:    plan,
		scratch: newScratch(),
		loads:   make(map[string][]*Event),
		probes:  make(map[string][]*Event),
		object:  make(map[string][]*Event),
		series:  make(map[seriesKey]*series),
	}
}

// Append adds a batch. It never fails; the error is there to make a Journal a
// Sink.
func (j *Journal) Append(b Batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range b.Events {
		j.addEvent(writable(e))
	}
	for _, iv := range b.Intervals {
		if iv.Hist == nil || iv.Hist.TotalCount() == 0 {
			continue
		}
		j.addInterval(iv, j.arena.keep(func(dst []byte) []byte { return appendPayload(dst, iv.Hist) }), iv.Hist.TotalCount())
	}
	return nil
}

// addEvent adds one event; the caller holds the lock.
func (j *Journal) addEvent(e Event) {
	j.events = append(j.events, e)
	j.end = max(j.end, e.At)
	switch kept := &e; e.Kind {
	case LoadSecond:
		if e.Load != nil {
			j.loads[e.Name] = insert(j.loads[e.Name], kept)
		}
	case ProbeReading, ProbeFailed:
		j.probes[e.Name] = insert(j.probes[e.Name], kept)
	case ObjectEvent:
		if e.Object != nil {
			j.object[e.Name] = insert(j.object[e.Name], kept)
		}
	}
}

// addInterval adds one interval as its payload; the caller holds the lock.
func (j *Journal) addInterval(iv Interval, payload []byte, count int64) {
	k := seriesKey{iv.Load, iv.Step, iv.Outcome, iv.Measure}
	s := j.series[k]
	if s == nil {
		s = new(series)
		j.series[k] = s
	}
	s.add(iv.Start, count, payload)
	j.end = max(j.end, iv.Start+iv.Length)
}

// insert puts e in order of time; events of one time stay in order of
// appending. Readers hold slices of what was there before, so an event that
// comes late makes a copy.
func insert(events []*Event, e *Event) []*Event {
	n := len(events)
	if n == 0 || events[n-1].At <= e.At {
		return append(events, e)
	}
	i := sort.Search(n, func(i int) bool { return events[i].At > e.At })
	return slices.Concat(events[:i], []*Event{e}, events[i:])
}

// between returns the events with At in [from, to).
func between(events []*Event, from, to time.Duration) []*Event {
	lo := sort.Search(len(events), func(i int) bool { return events[i].At >= from })
	hi := sort.Search(len(events), func(i int) bool { return events[i].At >= to })
	return events[lo:max(lo, hi)]
}

// Forget drops the intervals that start before a time, and the load, health
// and probe events before it, so that a live journal stays small. The other
// events (phases, faults, notes) are few and stay. Windows taken before keep
// what they have.
func (j *Journal) Forget(before time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for k, s := range j.series {
		if s.forget(before); len(s.entries) == 0 {
			delete(j.series, k)
		}
	}
	forgetEvents(j.loads, before)
	forgetEvents(j.probes, before)
	forgetEvents(j.object, before)
	// Into a new slice: readers hold the old one.
	kept := make([]Event, 0, len(j.events))
	for _, e := range j.events {
		switch e.Kind {
		case LoadSecond, HealthSecond, ProbeReading, ProbeFailed, ObjectEvent:
			if e.At < before {
				continue
			}
		}
		kept = append(kept, e)
	}
	j.events = kept
}

func forgetEvents(byName map[string][]*Event, before time.Duration) {
	for name, events := range byName {
		kept := between(events, before, math.MaxInt64)
		switch len(kept) {
		case 0:
			delete(byName, name)
		case len(events):
		default:
			byName[name] = slices.Clone(kept)
		}
	}
}

// Events returns all events in the order they were appended. Do not change
// them; what is appended later is not in the slice.
func (j *Journal) Events() []Event {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return slices.Clip(j.events)
}

// End returns when the last event happened or the last interval ended. An
// interval spans a whole second, so End can lie up to a second past the last
// operation that fell due.
func (j *Journal) End() time.Duration {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.end
}

// Window returns what there is of the operations of a load that fell due in
// [from, to), to the second: intervals whose start lies in that span. A step
// of "" means all steps.
func (j *Journal) Window(load, step string, from, to time.Duration) *Window {
	j.mu.RLock()
	defer j.mu.RUnlock()
	w := &Window{scratch: j.scratch}
	for k, s := range j.series {
		if k.load != load || step != "" && k.step != step {
			continue
		}
		if entries := s.between(from, to); len(entries) > 0 {
			w.series = append(w.series, span{outcome: k.outcome, measure: k.measure, entries: entries, from: from, to: to})
		}
	}
	return w
}

// Counts adds up what a load did in the seconds that end in (from, to]. The
// gauges (InFlight, Waiting, Sessions, Planned) are those of the last of them.
// Failed and Status are never nil.
func (j *Journal) Counts(load string, from, to time.Duration) LoadCounts {
	j.mu.RLock()
	events := between(j.loads[load], from+1, to+1)
	j.mu.RUnlock()
	total := LoadCounts{Failed: make(map[string]int64), Status: make(map[string]int64)}
	for _, e := range events {
		total.add(e.Load)
	}
	return total
}

// add adds the second after those in c. Gauges are taken over, not added.
func (c *LoadCounts) add(s *LoadCounts) {
	c.Offered += s.Offered
	c.Sent += s.Sent
	c.Completed += s.Completed
	c.Dropped += s.Dropped
	c.Canceled += s.Canceled
	c.Lost += s.Lost
	c.Ops += s.Ops
	for class, n := range s.Failed {
		c.Failed[class] += n
	}
	for status, n := range s.Status {
		c.Status[status] += n
	}
	for who, n := range s.Served {
		if c.Served == nil {
			c.Served = make(map[string]int64)
		}
		c.Served[who] += n
	}
	c.BytesOut += s.BytesOut
	c.BytesIn += s.BytesIn
	c.FullHandshakes += s.FullHandshakes
	c.ResumedHandshakes += s.ResumedHandshakes
	c.Resent += s.Resent
	c.InFlight, c.Waiting, c.Sessions, c.Planned = s.InFlight, s.Waiting, s.Sessions, s.Planned
}

// Readings returns the ProbeReading and ProbeFailed events of a probe in
// [from, to), in order of time.
func (j *Journal) Readings(probe string, from, to time.Duration) []Event {
	j.mu.RLock()
	events := between(j.probes[probe], from, to)
	j.mu.RUnlock()
	var out []Event
	for _, e := range events {
		out = append(out, *e)
	}
	return out
}

// Objects returns the ObjectEvent events of a probe in order of when they
// were seen.
func (j *Journal) Objects(probe string) []Event {
	j.mu.RLock()
	events := j.object[probe]
	j.mu.RUnlock()
	out := make([]Event, len(events))
	for i, e := range events {
		out[i] = *e
	}
	return out
}

// Loads returns the names of the loads that have samples or counts, sorted.
func (j *Journal) Loads() []string {
	j.mu.RLock()
	defer j.mu.RUnlock()
	names := make(map[string]bool)
	for k := range j.series {
		names[k.load] = true
	}
	for name := range j.loads {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// A Span is a stretch of the run.
type Span struct {
	From, To   time.Duration
	Open       bool // it had not ended when the journal did; To is the journal's end
	Occurrence int  // of a fault: which of the name's it belongs to
}

// FaultSpan returns the time in which one occurrence of a fault was, as far as
// is known, there: from when it was confirmed injected (state injected or
// effective, whichever came first) until it was confirmed gone. It is false for
// one that was never injected. One injected several times spans from the first
// to the last.
func (j *Journal) FaultSpan(name string, occurrence int) (Span, bool) {
	var whole Span
	found := false
	for _, s := range j.FaultSpans(name) {
		if s.Occurrence != occurrence {
			continue
		}
		if !found {
			whole, found = s, true
		}
		whole.To, whole.Open = s.To, s.Open
	}
	return whole, found
}

// FaultSpans returns each time in which a fault was there, all its occurrences,
// by when they began.
func (j *Journal) FaultSpans(name string) []Span {
	var spans []Span
	open := map[int]int{} // by occurrence: its last span
	for _, e := range j.Events() {
		if e.Kind != FaultState || e.Name != name {
			continue
		}
		at, there := open[e.Occurrence]
		switch e.State {
		case FaultInjected, FaultEffective:
			if !there {
				open[e.Occurrence] = len(spans)
				spans = append(spans, Span{From: e.At, Open: true, Occurrence: e.Occurrence})
			}
		case FaultGone:
			if there {
				spans[at].To, spans[at].Open = e.At, false
				delete(open, e.Occurrence)
			}
		}
	}
	for _, at := range open {
		spans[at].To = j.End()
	}
	return spans
}

// Phase returns the phase of the plan with that name.
func (j *Journal) Phase(name string) (PhasePlan, bool) {
	for _, p := range j.Plan.Phases {
		if p.Name == name {
			return p, true
		}
	}
	return PhasePlan{}, false
}
