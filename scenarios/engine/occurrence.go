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

// A faultRun plays one occurrence of a fault: prepare, write the receipt,
// inject, prove the effect, undo, prove it gone. It is used by one goroutine,
// which play says is its own.
type faultRun struct {
	set     *faultSet
	plan    scenarios.Fault
	after   []string    // names that must be over first
	first   []*faultRun // their occurrences
	earlier *faultRun   // the occurrence of this name before this one

	over gate // opened when it has ended, in whatever way
	// stuck says that it could not be proven gone, or was left to someone
	// else; written before over opens.
	stuck bool

	end  time.Time       // when it is to be undone
	once bool            // it is a one-shot, as its receipts say
	held []chaos.Receipt // what was injected: the first, and one for all that came later
	left []chaos.Receipt // set when they are someone else's to undo
}

// play waits for the fault's time and plays it. When the run's faults are
// halted first, nothing is touched; when they are in the middle, it is undone
// at once. It returns an error only when the fault could not be proven gone.
// Cancelling ctx cuts nothing short: each call has a bound of its own.
func (f *faultRun) play(ctx context.Context) error {
	if !f.await() {
		return nil
	}
	f.end = f.set.end
	if f.plan.For > 0 {
		f.end = time.Now().Add(f.plan.For)
		if len(f.plan.After) == 0 && f.earlier == nil {
			f.end = f.set.origin.Add(f.plan.At + f.plan.For)
		}
	}
	f.say(journal.FaultRequested, "", nil)
	if name, stuck := f.blocked(); stuck {
		f.say(journal.FaultFailed, "nothing was touched: fault "+name+", which comes before it, is not proven gone", nil)
		return nil
	}
	receipt, err := prepare(f.set.halting, f.plan, f.set.most, 0, f.plan.Fault.Prepare)
	switch {
	case errors.Is(err, chaos.ErrNoTarget) && f.plan.Follow:
		// There may be one yet.
	case err != nil:
		f.say(journal.FaultFailed, "prepare: "+err.Error(), nil)
		return nil
	default:
		if err := f.inject(ctx, receipt); err != nil {
			return f.undo(ctx, nil)
		}
		f.say(journal.FaultInjected, "", receipt.Targets)
	}
	notes := f.hold(ctx)
	if len(f.held) == 0 {
		f.say(journal.FaultFailed, "there was no target in all that time", nil)
	}
	return f.undo(ctx, notes)
}

// await returns true when the fault is due: at its time, and when those are
// over that it comes after. It returns false when the run's faults are halted.
func (f *faultRun) await() bool {
	at := f.set.origin.Add(f.plan.At)
	if len(f.plan.After) > 0 {
		for _, other := range f.first {
			if !f.set.awaitOver(other) {
				return false
			}
		}
		at = f.set.origin.Add(f.plan.NotBefore)
		if due := time.Now().Add(f.plan.Lag); due.After(at) {
			at = due
		}
	}
	if !TimerWait(at, f.set.halt.opened) {
		return false
	}
	return f.earlier == nil || f.set.awaitOver(f.earlier)
}

// awaitOver returns true when a fault is over, false when all are halted.
func (s *faultSet) awaitOver(f *faultRun) bool {
	select {
	case <-f.over.opened:
		return true
	case <-s.halt.opened:
		return false
	}
}

// blocked names a fault before this one that may still be there.
func (f *faultRun) blocked() (string, bool) {
	for _, other := range f.first {
		if other.stuck {
			return other.plan.Label(), true
		}
	}
	if f.earlier != nil && f.earlier.stuck {
		return f.earlier.plan.Label(), true
	}
	return "", false
}

