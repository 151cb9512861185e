package engine

import (
	"context"
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
)

// A faultRun plays one fault: prepare, write the receipt, inject, prove the
// effect, undo, prove it gone.
type faultRun struct {
	plan     scenarios.Fault
	most     int // how many targets it may hit; 0: any number
	origin   time.Time
	receipts *chaos.Receipts
	emit     func(journal.Event)
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
	receipt, err := prepare(ctx, f.plan.Fault, f.most)
	if err != nil {
		f.say(journal.FaultFailed, "prepare: "+err.Error(), nil)
		return nil
	}
	receipt.Fault = f.plan.Name
	if err := f.receipts.Made(receipt); err != nil {
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

// prepare resolves a fault's targets, and refuses more than it may hit.
func prepare(ctx context.Context, fault chaos.Fault, most int) (chaos.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, prepareBound)
	defer cancel()
	receipt, err := fault.Prepare(ctx)
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
	end := f.origin.Add(f.plan.At + f.plan.For)
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

// undo mends the fault and proves it gone.
func (f *faultRun) undo(ctx context.Context, receipt chaos.Receipt) error {
	if receipt.OneShot {
		f.say(journal.FaultGone, "one-shot: there is nothing to undo", receipt.Targets)
		return nil
	}
	measured := f.measure(ctx, receipt)
	o := chaos.UndoOne(ctx, f.receipts, f.plan.Fault, receipt)
	if o.Gone() {
		f.say(journal.FaultUndone, strings.Join(slices.DeleteFunc([]string{measured, o.Reason}, func(s string) bool { return s == "" }), "; "), receipt.Targets)
		f.say(journal.FaultGone, "", receipt.Targets)
		return nil
	}
	state := map[string]string{
		chaos.OutcomeConflict:   journal.FaultConflict,
		chaos.OutcomeFailed:     journal.FaultFailed,
		chaos.OutcomeUnverified: journal.FaultUnverified,
	}[o.State]
	f.say(state, "undo: "+o.Reason, receipt.Targets)
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
	running sync.WaitGroup
	halt    gate // no more injecting; undo what is active

	mu       sync.Mutex
	unmended []error
}

// startFaults plays every fault at its time. Stop or mend opening undoes them
// all, and injects no more.
func startFaults(ctx context.Context, plan *scenarios.Plan, origin time.Time, receipts *chaos.Receipts, emit func(journal.Event), stop, mend <-chan struct{}) *faultSet {
	s := &faultSet{halt: newGate()}
	s.running.Go(func() {
		select {
		case <-stop:
		case <-mend:
		case <-s.halt.opened:
		}
		s.halt.open()
	})
	for _, fault := range plan.Faults {
		f := &faultRun{plan: fault, most: plan.MaxTargets, origin: origin, receipts: receipts, emit: emit}
		s.running.Go(func() {
			if err := f.play(ctx, s.halt.opened); err != nil {
				s.mu.Lock()
				s.unmended = append(s.unmended, err)
				s.mu.Unlock()
			}
		})
	}
	return s
}

// finish undoes what is still active.
func (s *faultSet) finish() { s.halt.open() }

// wait returns, when every fault has been dealt with, an error for each that
// could not be proven gone.
func (s *faultSet) wait() []error {
	s.running.Wait()
	return s.unmended
}
