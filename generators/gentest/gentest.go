// Package gentest holds the suite that every generator must pass: what the
// engine relies on, whatever the protocol.
package gentest

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/generators"
)

// A Subject is a generator under test, with a target to try it on.
type Subject struct {
	// Start starts a healthy target on loopback and makes a generator for it.
	// It is called for each test, and registers with t.Cleanup what stops the
	// target.
	Start func(t *testing.T) Target
}

// A Target is a target on loopback and the generator that loads it.
type Target struct {
	Generator generators.Generator
	// Steps is how many steps the load has.
	Steps int
	// Operations is how many operations the target has seen so far.
	Operations func() int64
	// Hang makes the target accept and read, but answer no more. The channel
	// gets a value for every operation that it has seen since and left
	// without an answer.
	Hang func() <-chan struct{}
	// Break makes the target take the next operation whole and then, instead
	// of answering, end its connection: in order or, where the protocol has
	// such a thing, by a reset. Where a connection carries several operations
	// at once it may end that one alone.
	Break func(reset bool)
	// Vanish makes the target go away: connections are closed and nothing
	// listens.
	Vanish func()
}

// patience bounds every wait of the suite. It only decides how soon a broken
// generator is found out.
const patience = 20 * time.Second

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Target)
	}{
		{"operations are stamped in order", stamps},
		{"arrivals that are late say so", late},
		{"a result is the arrival's own", results},
		{"open sends nothing", silentOpen},
		{"sessions open and work in parallel", parallel},
		{"sessions do not disturb each other", independent},
		{"close can be called again, used or not", closeTwice},
		{"nothing is sent once the context has ended", canceledBefore},
		{"an operation stops when the context ends", canceledWithin},
		{"an operation that the target took and did not answer is a failure", taken},
		{"a target that vanishes is a failure", vanished},
		{"a target that was never there is a failure", absent},
		{"a loop plays every arrival and stamps it in order", loopStamps},
		{"a loop's operation that the target took and did not answer is a failure", loopTaken},
		{"a loop's target that vanishes is a failure", loopVanished},
		{"a loop in a hurry cuts short what is in flight", loopHurried},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Registered first, so that it looks after the target has stopped.
			ignore := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
			test.run(t, s.Start(t))
		})
	}
}

// stamps: Due <= Started <= Ended for every operation, each due no earlier
// than the one before ended.
func stamps(t *testing.T, target Target) {
	s := open(t, target, 0)
	for i := range 5 {
		due := time.Now()
		r := do(t, s, t.Context(), generators.Arrival{Index: int64(i), Due: due})
		if len(r.Ops) == 0 {
			t.Fatal("an arrival without any operation")
		}
		if !r.Ops[0].Due.Equal(due) && r.Ops[0].Due.Before(due) {
			t.Errorf("the first operation is due %v before its arrival", due.Sub(r.Ops[0].Due))
		}
		last := due
		for _, op := range r.Ops {
			checkOp(t, target, op)
			if op.Class != generators.OK || op.Err != nil {
				t.Errorf("class %s (%v) from a healthy target", op.Class, op.Err)
			}
			if op.Due.Before(last) {
				t.Errorf("step %d is due before the step before it ended", op.Step)
			}
			last = op.Ended
		}
	}
}

// late: an arrival that comes late is due when it was due, not when it was
// played.
func late(t *testing.T, target Target) {
	s := open(t, target, 0)
	due := time.Now().Add(-3 * time.Second)
	r := do(t, s, t.Context(), generators.Arrival{Due: due})
	if len(r.Ops) == 0 {
		t.Fatal("an arrival without any operation")
	}
	op := r.Ops[0]
	checkOp(t, target, op)
	if wait := op.Started.Sub(op.Due); wait < 3*time.Second {
		t.Errorf("an arrival 3s late has a wait of %v", wait)
	}
}

// results: a result does not grow from one arrival to the next.
func results(t *testing.T, target Target) {
	s := open(t, target, 0)
	first := len(do(t, s, t.Context(), generators.Arrival{Due: time.Now()}).Ops)
	for i := range 3 {
		r := do(t, s, t.Context(), generators.Arrival{Index: int64(i + 1), Due: time.Now()})
		if len(r.Ops) != first {
			t.Errorf("arrival %d has %d operations, the first had %d", i+1, len(r.Ops), first)
		}
	}
}

