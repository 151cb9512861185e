package engine

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

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/scenarios"
)

// story is the states of one occurrence with the whole seconds of their times:
// "requested@2 injected@2 …".
func story(j *journal.Journal, name string, occurrence int) string {
	var parts []string
	for _, e := range j.Events() {
		if e.Kind == journal.FaultState && e.Name == name && e.Occurrence == occurrence {
			parts = append(parts, fmt.Sprintf("%s@%d", e.State, int(e.At/time.Second)))
		}
	}
	return strings.Join(parts, " ")
}

func compiled(t *testing.T, source string) objective.Objective {
	t.Helper()
	o, err := objective.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

const second = time.Second

// A fault that comes again has a receipt and events for each time.
func TestRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := &switchFault{}
		plan := onePhase(t, 10, 20*second, always(time.Millisecond))
		for k := range 3 {
			plan.Faults = append(plan.Faults, scenarios.Fault{Name: "dark", Occurrence: k + 1, At: 2*second + time.Duration(k)*5*second, For: 2 * second, Fault: fault})
		}
		outcome, j := play(t, plan, nil)
		if len(outcome.Unmended) > 0 || fault.injected != 3 {
			t.Errorf("injected %d times, unmended %v", fault.injected, outcome.Unmended)
		}
		for k, want := range []string{
			"requested@2 injected@2 effective@2 undone@4 gone@4",
			"requested@7 injected@7 effective@7 undone@9 gone@9",
			"requested@12 injected@12 effective@12 undone@14 gone@14",
		} {
			if got := story(j, "dark", k+1); got != want {
				t.Errorf("occurrence %d: %s, want %s", k+1, got, want)
			}
		}
		spans := j.FaultSpans("dark")
		if len(spans) != 3 || spans[1].Occurrence != 2 || spans[1].Open {
			t.Errorf("spans %+v", spans)
		}
	})
}

// A fault that comes after others waits until all of them are over, whenever
// that is.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, 20*second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{
			{Name: "a", At: 1 * second, For: 3 * second, Fault: &switchFault{}},
			{Name: "b", At: 2 * second, For: 4 * second, Fault: &switchFault{oneShot: true}, OneShot: true},
			{Name: "c", At: 5 * second, NotBefore: second, Lag: second, After: []string{"a", "b"}, For: 2 * second, Fault: &switchFault{}},
			{Name: "d", At: 8 * second, NotBefore: 12 * second, After: []string{"c"}, Fault: &switchFault{}},
		}
		_, j := play(t, plan, nil)
		for name, want := range map[string]string{
			"a": "requested@1 injected@1 effective@1 undone@4 gone@4",
			"c": "requested@5 injected@5 effective@5 undone@7 gone@7",
			"d": "requested@12 injected@12 effective@12 undone@20 gone@20", // not before its phase begins
		} {
			if got := story(j, name, 0); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
}

// What comes after a fault that may still be there is not injected.
func TestAfterStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &switchFault{}
		plan := onePhase(t, 10, 90*second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{
			{Name: "a", At: second, For: second, Fault: &switchFault{stuck: true}},
			{Name: "b", After: []string{"a"}, For: second, Fault: next},
		}
		outcome, j := play(t, plan, nil)
		states := story(j, "b", 0)
		if next.injected != 0 || !strings.Contains(states, "failed") || len(outcome.Unmended) != 1 {
			t.Errorf("injected %d times, states %s, unmended %v", next.injected, states, outcome.Unmended)
		}
	})
}

// Nothing that waits is left behind when the run stops.
func TestStopWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, time.Minute, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{
			{Name: "a", At: second, For: 50 * second, Fault: &switchFault{}},
			{Name: "b", After: []string{"a"}, Fault: &switchFault{}},
			{Name: "c", Occurrence: 1, At: 55 * second, For: second, Fault: &switchFault{}},
			{Name: "c", Occurrence: 2, At: 58 * second, For: second, Fault: &switchFault{}},
		}
		_, j := play(t, plan, func(r *Run) {
			time.Sleep(5 * second)
			r.Stop("enough")
		})
		if j.End() > 6*second || story(j, "b", 0) != "" || story(j, "c", 1) != "" {
			t.Errorf("ended at %v; b: %q, c: %q", j.End(), story(j, "b", 0), story(j, "c", 1))
		}
	})
}

