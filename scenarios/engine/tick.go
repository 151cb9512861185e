package engine

import (
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// A ticker turns each second of the run into one batch: what every load did,
// its histograms, the error samples, and how brunt itself was.
type ticker struct {
	origin  time.Time
	loads   *loadSet
	samples *errorSamples
	health  *healthWatch
	memory  memoryPace
	second  func(at time.Duration, b journal.Batch)
}

// run ticks at whole seconds of the run's clock until stop closes, and once
// more for what is left.
func (t *ticker) run(stop <-chan struct{}) {
	defer t.memory.restore()
	for k := time.Second; ; k += time.Second {
		if !TimerWait(t.origin.Add(k), stop) {
			t.tick(max(0, time.Since(t.origin))) // it may not have begun
			return
		}
		t.tick(k)
	}
}

// tick publishes what happened up to now, which the journal calls at: the
// second that was meant, not the moment the ticker came to it.
func (t *ticker) tick(at time.Duration) {
	now := time.Now()
	var batch journal.Batch
	lag, sessions := &lagMeter{}, int64(0)
	for _, p := range t.loads.players {
		p.expire(now)
		l := p.base()
		batch.Events = append(batch.Events, journal.Event{At: at, Kind: journal.LoadSecond, Name: l.plan.Name, Load: l.second(at, p.gather())})
		batch.Intervals = append(batch.Intervals, l.recorder.Flush()...)
		l.lag.take(lag)
		sessions += l.open.Load()
	}
	t.memory.follow(sessions)
	batch.Events = append(batch.Events, t.samples.take()...)
	if health := t.health.second(lag); health != nil {
		batch.Events = append(batch.Events, journal.Event{At: at, Kind: journal.HealthSecond, Health: health})
	}
	t.second(at, batch)
}

// An abortJudge judges the abort conditions, the expectations with abort and
// the conditions that end faults once a second.
type abortJudge struct {
	plan   *scenarios.Plan
	live   *journal.Journal
	until  *conditions
	breach func(why string)
	done   bool
	memory time.Duration // how far back the live journal must reach
}

func newAbortJudge(plan *scenarios.Plan, live *journal.Journal, until *conditions, breach func(why string)) *abortJudge {
	j := &abortJudge{plan: plan, live: live, until: until, breach: breach}
	for _, o := range slices.Concat(plan.AbortOn, plan.MustHold) {
		j.memory = max(j.memory, o.Lookback(plan.Info))
	}
	for _, f := range plan.Faults {
		if f.Until != nil {
			j.memory = max(j.memory, f.Until.Lookback(plan.Info))
		}
	}
	return j
}

func (j *abortJudge) look(now time.Duration) {
	if j.done {
		return
	}
	for _, o := range j.plan.AbortOn {
		j.heed(o.Breached(j.live, now))
	}
	for _, o := range j.plan.MustHold {
		j.heed(o.BreachedExpectation(j.live, now))
	}
	j.until.look(j.live, now)
	j.live.Forget(now - j.memory)
}

func (j *abortJudge) heed(breached bool, why string) {
	if breached && !j.done {
		j.done = true
		j.breach(why)
	}
}
