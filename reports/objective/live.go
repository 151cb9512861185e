package objective

import (
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

const (
	// defaultHold is what an abort condition trails over without a for clause.
	defaultHold = 10 * time.Second
	// recent is how far back a live expectation looks for windows that have
	// become certain since it was last asked. It must be asked more often.
	recent = 15 * time.Second
	// groupSize is how many operations a second needs to be judged by itself.
	groupSize = 10
)

// Breached reports whether an abort condition holds: whether what it says was
// so through the whole of its trailing time (for, or 10 s), and in a sentence,
// what was seen. It is asked once a second, with the run's clock.
//
// A ratio, a rate or a latency must hold in every second of the trailing time;
// seconds with fewer than 10 operations are judged together with those that
// follow. With a within clause it must hold in every window of that length
// instead. Counts are counted over the whole of the time. Of a probe, every
// reading must hold, and there must be one. Operations must have happened over
// at least half of the time: one bad second before the load stopped is not a
// trend.
//
// What a load's errors are is counted when operations end. Latencies belong to
// when they fell due, and are looked at twice: over the time just past, where
// slow operations may still be missing, and over the time before, behind which
// none can be (the load's timeout and patience ago).
//
// Without an in clause the condition is watched through excluded phases too.
func (o Objective) Breached(j *journal.Journal, now time.Duration) (breached bool, why string) {
	why, breached = o.heldThrough(j, 0, now)
	if breached {
		why += fmt.Sprintf(", and %s is a reason to stop.", o.source)
	}
	return breached, why
}

// HeldSince is Breached for a condition that only counts from a time on, such
// as one that ends a fault: the trailing time must lie after it. What it says
// is no whole sentence: "browse.errors was 7% from 41s to 46s".
func (o Objective) HeldSince(j *journal.Journal, since, now time.Duration) (held bool, what string) {
	what, held = o.heldThrough(j, since, now)
	return held, what
}

// heldThrough is whether a condition held through the whole of its trailing
// time, which may not begin before since.
func (o Objective) heldThrough(j *journal.Journal, since, now time.Duration) (what string, held bool) {
	s := o.s
	if s.hold == 0 {
		s.hold = max(defaultHold, s.within)
	}
	if o.check(j.Plan) != nil || s.within > s.hold || s.subject.stat == scalingStat {
		return "", false
	}
	ends := []time.Duration{now}
	if lag := s.settling(j.Plan); lag > 0 && !s.countedLive() {
		ends = append(ends, now-lag)
	}
	for _, end := range ends {
		to := end.Truncate(time.Second)
		from := to - s.hold
		if from < since || !s.watched(j, from, to) {
			continue
		}
		if m, held := s.sustained(s.liveTape(j, from, to), from, to); held {
			return fmt.Sprintf("%s was %s from %s to %s", s.subject, s.withShare(m), moment(from), moment(to)), true
		}
	}
	return "", false
}

// countedLive reports whether the statement is about errors of a whole load,
// which are known second by second.
func (s statement) countedLive() bool {
	return s.subject.stat == errorsStat && s.subject.step == ""
}

func (s statement) liveTape(j *journal.Journal, from, to time.Duration) tape {
	if s.countedLive() {
		return &endedTape{s: s, countTape: countTape{seconds: j.LoadSeconds(s.subject.name, from+stampLag, to+stampLag)}}
	}
	return s.newTape(j, from, to)
}

// settling is how long after they fell due operations may still end.
func (s statement) settling(p journal.Plan) time.Duration {
	if s.subject.isProbe(p) || !s.subject.latency() && s.subject.stat != errorsStat {
		return 0
	}
	for _, l := range p.Loads {
		if l.Name == s.subject.name {
			return ceilSecond(l.Timeout + l.Patience)
		}
	}
	return 0
}

// watched reports whether all of [from, to) is what the condition is about.
func (s statement) watched(j *journal.Journal, from, to time.Duration) bool {
	if s.phase == "" && s.fault == "" && !s.calm {
		return from >= s.after
	}
	sc := s.resolve(j, horizon{at: to})
	for _, w := range sc.windows {
		for _, st := range w {
			if st.first <= from && to <= st.last {
				return true
			}
		}
	}
	return false
}

// sustained reports whether the condition held all through [from, to), and
// gives what was measured over the whole of it.
func (s statement) sustained(t tape, from, to time.Duration) (whole measured, held bool) {
	if p, ok := t.(*probeTape); ok && s.within == 0 {
		p.enter(from, to)
		m := p.measure(to - from)
		return m, m.ok && s.holds(m)
	}
	pieces := s.pieces(t, from, to)
	if len(pieces) == 0 {
		return measured{}, false
	}
	for _, p := range pieces {
		t.enter(p.from, p.to)
		m := t.measure(p.to - p.from)
		t.leave(p.from, p.to)
		if !m.ok || !s.holds(m) || s.flattered(m) {
			return measured{}, false
		}
	}
	t.enter(from, to)
	return t.measure(to - from), true
}

// pieces cuts the trailing time into what must hold each by itself.
func (s statement) pieces(t tape, from, to time.Duration) []span {
	var pieces []span
	if s.within != 0 {
		for a := from; a+s.within <= to; a += time.Second {
			pieces = append(pieces, span{from: a, to: a + s.within})
		}
		return pieces
	}
	if s.counts() {
		return []span{{from: from, to: to}}
	}
	if s.subject.stat == rateStat {
		for a := from; a < to; a += time.Second {
			pieces = append(pieces, span{from: a, to: a + time.Second})
		}
		return pieces
	}
	var first, last time.Duration // of the seconds with anything in them
	var seen, inGroup int64
	start := from
	for a := from; a < to; a += time.Second {
		t.enter(a, a+time.Second)
		n := t.measure(time.Second).samples
		t.leave(a, a+time.Second)
		if n == 0 {
			continue
		}
		if seen == 0 {
			first = a
		}
		last = a + time.Second
		seen += n
		if inGroup += n; inGroup >= groupSize {
			pieces = append(pieces, span{from: start, to: last})
			start, inGroup = last, 0
		}
	}
	if seen == 0 || last-first < (to-from)/2 {
		return nil
	}
	if len(pieces) == 0 {
		return []span{{from: from, to: to}}
	}
	pieces[len(pieces)-1].to = to // what is left is too little to stand alone
	return pieces
}

// An endedTape counts a whole load's operations and failures in the second in
// which they ended.
type endedTape struct {
	countTape
	s statement
}

func (e *endedTape) enter(from, to time.Duration) { e.count(from, to, 1) }
func (e *endedTape) leave(from, to time.Duration) { e.count(from, to, -1) }

func (e *endedTape) count(from, to time.Duration, sign int64) {
	for _, second := range e.between(from, to) {
		e.ops += sign * second.Load.Ops
		for class, n := range second.Load.Failed {
			if e.s.subject.class == "" || e.s.subject.class == class {
				e.n += sign * n
			}
		}
	}
}

func (e *endedTape) measure(time.Duration) measured {
	switch {
	case e.ops == 0:
		return measured{missing: "no operation ended"}
	case e.s.high.unit == ratio:
		return exactly(e.n, e.ops, e.ops)
	}
	return exactly(e.n, 1, e.ops)
}

// BreachedExpectation reports whether an expectation can no longer hold, and
// in a sentence, why. It is asked once a second, with the run's clock.
//
// It is certain, so it can be late: a window counts when it is over and no
// operation that fell due in it can still end (the load's timeout and patience
// later). Sooner than that, only what cannot be mended: a count or a maximum
// over its limit, a reading that does not hold.
//
// The journal may have forgotten what is older than Lookback says is needed;
// when it has forgotten more, whole windows are not judged.
func (o Objective) BreachedExpectation(j *journal.Journal, now time.Duration) (breached bool, why string) {
	s := o.s
	if s.hold != 0 || o.check(j.Plan) != nil || s.subject.stat == scalingStat {
		return false, ""
	}
	if s.within == 0 {
		if v, sc := s.lookAtGrowing(j, now); v.failed > 0 && s.final(v.worst.measured, s.subject.isProbe(j.Plan)) {
			return true, s.tell(v, sc)
		}
	}
	h := horizon{at: now - s.settling(j.Plan)}
	sc := s.resolve(j, h)
	if sc.reason != "" {
		return false, ""
	}
	if s.within != 0 {
		sc.windows = s.latest(sc.windows, h.at-recent)
	} else {
		sc.windows = s.justOver(j, sc, h.at-recent)
	}
	if len(sc.windows) == 0 {
		return false, ""
	}
	v := s.look(j, sc)
	if v.failed == 0 {
		return false, ""
	}
	return true, s.tell(v, sc)
}

// lookAtGrowing measures what is final as soon as it is too much, up to now.
func (s statement) lookAtGrowing(j *journal.Journal, now time.Duration) (view, scope) {
	switch stat := s.subject.stat; {
	case stat == everyReading, stat == maxStat, s.counts(), stat == minStat && s.subject.isProbe(j.Plan):
	default:
		return view{}, scope{}
	}
	sc := s.resolve(j, horizon{at: now})
	if sc.reason != "" {
		return view{}, sc
	}
	if !s.counts() {
		// What is older was seen when it was new, or has only come in since.
		sc.windows = s.latest(sc.windows, now-s.settling(j.Plan)-recent)
	}
	if len(sc.windows) == 0 {
		return view{}, sc
	}
	return s.look(j, sc), sc
}

// latest leaves out of the windows what is over before a time, but for the
// part that windows of the within clause reach back to.
func (s statement) latest(windows [][]stretch, since time.Duration) [][]stretch {
	var out [][]stretch
	for _, w := range windows {
		var kept []stretch
		for _, st := range w {
			if st.to <= since {
				continue
			}
			// By whole seconds, so that the same windows are looked at as ever.
			if skip := (since - s.within - st.from).Truncate(time.Second); skip > 0 {
				st.from += skip
				st.first = max(st.first, ceilSecond(st.from))
			}
			kept = append(kept, st)
		}
		if len(kept) > 0 {
			out = append(out, kept)
		}
	}
	return out
}

// justOver gives the windows that ended since a time and are all there.
func (s statement) justOver(j *journal.Journal, sc scope, since time.Duration) [][]stretch {
	windows := sc.windows
	if sc.cut {
		windows = windows[:len(windows)-1]
	}
	var out [][]stretch
	for _, w := range windows {
		if w[len(w)-1].to <= since {
			continue
		}
		if !s.subject.isProbe(j.Plan) && len(j.LoadSeconds(s.subject.name, w[0].first, w[0].first+2*time.Second)) == 0 {
			continue // forgotten
		}
		out = append(out, w)
	}
	return out
}

// Lookback is how much of a run, from now back, a live journal must remember
// for Breached and BreachedExpectation to see all they judge.
func (o Objective) Lookback(p journal.Plan) time.Duration {
	s := o.s
	if s.subject.stat == scalingStat {
		return 0 // it is judged at the end
	}
	margin := s.settling(p) + recent + time.Second
	if s.hold != 0 || s.within != 0 {
		return max(s.hold, s.within) + margin
	}
	longest := defaultHold
	for _, sp := range base(p, s) {
		longest = max(longest, sp.to-sp.from)
	}
	return longest + margin
}
