package chaos

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// What a reboot since means for undoing, by class.
func TestUndoAfterReboot(t *testing.T) {
	if BootID() == "" {
		t.Fatal("this system has no name for its boot")
	}
	verify := func(state State, err error) func(context.Context) (State, error) {
		return func(context.Context) (State, error) { return state, err }
	}
	for _, test := range []struct {
		name  string
		class Class
		boot  string
		look  func(context.Context) (State, error)
		state string
		undo  bool // whether Undo is called
	}{
		{"no reboot", Volatile, BootID(), verify(Gone, nil), OutcomeGone, true},
		{"boot unknown", Volatile, "", verify(Gone, nil), OutcomeGone, true},
		// What the receipt names may be someone else's by now.
		{"volatile", Volatile, "another", verify(Gone, nil), OutcomeGone, false},
		{"volatile, and its target is not there", Volatile, "another", verify("", errors.New("no such namespace")), OutcomeGone, false},
		{"volatile, and someone else's there", Volatile, "another", verify(Conflict, nil), OutcomeGone, false},
		{"volatile, and still seen", Volatile, "another", verify(Active, nil), OutcomeUnverified, false},
		{"durable", Durable, "another", verify(Gone, nil), OutcomeGone, true},
		{"of no class", "", "another", verify(Gone, nil), OutcomeGone, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			receipts := openReceiptsIn(t, t.TempDir())
			r := receipt("a")
			r.Class, r.Boot = test.class, test.boot
			must(t, receipts.Made(r))
			fault := fake{verify: test.look}
			o := UndoOne(t.Context(), receipts, &fault, r)
			if o.State != test.state || slices.Contains(fault.calls, "undo") != test.undo {
				t.Errorf("outcome %v, calls %v", o, fault.calls)
			}
			if pending := len(receipts.Pending()) > 0; pending != (test.state != OutcomeGone) {
				t.Errorf("pending: %v", pending)
			}
		})
	}
}

// Without receipts, faults are undone all the same.
func TestUndoOneWithoutReceipts(t *testing.T) {
	fault := fake{}
	if o := UndoOne(t.Context(), nil, &fault, receipt("a")); !o.Gone() || o.Reason != "" || len(fault.calls) != 1 {
		t.Errorf("outcome %v after %v", o, fault.calls)
	}
}
