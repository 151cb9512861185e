// Package engine plays a plan: loads, faults and probes on one clock. It
// records everything in the run's journal and shows the same events live to
// any number of faces. Whatever happens, it stops what it started, undoes
// every fault and accounts for it.
package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// Options say how a plan is played. Dir is required.
type Options struct {
	Dir         string            // the run directory; it must not hold a run
	Scenario    []byte            // the scenario's text, kept beside the journal
	Version     string            // brunt's own
	Environment map[string]string // machine and versions, for the report
	Faces       []journal.Sink    // shown every batch, in order, from one goroutine at a time; must not block
	Wait        Waiter            // nil: a timer of the kernel's for each dispatcher

	// Lease guards the run's faults from outside its process. The caller closes
	// it after Play. Nil is for tests and plans without faults: nobody guards.
	Lease chaos.Lease

	// Crew plays the loads on workers. Nil: this process plays them.
	Crew Crew

	// Observe, if set, is called with every operation that ended, from the
	// goroutine or thread that played it, before the next one there begins. It
	// is not called for what a Crew plays.
	Observe func(load, step string, op generators.Op)

	// Redact takes secrets out of a text that came from outside: an error, a
	// reading. Nil leaves texts as they are.
	Redact func(string) string
}

// An Outcome says how a run ended. What it showed is in the journal.
type Outcome struct {
	State    string  // completed, interrupted, aborted or failed
	Why      string  // empty when completed
	Unmended []error // one for each fault that could not be proven gone
	Journal  error   // the first failure to write the journal
}

// The states of an Outcome.
const (
	Completed   = "completed"
	Interrupted = "interrupted"
	Aborted     = "aborted"
	Failed      = "failed"
)

// drainBound is how long operations in flight may take after the last arrival
// of loads that say no longer timeout: what is cut short is in no figure, and a
// request that its own timeout would have ended is to be counted as that.
const drainBound = 2 * time.Minute

// drainSlack is how much longer than it must a load may take to end, so that
// timeouts are the first to notice.
const drainSlack = 5 * time.Second

// A journalFile is the journal on disk.
type journalFile interface {
	journal.Sink
	Close() error
}

// A Run is one plan being played. Its methods are safe for concurrent use.
type Run struct {
	plan    *scenarios.Plan
	options Options
	disk    journalFile
	ledger  *chaos.Receipts

	stop  gate // no more arrivals and faults; undo what is active
	hurry gate // do not wait for operations in flight
	mend  gate // undo every fault now, load goes on

	mu     sync.Mutex
	state  string
	why    string
	broken error
}

// New creates the run directory. Nothing is sent or touched before Play.
func New(plan *scenarios.Plan, o Options) (*Run, error) {
	if o.Lease == nil {
		o.Lease = inProcess{}
	}
	if o.Redact == nil {
		o.Redact = func(text string) string { return text }
	}
	disk, err := journal.Create(o.Dir, plan.Info, o.Scenario)
	if err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	ledger, err := chaos.OpenReceipts(o.Dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create receipts: %w", err), disk.Close())
	}
	return &Run{plan: plan, options: o, disk: disk, ledger: ledger,
		stop: newGate(), hurry: newGate(), mend: newGate(), state: Completed}, nil
}

// Stop ends the run early: no more load, every fault undone, operations in
// flight awaited. Only the first call's reason is kept.
func (r *Run) Stop(why string) { r.end(Interrupted, why) }

// Hurry stops the run without waiting for operations in flight. Faults are
// undone all the same.
func (r *Run) Hurry() {
	r.end(Interrupted, "interrupted")
	r.hurry.open()
}

// UndoFaults undoes every active fault now and injects no more; load goes on.
func (r *Run) UndoFaults() { r.mend.open() }

func (r *Run) end(state, why string) {
	r.mu.Lock()
	if r.state == Completed {
		r.state, r.why = state, why
	}
	r.mu.Unlock()
	r.stop.open()
}

// Play plays the plan and returns when everything it started has ended. A
// cancelled ctx is a Stop. It may be called once.
func (r *Run) Play(ctx context.Context) Outcome {
	defer context.AfterFunc(ctx, func() { r.Stop("interrupted") })()
	// Nothing below may be cut short by ctx: what stops it is r.stop, which
	// leaves time to account for everything.
	ctx = context.WithoutCancel(ctx)

	var health *healthWatch
	if r.options.Crew == nil {
		// Its first look takes some milliseconds, by which the first arrivals
		// would be late.
		health = newHealthWatch(runtime.GOMAXPROCS(0))
	}
	origin := time.Now()
	if r.options.Crew != nil {
		origin = r.options.Crew.Begin()
	}
	out := &publisher{origin: origin, disk: r.disk, live: journal.New(r.plan.Info), faces: r.options.Faces, redact: r.options.Redact}
	out.failed = func(err error) {
		r.mu.Lock()
		r.broken = err
		r.mu.Unlock()
		r.end(Failed, "the journal could not be written: "+err.Error())
	}
	wall := origin.Round(0).UTC()
	out.event(journal.Event{Kind: journal.RunStarted, Text: r.options.Version, Wall: &wall, Environment: r.options.Environment})

	until := &conditions{}
	judge := newAbortJudge(r.plan, out.live, until, func(why string) {
		out.event(journal.Event{Kind: journal.AbortBreach, Text: why})
		r.end(Aborted, why)
	})
	second := func(at time.Duration, b journal.Batch) {
		out.batch(b)
		judge.look(at)
	}
	var loads offering
	if r.options.Crew != nil {
		loads = startCrew(r.options.Crew, out, second, func(why string) { r.end(Failed, why) })
	} else {
		loads = startOwn(ctx, part{loads: r.plan.Loads, origin: origin, options: r.options, health: health, second: second}, r.stop.opened)
	}

	var watchers sync.WaitGroup
	watchCtx, cancelWatchers := context.WithCancel(ctx)
	for _, p := range r.plan.Probes {
		watchers.Go(func() { watch(watchCtx, p, origin, out.batch) })
	}
	watchers.Go(func() { announce(r.plan.Info.Phases, origin, out.event, r.stop.opened) })

	faults := r.startFaults(ctx, origin, until, out.event)
	faultsDone := newGate()
	watchers.Go(func() { r.watchLease(faultsDone.opened) })

	finished := TimerWait(origin.Add(r.plan.Info.Duration), r.stop.opened)
	faults.finish()
	loads.finish(!finished, r.hurry.opened)
	unmended := faults.wait(ctx)
	faultsDone.open()
	cancelWatchers()
	watchers.Wait()
	loads.close()
	return r.conclude(out, unmended)
}

// conclude writes the last event and closes the journal.
func (r *Run) conclude(out *publisher, unmended []error) Outcome {
	r.mu.Lock()
	state, why := r.state, r.why
	r.mu.Unlock()
	out.event(journal.Event{Kind: journal.RunEnded, State: state, Text: why})
	closeErr := errors.Join(r.disk.Close(), r.ledger.Close())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken == nil {
		r.broken = closeErr
	}
	return Outcome{State: state, Why: why, Unmended: unmended, Journal: r.broken}
}

// A gate is opened once and stays open.
type gate struct {
	once   *sync.Once
	opened chan struct{}
}

func newGate() gate { return gate{new(sync.Once), make(chan struct{})} }

func (g gate) open() { g.once.Do(func() { close(g.opened) }) }