// silentOpen: sessions that are opened and never used cost the target nothing.
func silentOpen(t *testing.T, target Target) {
	for id := range 20 {
		open(t, target, id)
	}
	if n := target.Operations(); n != 0 {
		t.Errorf("the target saw %d operations from sessions that were only opened", n)
	}
}

// parallel: Open may be called at once from anywhere, and sessions used at
// once, each by its own goroutine.
func parallel(t *testing.T, target Target) {
	const sessions, arrivals = 16, 5
	var wg sync.WaitGroup
	for id := range sessions {
		wg.Go(func() {
			s, err := target.Generator.Open(t.Context(), id)
			if err != nil {
				t.Errorf("open session %d: %v", id, err)
				return
			}
			defer s.Close()
			for i := range arrivals {
				r := s.Do(t.Context(), generators.Arrival{Index: int64(id*arrivals + i), Due: time.Now()})
				for _, op := range r.Ops {
					checkOp(t, target, op)
					if op.Class != generators.OK {
						t.Errorf("session %d: class %s (%v)", id, op.Class, op.Err)
					}
				}
			}
		})
	}
	within(t, wg.Wait)
	if n := target.Operations(); n < sessions*arrivals {
		t.Errorf("the target saw %d operations of at least %d", n, sessions*arrivals)
	}
}

// independent: one session's end is not another's.
func independent(t *testing.T, target Target) {
	a, b := open(t, target, 0), open(t, target, 1)
	ok := func(s generators.Session, index int64, what string) {
		t.Helper()
		for _, op := range do(t, s, t.Context(), generators.Arrival{Index: index, Due: time.Now()}).Ops {
			if op.Class != generators.OK {
				t.Errorf("%s: class %s (%v)", what, op.Class, op.Err)
			}
		}
	}
	ok(a, 0, "first session")
	ok(b, 1, "second session")
	// A context that ends is the business of the session that it was given to.
	ctx, cancel := context.WithCancel(t.Context())
	do(t, a, ctx, generators.Arrival{Index: 2, Due: time.Now()})
	cancel()
	do(t, a, ctx, generators.Arrival{Index: 3, Due: time.Now()})
	ok(b, 4, "second session, after the first was cancelled")
	if err := a.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	ok(b, 5, "second session, after the first was closed")
}

// closeTwice: Close is idempotent and needs no Do before it.
func closeTwice(t *testing.T, target Target) {
	unused, used := open(t, target, 0), open(t, target, 1)
	do(t, used, t.Context(), generators.Arrival{Due: time.Now()})
	for _, s := range []generators.Session{unused, used} {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	}
}

// canceledBefore: the engine may start an arrival in the moment the run ends.
func canceledBefore(t *testing.T, target Target) {
	s := open(t, target, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 3 {
		r := do(t, s, ctx, generators.Arrival{Index: int64(i), Due: time.Now()})
		if len(r.Ops) != 1 {
			t.Fatalf("%d operations, want one that says canceled", len(r.Ops))
		}
		checkOp(t, target, r.Ops[0])
		if r.Ops[0].Class != generators.Canceled {
			t.Errorf("class %s (%v), want canceled", r.Ops[0].Class, r.Ops[0].Err)
		}
	}
	if n := target.Operations(); n != 0 {
		t.Errorf("the target saw %d operations", n)
	}
}

// canceledWithin: Do returns when the context ends, not when the target
// answers, and says canceled, not timeout: it is not the target's failure.
func canceledWithin(t *testing.T, target Target) {
	warm, fresh := open(t, target, 0), open(t, target, 1)
	do(t, warm, t.Context(), generators.Arrival{Due: time.Now()})
	seen := target.Hang()
	// On a connection that was kept, on a new one, and again after that.
	for i, s := range []generators.Session{warm, fresh, warm} {
		r := stopWhenSeen(t, s, generators.Arrival{Index: int64(i + 1), Due: time.Now()}, seen)
		last := r.Ops[len(r.Ops)-1]
		checkOp(t, target, last)
		if last.Class != generators.Canceled {
			t.Errorf("class %s (%v), want canceled", last.Class, last.Err)
		}
	}
}

// stopWhenSeen plays an arrival and ends its context once the target has it.
func stopWhenSeen(t *testing.T, s generators.Session, a generators.Arrival, seen <-chan struct{}) generators.Result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-seen:
		case <-time.After(patience):
		}
		cancel()
	}()
	r := do(t, s, ctx, a)
	<-stopped
	if len(r.Ops) == 0 {
		t.Fatal("a cancelled arrival without any operation")
	}
	return r
}

