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
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// A target is a generator that talks to nobody: each arrival takes as long as
// service says, counted from the moment it is sent.
type target struct {
	start   time.Time
	service func(sinceStart time.Duration) time.Duration
	class   generators.Class
	server  func(arrival int64) string // who says that it answered; may be nil

	mu     sync.Mutex
	closed int
}

func (f *target) Open(context.Context, int) (generators.Session, error) {
	return &targetSession{target: f}, nil
}

type targetSession struct {
	target *target
	ops    [1]generators.Op
}

func (s *targetSession) Do(ctx context.Context, a generators.Arrival) generators.Result {
	op := generators.Op{Due: a.Due, Started: time.Now(), Class: s.target.class, Status: 200}
	if s.target.server != nil {
		op.Server = s.target.server(a.Index)
	}
	select {
	case <-time.After(s.target.service(time.Since(s.target.start))):
	case <-ctx.Done():
		op.Class, op.Err = generators.Canceled, ctx.Err()
	}
	op.Ended = time.Now()
	s.ops[0] = op
	return generators.Result{Ops: s.ops[:]}
}

func (s *targetSession) Close() error {
	s.target.mu.Lock()
	defer s.target.mu.Unlock()
	s.target.closed++
	return nil
}

func always(d time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration { return d }
}

// onePhase is a plan of one phase with one load in the open model.
func onePhase(t *testing.T, rate float64, length time.Duration, service func(time.Duration) time.Duration) *scenarios.Plan {
	t.Helper()
	pieces := []generators.Piece{{End: length, From: rate, To: rate, Process: generators.Constant}}
	schedule, err := generators.NewSchedule(pieces)
	if err != nil {
		t.Fatal(err)
	}
	return &scenarios.Plan{
		Info: journal.Plan{
			Version: journal.PlanVersion, Name: "test", Duration: length,
			Phases: []journal.PhasePlan{{Name: "all", End: length}},
			Loads:  []journal.LoadPlan{{Name: "web", Kind: "test", Model: "open", Steps: []string{"web"}}},
		},
		Loads: []scenarios.Load{{
			Name: "web", Kind: "test", Steps: []string{"web"}, Schedule: schedule, Pieces: pieces,
			Generator:   &target{start: time.Now(), service: service, class: generators.OK},
			MaxInFlight: 10_000, Patience: 10 * time.Second,
		}},
	}
}

func users(t *testing.T, plan *scenarios.Plan, pieces ...generators.Piece) {
	t.Helper()
	plan.Loads[0].Schedule, plan.Loads[0].Users, plan.Loads[0].Pieces = nil, pieces, pieces
}

// play runs a plan in the bubble and reads its journal back.
func play(t *testing.T, plan *scenarios.Plan, during func(*Run)) (Outcome, *journal.Journal) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	run, err := New(plan, Options{Dir: dir, Wait: TimerWait})
	if err != nil {
		t.Fatal(err)
	}
	var meddling sync.WaitGroup
	if during != nil {
		meddling.Go(func() { during(run) })
	}
	outcome := run.Play(t.Context())
	meddling.Wait()
	recorded, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(recorded.Damage) > 0 {
		t.Fatalf("journal damaged: %v", recorded.Damage)
	}
	return outcome, recorded
}

func counts(j *journal.Journal) journal.LoadCounts { return j.Counts("web", 0, j.End()+time.Second) }

func quantile(t *testing.T, j *journal.Journal, m journal.Measure, q float64) time.Duration {
	t.Helper()
	d, ok := j.Window("web", "", 0, j.End()+time.Second).Quantile(m, journal.All, q)
	if !ok {
		t.Fatalf("no samples of %s", m)
	}
	return d
}

// within says that got is want to the precision of the histogram.
func within(got, want time.Duration) bool {
	return (got - want).Abs() <= want/500+time.Millisecond
}

func TestOpenModelOffersThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcome, j := play(t, onePhase(t, 500, 30*time.Second, always(40*time.Millisecond)), nil)
		if outcome.State != Completed || outcome.Journal != nil {
			t.Fatalf("outcome %+v", outcome)
		}
		c := counts(j)
		if c.Offered != 15_000 || c.Sent != 15_000 || c.Completed != 15_000 || c.Dropped != 0 || c.Ops != 15_000 {
			t.Errorf("counts %+v, want 15000 of each and none dropped", c)
		}
		if c.Status["200"] != 15_000 || len(c.Failed) != 0 {
			t.Errorf("status %v failed %v", c.Status, c.Failed)
		}
		if got := quantile(t, j, journal.Response, 99); !within(got, 40*time.Millisecond) {
			t.Errorf("p99 %v, want 40ms", got)
		}
	})
}

// A target that stalls for two seconds in the middle of ten at 1000/s: what
// users feel is the wait, and it is p90 ≈ 1.0 s, p99 ≈ 1.9 s by arithmetic.
func TestStallIsNotOmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stall := func(at time.Duration) time.Duration {
			if at >= 4*time.Second && at < 6*time.Second {
				return 6*time.Second - at
			}
			return time.Millisecond
		}
		_, j := play(t, onePhase(t, 1000, 10*time.Second, stall), nil)
		for q, want := range map[float64]time.Duration{
			50: time.Millisecond, 90: time.Second, 99: 1900 * time.Millisecond, 100: 2 * time.Second,
		} {
			if got := quantile(t, j, journal.Response, q); !within(got, want) {
				t.Errorf("p%g %v, want %v", q, got, want)
			}
		}
		if c := counts(j); c.Offered != 10_000 || c.Completed != 10_000 {
			t.Errorf("counts %+v", c)
		}
	})
}

// With one session the same stall shows as wait, not as service time.
func TestWaitingForASessionCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, 10*time.Second, always(5*time.Millisecond))
		plan.Loads[0].MaxInFlight = 1
		plan.Loads[0].Generator.(*target).service = func(at time.Duration) time.Duration {
			if at >= 5*time.Second && at < 5005*time.Millisecond {
				return time.Second
			}
			return 5 * time.Millisecond
		}
		_, j := play(t, plan, nil)
		if c := counts(j); c.Completed != 1000 || c.Dropped != 0 {
			t.Errorf("counts %+v", c)
		}
		if got := quantile(t, j, journal.Service, 90); !within(got, 5*time.Millisecond) {
			t.Errorf("service p90 %v, want 5ms", got)
		}
		if got := quantile(t, j, journal.Wait, 100); got < 900*time.Millisecond {
			t.Errorf("longest wait %v, want about a second", got)
		}
	})
}

// Twice what the one session can do: past their patience, arrivals are
// dropped, counted, and failed; none is lost.
func TestOverloadIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 20, 20*time.Second, always(100*time.Millisecond))
		plan.Loads[0].MaxInFlight = 1
		plan.Loads[0].Patience = 2 * time.Second
		_, j := play(t, plan, nil)
		c := counts(j)
		if c.Offered != 400 || c.Offered != c.Completed+c.Dropped || c.Dropped < 150 {
			t.Errorf("counts %+v", c)
		}
		if c.Failed["dropped"] != c.Dropped || c.Ops != c.Offered {
			t.Errorf("failed %v of %d operations, dropped %d", c.Failed, c.Ops, c.Dropped)
		}
		if got := quantile(t, j, journal.Response, 99); got < 2*time.Second {
			t.Errorf("p99 %v: dropped arrivals must not flatter it", got)
		}
	})
}

