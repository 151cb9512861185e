package tui

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/scaling"
)

const (
	// recentSeconds is what "now" means for rates, latencies and errors: long
	// enough not to flicker, short enough to see a fault begin.
	recentSeconds = 3
	// recentMemory is how much of the intervals is kept for that.
	recentMemory = 20 * time.Second
	// historyLength is how many moments and readings are kept for charts.
	historyLength = 900
	// logLength is how many entries are kept.
	logLength = 200
	// silenceAfter is when it is remarkable that nothing comes: the engine
	// says something every second.
	silenceAfter = 3 * time.Second
)

// A follower makes of the event stream what the screen shows. It belongs to
// one goroutine.
type follower struct {
	plan   journal.Plan
	judge  *judge
	recent *journal.Journal // the last seconds, for latencies

	now    snapshot // all of it but what is filled in when a snapshot is made
	loads  map[string]*loadNow
	faults map[string]*faultNow
	probes map[string]*probeNow
	totals map[string]map[string]int64 // failures by load and class

	last   time.Duration // the latest time heard of
	forgot time.Duration
	heard  time.Time // when that was, by our clock
}

func newFollower(plan journal.Plan) *follower {
	f := &follower{
		plan: plan, judge: newJudge(plan), recent: journal.New(plan),
		loads: make(map[string]*loadNow), faults: make(map[string]*faultNow), probes: make(map[string]*probeNow),
		totals: make(map[string]map[string]int64),
	}
	f.now.plan = &f.plan
	for _, l := range plan.Loads {
		f.loads[l.Name] = &loadNow{plan: l}
		f.totals[l.Name] = make(map[string]int64)
	}
	for _, p := range plan.Faults {
		f.faults[p.Label()] = &faultNow{plan: p}
	}
	for _, p := range plan.Probes {
		f.probes[p.Name] = &probeNow{plan: p}
	}
	for _, c := range f.judge.cases {
		f.now.objectives = append(f.now.objectives, c.standing)
	}
	for _, w := range plan.Warnings {
		f.say(0, warn, "%s", w)
	}
	return f
}

// take adds a batch that arrived at a time by our clock.
func (f *follower) take(b journal.Batch, arrived time.Time) {
	if len(b.Events) == 0 && len(b.Intervals) == 0 {
		return
	}
	f.heard = arrived
	judged := journal.Batch{Events: make([]journal.Event, 0, len(b.Events))}
	for _, e := range b.Events {
		if e.Kind != journal.HealthSecond && e.Kind != journal.LoadError && e.Kind != journal.Note {
			judged.Events = append(judged.Events, e)
		}
	}
	for _, iv := range b.Intervals {
		if f.judge.needs(iv, f.now.objectives) {
			judged.Intervals = append(judged.Intervals, iv)
		}
	}
	// A journal in memory refuses nothing.
	_ = f.judge.journal.Append(judged)
	_ = f.recent.Append(journal.Batch{Intervals: b.Intervals})
	for _, e := range b.Events {
		f.last = max(f.last, e.At)
		f.event(e)
	}
	if f.last > f.forgot+recentMemory/2 {
		f.recent.Forget(f.last - recentMemory)
		f.forgot = f.last
	}
}

func (f *follower) event(e journal.Event) {
	name := clean(e.Name)
	switch e.Kind {
	case journal.RunStarted:
		f.now.started = true
	case journal.RunEnded:
		f.now.ended, f.now.state, f.now.why, f.now.phase = true, clean(e.State), clean(e.Text), ""
		f.say(e.At, strong, "run %s%s", e.State, join(e))
	case journal.PhaseStarted:
		f.now.phase = e.Name
		f.say(e.At, strong, "phase %s", name)
	case journal.PhaseEnded:
		if f.now.phase == e.Name {
			f.now.phase = ""
		}
	case journal.LoadSecond:
		if l := f.loads[e.Name]; l != nil && e.Load != nil {
			f.second(l, e)
		}
	case journal.HealthSecond:
		if e.Health != nil {
			f.now.health = *e.Health
		}
	case journal.LoadError:
		f.say(e.At, bad, "%s%s %s: %s", name, step(e), e.State, e.Text)
	case journal.FaultState:
		f.fault(e)
	case journal.ProbeReading:
		if p := f.probes[e.Name]; p != nil && e.Value != nil {
			p.last, p.at, p.read, p.text, p.trouble = *e.Value, e.At, true, clean(e.Text), ""
			p.history = remember(p.history, value{e.At, *e.Value})
		}
	case journal.ProbeFailed:
		f.probeFailed(e)
	case journal.ObjectEvent:
		if e.Object == nil {
			break
		}
		if text, notable := scaling.Tell(*e.Object); notable {
			f.say(e.At, objectStyle(e.Object.What), "%s", text)
		}
	case journal.AbortBreach:
		f.now.aborting = clean(e.Text)
		f.say(e.At, bad, "abort: %s", e.Text)
	case journal.WorkerState:
		if e.State == journal.WorkerLost && e.Text != "" {
			f.say(e.At, bad, "%s lost: %s", e.Name, e.Text)
		}
	case journal.Note:
		as := plain
		if e.State == "warning" {
			as = warn
		}
		f.say(e.At, as, "%s", e.Text)
	}
}

// objectStyle makes what hinders an autoscaler stand out.
func objectStyle(what string) role {
	switch what {
	case "unschedulable", "limited", "metric_lost", "edited", "node_refused":
		return warn
	}
	return plain
}

