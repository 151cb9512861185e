package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
)

// A faultRun plays one fault: prepare, write the receipt, inject, prove the
// effect, undo, prove it gone.
type faultRun struct {
	plan     scenarios.Fault
	most     int // how many targets it may hit; 0: any number
	origin   time.Time
	end      time.Time     // when it is to be undone
	margin   time.Duration // how much later it may be gone at the most
	receipts *chaos.Receipts
	lease    chaos.Lease
	emit     func(journal.Event)

	left *chaos.Receipt // set when it is someone else's to undo
}

// play waits for the fault's time and plays it. When halt closes first,
// nothing is touched; when it closes in the middle, the fault is undone at
// once. It returns an error only when the fault could not be proven gone.
// Cancelling ctx cuts nothing short: each call has a bound of its own.
func (f *faultRun) play(ctx context.Context, halt <-chan struct{}) error {
	if !TimerWait(f.origin.Add(f.plan.At), halt) {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	f.say(journal.FaultRequested, "", nil)
	receipt, err := prepare(ctx, f.plan, f.most)
	if err != nil {
		f.say(journal.FaultFailed, "prepare: "+err.Error(), nil)
		return nil
	}
	receipt.Fault = f.plan.Name
	receipt.Most = max(0, time.Until(f.end)) + f.margin
	if err := f.announce(ctx, receipt); err != nil {
		f.say(journal.FaultFailed, "nothing was touched: "+err.Error(), nil)
		return nil
	}
	if err := f.inject(ctx, receipt); err != nil {
		f.say(journal.FaultFailed, "inject: "+err.Error(), receipt.Targets)
		return f.undo(ctx, receipt)
	}
	f.say(journal.FaultInjected, "", receipt.Targets)
	f.hold(ctx, receipt, halt)
	return f.undo(ctx, receipt)
}

// announce puts the receipt on disk here and on the other side of the lease.
func (f *faultRun) announce(ctx context.Context, receipt chaos.Receipt) error {
	if err := f.receipts.Made(receipt); err != nil {
		return err
	}
	chaos.Pass(chaos.Written)
	ctx, cancel := context.WithTimeout(ctx, guardBound)
	defer cancel()
	if err := f.lease.Guard(ctx, receipt); err != nil {
		return err
	}
	chaos.Pass(chaos.Guarded)
	return f.lease.Held() // guarding may have taken as long as the lease lasts
}

// prepare resolves a fault's targets, and refuses more than it may hit, or what
// no undo restores.
func prepare(ctx context.Context, fault scenarios.Fault, most int) (chaos.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareBound)
	defer cancel()
	receipt, err := fault.Fault.Prepare(ctx)
	if err == nil && receipt.Class == chaos.Irreversible && !fault.AllowIrreversible {
		err = errors.New("no undo restores what it does to " + strings.Join(receipt.Targets, ", ") + "; allow_irreversible: true lets it")
	}
	if err == nil && most > 0 && len(receipt.Targets) > most {
		err = fmt.Errorf("it would hit %d targets (%s), safety.max_targets allows %d",
			len(receipt.Targets), strings.Join(receipt.Targets, ", "), most)
	}
	return receipt, err
}

func (f *faultRun) inject(ctx context.Context, receipt chaos.Receipt) error {
	ctx, cancel := context.WithTimeout(ctx, injectBound)
	defer cancel()
	return chaos.InjectOne(ctx, f.receipts, f.plan.Fault, receipt)
}

// hold keeps the fault for its time, looking for its effect until it has been
// seen once. A one-shot is held no longer than that takes.
func (f *faultRun) hold(ctx context.Context, receipt chaos.Receipt, halt <-chan struct{}) {
	end := f.end
	if receipt.OneShot {
		end = time.Now().Add(effectBound)
	}
	looking, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-halt:
			cancel()
		case <-looking.Done():
		}
	})
	state, err := chaos.Await(looking, f.plan.Fault, receipt, chaos.Active)
	switch {
	case state == chaos.Active:
		f.say(journal.FaultEffective, "", receipt.Targets)
		chaos.Pass(chaos.Effective)
	case err != nil:
		f.say(journal.FaultIneffective, err.Error(), receipt.Targets)
	default:
		f.say(journal.FaultIneffective, fmt.Sprintf("seen as %s, never as %s", state, chaos.Active), receipt.Targets)
	}
	if !receipt.OneShot {
		TimerWait(end, halt)
	}
	cancel()
	watching.Wait()
}

