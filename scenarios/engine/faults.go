package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// Bounds of one call into a fault. A fault that does not answer in time has
// failed, and is undone.
const (
	prepareBound = 10 * time.Second
	injectBound  = 30 * time.Second
	effectBound  = 10 * time.Second // of a one-shot, whose effect is there at once or never
	// guardBound is how long a receipt may take to be on two disks.
	guardBound = 10 * time.Second
	// handOverBound is how long whoever took the faults over may take.
	handOverBound = chaos.UndoBound + 10*time.Second
	// measureBound is how long a fault may take to say what effect it had, and
	// hurriedMeasure how much longer once the run stops.
	measureBound   = 10 * time.Second
	hurriedMeasure = 200 * time.Millisecond
)

// A faultSet is all faults of a run.
type faultSet struct {
	running  sync.WaitGroup
	halt     gate            // no more injecting; undo what is active
	halting  context.Context // ends when halt opens
	receipts *chaos.Receipts
	lease    chaos.Lease
	claims   claims
	until    *conditions
	origin   time.Time
	end      time.Time     // of the run
	margin   time.Duration // how much later than its end a fault may be gone at the most
	most     int           // how many targets a fault may hit; 0: any number
	emit     func(journal.Event)

	mu       sync.Mutex
	unmended []error
	left     []*faultRun
}

// startFaults plays every fault at its time. Stop or mend opening undoes them
// all, and injects no more.
func (r *Run) startFaults(ctx context.Context, origin time.Time, until *conditions, emit func(journal.Event)) *faultSet {
	ctx = context.WithoutCancel(ctx)
	s := &faultSet{halt: newGate(), receipts: r.ledger, lease: r.options.Lease, until: until, origin: origin,
		end: origin.Add(r.plan.Info.Duration), margin: r.plan.Lease, most: r.plan.MaxTargets, emit: emit}
	halting, cancel := context.WithCancelCause(ctx)
	s.halting = halting
	s.running.Go(func() {
		select {
		case <-r.stop.opened:
		case <-r.mend.opened:
		case <-s.halt.opened:
		}
		s.halt.open()
		cancel(errHalted)
	})
	runs := make([]*faultRun, len(r.plan.Faults))
	byName := map[string][]*faultRun{}
	for i, fault := range r.plan.Faults {
		f := &faultRun{set: s, plan: fault, over: newGate()}
		f.after = append(f.after, fault.After...)
		if earlier := byName[fault.Name]; len(earlier) > 0 {
			f.earlier = earlier[len(earlier)-1]
		}
		byName[fault.Name] = append(byName[fault.Name], f)
		runs[i] = f
	}
	for _, f := range runs {
		for _, name := range f.after {
			f.first = append(f.first, byName[name]...)
		}
		s.running.Go(func() {
			err := f.play(ctx)
			f.over.open()
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil {
				s.unmended = append(s.unmended, err)
			}
			if len(f.left) > 0 {
				s.left = append(s.left, f)
			}
		})
	}
	return s
}

// errHalted is why a call into a fault was cut short.
var errHalted = errors.New("the run was stopped, or its faults were called off")

// finish undoes what is still active.
func (s *faultSet) finish() { s.halt.open() }

// wait returns, when every fault has been dealt with, an error for each that
// could not be proven gone.
func (s *faultSet) wait(ctx context.Context) []error {
	s.running.Wait()
	if len(s.left) > 0 {
		s.handOver(ctx)
	}
	return s.unmended
}

// handOver leaves the faults to whoever guards them, and accounts for what
// became of them. Where nobody does any more, they are undone here after all.
func (s *faultSet) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handOverBound)
	defer cancel()
	outcomes, err := s.lease.Yield(ctx)
	if err != nil {
		s.undoLeft(context.WithoutCancel(ctx), err)
		return
	}
	for _, f := range s.left {
		var ended []chaos.Outcome
		for _, receipt := range f.left {
			o := chaos.Outcome{Receipt: receipt, State: chaos.OutcomeUnverified, Reason: "the reaper says nothing of it"}
			if i := slices.IndexFunc(outcomes, func(o chaos.Outcome) bool { return o.Receipt.ID == receipt.ID }); i >= 0 {
				o.State, o.Reason, o.Took = outcomes[i].State, outcomes[i].Reason, outcomes[i].Took
			}
			ended = append(ended, o)
		}
		if err := f.account(ended, "undone by the reaper"); err != nil {
			s.unmended = append(s.unmended, err)
		}
	}
}

// undoLeft undoes what was left to someone who is there no more.
func (s *faultSet) undoLeft(ctx context.Context, why error) {
	if err := s.receipts.Resume(); err != nil {
		why = errors.Join(why, err) // nothing can be recorded, but it can be undone
	}
	var undoing sync.WaitGroup
	for _, f := range s.left {
		undoing.Go(func() {
			err := f.account(f.undoAll(ctx, f.left), why.Error())
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil {
				s.unmended = append(s.unmended, err)
			}
		})
	}
	undoing.Wait()
}

// prepare resolves a fault's targets, and refuses more than it may hit, or what
// no undo restores. resolve is the fault's Prepare, or its Follow. held is how
// many targets it has already.
func prepare(ctx context.Context, fault scenarios.Fault, most, held int, resolve func(context.Context) (chaos.Receipt, error)) (chaos.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareBound)
	defer cancel()
	receipt, err := resolve(ctx)
	if err == nil && receipt.Class == chaos.Irreversible && !fault.AllowIrreversible {
		err = fmt.Errorf("no undo restores what it does to %s; allow_irreversible: true lets it", list(receipt.Targets))
	}
	if n := held + len(receipt.Targets); err == nil && most > 0 && n > most {
		err = fmt.Errorf("it would hit %d targets (%s), safety.max_targets allows %d", n, list(receipt.Targets), most)
		if held > 0 {
			err = fmt.Errorf("it would hit %d targets (%s, and %d before), safety.max_targets allows %d", n, list(receipt.Targets), held, most)
		}
	}
	return receipt, err
}
