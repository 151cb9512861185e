package scaling

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// An Analysis is how one autoscaler reacted in one run.
type Analysis struct {
	Probe string
	Plan  journal.ProbePlan

	// PerReplica is what one replica bears, in Unit, and Basis how that is
	// known; 0 and the reason where it is not.
	PerReplica float64
	Unit       string
	Basis      string
	Declared   bool // the scenario says so

	Steps []Step

	Wanted, Desired, Replicas, Ready, Metric, Limit Curve
	// Serving is how many replicas answered anything, second by second, as far
	// as answers say who sent them.
	Serving Curve

	ServedKnown bool // answers say who served them
	PodsKnown   bool // the probe tells of single pods

	End      time.Duration // how far the run got
	Complete bool          // as far as it was planned to
	Judged   []Span        // the run without excluded phases

	learnedAt float64 // the load at which PerReplica was learned
	load      planned
	journal   *journal.Journal
	objects   []journal.Object // in order of when they happened
	pods      map[string]*pod
}

// A Span is a stretch of the run, [From, To).
type Span struct{ From, To time.Duration }

// Watches reports whether a probe tells of replicas, by its plan or by what it
// read.
func Watches(j *journal.Journal, p journal.ProbePlan) bool {
	if p.Scaling != nil {
		return true
	}
	for _, e := range j.Readings(p.Name, 0, forever) {
		if _, ok := e.Series["ready"]; ok {
			return true
		}
	}
	return false
}

const forever = time.Duration(1 << 62)

// Analyse reads a run. A probe that the plan does not have gives an analysis
// in which nothing is known.
func Analyse(j *journal.Journal, probe string) *Analysis {
	a := &Analysis{Probe: probe, journal: j, Plan: journal.ProbePlan{Name: probe}, pods: map[string]*pod{}}
	for _, p := range j.Plan.Probes {
		if p.Name == probe {
			a.Plan = p
		}
	}
	var said journal.ScalingPlan
	if a.Plan.Scaling != nil {
		said = *a.Plan.Scaling
	}
	a.load = plannedLoad(j.Plan, said.Loads)
	a.Unit = a.load.unit
	a.reach()
	a.readProbe()
	a.findSteps()
	a.learnDemand(said.PerReplica)
	for i := range a.Steps {
		if a.Steps[i].Up {
			a.follow(&a.Steps[i])
		}
	}
	return a
}

// reach finds how far the run got, and what of it is judged.
func (a *Analysis) reach() {
	a.End = a.journal.End()
	for _, e := range a.journal.Events() {
		if e.Kind == journal.RunEnded {
			a.End, a.Complete = e.At, e.State == "completed"
		}
	}
	a.End = min(a.End, a.journal.Plan.Duration)
	for _, p := range a.journal.Plan.Phases {
		n := len(a.Judged) - 1
		switch {
		case p.Exclude || p.End <= p.Start:
		case n >= 0 && a.Judged[n].To >= p.Start:
			a.Judged[n].To = max(a.Judged[n].To, p.End)
		default:
			a.Judged = append(a.Judged, Span{p.Start, p.End})
		}
	}
	if len(a.journal.Plan.Phases) == 0 {
		a.Judged = []Span{{0, a.journal.Plan.Duration}}
	}
}

func (a *Analysis) readProbe() {
	readings := a.journal.Readings(a.Probe, 0, forever)
	series := slices.ContainsFunc(readings, func(e journal.Event) bool { return len(e.Series) > 0 })
	if series {
		a.Ready = readCurve(readings, "ready")
		a.Replicas = readCurve(readings, "replicas")
		a.Desired = readCurve(readings, "desired")
		a.Metric = readCurve(readings, "metric")
		a.Limit = readCurve(readings, "max")
	} else {
		a.Ready = readCurve(readings, "")
	}
	if a.Replicas == nil {
		a.Replicas = a.Ready
	}
	a.PodsKnown = readCurve(readings, "pods") != nil
	for _, e := range a.journal.Objects(a.Probe) {
		a.objects = append(a.objects, *e.Object)
	}
	slices.SortStableFunc(a.objects, func(x, y journal.Object) int { return int(min(max(x.At-y.At, -1), 1)) })
	for _, o := range a.objects {
		name, isPod := strings.CutPrefix(o.Object, "pod/")
		if !isPod {
			continue
		}
		p := a.pods[name]
		if p == nil {
			p = &pod{name: name, when: map[string]journal.Object{}}
			a.pods[name] = p
		}
		p.take(o)
	}
	a.readServing()
	a.ServedKnown = a.ServedKnown || slices.ContainsFunc(a.objects, func(o journal.Object) bool { return o.What == "served" })
}

