package chaos

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

const (
	// UndoBound is the longest that undoing one fault and proving it gone may
	// take; after it, the fault counts as not undone.
	UndoBound = 30 * time.Second
	// grace is how long a kind may take to notice that its context ended.
	grace = time.Second
	// firstLook and longestLook space out looks at a state that is expected
	// to change.
	firstLook   = 20 * time.Millisecond
	longestLook = time.Second
)

// How undoing one fault ended.
const (
	OutcomeGone       = "gone"       // undone and verified gone
	OutcomeConflict   = "conflict"   // someone else changed the target since; left alone
	OutcomeFailed     = "failed"     // Undo returned an error
	OutcomeUnverified = "unverified" // undone, but not proven gone
)

// An Outcome is how undoing one fault ended.
type Outcome struct {
	Receipt Receipt
	State   string        // one of Outcome…
	Reason  string        // why it is not gone; or, gone, what went wrong on the way; one plain sentence
	Took    time.Duration // from the start of Undo
}

// Gone says whether the fault is verified gone.
func (o Outcome) Gone() bool { return o.State == OutcomeGone }

// String is one line for people: "slow_pay (payments): gone after 12ms".
func (o Outcome) String() string {
	text := fmt.Sprintf("%s (%s): %s after %s", o.Receipt.Fault, strings.Join(o.Receipt.Targets, ", "), o.State, o.Took.Round(time.Millisecond))
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// NotUndone is returned by Undo when a fault could not be proven gone.
type NotUndone struct {
	Outcomes []Outcome // those that are not gone
	Damage   []string  // what of the receipts could not be read
}

func (e *NotUndone) Error() string {
	var parts []string
	for _, o := range e.Outcomes {
		parts = append(parts, fmt.Sprintf("%s: %s: %s", o.Receipt.Fault, o.State, o.Reason))
	}
	return "not verified undone: " + strings.Join(append(parts, e.Damage...), "; ")
}

// InjectOne records that the fault is about to be injected, injects it, and
// records that it was. Where the first record cannot be written, nothing is
// touched. Whatever it returns, the fault may be in effect and UndoOne mends
// it. The receipt was written with Made before.
func InjectOne(ctx context.Context, receipts *Receipts, fault Fault, receipt Receipt) error {
	if err := receipts.Injecting(receipt.ID); err != nil {
		return err
	}
	if err := fault.Inject(ctx, receipt); err != nil {
		return err
	}
	Pass(Injecting)
	if err := receipts.Injected(receipt.ID); err != nil {
		return err
	}
	Pass(Injected)
	return nil
}

// Undo mends every pending fault of a run directory: all at once, each within
// UndoBound, each verified afterwards and recorded. It is what `brunt undo`
// does, and it is idempotent. Mend makes a Fault of a kind that works from
// receipts alone; report, which may be nil, is called with each outcome as it
// comes, never twice at once. Undo returns nil when everything is verified
// gone, a *NotUndone otherwise.
func Undo(ctx context.Context, receipts *Receipts, mend func(kind string) (Fault, bool), report func(Outcome)) error {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		failed = NotUndone{Damage: receipts.Damage()}
	)
	for _, receipt := range receipts.Pending() {
		wg.Go(func() {
			outcome := Outcome{
				Receipt: receipt, State: OutcomeFailed,
				Reason: fmt.Sprintf("this brunt does not know faults of kind %q", receipt.Kind),
			}
			if fault, ok := mend(receipt.Kind); ok {
				outcome = UndoOne(ctx, receipts, fault, receipt)
			}
			mu.Lock()
			defer mu.Unlock()
			if !outcome.Gone() {
				failed.Outcomes = append(failed.Outcomes, outcome)
			}
			if report != nil {
				report(outcome)
			}
		})
	}
	wg.Wait()
	if len(failed.Outcomes) > 0 || len(failed.Damage) > 0 {
		return &failed
	}
	return nil
}