// A dispatcher that can do a tenth of the plan sends what it can, falls no
// further behind than the load's patience, and drops and counts the rest: a
// run past brunt's ceiling ends when it should.
func TestPastTheCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = time.Second
		plan := onePhase(t, 1000, 10*time.Second, always(time.Millisecond))
		plan.Loads[0].Patience = patience
		sent := false
		slow := func(due time.Time, stop <-chan struct{}) bool {
			if sent { // which took all of a processor
				time.Sleep(10 * time.Millisecond)
			}
			waited := TimerWait(due, stop)
			sent = time.Since(due) <= patience
			return waited
		}
		dir := filepath.Join(t.TempDir(), "run")
		run, err := New(plan, Options{Dir: dir, Wait: slow})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		run.Play(t.Context())
		if took := time.Since(start); took > 10*time.Second+2*patience {
			t.Errorf("a run of 10s took %v", took)
		}
		j, err := journal.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		c := counts(j)
		if c.Offered != 10_000 || c.Sent+c.Dropped != c.Offered || c.Completed != c.Sent {
			t.Errorf("counts %+v", c)
		}
		if c.Sent < 1000 || c.Sent > 1200 {
			t.Errorf("%d sent in about 11s at 100/s", c.Sent)
		}
		if got := quantile(t, j, journal.Response, 50); got < patience {
			t.Errorf("p50 %v: dropped arrivals must not flatter it", got)
		}
	})
}

// A dispatcher that stood still for a while finds all that fell due late. The
// sessions at work are stuck with a target that has stalled, so the late
// arrivals get sessions of their own, also after the plan's last arrival.
func TestLateArrivalsGetSessionsWhenTheTargetStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, time.Second, always(20*time.Second))
		plan.Loads[0].Patience = 10 * time.Second
		calls := 0
		hiccup := func(due time.Time, stop <-chan struct{}) bool {
			if calls++; calls == 50 {
				time.Sleep(time.Second)
			}
			return TimerWait(due, stop)
		}
		dir := filepath.Join(t.TempDir(), "run")
		run, err := New(plan, Options{Dir: dir, Wait: hiccup})
		if err != nil {
			t.Fatal(err)
		}
		run.Play(t.Context())
		j, err := journal.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if c := counts(j); c.Offered != 100 || c.Completed != 100 || c.Dropped != 0 {
			t.Errorf("counts %+v", c)
		}
		// The one that was due when it stood still waited a second, and some
		// milliseconds for those before it.
		if got := quantile(t, j, journal.Wait, 100); got < 980*time.Millisecond || got > 1100*time.Millisecond {
			t.Errorf("longest wait %v", got)
		}
	})
}

// What a generator counts since the run's start is in the journal, each once.
func TestGeneratorsOwnCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, 5*time.Second, always(time.Millisecond))
		plan.Loads[0].Generator = counting{plan.Loads[0].Generator.(*target)}
		_, j := play(t, plan, nil)
		// Seven at once, and one resumed for each second that passed.
		if c := counts(j); c.FullHandshakes != 7 || c.ResumedHandshakes != 5 {
			t.Errorf("%d full and %d resumed", c.FullHandshakes, c.ResumedHandshakes)
		} else if c.Resent != 10 {
			t.Errorf("%d sent again", c.Resent)
		}
	})
}

// counting counts seconds as resumed handshakes, half seconds as requests sent
// again, and says it has done seven full handshakes.
type counting struct{ *target }

func (c counting) Handshakes() (full, resumed int64) {
	return 7, int64(time.Since(c.start) / time.Second)
}

func (c counting) Resent() int64 { return int64(2 * time.Since(c.start) / time.Second) }

func TestClosedModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 1, 10*time.Second, always(100*time.Millisecond))
		users(t, plan, generators.Piece{End: 10 * time.Second, From: 10, To: 10})
		_, j := play(t, plan, nil)
		if c := counts(j); c.Completed != 1000 || c.Offered != 1000 {
			t.Errorf("counts %+v, want 10 users × 10 a second × 10 s", c)
		}
		if closed := plan.Loads[0].Generator.(*target).closed; closed != 10 {
			t.Errorf("%d sessions closed, want 10", closed)
		}
	})
}

func TestClosedModelRamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 1, 20*time.Second, always(10*time.Millisecond))
		users(t, plan, generators.Piece{End: 10 * time.Second, To: 100}, generators.Piece{Start: 10 * time.Second, End: 20 * time.Second, From: 100})
		_, j := play(t, plan, nil)
		// 50 users on average, 100 operations a second each, 20 s.
		if c := counts(j); c.Completed < 98_000 || c.Completed > 102_000 {
			t.Errorf("completed %d, want about 100000", c.Completed)
		}
		if peak := j.Counts("web", 0, 10*time.Second).Sessions; peak < 95 || peak > 100 {
			t.Errorf("%d sessions at the peak", peak)
		}
	})
}

