// Package chaostest is the contract of chaos.Fault as a test suite. Every kind
// of fault runs it against real targets:
//
//	func TestMain(m *testing.M) { chaostest.Main(m, process.Kind, process.Mend) }
//
//	func TestPause(t *testing.T) {
//		chaostest.Run(t, chaostest.Subject{Kind: process.Kind, Mend: process.Mend, Target: pausedChild})
//	}
//
// What it asks of a fault: prepare is inert; undo twice; undo after a failed
// inject; undo without inject; the receipt survives JSON; a fault made by Mend
// in another process can undo; verify tells the truth before, during and after;
// a receipt that makes no sense is an error; no goroutine is left.
package chaostest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/brunt-dev/brunt/chaos"
)

// bound is the longest that any call may take. It is a guard against hanging,
// not an expectation.
const bound = 20 * time.Second

// A Subject is one kind of fault in one of its forms.
type Subject struct {
	Kind string             // as in its receipts
	Mend func() chaos.Fault // as cmd/brunt knows it
	// Target makes a fresh target with a fault on it, and cleans up with
	// t.Cleanup. It is called for each test of the suite.
	Target func(t *testing.T) Target
	// OneProcess skips the test in another process, for forms of a kind that
	// only differ in their configuration.
	OneProcess bool
}

// A Target is something to be broken.
type Target struct {
	Fault chaos.Fault
	// Look tells the target's state, by another path than the fault's own:
	// equal texts are equal states.
	Look func(t *testing.T) string
	// Stir makes something meet the fault, so that there is an effect to be
	// seen. It does not wait for what the fault holds up. May be nil.
	Stir func(t *testing.T)
	// Spoil changes the target after Prepare so that Inject fails, half-way
	// if it can. The state after it is the one that undo must restore. Nil:
	// Inject is called with a context that has ended.
	Spoil func(t *testing.T)
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"prepare is inert":             prepareIsInert,
		"whole life":                   wholeLife,
		"undo twice":                   undoTwice,
		"undo without inject":          undoWithoutInject,
		"undo after failed inject":     undoAfterFailedInject,
		"mend from the receipt alone":  mendFromReceipt,
		"mend in another process":      mendElsewhere,
		"a senseless receipt":          senselessReceipt,
		"receipts are told apart":      receiptsDiffer,
		"calls end with their context": endedContext,
	} {
		t.Run(name, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			// Cleanups run last in, first out: this one after the target's.
			t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
			test(t, s)
		})
	}
}

func prepareIsInert(t *testing.T, s Subject) {
	target := s.Target(t)
	before := target.Look(t)
	receipt := prepare(t, target)
	if after := target.Look(t); after != before {
		t.Errorf("prepare changed the target from %q to %q", before, after)
	}
	switch {
	case receipt.ID == "" || strings.ContainsAny(receipt.ID, "/ \n"):
		t.Errorf("receipt has ID %q", receipt.ID)
	case receipt.Kind != s.Kind:
		t.Errorf("receipt is of kind %q, not %q", receipt.Kind, s.Kind)
	case len(receipt.Targets) == 0:
		t.Error("receipt names no targets")
	case receipt.Made.IsZero():
		t.Error("receipt has no time")
	}
	want(t, target.Fault, receipt, chaos.Gone)
}

func wholeLife(t *testing.T, s Subject) {
	target := s.Target(t)
	before := target.Look(t)
	receipt := throughJSON(t, prepare(t, target))
	want(t, target.Fault, receipt, chaos.Gone)

	inject(t, target, receipt)
	want(t, target.Fault, receipt, chaos.Active)
	want(t, s.Mend(), receipt, chaos.Active)
	during := target.Look(t)
	if during == before {
		t.Errorf("the fault is said to be active, and the target is still %q", before)
	}
	if err := target.Fault.Undo(ctx(t), receipt); err != nil {
		t.Fatalf("undo: %v", err)
	}
	after(t, target, target.Fault, receipt, before)
}

func undoTwice(t *testing.T, s Subject) {
	target := s.Target(t)
	before := target.Look(t)
	receipt := prepare(t, target)
	inject(t, target, receipt)
	for range 2 {
		if err := target.Fault.Undo(ctx(t), receipt); err != nil {
			t.Fatalf("undo: %v", err)
		}
		after(t, target, target.Fault, receipt, before)
	}
}

func undoWithoutInject(t *testing.T, s Subject) {
	target := s.Target(t)
	before := target.Look(t)
	receipt := prepare(t, target)
	if err := target.Fault.Undo(ctx(t), receipt); err != nil {
		t.Fatalf("undo: %v", err)
	}
	want(t, target.Fault, receipt, chaos.Gone)
	if now := target.Look(t); now != before {
		t.Errorf("undo of what was never injected changed the target from %q to %q", before, now)
	}
}

func undoAfterFailedInject(t *testing.T, s Subject) {
	target := s.Target(t)
	receipt := prepare(t, target)
	injecting := ctx(t)
	if target.Spoil != nil {
		target.Spoil(t)
	} else {
		ended, cancel := context.WithCancel(injecting)
		cancel()
		injecting = ended
	}
	before := target.Look(t)
	if err := target.Fault.Inject(injecting, receipt); err == nil {
		t.Fatal("inject: no error, though it was made to fail")
	}
	if receipt.OneShot {
		return // what it hit stays hit
	}
	if err := s.Mend().Undo(ctx(t), receipt); err != nil {
		t.Fatalf("undo: %v", err)
	}
	after(t, target, s.Mend(), receipt, before)
}