// second takes in what a load did in one second.
func (f *follower) second(l *loadNow, e journal.Event) {
	c := e.Load
	m := moment{at: e.At, length: e.At}
	if n := len(l.history); n > 0 {
		m.length -= l.history[n-1].at
	}
	if l.counted = true; m.length <= 0 {
		m.length = time.Second
	}
	m.offered, m.achieved = float64(c.Offered)/m.length.Seconds(), float64(c.Completed)/m.length.Seconds()

	to := e.At.Round(time.Second)
	w := f.recent.Window(l.plan.Name, "", to-recentSeconds*time.Second, to)
	m.p50, m.measured = w.Quantile(journal.Response, journal.All, 50)
	m.p99, _ = w.Quantile(journal.Response, journal.All, 99)
	l.p50, l.p99, l.measured = m.p50, m.p99, m.measured
	l.ops, l.failed = w.Ops(), w.Failed()
	l.droppedNow = w.Class(journal.OutcomeDropped)
	l.history = remember(l.history, m)

	// The mean of the last moments, each weighed by the time it stands for.
	tail := l.history[max(0, len(l.history)-recentSeconds):]
	var offered, achieved, length float64
	for _, m := range tail {
		offered += m.offered * m.length.Seconds()
		achieved += m.achieved * m.length.Seconds()
		length += m.length.Seconds()
	}
	l.offered, l.achieved = offered/length, achieved/length

	l.planned, l.inFlight, l.waiting, l.sessions = c.Planned, c.InFlight, c.Waiting, c.Sessions
	l.totalDropped += c.Dropped
	totals := f.totals[l.plan.Name]
	for name, n := range c.Failed {
		totals[clean(name)] += n
		l.totalFailed += n
	}
	if len(c.Failed) > 0 {
		l.classes = nil
		for name, n := range totals {
			l.classes = append(l.classes, class{name, n})
		}
		slices.SortFunc(l.classes, func(a, b class) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name)) })
	}
}

func (f *follower) fault(e journal.Event) {
	as := warn
	switch e.State {
	case journal.FaultGone, journal.FaultUndone:
		as = good
	case journal.FaultFailed, journal.FaultConflict, journal.FaultUnverified, journal.FaultIneffective:
		as = bad
	}
	if e.State != journal.FaultRequested { // the next word comes at once, and says more
		f.say(e.At, as, "fault %s %s%s", clean(journal.FaultLabel(e.Name, e.Occurrence)), e.State, join(e))
	}
	n := f.faults[journal.FaultLabel(e.Name, e.Occurrence)]
	if n == nil {
		return
	}
	if e.State == journal.FaultFollowed { // it is there as before, on more targets
		n.targets = clean(strings.Join(append([]string{n.targets}, e.Targets...), ", "))
		return
	}
	n.state, n.since = clean(e.State), e.At
	n.text = clean(e.Text)
	if len(e.Targets) > 0 {
		n.targets = clean(strings.Join(e.Targets, ", "))
	}
	switch e.State {
	case journal.FaultInjected, journal.FaultEffective:
		if !n.there {
			n.there, n.from = true, e.At
		}
	case journal.FaultFailed, journal.FaultIneffective:
		n.failed = true
	case journal.FaultGone:
		n.to = e.At
	}
}

func (f *follower) probeFailed(e journal.Event) {
	p := f.probes[e.Name]
	if p == nil {
		return
	}
	if p.trouble == "" || e.State != "" {
		f.say(e.At, bad, "probe %s %s: %s", clean(e.Name), cmp.Or(e.State, "failed"), e.Text)
	}
	p.trouble = cmp.Or(clean(e.Text), "failed")
	p.crashed = p.crashed || e.State == "crashed"
}

// say adds an entry to the log.
func (f *follower) say(at time.Duration, as role, format string, args ...any) {
	f.now.log = rememberN(f.now.log, entry{at, clean(fmt.Sprintf(format, args...)), as}, logLength)
}

// snapshot is what there is to show at a time by our clock.
func (f *follower) snapshot(at time.Time) *snapshot {
	s := f.now
	s.now = f.last
	if s.started && !s.over() {
		if since := at.Sub(f.heard); since > silenceAfter {
			s.silent = since
		} else if since > 0 {
			s.now += since
		}
	}
	for _, l := range f.plan.Loads {
		s.loads = append(s.loads, *f.loads[l.Name])
	}
	for _, p := range f.plan.Faults {
		s.faults = append(s.faults, *f.faults[p.Label()])
	}
	for _, p := range f.plan.Probes {
		s.probes = append(s.probes, *f.probes[p.Name])
	}
	return &s
}

// remember adds to a history of which snapshots hold parts: what they hold is
// never written to again.
func remember[T any](history []T, v T) []T { return rememberN(history, v, historyLength) }

func rememberN[T any](history []T, v T, n int) []T {
	if len(history) >= 2*n {
		history = slices.Clone(history[len(history)-n:])
	}
	return append(history, v)
}

// join says what an event says of itself.
func join(e journal.Event) string {
	text := ""
	if len(e.Targets) > 0 {
		text = ": " + strings.Join(e.Targets, ", ")
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

func step(e journal.Event) string {
	if e.Step == "" {
		return ""
	}
	return "." + e.Step
}

// planned is what a load's plan offers at a time: arrivals a second, or users.
func planned(l journal.LoadPlan, at time.Duration) float64 {
	for _, s := range l.Segments {
		if at >= s.Start && at < s.End {
			v := s.From + (s.To-s.From)*float64(at-s.Start)/float64(s.End-s.Start)
			if math.IsNaN(v) || v < 0 {
				return 0
			}
			return v
		}
	}
	return 0
}
