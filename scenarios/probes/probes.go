// Package probes holds the contract of things watched during a run. One
// folder below it holds one kind each. It uses the standard library only.
package probes

import "context"

// A Probe watches one thing until ctx ends. The engine calls Watch from a
// goroutine of its own and waits for it. Watch emits readings as it sees
// them, from that goroutine; it returns nil when ctx ended, and an error only
// when it can never see anything again. A reading that failed is a Reading
// with Err set, not a return.
type Probe interface {
	Watch(ctx context.Context, emit func(Reading)) error
}

// A Reading is one look at the thing watched.
type Reading struct {
	Value float64 // in the unit the probe's kind declares
	Text  string  // what was seen, for people ("200 OK"); may be empty
	Err   error   // the look failed: Value means nothing
}
