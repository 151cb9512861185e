package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fake fault does what its functions say; nil means success, and gone.
type fake struct {
	undo   func(ctx context.Context) error
	verify func(ctx context.Context) (State, error)
	inject func() error
	calls  []string
}

func (f *fake) Prepare(context.Context) (Receipt, error) { return Receipt{}, nil }

func (f *fake) Inject(context.Context, Receipt) error {
	f.calls = append(f.calls, "inject")
	if f.inject != nil {
		return f.inject()
	}
	return nil
}

func (f *fake) Undo(ctx context.Context, _ Receipt) error {
	f.calls = append(f.calls, "undo")
	if f.undo != nil {
		return f.undo(ctx)
	}
	return nil
}

func (f *fake) Verify(ctx context.Context, _ Receipt) (State, error) {
	if f.verify != nil {
		return f.verify(ctx)
	}
	return Gone, nil
}

func TestUndoOne(t *testing.T) {
	looks := 0
	for _, test := range []struct {
		name  string
		fault fake
		state string
		want  string // part of the reason
		took  time.Duration
		stage Stage // of the last record
	}{
		{name: "gone", state: OutcomeGone, stage: StageGone},
		// Effects may take a moment to fade: one look is not enough.
		{
			name: "gone at the third look",
			fault: fake{verify: func(context.Context) (State, error) {
				if looks++; looks < 3 {
					return Active, nil
				}
				return Gone, nil
			}},
			state: OutcomeGone, took: 3 * firstLook, stage: StageGone,
		},
		{
			name:  "conflict in undo",
			fault: fake{undo: func(context.Context) error { return &ConflictError{"x", "a", "b"} }},
			state: OutcomeConflict, want: "x: expected a, found b", stage: StageConflict,
		},
		{
			name:  "conflict in verify",
			fault: fake{verify: func(context.Context) (State, error) { return Conflict, nil }},
			state: OutcomeConflict, want: "changed by someone else", stage: StageConflict,
		},
		{
			name:  "undo fails",
			fault: fake{undo: func(context.Context) error { return errors.New("no route") }},
			state: OutcomeFailed, want: "no route", stage: StageMade,
		},
		{
			name:  "undo panics",
			fault: fake{undo: func(context.Context) error { panic("boom") }},
			state: OutcomeFailed, want: "undo panicked: boom", stage: StageMade,
		},
		{
			name:  "undo hangs until its context ends",
			fault: fake{undo: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			state: OutcomeFailed, want: "deadline", took: UndoBound, stage: StageMade,
		},
		{
			name:  "undo ignores its context",
			fault: fake{undo: func(context.Context) error { time.Sleep(time.Hour); return nil }},
			state: OutcomeFailed, want: "did not return in time", took: UndoBound + grace, stage: StageMade,
		},
		{
			name:  "never gone",
			fault: fake{verify: func(context.Context) (State, error) { return Active, nil }},
			state: OutcomeUnverified, want: "still active", took: UndoBound, stage: StageUndone,
		},
		{
			name:  "cannot be seen",
			fault: fake{verify: func(context.Context) (State, error) { return "", errors.New("no permission") }},
			state: OutcomeUnverified, want: "no permission", took: UndoBound, stage: StageUndone,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			receipts := openReceiptsIn(t, t.TempDir())
			must(t, receipts.Made(receipt("a")))
			synctest.Test(t, func(t *testing.T) {
				outcome := UndoOne(t.Context(), receipts, &test.fault, receipt("a"))
				if outcome.State != test.state || !strings.Contains(outcome.Reason, test.want) || test.want == "" && outcome.Reason != "" {
					t.Errorf("outcome %s: %q, want %s: %q", outcome.State, outcome.Reason, test.state, test.want)
				}
				if outcome.Took != test.took {
					t.Errorf("took %s, want %s", outcome.Took, test.took)
				}
				time.Sleep(time.Hour) // in the bubble: the one left behind ends too
			})
			records := receipts.Records()
			if stage := records[len(records)-1].Stage; stage != test.stage {
				t.Errorf("last record is %s, want %s", stage, test.stage)
			}
		})
	}
}

