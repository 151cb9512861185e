package engine

import (
	"context"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// A player is a load of either model.
type player interface {
	base() *load
	dispatch(stop <-chan struct{}) // returns when the plan or stop ended it
	finish(abandon bool)           // after dispatch: lets the sessions end
	expire(now time.Time)          // drops arrivals whose patience has run out
	gather() (waiting int)         // brings the counts up to date; how many arrivals wait for a session
}

func (l *load) base() *load { return l }

// A loadSet is all loads of a run.
type loadSet struct {
	players  []player
	dispatch sync.WaitGroup
}

func startLoads(ctx context.Context, whole part, cores int, samples *errorSamples, stop <-chan struct{}) *loadSet {
	s := &loadSet{}
	for _, plan := range whole.loads {
		if p, ok := plan.Generator.(generators.Pooler); ok && p.Pool() > 0 && whole.slice.of() > 1 {
			p.SharePool(max(whole.slice.Share(p.Pool()), 1))
		}
		l := newLoad(plan, whole.slice, whole.origin, samples)
		l.observe = whole.options.Observe
		var p player
		switch {
		case plan.Loop != nil:
			p = startLanes(ctx, l, cores)
		case plan.Schedule != nil:
			p = newOpenLoad(ctx, l, whole.options.Wait)
		default:
			p = newClosedLoad(ctx, l)
		}
		s.players = append(s.players, p)
		s.dispatch.Go(func() { p.dispatch(stop) })
	}
	return s
}

// finish ends all loads: what is waiting is played unless abandon, operations
// in flight are awaited until hurry opens or the bound is reached, and then
// cancelled.
func (s *loadSet) finish(abandon bool, hurry <-chan struct{}, cancel context.CancelFunc) {
	s.dispatch.Wait()
	for _, p := range s.players {
		p.finish(abandon)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, p := range s.players {
			p.base().sessions.Wait()
		}
	}()
	bound := time.NewTimer(s.drain())
	defer bound.Stop()
	select {
	case <-done:
		return
	case <-hurry:
	case <-bound.C:
	}
	cancel()
	for _, p := range s.players {
		p.finish(true)
	}
	<-done // sessions honour a cancelled context: their contract
}

// drain is how long the end of the loads may take: what waits for a session
// runs out of patience, and what is in flight out of time.
func (s *loadSet) drain() time.Duration {
	longest := drainBound
	for _, p := range s.players {
		plan := p.base().plan
		longest = max(longest, plan.Timeout+plan.Patience+drainSlack)
	}
	return longest
}

// watch runs one probe until ctx ends.
func watch(ctx context.Context, p scenarios.Probe, origin time.Time, publish func(journal.Batch)) {
	err := p.Probe.Watch(ctx, func(r probes.Reading) {
		var batch journal.Batch
		for _, e := range r.Events {
			batch.Events = append(batch.Events, journal.Event{Kind: journal.ObjectEvent, Name: p.Name, Object: &journal.Object{
				Object: e.Object, What: e.What, On: e.On, At: e.At.Sub(origin), Within: e.Within, From: e.From, To: e.To, Text: e.Text}})
		}
		if r.Err != nil {
			batch.Events = append(batch.Events, journal.Event{Kind: journal.ProbeFailed, Name: p.Name, Text: r.Err.Error()})
		} else {
			batch.Events = append(batch.Events, journal.Event{Kind: journal.ProbeReading, Name: p.Name, Value: &r.Value, Text: r.Text, Series: r.Series})
		}
		publish(batch)
	})
	if err != nil {
		publish(journal.Batch{Events: []journal.Event{{Kind: journal.ProbeFailed, Name: p.Name, State: "crashed", Text: err.Error()}}})
	}
}

// announce says when phases start and end, at their planned times.
func announce(phases []journal.PhasePlan, origin time.Time, emit func(journal.Event), stop <-chan struct{}) {
	for _, p := range phases {
		if !TimerWait(origin.Add(p.Start), stop) {
			return
		}
		emit(journal.Event{Kind: journal.PhaseStarted, Name: p.Name})
		if !TimerWait(origin.Add(p.End), stop) {
			return
		}
		emit(journal.Event{Kind: journal.PhaseEnded, Name: p.Name})
	}
}