// UndoOne undoes one fault, verifies that it is gone and records both, all
// within UndoBound. The run's engine and `brunt undo` share it. A receipt that
// cannot be written (a full disk) does not keep the fault from being mended:
// it then counts as gone, and Reason says what was not recorded. Callers pass
// a context that outlives their own cancellation. Nil receipts record nothing.
//
// A volatile fault that a reboot has ended is not undone, only looked at. For a
// one-shot it does nothing and returns OutcomeGone.
func UndoOne(ctx context.Context, receipts *Receipts, fault Fault, receipt Receipt) Outcome {
	started := time.Now()
	outcome := Outcome{Receipt: receipt, State: OutcomeGone}
	if receipt.OneShot {
		return outcome
	}
	ctx, cancel := context.WithTimeout(ctx, UndoBound)
	defer cancel()

	var unrecorded error
	note := func(err error) { unrecorded = errors.Join(unrecorded, err) }
	outcome.State, outcome.Reason = undoOne(ctx, receipts, fault, receipt, note)
	outcome.Took = time.Since(started)
	if unrecorded != nil && outcome.Gone() {
		outcome.Reason = fmt.Sprintf("undone, but not recorded: %v", unrecorded)
	}
	return outcome
}

func undoOne(ctx context.Context, receipts *Receipts, fault Fault, receipt Receipt, note func(error)) (state, reason string) {
	if receipt.rebooted() && receipt.Class == Volatile {
		return endedByReboot(ctx, receipts, fault, receipt, note)
	}
	_, err := bounded(ctx, "undo", func() (State, error) { return "", fault.Undo(ctx, receipt) })
	switch {
	case errors.Is(err, ErrConflict):
		note(receipts.Conflict(receipt.ID, err.Error()))
		return OutcomeConflict, err.Error()
	case err != nil:
		return OutcomeFailed, err.Error()
	}
	Pass(Undoing)
	note(receipts.Undone(receipt.ID))
	Pass(Undone)

	seen, err := Await(ctx, fault, receipt, Gone)
	switch {
	case seen == Gone:
		note(receipts.Gone(receipt.ID))
		Pass(Verified)
		return OutcomeGone, ""
	case seen == Conflict:
		if err == nil {
			err = ErrConflict
		}
		note(receipts.Conflict(receipt.ID, err.Error()))
		return OutcomeConflict, err.Error()
	case err != nil:
		return OutcomeUnverified, err.Error()
	}
	return OutcomeUnverified, fmt.Sprintf("still %s after undo", seen)
}

// endedByReboot settles a fault that a reboot has ended. Nothing is undone: what
// the receipt names may be someone else's by now. A look is taken all the same;
// only where it sees the fault itself is the reboot not believed.
func endedByReboot(ctx context.Context, receipts *Receipts, fault Fault, receipt Receipt, note func(error)) (state, reason string) {
	seen, err := Look(ctx, fault, receipt)
	if err == nil && seen == Active {
		return OutcomeUnverified, "the machine was started anew since, and the fault is still seen"
	}
	note(receipts.Gone(receipt.ID))
	return OutcomeGone, "the machine was started anew since, which ended it"
}

// Look is one Verify, by a fault that may panic or hang.
func Look(ctx context.Context, fault Fault, receipt Receipt) (State, error) {
	return bounded(ctx, "verify", func() (State, error) { return fault.Verify(ctx, receipt) })
}

// Await looks again and again, ever less often, until Verify says want or
// Conflict, or ctx ends; it returns what it saw last. The engine uses it to
// prove a fault effective as well as gone: give it a context with a deadline.
func Await(ctx context.Context, fault Fault, receipt Receipt, want State) (State, error) {
	for wait := firstLook; ; wait = min(2*wait, longestLook) {
		state, err := Look(ctx, fault, receipt)
		if state == Conflict || err == nil && state == want {
			return state, err
		}
		if err != nil {
			state = ""
		}
		select {
		case <-ctx.Done():
			return state, err
		case <-time.After(wait):
		}
	}
}

// bounded calls do and waits for it until ctx ends and grace has passed. A
// kind that panics or ignores its context must not keep other faults from
// being undone; a call that never returns is left behind, and said so.
func bounded(ctx context.Context, what string, do func() (State, error)) (State, error) {
	type answer struct {
		state State
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{err: fmt.Errorf("%s panicked: %v\n%s", what, p, debug.Stack())}
			}
		}()
		state, err := do()
		done <- answer{state, err}
	}()
	select {
	case a := <-done:
		return a.state, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-done:
		return a.state, a.err
	case <-time.After(grace):
		return "", fmt.Errorf("%s did not return in time: %w", what, context.Cause(ctx))
	}
}
