package chaos

import (
	"context"
	"errors"
)

// A Lease keeps a run's faults in check from outside the run's process. It
// holds a copy of every receipt, must be renewed to go on, and undoes what was
// guarded when it is not: because the run's process is dead, stopped or stuck.
// Package reaper has the real one. Its methods are safe for concurrent use.
type Lease interface {
	// Guard hands over a receipt and returns when it is on the other side's
	// disk. The engine calls it before Inject, and injects nothing when it
	// fails. The fault is undone from outside once receipt.Most has passed,
	// counted from this call, unless it was released before.
	Guard(ctx context.Context, receipt Receipt) error
	// Release says that the fault was verified gone. What cannot be released
	// is undone once more from outside, which is harmless.
	Release(ctx context.Context, id string) error
	// Held says whether the lease holds at this instant. Whatever the error,
	// nothing may be injected any more. When it wraps ErrFenced, someone else
	// is undoing the run's faults, and the run must not; otherwise the run must
	// undo them at once.
	Held() error
	// Lost is closed when the lease is held no more. Held says why.
	Lost() <-chan struct{}
	// Yield gives all guarded faults over, and returns what became of each.
	// Nothing may be injected or undone from then on. The error wraps
	// ErrUnguarded when nobody took them over.
	Yield(ctx context.Context) ([]Outcome, error)
}

var (
	// ErrFenced says that the run's lease has run out: its faults are someone
	// else's to undo, and it must neither inject nor undo any more.
	ErrFenced = errors.New("the lease has run out")
	// ErrUnguarded says that nobody watches over the run's faults any more:
	// the run must undo them at once, and inject no more.
	ErrUnguarded = errors.New("nobody guards the faults any more")
)
