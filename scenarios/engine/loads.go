package engine

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// A Crew plays the loads of a run on workers, in the place of this process.
// The engine calls Begin once, Follow once after it, and the others at any time
// after Begin, from any goroutine.
type Crew interface {
	// Begin fixes the run's origin, a moment shortly ahead, and tells every
	// worker to start then. A worker that cannot be told is lost, which Follow
	// tells.
	Begin() (origin time.Time)
	// Follow calls second with what all workers did in each second of the run,
	// merged, in order and from one goroutine, and emit with what is to be said
	// of workers. It returns when the last worker has ended or is lost, with an
	// error when none is left that could go on.
	Follow(emit func(journal.Event), second func(at time.Duration, b journal.Batch)) error
	// Stop lets no more arrivals fall due, on any worker.
	Stop()
	// Hurry has what is in flight cut short.
	Hurry()
}

// An offering is the loads of a run while they are played, wherever that is.
type offering interface {
	// finish ends all loads: what is waiting is played unless abandon, and
	// operations in flight are awaited until hurry opens or the bound is
	// reached, and then cut short.
	finish(abandon bool, hurry <-chan struct{})
	// close returns when the last second has been handed on. It is called
	// after finish.
	close()
}

// A part says which part of which loads is played, and where what they did goes.
type part struct {
	loads   []scenarios.Load
	slice   Slice
	origin  time.Time
	options Options
	health  *healthWatch
	second  func(at time.Duration, b journal.Batch) // called from one goroutine
}

// ownLoads are the loads that this process plays.
type ownLoads struct {
	set       *loadSet
	cancel    context.CancelFunc
	stopClock gate
	clock     sync.WaitGroup
	restore   func() // GOMAXPROCS
}

// startOwn starts playing. No arrival falls due after stop closes.
func startOwn(ctx context.Context, p part, stop <-chan struct{}) *ownLoads {
	cores := runtime.GOMAXPROCS(0)
	playing := 0
	for _, plan := range p.loads {
		playing += lanes(plan, p.slice, cores)
	}
	samples := &errorSamples{}
	ctx, cancel := context.WithCancel(ctx)
	o := &ownLoads{cancel: cancel, stopClock: newGate(), restore: roomBeside(playing, cores)}
	o.set = startLoads(ctx, p, cores, samples, stop)
	t := &ticker{origin: p.origin, loads: o.set, samples: samples, health: p.health, second: p.second}
	o.clock.Go(func() { t.run(o.stopClock.opened) })
	return o
}

func (o *ownLoads) finish(abandon bool, hurry <-chan struct{}) {
	o.set.finish(abandon, hurry, o.cancel)
}

func (o *ownLoads) close() {
	o.stopClock.open()
	o.clock.Wait()
	o.cancel()
	o.restore()
}

// crewLoads are loads that a crew plays.
type crewLoads struct {
	crew Crew
	done chan struct{}
}

// startCrew follows a crew that has begun. fail is called when it cannot go on.
func startCrew(crew Crew, out *publisher, second func(time.Duration, journal.Batch), fail func(why string)) *crewLoads {
	c := &crewLoads{crew: crew, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		if err := crew.Follow(out.event, second); err != nil {
			fail(err.Error())
		}
	}()
	return c
}

func (c *crewLoads) finish(abandon bool, hurry <-chan struct{}) {
	if abandon {
		c.crew.Stop()
	}
	select {
	case <-c.done:
		return
	case <-hurry:
	}
	c.crew.Hurry()
	<-c.done // a crew ends, or is lost, within bounds of its own
}

func (c *crewLoads) close() { <-c.done }

// A LoadsRun plays the loads of a plan, or a worker's slice of them, and
// nothing else of it: no faults, no probes, no verdict, and no journal. Its
// methods are safe for concurrent use.
type LoadsRun struct {
	plan        *scenarios.Plan
	part        part
	stop, hurry gate
}

// LoadsOptions say how loads are played.
type LoadsOptions struct {
	Slice  Slice     // the zero value plays all of each load
	Origin time.Time // when the run starts, by the monotonic clock: shortly ahead
	Wait   Waiter    // nil: a timer of the kernel's for each dispatcher
	// Redact takes secrets out of messages that came from outside; nil leaves
	// them in.
	Redact func(string) string
	// Second is called at the end of each second of the run, and once more at
	// the end, from one goroutine, with what the loads did since the last call:
	// what a run writes to its journal.
	Second func(at time.Duration, b journal.Batch)
}

// NewLoads prepares to play. Nothing is sent before Play.
func NewLoads(plan *scenarios.Plan, o LoadsOptions) *LoadsRun {
	second := o.Second
	if o.Redact != nil {
		second = func(at time.Duration, b journal.Batch) {
			for i := range b.Events {
				b.Events[i].Text = o.Redact(b.Events[i].Text)
			}
			o.Second(at, b)
		}
	}
	return &LoadsRun{plan: plan, stop: newGate(), hurry: newGate(),
		part: part{loads: plan.Loads, slice: o.Slice, origin: o.Origin, options: Options{Wait: o.Wait}, second: second}}
}

// Play plays the loads to the end of the plan, and returns when every
// operation has ended and Second has been called for the last time. A
// cancelled ctx is a Hurry. It may be called once.
func (r *LoadsRun) Play(ctx context.Context) {
	defer context.AfterFunc(ctx, r.Hurry)()
	r.part.health = newHealthWatch(runtime.GOMAXPROCS(0)) // the run starts shortly
	own := startOwn(context.WithoutCancel(ctx), r.part, r.stop.opened)
	finished := TimerWait(r.part.origin.Add(r.plan.Info.Duration), r.stop.opened)
	own.finish(!finished, r.hurry.opened)
	own.close()
}

// Stop lets no more arrivals fall due; what is in flight is awaited.
func (r *LoadsRun) Stop() { r.stop.open() }

// Hurry stops, and cuts short what is in flight.
func (r *LoadsRun) Hurry() {
	r.stop.open()
	r.hurry.open()
}
