package scenarios

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// checkSafety refuses what the scenario's own limits do.
func (l *loader) checkSafety() {
	s := l.top.Safety
	for _, spec := range l.loads {
		at, _ := spec.node.Get("max_in_flight")
		if s.MaxInFlight > 0 && spec.options.MaxInFlight > s.MaxInFlight {
			l.d.Report(at, codeSafety, fmt.Sprintf("load %s may have %d in flight, and safety.max_in_flight is %d", spec.name, spec.options.MaxInFlight, s.MaxInFlight), "")
		}
		if !spec.users {
			continue
		}
		for _, o := range spec.offers {
			if users := highest(spec.pieces, o.phase.plan.Start, o.phase.plan.End); users > float64(l.inFlight(spec)) {
				l.d.Report(o.node, codeSafety, fmt.Sprintf("%s users, and load %s may have %d in flight", thousands(int64(users)), spec.name, l.inFlight(spec)),
					"raise max_in_flight of the load, or safety.max_in_flight")
			}
		}
	}
	if s.MaxRate > 0 {
		l.checkRate(s.MaxRate)
	}
	l.checkLease()
	l.checkProduction()
}

// The lease on a run's faults when the scenario does not say.
const (
	defaultLease = 15 * time.Second
	defaultRenew = 5 * time.Second
)

// lease is how long the lease on faults lasts, and how often it is renewed.
func (s safety) lease() (lease, renew time.Duration) {
	lease = cmp.Or(s.Lease, defaultLease)
	return lease, cmp.Or(s.Renew, min(defaultRenew, lease/3))
}

func (l *loader) checkLease() {
	lease, renew := l.top.Safety.lease()
	if lease >= 2*renew {
		return
	}
	section, _ := l.d.Doc.Root().Get("safety")
	at, ok := section.Get("renew")
	if !ok {
		at, _ = section.Get("lease")
	}
	l.d.Report(at, codeSafety, fmt.Sprintf("a lease of %s cannot be renewed every %s: one late renewal would end the run", decode.FormatDuration(lease), decode.FormatDuration(renew)),
		"renew at most every "+decode.FormatDuration(lease/2))
}

// checkRate compares the limit with the sum of all open loads, phase by phase.
func (l *loader) checkRate(limit float64) {
	for _, p := range l.phases {
		top, at := l.highestRate(p.plan.Start, p.plan.End)
		if top <= limit*(1+1e-9) {
			continue
		}
		node, share := p.node, 0.0
		for _, spec := range l.loads {
			for _, o := range spec.offers {
				if v := valueAt(spec.pieces, at); o.phase == p && !spec.users && v > share {
					node, share = o.node, v
				}
			}
		}
		l.d.Report(node, codeSafety, fmt.Sprintf("%s in phase %s, and safety.max_rate is %s", decode.FormatRate(math.Round(top*1000)/1000), p.Name, decode.FormatRate(limit)),
			"offer less, or raise safety.max_rate")
	}
}

// highestRate is the most that all open loads offer together between two
// times, and when. Rates are linear between the edges of pieces; a wave
// counts with its whole amplitude, a trace with its busiest second.
func (l *loader) highestRate(from, to time.Duration) (top float64, at time.Duration) {
	edges := []time.Duration{from, to}
	for _, spec := range l.loads {
		for _, p := range spec.pieces {
			for _, e := range []time.Duration{p.Start, p.End, p.End - 1} {
				if e >= from && e <= to {
					edges = append(edges, e)
				}
			}
		}
	}
	for _, t := range edges {
		sum := 0.0
		for _, spec := range l.loads {
			if !spec.users {
				sum += valueAt(spec.pieces, min(t, to-1))
			}
		}
		if sum > top {
			top, at = sum, min(t, to-1)
		}
	}
	return top, at
}

// valueAt is the most that a plan may come to around a time.
func valueAt(pieces []generators.Piece, t time.Duration) float64 {
	for _, p := range pieces {
		if t < p.Start || t >= p.End {
			continue
		}
		if p.Trace != nil {
			return busiestSecond(p.Trace)
		}
		v := p.From + (p.To-p.From)*float64(t-p.Start)/float64(p.End-p.Start)
		if p.Sine != nil {
			v += p.Sine.Amplitude
		}
		return v
	}
	return 0
}

// busiestSecond is the most arrivals of a trace within any second.
func busiestSecond(trace []time.Duration) float64 {
	most, first := 0, 0
	for i, t := range trace {
		for t-trace[first] >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return float64(most)
}

// checkUnused warns of what is declared and never comes into play.
func (l *loader) checkUnused() {
	for _, spec := range l.loads {
		if spec.first.Kind() == decode.Null && !l.broken[spec.name] && !l.broken["rate of "+spec.name] {
			l.d.Warn(spec.key, codeUnused, "load "+spec.name+" is offered in no phase", "add load: { "+spec.name+": 10/s } to a phase")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.feeds)) {
		if f := l.feeds[name]; !f.used && f.feed != nil && len(l.broken) == 0 {
			l.d.Warn(f.key, codeUnused, "feed "+name+" is used nowhere", "use a column of it: ${"+name+"."+f.feed.Columns()[0]+"}")
		}
	}
	for _, v := range slices.SortedFunc(maps.Values(l.x.vars), func(a, b *variable) int { return cmp.Compare(a.name, b.name) }) {
		if key, ok := v.node.Key(); ok && !v.used && len(l.broken) == 0 {
			l.d.Warn(key, codeUnused, "variable "+v.name+" is used nowhere", "")
		}
	}
}