// A fault for tests, whose state is a field.
type switchFault struct {
	mu                 sync.Mutex
	on, deaf, stuck    bool // deaf: inject has no effect; stuck: undo has none
	oneShot            bool
	prepared, injected int
	failInject         error
}

func (f *switchFault) Prepare(context.Context) (chaos.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prepared++
	return chaos.Receipt{ID: fmt.Sprint("switch-", f.prepared), Kind: "switch", Targets: []string{"lamp"}, OneShot: f.oneShot, Data: []byte("{}")}, nil
}

func (f *switchFault) Inject(context.Context, chaos.Receipt) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.injected++
	f.on = !f.deaf
	return f.failInject
}

func (f *switchFault) Undo(context.Context, chaos.Receipt) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = f.stuck
	return nil
}

func (f *switchFault) Verify(context.Context, chaos.Receipt) (chaos.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.on {
		return chaos.Active, nil
	}
	return chaos.Gone, nil
}

func faultStates(j *journal.Journal) (states []string, at []time.Duration) {
	for _, e := range j.Events() {
		if e.Kind == journal.FaultState {
			states = append(states, e.State)
			at = append(at, e.At)
		}
	}
	return states, at
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name     string
		fault    *switchFault
		want     string
		unmended bool
	}{
		{"all goes well", &switchFault{}, "requested injected effective undone gone", false},
		{"no effect is seen", &switchFault{deaf: true}, "requested injected ineffective undone gone", false},
		{"half injected: undone at once", &switchFault{failInject: errors.New("boom")}, "requested failed undone gone", false},
		{"cannot be proven gone", &switchFault{stuck: true}, "requested injected effective unverified", true},
		{"one-shot", &switchFault{oneShot: true}, "requested injected effective gone", false},
		{"one-shot without effect", &switchFault{oneShot: true, deaf: true}, "requested injected ineffective gone", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plan := onePhase(t, 10, 10*time.Second, always(time.Millisecond))
				plan.Faults = []scenarios.Fault{{Name: "dark", At: 2 * time.Second, For: 3 * time.Second, Fault: test.fault}}
				outcome, j := play(t, plan, nil)
				states, at := faultStates(j)
				if got := strings.Join(states, " "); got != test.want {
					t.Errorf("states %s, want %s", got, test.want)
				}
				if at[0] != 2*time.Second {
					t.Errorf("requested at %v, want 2s", at[0])
				}
				if (len(outcome.Unmended) > 0) != test.unmended {
					t.Errorf("unmended %v", outcome.Unmended)
				}
			})
		})
	}
}

func TestFaultHoldsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, 10*time.Second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{{Name: "dark", At: 2 * time.Second, For: 3 * time.Second, Fault: &switchFault{}}}
		_, j := play(t, plan, nil)
		span, ok := j.FaultSpan("dark", 0)
		if !ok || span.Open || !within(span.From, 2*time.Second) || !within(span.To, 5*time.Second) {
			t.Errorf("span %+v, want 2s to 5s", span)
		}
	})
}

func TestStopUndoesAndAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := &switchFault{}
		plan := onePhase(t, 100, time.Minute, always(500*time.Millisecond))
		plan.Loads[0].MaxInFlight = 10
		plan.Faults = []scenarios.Fault{
			{Name: "dark", At: time.Second, For: 50 * time.Second, Fault: fault},
			{Name: "later", At: 20 * time.Second, For: time.Second, Fault: &switchFault{}},
		}
		outcome, j := play(t, plan, func(r *Run) {
			time.Sleep(10 * time.Second)
			r.Stop("enough")
		})
		if outcome.State != Interrupted || outcome.Why != "enough" || fault.on || len(outcome.Unmended) > 0 {
			t.Errorf("outcome %+v, fault on: %v", outcome, fault.on)
		}
		if end := j.End(); end > 11*time.Second {
			t.Errorf("ended at %v", end)
		}
		c := counts(j)
		if c.Offered != c.Completed+c.Dropped+c.Canceled || c.Canceled == 0 {
			t.Errorf("counts %+v do not add up", c)
		}
		states, _ := faultStates(j)
		if got := strings.Join(states, " "); got != "requested injected effective undone gone" {
			t.Errorf("states %s: the later fault must not be touched", got)
		}
	})
}

func TestHurryDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, time.Minute, always(time.Hour))
		outcome, j := play(t, plan, func(r *Run) {
			time.Sleep(5 * time.Second)
			r.Stop("enough")
			time.Sleep(time.Second)
			r.Hurry()
		})
		c := counts(j)
		if outcome.State != Interrupted || j.End() > 7*time.Second || c.Canceled != c.Offered {
			t.Errorf("outcome %+v at %v, counts %+v", outcome, j.End(), c)
		}
	})
}

func TestUndoFaultsLeavesTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, 10*time.Second, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{{Name: "dark", At: time.Second, For: 8 * time.Second, Fault: &switchFault{}}}
		outcome, j := play(t, plan, func(r *Run) {
			time.Sleep(3 * time.Second)
			r.UndoFaults()
		})
		span, _ := j.FaultSpan("dark", 0)
		if outcome.State != Completed || span.To > 4*time.Second || counts(j).Completed != 1000 {
			t.Errorf("outcome %+v, span %+v, counts %+v", outcome, span, counts(j))
		}
	})
}

func TestSafetyAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, time.Minute, always(time.Millisecond))
		plan.Loads[0].Generator.(*target).class = generators.Status
		condition, err := objective.Compile("web.errors > 50% for 5s")
		if err != nil {
			t.Fatal(err)
		}
		plan.AbortOn = []objective.Objective{condition}
		outcome, j := play(t, plan, nil)
		if outcome.State != Aborted || j.End() > 8*time.Second || j.End() < 5*time.Second {
			t.Errorf("outcome %+v at %v, want aborted within a second after 5s", outcome, j.End())
		}
		if !slices.ContainsFunc(j.Events(), func(e journal.Event) bool { return e.Kind == journal.AbortBreach }) {
			t.Error("no abort event")
		}
	})
}

// A fullDisk takes so many batches and then no more.
type fullDisk struct {
	journalFile
	room int
}

func (d *fullDisk) Append(b journal.Batch) error {
	if d.room--; d.room < 0 {
		return errors.New("no space left on device")
	}
	return d.journalFile.Append(b)
}

func TestFullDiskStopsAndUndoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := &switchFault{}
		plan := onePhase(t, 100, time.Minute, always(time.Millisecond))
		plan.Faults = []scenarios.Fault{{Name: "dark", At: time.Second, For: 50 * time.Second, Fault: fault}}
		run, err := New(plan, Options{Dir: filepath.Join(t.TempDir(), "run"), Wait: TimerWait})
		if err != nil {
			t.Fatal(err)
		}
		run.disk = &fullDisk{run.disk, 10}
		outcome := run.Play(t.Context())
		if outcome.State != Failed || outcome.Journal == nil || fault.on || len(outcome.Unmended) > 0 {
			t.Errorf("outcome %+v, fault on: %v", outcome, fault.on)
		}
	})
}

// A probe that reads thrice and then breaks.
type threeReadings struct{}

func (threeReadings) Watch(ctx context.Context, emit func(probes.Reading)) error {
	for i := range 3 {
		if !TimerWait(time.Now().Add(time.Second), ctx.Done()) {
			return nil
		}
		emit(probes.Reading{Value: float64(i)})
	}
	emit(probes.Reading{Err: errors.New("no answer")})
	return errors.New("lost for good")
}

func TestProbesAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 1, 10*time.Second, always(time.Millisecond))
		plan.Probes = []scenarios.Probe{{Name: "replicas", Probe: threeReadings{}}}
		_, j := play(t, plan, nil)
		var got []string
		for _, e := range j.Readings("replicas", 0, time.Minute) {
			if e.Value != nil {
				got = append(got, fmt.Sprint(*e.Value))
			} else {
				got = append(got, e.State+e.Text)
			}
		}
		if want := "0 1 2 no answer crashedlost for good"; strings.Join(got, " ") != want {
			t.Errorf("readings %q, want %q", got, want)
		}
	})
}