// A condition ends a fault; what was so before the fault was there does not
// count.
func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, 40*second, always(time.Millisecond))
		plan.Loads[0].Generator.(*target).class = generators.Status // every operation fails, all the time
		errs := compiled(t, "web.errors > 50% for 5s")
		never := compiled(t, "web.errors < 50% for 5s")
		plan.Faults = []scenarios.Fault{
			{Name: "ends", At: 10 * second, Until: &errs, Fault: &switchFault{}},
			{Name: "waits", At: 10 * second, For: 12 * second, Until: &never, Fault: &switchFault{}},
			{Name: "again", Occurrence: 1, At: 20 * second, For: 9 * second, Until: &errs, Fault: &switchFault{}},
			{Name: "again", Occurrence: 2, At: 30 * second, For: 9 * second, Until: &errs, Fault: &switchFault{}},
		}
		// Each has a lamp of its own.
		for i := range plan.Faults {
			plan.Faults[i].Fault = &lamps{names: []string{fmt.Sprint("lamp", i)}}
		}
		_, j := play(t, plan, nil)
		for _, test := range []struct {
			name       string
			occurrence int
			from, to   time.Duration // when it was undone, within
			why        string
		}{
			{"ends", 0, 15 * second, 17 * second, "ended because web.errors was 100%"},
			{"waits", 0, 22 * second, 22 * second, ""},
			{"again", 1, 25 * second, 27 * second, "ended because web.errors was 100%"},
			{"again", 2, 35 * second, 37 * second, "ended because web.errors was 100%"},
		} {
			found := false
			for _, e := range j.Events() {
				if e.Kind == journal.FaultState && e.Name == test.name && e.Occurrence == test.occurrence && e.State == journal.FaultUndone {
					found = true
					if e.At < test.from || e.At > test.to || !strings.HasPrefix(e.Text, test.why) || test.why == "" && e.Text != "" {
						t.Errorf("%s#%d was undone at %v: %q", test.name, test.occurrence, e.At, e.Text)
					}
				}
			}
			if !found {
				t.Errorf("%s#%d was not undone: %s", test.name, test.occurrence, story(j, test.name, test.occurrence))
			}
		}
	})
}

// lamps is a fault on targets that come to be while it is there.
type lamps struct {
	mu      sync.Mutex
	names   []string // those that are there
	on      []string // broken
	oneShot bool
	made    int
}

func (f *lamps) receipt(names []string) (chaos.Receipt, error) {
	if len(names) == 0 {
		return chaos.Receipt{}, fmt.Errorf("find lamps: %w", chaos.ErrNoTarget)
	}
	f.made++
	return chaos.Receipt{ID: fmt.Sprintf("%p-%d", f, f.made), Kind: "lamps", Targets: names, OneShot: f.oneShot, Data: []byte("{}")}, nil
}

func (f *lamps) Prepare(context.Context) (chaos.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.receipt(slices.Clone(f.names))
}

func (f *lamps) Follows() error { return nil }

func (f *lamps) Follow(_ context.Context, held []chaos.Receipt) (chaos.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.receipt(slices.DeleteFunc(slices.Clone(f.names), func(name string) bool {
		return slices.ContainsFunc(held, func(r chaos.Receipt) bool { return slices.Contains(r.Targets, name) })
	}))
}

func (f *lamps) Inject(_ context.Context, r chaos.Receipt) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = append(f.on, r.Targets...)
	return nil
}

func (f *lamps) Undo(_ context.Context, r chaos.Receipt) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = slices.DeleteFunc(f.on, func(name string) bool { return slices.Contains(r.Targets, name) })
	return nil
}

func (f *lamps) Verify(_ context.Context, r chaos.Receipt) (chaos.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range r.Targets {
		if slices.Contains(f.on, name) {
			return chaos.Active, nil
		}
	}
	return chaos.Gone, nil
}

func (f *lamps) add(names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names = append(f.names, names...)
}

// Targets that come to be while a fault is there are hit too, each look's under
// a receipt of its own, and no more than allowed.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := &lamps{names: []string{"one"}}
		plan := onePhase(t, 10, 30*second, always(time.Millisecond))
		plan.MaxTargets = 3
		plan.Faults = []scenarios.Fault{{Name: "dark", At: 2 * second, For: 20 * second, Follow: true, Fault: fault}}
		_, j := play(t, plan, func(*Run) {
			time.Sleep(5*second + 500*time.Millisecond)
			fault.add("two", "three")
			time.Sleep(5 * second)
			fault.add("four") // one too many
		})
		if got, want := story(j, "dark", 0), "requested@2 injected@2 effective@2 followed@6 undone@22 gone@22"; got != want {
			t.Errorf("states %s, want %s", got, want)
		}
		var targets, notes []string
		for _, e := range j.Events() {
			if e.State == journal.FaultGone {
				targets = e.Targets
			}
			if e.Kind == journal.Note {
				notes = append(notes, e.Text)
			}
		}
		slices.Sort(targets)
		if !slices.Equal(targets, []string{"one", "three", "two"}) || len(fault.on) > 0 {
			t.Errorf("gone from %v; still on %v", targets, fault.on)
		}
		if len(notes) != 1 || !strings.Contains(notes[0], "safety.max_targets allows 3") {
			t.Errorf("notes %q", notes)
		}
	})
}