// A full disk must not keep a fault from being mended.
func TestUndoOneUnrecorded(t *testing.T) {
	receipts := openReceiptsIn(t, t.TempDir())
	must(t, receipts.Made(receipt("a")), receipts.Close())
	fault := fake{}
	outcome := UndoOne(t.Context(), receipts, &fault, receipt("a"))
	if !outcome.Gone() || !strings.Contains(outcome.Reason, "not recorded") || len(fault.calls) != 1 {
		t.Errorf("outcome %v after %v", outcome, fault.calls)
	}
}

func TestInjectOne(t *testing.T) {
	receipts := openReceiptsIn(t, t.TempDir())
	must(t, receipts.Made(receipt("a")), receipts.Made(receipt("b")))
	stages := func(id string) string {
		var found []string
		for _, r := range receipts.Records() {
			if r.ID == id {
				found = append(found, string(r.Stage))
			}
		}
		return strings.Join(found, " ")
	}
	must(t, InjectOne(t.Context(), receipts, &fake{}, receipt("a")))
	if got := stages("a"); got != "made injecting injected" {
		t.Errorf("records of a: %s", got)
	}
	broken := fake{inject: func() error { return errors.New("half-way") }}
	if err := InjectOne(t.Context(), receipts, &broken, receipt("b")); err == nil {
		t.Error("a failed inject: no error")
	}
	if got := stages("b"); got != "made injecting" {
		t.Errorf("records of b: %s", got)
	}
	// What cannot be announced is not done.
	must(t, receipts.Close())
	fault := fake{}
	if err := InjectOne(t.Context(), receipts, &fault, receipt("a")); err == nil || fault.calls != nil {
		t.Errorf("without receipts: %v, %v", err, fault.calls)
	}
}

func TestUndo(t *testing.T) {
	dir := t.TempDir()
	receipts := openReceiptsIn(t, dir)
	var all sync.WaitGroup
	all.Add(3)
	faults := map[string]Fault{
		// Each waits for the others: they must be undone at the same time.
		"a": &fake{undo: func(context.Context) error { all.Done(); all.Wait(); return nil }},
		"b": &fake{undo: func(context.Context) error { all.Done(); all.Wait(); return errors.New("no route") }},
		"c": &fake{undo: func(context.Context) error { all.Done(); all.Wait(); return &ConflictError{"x", "a", "b"} }},
		"g": &fake{undo: func(context.Context) error { return errors.New("it was gone already") }},
	}
	for _, id := range []string{"a", "b", "c", "d", "g"} {
		r := receipt(id)
		r.Kind = id
		must(t, receipts.Made(r))
	}
	must(t, receipts.Gone("g"))
	mend := func(kind string) (Fault, bool) { f, ok := faults[kind]; return f, ok }

	var told []string
	err := Undo(t.Context(), receipts, mend, func(o Outcome) { told = append(told, o.Receipt.ID+" "+o.State) })
	slices.Sort(told)
	if want := []string{"a gone", "b failed", "c conflict", "d failed"}; !slices.Equal(told, want) {
		t.Errorf("outcomes %v, want %v", told, want)
	}
	var left *NotUndone
	if !errors.As(err, &left) || len(left.Outcomes) != 3 || !strings.Contains(err.Error(), `does not know faults of kind "d"`) {
		t.Errorf("error: %v", err)
	}
	if got := ids(receipts.Pending()); got != "b c d" {
		t.Errorf("pending %q", got)
	}
	// Once more, when the obstacles are gone.
	for _, id := range []string{"b", "c", "d"} {
		faults[id] = &fake{}
	}
	must(t, Undo(t.Context(), receipts, mend, nil))
	if got := receipts.Pending(); len(got) != 0 {
		t.Errorf("pending %v", got)
	}
}

func TestOutcomeString(t *testing.T) {
	o := Outcome{Receipt: Receipt{Fault: "slow_pay", Targets: []string{"proxy payments"}}, State: OutcomeFailed, Reason: "no route", Took: 12345678}
	if got, want := fmt.Sprint(o), "slow_pay (proxy payments): failed after 12ms: no route"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNewReceipt(t *testing.T) {
	r, err := NewReceipt("x", "kind", []string{"t"}, true, map[string]int{"n": 1})
	if err != nil || !strings.HasPrefix(r.ID, "x-") || !r.OneShot || string(r.Data) != `{"n":1}` {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := NewReceipt("x", "kind", nil, false, func() {}); err == nil {
		t.Error("data that is not JSON: no error")
	}
}