// inject claims what a receipt names, puts it on two disks and injects it. When
// it fails, what may have been touched is in held, and the reason was said.
func (f *faultRun) inject(ctx context.Context, receipt chaos.Receipt) error {
	receipt.Fault = f.plan.Label()
	receipt.Most = max(0, time.Until(f.end)) + f.set.margin
	if err := f.set.claims.take(receipt, f.plan.Label()); err != nil {
		return f.refuse(receipt, err)
	}
	if err := f.announce(ctx, receipt); err != nil {
		f.set.claims.give(receipt)
		return f.refuse(receipt, fmt.Errorf("nothing was touched: %w", err))
	}
	f.held, f.once = append(f.held, receipt), receipt.OneShot
	// Halting cuts it short: what it did half-way is undone all the same.
	injecting, cancel := context.WithTimeout(f.set.halting, injectBound)
	defer cancel()
	if err := chaos.InjectOne(injecting, f.set.receipts, f.plan.Fault, receipt); err != nil {
		return f.refuse(receipt, fmt.Errorf("inject: %w", err))
	}
	return nil
}

// refuse says that a receipt was not injected. Of targets that came later it is
// a note: the fault itself is there.
func (f *faultRun) refuse(receipt chaos.Receipt, err error) error {
	touched := slices.ContainsFunc(f.held, func(h chaos.Receipt) bool { return h.ID == receipt.ID })
	switch {
	case len(f.held) > 1 || len(f.held) == 1 && !touched:
		f.note(fmt.Sprintf("%s, which came later: %v", list(receipt.Targets), err))
	case touched:
		f.say(journal.FaultFailed, err.Error(), receipt.Targets)
	default:
		f.say(journal.FaultFailed, err.Error(), nil)
	}
	return err
}

// announce puts the receipt on disk here and on the other side of the lease.
func (f *faultRun) announce(ctx context.Context, receipt chaos.Receipt) error {
	if err := f.set.receipts.Made(receipt); err != nil {
		return err
	}
	chaos.Pass(chaos.Written)
	ctx, cancel := context.WithTimeout(ctx, guardBound)
	defer cancel()
	if err := f.set.lease.Guard(ctx, receipt); err != nil {
		return err
	}
	chaos.Pass(chaos.Guarded)
	return f.set.lease.Held() // guarding may have taken as long as the lease lasts
}

// hold keeps the fault for its time, looking for its effect until it has been
// seen once, and following new targets where it is to. A one-shot is held no
// longer than its effect takes, unless it follows. It says why the fault ended
// before its time, where a condition ended it.
func (f *faultRun) hold(ctx context.Context) (notes []string) {
	end := f.end
	if f.once && !f.plan.Follow {
		end = time.Now().Add(effectBound)
	}
	stop := newGate()
	looking, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	var working sync.WaitGroup
	defer working.Wait()
	defer stop.open()

	var until *condition
	met := (<-chan struct{})(nil)
	if f.plan.Until != nil {
		until = f.set.until.watch(*f.plan.Until, time.Since(f.set.origin))
		defer f.set.until.drop(until)
		met = until.met.opened
	}
	working.Go(func() {
		select {
		case <-f.set.halt.opened:
		case <-met:
		case <-stop.opened:
		case <-looking.Done():
		}
		stop.open()
		cancel()
	})
	for _, receipt := range f.held {
		if f.plan.Follow { // others may come before its effect is seen
			working.Go(func() { f.prove(looking, receipt, journal.FaultEffective) })
		} else {
			f.prove(looking, receipt, journal.FaultEffective)
		}
	}
	switch {
	case f.plan.Follow:
		f.follow(ctx, looking, end, stop.opened, &working)
	case !f.once:
		TimerWait(end, stop.opened)
	}
	if until != nil {
		select {
		case <-until.met.opened:
			return []string{"ended because " + until.what}
		default:
		}
	}
	return nil
}

// prove looks for the effect of a receipt until it was seen, and says so in the
// words of state, or that it was not.
func (f *faultRun) prove(looking context.Context, receipt chaos.Receipt, state string) {
	seen, err := chaos.Await(looking, f.plan.Fault, receipt, chaos.Active)
	switch {
	case seen == chaos.Active:
		f.say(state, "", receipt.Targets)
		chaos.Pass(chaos.Effective)
	case err != nil:
		f.say(journal.FaultIneffective, err.Error(), receipt.Targets)
	default:
		f.say(journal.FaultIneffective, fmt.Sprintf("seen as %s, never as %s", seen, chaos.Active), receipt.Targets)
	}
}