// A probe that tells of a pod beside its number, also when the look fails.
type onePod struct{ origin time.Time }

func (p onePod) Watch(ctx context.Context, emit func(probes.Reading)) error {
	to := 3.0
	emit(probes.Reading{Value: 2, Series: map[string]float64{"desired": 3}, Events: []probes.Event{
		{Object: "hpa/api", What: probes.Scaled, At: p.origin.Add(-time.Second), Within: time.Millisecond, To: &to, Text: "cpu"}}})
	emit(probes.Reading{Err: errors.New("no answer"), Events: []probes.Event{{Object: "pod/a", What: probes.Ready, At: p.origin.Add(time.Second), On: "n1"}}})
	<-ctx.Done()
	return nil
}

func TestSeriesAndEventsAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 1, 2*time.Second, always(time.Millisecond))
		plan.Probes = []scenarios.Probe{{Name: "api", Probe: onePod{origin: time.Now()}}}
		_, j := play(t, plan, nil)
		if r := j.Readings("api", 0, time.Minute); len(r) != 2 || r[0].Series["desired"] != 3 || r[1].Kind != journal.ProbeFailed {
			t.Errorf("readings %+v", r)
		}
		got := j.Objects("api")
		if len(got) != 2 {
			t.Fatalf("%d objects, want 2", len(got))
		}
		if o := got[0].Object; o.At != -time.Second || o.Within != time.Millisecond || o.From != nil || *o.To != 3 || o.Text != "cpu" {
			t.Errorf("first %+v", o)
		}
		if o := got[1].Object; o.At != time.Second || o.On != "n1" || o.What != "ready" {
			t.Errorf("second %+v", o)
		}
	})
}

// Who served is counted second by second, and however many servers there say
// they are, only so many are told apart.
func TestServersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, 10*time.Second, always(time.Millisecond))
		plan.Loads[0].Generator.(*target).server = func(arrival int64) string {
			if arrival%4 == 0 {
				return "pod-b"
			}
			return "pod-a"
		}
		_, j := play(t, plan, nil)
		if got := j.Counts("web", 0, time.Minute).Served; got["pod-a"] != 750 || got["pod-b"] != 250 || len(got) != 2 {
			t.Errorf("served %v", got)
		}
	})
	c := &counters{served: map[string]int64{}}
	for i := range 3 * maxServers {
		c.serve(fmt.Sprint("pod-", i))
	}
	c.serve(strings.Repeat("x", maxServerName+1))
	if c.served["other"] != 2*maxServers+1 || len(c.served) != maxServers+1 {
		t.Errorf("%d names, %d others", len(c.served), c.served["other"])
	}
}

func TestObjectsAreRedacted(t *testing.T) {
	live := journal.New(journal.Plan{})
	out := &publisher{origin: time.Now(), disk: live, live: journal.New(journal.Plan{}), redact: func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") }}
	out.batch(journal.Batch{Events: []journal.Event{{Kind: journal.ObjectEvent, Name: "api", Object: &journal.Object{Text: "token=hunter2"}}}})
	if got := live.Objects("api")[0].Object.Text; got != "token=***" {
		t.Errorf("recorded %q", got)
	}
}

func TestPhasesAreAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 1, 4*time.Second, always(time.Millisecond))
		plan.Info.Phases = []journal.PhasePlan{{Name: "a", End: time.Second}, {Name: "b", Start: time.Second, End: 4 * time.Second}}
		_, j := play(t, plan, nil)
		var got []string
		for _, e := range j.Events() {
			if e.Kind == journal.PhaseStarted || e.Kind == journal.PhaseEnded {
				got = append(got, fmt.Sprintf("%s %s %v", e.Kind, e.Name, e.At))
			}
		}
		want := []string{"phase_started a 0s", "phase_ended a 1s", "phase_started b 1s", "phase_ended b 4s"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}