// taken: what the target took and did not answer has failed. It is not sent
// again: a target that died with a thousand operations at work has failed a
// thousand.
func taken(t *testing.T, target Target) {
	s := open(t, target, 0)
	for i, reset := range []bool{false, true, false, true} {
		// Before it another, so that the connection is one that was kept.
		for _, op := range do(t, s, t.Context(), generators.Arrival{Index: int64(2 * i), Due: time.Now()}).Ops {
			if op.Class != generators.OK {
				t.Errorf("class %s (%v) before anything broke, or after", op.Class, op.Err)
			}
		}
		seen := target.Operations()
		target.Break(reset)
		failed(t, target, do(t, s, t.Context(), generators.Arrival{Index: int64(2*i + 1), Due: time.Now()}))
		if n := target.Operations() - seen; n != 1 {
			t.Errorf("with reset %t the target saw the operation %d times", reset, n)
		}
	}
	if r, ok := target.Generator.(generators.Resender); ok && r.Resent() != 0 {
		t.Errorf("%d operations are said to have been sent again", r.Resent())
	}
}

// vanished: connections that break and listeners that are gone are failures
// with a class, on every arrival, for ever.
func vanished(t *testing.T, target Target) {
	s := open(t, target, 0)
	do(t, s, t.Context(), generators.Arrival{Due: time.Now()})
	target.Vanish()
	for i := range 5 {
		failed(t, target, do(t, s, t.Context(), generators.Arrival{Index: int64(i + 1), Due: time.Now()}))
	}
}

// absent: the same for a session that never had a connection.
func absent(t *testing.T, target Target) {
	target.Vanish()
	failed(t, target, do(t, open(t, target, 0), t.Context(), generators.Arrival{Due: time.Now()}))
}

func failed(t *testing.T, target Target, r generators.Result) {
	t.Helper()
	if len(r.Ops) != 1 {
		t.Fatalf("%d operations, want one that failed", len(r.Ops))
	}
	checkOp(t, target, r.Ops[0])
	blamed(t, r.Ops[0].Class, r.Ops[0].Err)
}

// blamed checks that a failure is the target's.
func blamed(t *testing.T, class generators.Class, err error) {
	t.Helper()
	switch class {
	case generators.OK, generators.Canceled, generators.Dropped, generators.Local, generators.Other:
		t.Errorf("class %s (%v) from a target that is gone", class, err)
	}
	if err == nil {
		t.Error("a failure without an error")
	}
}

// checkOp checks what must hold for every operation.
func checkOp(t *testing.T, target Target, op generators.Op) {
	t.Helper()
	if op.Step < 0 || op.Step >= target.Steps {
		t.Errorf("step %d of a load with %d", op.Step, target.Steps)
	}
	if op.Due.IsZero() || op.Started.IsZero() || op.Ended.IsZero() {
		t.Errorf("a stamp is missing: due %v, started %v, ended %v", op.Due, op.Started, op.Ended)
	}
	if op.Started.Before(op.Due) || op.Ended.Before(op.Started) {
		t.Errorf("stamps out of order: started %v after due, ended %v after started", op.Started.Sub(op.Due), op.Ended.Sub(op.Started))
	}
	service := op.Ended.Sub(op.Started)
	if sum := op.DNS + op.Connect + op.TLS; sum > service {
		t.Errorf("the stages take %v of %v", sum, service)
	}
	if op.FirstByte < 0 || op.FirstByte > service {
		t.Errorf("the first byte came after %v of %v", op.FirstByte, service)
	}
	if op.Class == "" {
		t.Error("an operation without a class")
	}
	if (op.Class == generators.OK) != (op.Err == nil) {
		t.Errorf("class %s with error %v", op.Class, op.Err)
	}
}

// open opens a session that is closed with the test.
func open(t *testing.T, target Target, id int) generators.Session {
	t.Helper()
	s, err := target.Generator.Open(t.Context(), id)
	if err != nil {
		t.Fatalf("open session %d: %v", id, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close session %d: %v", id, err)
		}
	})
	return s
}

// do plays an arrival, and fails the test when that does not end.
func do(t *testing.T, s generators.Session, ctx context.Context, a generators.Arrival) (r generators.Result) {
	t.Helper()
	within(t, func() { r = s.Do(ctx, a) })
	return r
}

// within runs f and bounds the wait for it.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("not done after %v", patience)
	}
}