// undo mends the fault and proves it gone. When it is someone else's to undo,
// because the run's lease has run out, it is left to them.
func (f *faultRun) undo(ctx context.Context, notes []string) error {
	switch {
	case len(f.held) == 0:
		return nil
	case f.once:
		var targets []string
		for _, receipt := range f.held {
			f.set.claims.give(receipt)
			targets = append(targets, receipt.Targets...)
		}
		f.say(journal.FaultGone, "one-shot: there is nothing to undo", targets)
		return nil
	case errors.Is(f.set.lease.Held(), chaos.ErrFenced):
		f.left, f.stuck = f.held, true
		return nil
	}
	for _, receipt := range f.held {
		notes = append(notes, f.measure(ctx, receipt))
	}
	outcomes := f.undoAll(ctx, f.held)
	releasing, cancel := context.WithTimeout(ctx, guardBound)
	defer cancel()
	for _, o := range outcomes {
		if o.Gone() {
			_ = f.set.lease.Release(releasing, o.Receipt.ID) // unreleased, it is undone once more, to no effect
		}
	}
	return f.account(outcomes, notes...)
}

// undoAll undoes receipts at once.
func (f *faultRun) undoAll(ctx context.Context, receipts []chaos.Receipt) []chaos.Outcome {
	outcomes := make([]chaos.Outcome, len(receipts))
	var undoing sync.WaitGroup
	for i, receipt := range receipts {
		undoing.Go(func() {
			outcomes[i] = chaos.UndoOne(ctx, f.set.receipts, f.plan.Fault, receipt)
			if outcomes[i].Gone() {
				f.set.claims.give(receipt)
			}
		})
	}
	undoing.Wait()
	return outcomes
}

// account says how undoing ended, and returns an error unless all of it is
// gone. Notes are for people; empty ones are left out.
func (f *faultRun) account(outcomes []chaos.Outcome, notes ...string) error {
	var targets []string
	var errs []error
	for _, o := range outcomes {
		if o.Gone() {
			notes, targets = append(notes, o.Reason), append(targets, o.Receipt.Targets...)
			continue
		}
		state := map[string]string{
			chaos.OutcomeConflict:   journal.FaultConflict,
			chaos.OutcomeFailed:     journal.FaultFailed,
			chaos.OutcomeUnverified: journal.FaultUnverified,
		}[o.State]
		f.say(state, "undo: "+o.Reason, o.Receipt.Targets)
		errs = append(errs, fmt.Errorf("fault %s: %s: %s", f.plan.Label(), o.State, o.Reason))
	}
	if len(errs) > 0 {
		f.stuck = true
		return errors.Join(errs...)
	}
	notes = slices.DeleteFunc(notes, func(s string) bool { return s == "" })
	f.say(journal.FaultUndone, strings.Join(notes, "; "), targets)
	f.say(journal.FaultGone, "", targets)
	return nil
}

// measure asks a fault that can tell for the effect it had, for people. When
// the run stops there is little time for it.
func (f *faultRun) measure(ctx context.Context, receipt chaos.Receipt) string {
	m, ok := f.plan.Fault.(chaos.Measurer)
	if !ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, measureBound)
	defer cancel()
	// A stop hurries a measurement that has begun, too.
	defer context.AfterFunc(f.set.halting, func() {
		hurried := time.AfterFunc(hurriedMeasure, cancel)
		context.AfterFunc(ctx, func() { hurried.Stop() })
	})()
	effect, err := m.Measure(ctx, receipt)
	if err != nil {
		return "its effect could not be measured: " + err.Error()
	}
	return effect
}

func (f *faultRun) say(state, text string, targets []string) {
	f.set.emit(journal.Event{Kind: journal.FaultState, Name: f.plan.Name, Occurrence: f.plan.Occurrence, State: state, Text: text, Targets: targets})
}

// note warns people of what does not change what the fault is.
func (f *faultRun) note(text string) {
	f.set.emit(journal.Event{Kind: journal.Note, State: "warning", Text: "fault " + f.plan.Label() + ": " + text})
}

func list(names []string) string { return strings.Join(names, ", ") }