func mendFromReceipt(t *testing.T, s Subject) {
	target := s.Target(t)
	before := target.Look(t)
	receipt := throughJSON(t, prepare(t, target))
	inject(t, target, receipt)
	if err := s.Mend().Undo(ctx(t), receipt); err != nil {
		t.Fatalf("undo: %v", err)
	}
	after(t, target, s.Mend(), receipt, before)
}

// mendElsewhere goes the way of `brunt undo`: receipts on disk, and a process
// that knows nothing else.
func mendElsewhere(t *testing.T, s Subject) {
	if s.OneProcess {
		return
	}
	target := s.Target(t)
	before := target.Look(t)
	dir := t.TempDir()
	receipts, err := chaos.OpenReceipts(dir)
	if err != nil {
		t.Fatal(err)
	}
	receipt := prepare(t, target)
	if err := receipts.Made(receipt); err != nil {
		t.Fatal(err)
	}
	if err := chaos.InjectOne(ctx(t), receipts, target.Fault, receipt); err != nil {
		t.Fatalf("inject: %v", err)
	}
	if err := receipts.Close(); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx(t), exe)
	cmd.Env = append(os.Environ(), undoVariable+"="+dir)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("undo in another process: %v\n%s", err, output)
	}
	after(t, target, s.Mend(), receipt, before)
	if receipts, err = chaos.OpenReceipts(dir); err != nil {
		t.Fatal(err)
	}
	if left := receipts.Pending(); len(left) != 0 {
		t.Errorf("still pending after the undo: %v", left)
	}
	if err := receipts.Close(); err != nil {
		t.Fatal(err)
	}
}

func senselessReceipt(t *testing.T, s Subject) {
	for name, raw := range map[string]json.RawMessage{
		"no data":       nil,
		"not JSON":      json.RawMessage(`{"a":`),
		"another shape": json.RawMessage(`["x"]`),
		"empty":         json.RawMessage(`{}`),
	} {
		receipt := chaos.Receipt{ID: "x-1", Fault: "x", Kind: s.Kind, Data: raw}
		if err := s.Mend().Inject(ctx(t), receipt); err == nil {
			t.Errorf("%s: inject: no error", name)
		}
		if err := s.Mend().Undo(ctx(t), receipt); err == nil {
			t.Errorf("%s: undo: no error", name)
		}
		if state, err := s.Mend().Verify(ctx(t), receipt); err == nil {
			t.Errorf("%s: verify: %s, no error", name, state)
		}
	}
	if _, err := s.Mend().Prepare(ctx(t)); err == nil {
		t.Error("prepare without a configuration: no error")
	}
}

func receiptsDiffer(t *testing.T, s Subject) {
	target := s.Target(t)
	if a, b := prepare(t, target), prepare(t, target); a.ID == b.ID {
		t.Errorf("two receipts have the same ID %q", a.ID)
	}
}

// endedContext only asks that calls return; what they return is theirs.
func endedContext(t *testing.T, s Subject) {
	target := s.Target(t)
	receipt := prepare(t, target)
	ended, cancel := context.WithCancel(ctx(t))
	cancel()
	_, _ = target.Fault.Prepare(ended)
	_, _ = target.Fault.Verify(ended, receipt)
	_ = target.Fault.Undo(ended, receipt)
}

func prepare(t *testing.T, target Target) chaos.Receipt {
	t.Helper()
	receipt, err := target.Fault.Prepare(ctx(t))
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	return receipt
}

func inject(t *testing.T, target Target, receipt chaos.Receipt) {
	t.Helper()
	if err := target.Fault.Inject(ctx(t), receipt); err != nil {
		t.Fatalf("inject: %v", err)
	}
	if target.Stir != nil {
		target.Stir(t)
	}
	want(t, target.Fault, receipt, chaos.Active)
}

// after checks what must hold after an undo.
func after(t *testing.T, target Target, fault chaos.Fault, receipt chaos.Receipt, before string) {
	t.Helper()
	if receipt.OneShot {
		want(t, fault, receipt, chaos.Active) // what is dead stays dead
		return
	}
	want(t, fault, receipt, chaos.Gone)
	if now := target.Look(t); now != before {
		t.Errorf("undo left the target %q; before, it was %q", now, before)
	}
}

// want waits until Verify says so.
func want(t *testing.T, fault chaos.Fault, receipt chaos.Receipt, state chaos.State) {
	t.Helper()
	if saw, err := chaos.Await(ctx(t), fault, receipt, state); err != nil || saw != state {
		t.Fatalf("verify: %q, %v; want %q", saw, err, state)
	}
}

// throughJSON is what a receipt is after a crash.
func throughJSON(t *testing.T, receipt chaos.Receipt) chaos.Receipt {
	t.Helper()
	text, err := json.Marshal(receipt)
	if err != nil {
		t.Fatalf("receipt to JSON: %v", err)
	}
	var back chaos.Receipt
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("receipt from JSON: %v", err)
	}
	again, err := json.Marshal(back)
	if err != nil || !bytes.Equal(text, again) {
		t.Fatalf("receipt changed on its way through JSON:\n%s\n%s\n%v", text, again, err)
	}
	return back
}

// ctx ends with the test, or when something hangs.
func ctx(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeoutCause(context.Background(), bound, errors.New("chaostest: a call hangs"))
	t.Cleanup(cancel)
	return ctx
}