// A fault may begin with no target at all, and a one-shot goes on as long as it
// is to.
func TestFollowFromNothing(t *testing.T) {
	for _, oneShot := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			fault := &lamps{oneShot: oneShot}
			plan := onePhase(t, 10, 20*second, always(time.Millisecond))
			plan.Faults = []scenarios.Fault{{Name: "dark", At: 2 * second, For: 10 * second, OneShot: oneShot, Follow: true, Fault: fault}}
			_, j := play(t, plan, func(*Run) {
				time.Sleep(5*second + 500*time.Millisecond)
				fault.add("one")
				time.Sleep(3 * second)
				fault.add("two")
			})
			want := "requested@2 injected@6 effective@6 followed@9 undone@12 gone@12"
			if oneShot {
				want = "requested@2 injected@6 effective@6 followed@9 gone@12"
			}
			if got := story(j, "dark", 0); got != want {
				t.Errorf("one-shot %t: states %s, want %s", oneShot, got, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, 10*second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{{Name: "dark", At: 2 * second, For: 5 * second, Follow: true, Fault: &lamps{}}}
		_, j := play(t, plan, nil)
		if got, want := story(j, "dark", 0), "requested@2 failed@7"; got != want {
			t.Errorf("no target ever: states %s, want %s", got, want)
		}
	})
}

// Two faults on one thing at one time: the second is not injected. Once the
// first is gone, there may be another.
func TestOverlapAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both, third := &lamps{names: []string{"x", "y"}}, &lamps{names: []string{"y"}}
		plan := onePhase(t, 10, 20*second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{
			{Name: "a", At: 2 * second, For: 5 * second, Fault: &lamps{names: []string{"y"}}},
			{Name: "b", At: 4 * second, For: 5 * second, Fault: both},
			{Name: "c", At: 8 * second, For: 5 * second, Fault: third},
		}
		_, j := play(t, plan, nil)
		if got, want := story(j, "b", 0), "requested@4 failed@4"; got != want || both.made != 1 || len(both.on) > 0 {
			t.Errorf("b: %s, want %s", got, want)
		}
		if got, want := story(j, "c", 0), "requested@8 injected@8 effective@8 undone@13 gone@13"; got != want {
			t.Errorf("c: %s, want %s", got, want)
		}
	})
}

// From the breach of an abort condition to no more load and every fault gone it
// takes no second, whatever the faults are doing at the time.
func TestAbortWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, time.Minute, always(time.Millisecond))
		plan.Loads[0].Generator.(*target).class = generators.Status
		plan.AbortOn = []objective.Objective{compiled(t, "web.errors > 50% for 5s")}
		for i, fault := range []chaos.Fault{
			&lamps{names: []string{"held"}},
			&slowFault{inject: true},  // in the middle of Inject
			&slowFault{verify: true},  // looking for its effect
			&slowFault{measure: true}, // does not say what effect it had
		} {
			plan.Faults = append(plan.Faults, scenarios.Fault{Name: fmt.Sprint("f", i), At: 2 * second, For: 50 * second, Fault: fault})
		}
		outcome, j := play(t, plan, nil)
		if outcome.State != Aborted || len(outcome.Unmended) > 0 {
			t.Fatalf("outcome %+v", outcome)
		}
		var breach, last time.Duration
		gone := 0
		for _, e := range j.Events() {
			switch {
			case e.Kind == journal.AbortBreach:
				breach = e.At
			case e.Kind == journal.LoadSecond && e.Load.Offered > 0:
				last = e.At
			case e.Kind == journal.FaultState && e.State == journal.FaultGone:
				gone++
				if e.At-breach >= second {
					t.Errorf("%s was gone %v after the breach", e.Name, e.At-breach)
				}
			}
		}
		if gone != len(plan.Faults) {
			t.Errorf("%d of %d faults gone", gone, len(plan.Faults))
		}
		// The breach is seen at the end of the second that completes it.
		if breach < 5*second || breach > 6*second || last > breach+second {
			t.Errorf("breach at %v, the last arrivals by %v", breach, last)
		}
	})
}

// slowFault takes for ever over one of its calls, but for the call's context.
type slowFault struct {
	switchFault
	inject, verify, measure bool
}

func (f *slowFault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	r, err := f.switchFault.Prepare(ctx)
	r.ID, r.Targets = fmt.Sprintf("%p", f), []string{fmt.Sprintf("%p", f)}
	return r, err
}

func (f *slowFault) Inject(ctx context.Context, r chaos.Receipt) error {
	if f.inject {
		<-ctx.Done()
		return errors.Join(ctx.Err(), f.switchFault.Inject(ctx, r))
	}
	return f.switchFault.Inject(ctx, r)
}

func (f *slowFault) Verify(ctx context.Context, r chaos.Receipt) (chaos.State, error) {
	state, err := f.switchFault.Verify(ctx, r)
	if f.verify && state == chaos.Active {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return state, err
}

func (f *slowFault) Measure(ctx context.Context, _ chaos.Receipt) (string, error) {
	if f.measure {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "much", nil
}