// readServing counts who answered in each second.
func (a *Analysis) readServing() {
	who := map[time.Duration]map[string]bool{}
	last := time.Duration(0)
	for _, name := range a.load.names {
		for _, e := range a.journal.LoadSeconds(name, 0, forever) {
			second := secondOf(e.At)
			if who[second] == nil {
				who[second] = map[string]bool{}
			}
			for name, n := range e.Load.Served {
				if n > 0 {
					who[second][name] = true
					a.ServedKnown = true
				}
			}
			last = max(last, second)
		}
	}
	if !a.ServedKnown {
		return
	}
	for second := time.Duration(0); second <= last; second += time.Second {
		n := float64(len(who[second]))
		if k := len(a.Serving); k > 0 && a.Serving[k-1].Value == n {
			continue
		}
		a.Serving = append(a.Serving, Point{At: second, Value: n, Known: true, Since: second})
	}
}

// asked is the curve that decisions show in.
func (a *Analysis) asked() Curve {
	if a.Desired != nil {
		return a.Desired
	}
	return a.Replicas
}

func (a *Analysis) findSteps() {
	moves := a.load.moves(a.journal.Plan.Duration)
	for i, m := range moves {
		if m.start >= a.End {
			break
		}
		s := Step{Start: m.start, Full: m.full, From: m.from, To: m.to, Up: m.up(), End: a.journal.Plan.Duration}
		if i+1 < len(moves) {
			s.End = moves[i+1].start
		}
		if s.End > a.End {
			s.End, s.Cut = a.End, !a.Complete
		}
		for _, p := range a.journal.Plan.Phases {
			if p.Start <= s.Start && s.Start < p.End {
				s.Phase, s.Excluded = p.Name, p.Exclude
			}
		}
		a.Steps = append(a.Steps, s)
	}
}

// learnDemand settles how many replicas were wanted.
func (a *Analysis) learnDemand(declared float64) {
	switch {
	case declared > 0 && a.load.unit == "arrivals/s":
		a.PerReplica, a.Declared = declared, true
		a.Basis = fmt.Sprintf("the scenario says that one replica bears %s", number(declared)+" "+a.Unit)
	default:
		for _, s := range a.Steps {
			n, use, ok := a.settled(s)
			if !ok || a.PerReplica > 0 && s.To <= a.learnedAt {
				continue
			}
			a.learnedAt, a.PerReplica = s.To, s.To/(n*use)
			used := ""
			if use < 1 {
				used = fmt.Sprintf(", its metric at %s of the target", percent(use))
			}
			a.Basis = fmt.Sprintf("learned: the autoscaler settled on %s for %s %s%s, so that one bears %s", number(n), number(s.To), a.Unit, used, number(a.PerReplica))
		}
		if a.PerReplica == 0 {
			a.Basis = "how many replicas were wanted is not known: per_replica is not given, and at no step did the autoscaler settle"
			return
		}
	}
	a.Wanted = a.load.wanted(a.PerReplica, a.journal.Plan.Duration)
}

// settled gives the number that the autoscaler settled on at a step up, and how
// much of what they bear was used. That it settled is no sign that it was
// right: its own metric must say so, or where that is not seen, it must have
// asked for more in this step, and the load must have been served.
func (a *Analysis) settled(s Step) (n, use float64, ok bool) {
	if !s.Up || s.Cut || s.To <= 0 {
		return 0, 0, false
	}
	since := s.End - max(rest, (s.End-s.Start)/3)
	if since < s.Full || a.pinned(s) {
		return 0, 0, false
	}
	low, high, known := a.asked().extremes(since, s.End)
	if !known || low != high || low < 1 || a.unknown(a.asked(), since, s.End) > 0 {
		return 0, 0, false
	}
	if ready, known := a.Ready.at(s.End - 1); !known || ready < high {
		return 0, 0, false
	}
	if m, known := a.Metric.mean(since, s.End); known {
		return high, min(m, 1), m > 0 && m <= 1+tolerance
	}
	if before, known := a.asked().at(s.Start); !known || before >= high {
		return 0, 0, false
	}
	var ops, failed int64
	for _, name := range a.load.names {
		w := a.journal.Window(name, "", ceilSecond(since), s.End)
		ops, failed = ops+w.Ops(), failed+w.Failed()
	}
	return high, 1, ops > 0 && failed <= ops/100
}

// tolerance is how far off its target Kubernetes lets a metric be without
// deciding anything (--horizontal-pod-autoscaler-tolerance).
const tolerance = 0.1

// pinned reports whether a step ended at the most replicas allowed, with the
// metric still above its target as far as that is seen.
func (a *Analysis) pinned(s Step) bool {
	limit, ok := a.Limit.at(s.End - 1)
	asked, known := a.Desired.at(s.End - 1)
	if !ok || !known || asked < limit {
		return false
	}
	m, known := a.Metric.at(s.End - 1)
	return !known || m > 1+tolerance
}

// unknown is for how much of [from, to) a curve is not known.
func (a *Analysis) unknown(c Curve, from, to time.Duration) time.Duration {
	var sum time.Duration
	times := cuts(from, to, c)
	for i := range len(times) - 1 {
		if _, known := c.at(times[i]); !known {
			sum += times[i+1] - times[i]
		}
	}
	return sum
}
