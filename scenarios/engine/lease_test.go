package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// A paperLease writes down what it was asked for, and is lost when told.
type paperLease struct {
	refuse error                               // what Guard answers
	yield  func(string) (chaos.Outcome, error) // what became of the fault with the ID

	mu    sync.Mutex
	calls []string
	ids   []string
	most  []time.Duration
	why   error
	lost  chan struct{}
}

func newPaperLease() *paperLease { return &paperLease{lost: make(chan struct{})} }

func (l *paperLease) lose(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.why = why
	close(l.lost)
}

func (l *paperLease) Guard(_ context.Context, r chaos.Receipt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls, l.ids, l.most = append(l.calls, "guard"), append(l.ids, r.ID), append(l.most, r.Most)
	return l.refuse
}

func (l *paperLease) Release(context.Context, string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, "release")
	return nil
}

func (l *paperLease) Held() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

func (l *paperLease) Lost() <-chan struct{} { return l.lost }

func (l *paperLease) Yield(context.Context) ([]chaos.Outcome, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, "yield")
	var all []chaos.Outcome
	for _, id := range l.ids {
		o, err := l.yield(id)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// underLease plays a fault of ten seconds and loses the lease in the middle.
func underLease(t *testing.T, lease *paperLease, fault *switchFault, why error) (Outcome, *journal.Journal) {
	t.Helper()
	plan := onePhase(t, 10, 20*time.Second, always(time.Millisecond))
	plan.Lease = 15 * time.Second
	plan.Faults = []scenarios.Fault{{Name: "dark", At: 2 * time.Second, For: 10 * time.Second, Fault: fault}}
	dir := filepath.Join(t.TempDir(), "run")
	run, err := New(plan, Options{Dir: dir, Wait: TimerWait, Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	var losing sync.WaitGroup
	if why != nil {
		losing.Go(func() {
			time.Sleep(5 * time.Second)
			lease.lose(why)
		})
	}
	outcome := run.Play(t.Context())
	losing.Wait()
	recorded, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return outcome, recorded
}

func TestLease(t *testing.T) {
	gone := func(id string) (chaos.Outcome, error) {
		return chaos.Outcome{Receipt: chaos.Receipt{ID: id}, State: chaos.OutcomeGone}, nil
	}
	for _, test := range []struct {
		name     string
		refuse   error
		why      error // the lease is lost with
		yield    func(string) (chaos.Outcome, error)
		calls    string
		states   string
		outcome  string
		on       bool // the fault, at the end: the reaper of this test undoes nothing
		unmended bool
	}{
		{name: "held", calls: "guard release", states: "requested injected effective undone gone", outcome: Completed},
		// What nobody guards is not injected.
		{name: "refused", refuse: errors.New("no"), calls: "guard", states: "requested failed", outcome: Completed},
		{
			name: "the reaper dies", why: chaos.ErrUnguarded,
			calls: "guard release", states: "requested injected effective undone gone", outcome: Failed,
		},
		// It is the reaper's to undo now, and only its.
		{
			name: "run out", why: chaos.ErrFenced, yield: gone,
			calls: "guard yield", states: "requested injected effective undone gone", outcome: Failed, on: true,
		},
		{
			name: "run out, and it could not be undone", why: chaos.ErrFenced,
			yield: func(id string) (chaos.Outcome, error) {
				return chaos.Outcome{Receipt: chaos.Receipt{ID: id}, State: chaos.OutcomeFailed, Reason: "no route"}, nil
			},
			calls: "guard yield", states: "requested injected effective failed", outcome: Failed, on: true, unmended: true,
		},
		{
			name: "run out, and the reaper knows nothing of it", why: chaos.ErrFenced,
			yield: func(string) (chaos.Outcome, error) { return chaos.Outcome{}, nil },
			calls: "guard yield", states: "requested injected effective unverified", outcome: Failed, on: true, unmended: true,
		},
		// There is nobody else.
		{
			name: "run out, and the reaper is dead", why: chaos.ErrFenced,
			yield: func(string) (chaos.Outcome, error) { return chaos.Outcome{}, chaos.ErrUnguarded },
			calls: "guard yield", states: "requested injected effective undone gone", outcome: Failed,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lease := newPaperLease()
				lease.refuse, lease.yield = test.refuse, test.yield
				fault := &switchFault{}
				why := test.why
				if why != nil {
					why = fmt.Errorf("test: %w", why)
				}
				outcome, j := underLease(t, lease, fault, why)
				states, _ := faultStates(j)
				if got := strings.Join(states, " "); got != test.states {
					t.Errorf("states %s, want %s", got, test.states)
				}
				if got := strings.Join(lease.calls, " "); got != test.calls {
					t.Errorf("calls %s, want %s", got, test.calls)
				}
				if outcome.State != test.outcome || fault.on != test.on || (len(outcome.Unmended) > 0) != test.unmended {
					t.Errorf("outcome %+v, fault on %v", outcome, fault.on)
				}
				if want := []time.Duration{25 * time.Second}; !slices.Equal(lease.most, want) {
					t.Errorf("declared maximum %v, want %v: its time and a lease", lease.most, want)
				}
				if test.why != nil && (j.End() > 6*time.Second || !strings.Contains(outcome.Why, "lease")) {
					t.Errorf("ended at %v: %s", j.End(), outcome.Why)
				}
			})
		})
	}
}

// A fault without a length of its own stays until the run ends.
func TestFaultUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, 10*time.Second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{{Name: "dark", At: 2 * time.Second, Fault: &switchFault{}}}
		_, j := play(t, plan, nil)
		if span, ok := j.FaultSpan("dark", 0); !ok || !within(span.To, 10*time.Second) {
			t.Errorf("span %+v, want 2s to 10s", span)
		}
	})
}

// What no undo restores needs the scenario's word for it.
func TestIrreversible(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		plan := onePhase(t, 1, time.Second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{{Name: "flood", Fault: irreversible{&switchFault{}}, AllowIrreversible: allowed}}
		err := Resolve(t.Context(), plan)[0].Err
		if (err == nil) != allowed || err != nil && !strings.Contains(err.Error(), "allow_irreversible") {
			t.Errorf("allowed %v: %v", allowed, err)
		}
	}
}

type irreversible struct{ *switchFault }

func (f irreversible) Prepare(ctx context.Context) (chaos.Receipt, error) {
	r, err := f.switchFault.Prepare(ctx)
	r.Class = chaos.Irreversible
	return r, err
}