// undo mends the fault and proves it gone. When it is someone else's to undo,
// because the run's lease has run out, it is left to them.
func (f *faultRun) undo(ctx context.Context, receipt chaos.Receipt) error {
	if receipt.OneShot {
		f.say(journal.FaultGone, "one-shot: there is nothing to undo", receipt.Targets)
		return nil
	}
	if errors.Is(f.lease.Held(), chaos.ErrFenced) {
		f.left = &receipt
		return nil
	}
	measured := f.measure(ctx, receipt)
	o := chaos.UndoOne(ctx, f.receipts, f.plan.Fault, receipt)
	if o.Gone() {
		releasing, cancel := context.WithTimeout(ctx, guardBound)
		defer cancel()
		_ = f.lease.Release(releasing, receipt.ID) // unreleased, it is undone once more, to no effect
	}
	return f.account(o, measured)
}

// account says how undoing ended, and returns an error unless it is gone. Notes
// are for people; empty ones are left out.
func (f *faultRun) account(o chaos.Outcome, notes ...string) error {
	targets := o.Receipt.Targets
	if o.Gone() {
		notes = slices.DeleteFunc(append(notes, o.Reason), func(s string) bool { return s == "" })
		f.say(journal.FaultUndone, strings.Join(notes, "; "), targets)
		f.say(journal.FaultGone, "", targets)
		return nil
	}
	state := map[string]string{
		chaos.OutcomeConflict:   journal.FaultConflict,
		chaos.OutcomeFailed:     journal.FaultFailed,
		chaos.OutcomeUnverified: journal.FaultUnverified,
	}[o.State]
	f.say(state, "undo: "+o.Reason, targets)
	return fmt.Errorf("fault %s: %s: %s", f.plan.Name, o.State, o.Reason)
}

// measure asks a fault that can tell for the effect it had, for people.
func (f *faultRun) measure(ctx context.Context, receipt chaos.Receipt) string {
	m, ok := f.plan.Fault.(chaos.Measurer)
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, prepareBound)
	defer cancel()
	effect, err := m.Measure(ctx, receipt)
	if err != nil {
		return "its effect could not be measured: " + err.Error()
	}
	return effect
}

func (f *faultRun) say(state, text string, targets []string) {
	f.emit(journal.Event{Kind: journal.FaultState, Name: f.plan.Name, State: state, Text: text, Targets: targets})
}

// A faultSet is all faults of a run.
type faultSet struct {
	running  sync.WaitGroup
	halt     gate // no more injecting; undo what is active
	receipts *chaos.Receipts
	lease    chaos.Lease

	mu       sync.Mutex
	unmended []error
	left     []*faultRun
}

// startFaults plays every fault at its time. Stop or mend opening undoes them
// all, and injects no more.
func (r *Run) startFaults(ctx context.Context, origin time.Time, emit func(journal.Event)) *faultSet {
	s := &faultSet{halt: newGate(), receipts: r.ledger, lease: r.options.Lease}
	s.running.Go(func() {
		select {
		case <-r.stop.opened:
		case <-r.mend.opened:
		case <-s.halt.opened:
		}
		s.halt.open()
	})
	for _, fault := range r.plan.Faults {
		f := &faultRun{plan: fault, most: r.plan.MaxTargets, margin: r.plan.Lease, origin: origin, end: origin.Add(fault.At + fault.For),
			receipts: s.receipts, lease: s.lease, emit: emit}
		if fault.For == 0 && !fault.OneShot {
			f.end = origin.Add(r.plan.Info.Duration)
		}
		s.running.Go(func() {
			err := f.play(ctx, s.halt.opened)
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil {
				s.unmended = append(s.unmended, err)
			}
			if f.left != nil {
				s.left = append(s.left, f)
			}
		})
	}
	return s
}

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
		o := chaos.Outcome{Receipt: *f.left, State: chaos.OutcomeUnverified, Reason: "the reaper says nothing of it"}
		if i := slices.IndexFunc(outcomes, func(o chaos.Outcome) bool { return o.Receipt.ID == f.left.ID }); i >= 0 {
			o.State, o.Reason, o.Took = outcomes[i].State, outcomes[i].Reason, outcomes[i].Took
		}
		if err := f.account(o, "undone by the reaper"); err != nil {
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
			err := f.account(chaos.UndoOne(ctx, s.receipts, f.plan.Fault, *f.left), why.Error())
			s.mu.Lock()
			defer s.mu.Unlock()
			if err != nil {
				s.unmended = append(s.unmended, err)
			}
		})
	}
	undoing.Wait()
}
