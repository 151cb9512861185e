package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

// A target is a generator that talks to nobody. Every arrival takes its own
// time, by its number, and every operation is noted in one recorder, whichever
// worker played it: the union.
type target struct {
	origin time.Time
	union  *journal.Recorder

	mu     sync.Mutex
	played map[int64]int
}

func (g *target) Open(context.Context, int) (generators.Session, error) {
	return &targetSession{g}, nil
}

type targetSession struct{ g *target }

func (s *targetSession) Do(ctx context.Context, a generators.Arrival) generators.Result {
	op := generators.Op{Due: a.Due, Started: time.Now(), Class: generators.OK, Status: 200}
	// From 100 µs to about 2 s, most of it short.
	select {
	case <-time.After(time.Duration(math.Exp(float64(a.Index%97)/10)*1e5) * time.Nanosecond):
		if a.Index%13 == 0 {
			op.Class, op.Err = generators.Status, errors.New("status 500")
		}
	case <-ctx.Done():
		op.Class, op.Err = generators.Canceled, ctx.Err()
	}
	op.Ended = time.Now()
	s.g.mu.Lock()
	s.g.played[a.Index]++
	s.g.mu.Unlock()
	if op.Class != generators.Canceled {
		s.g.union.Record(0, journal.Sample{Outcome: string(op.Class), Due: op.Due.Sub(s.g.origin), Started: op.Started.Sub(s.g.origin), Ended: op.Ended.Sub(s.g.origin)})
	}
	return generators.Result{Ops: []generators.Op{op}}
}

func (s *targetSession) Close() error { return nil }

const duration = 10 * time.Second

// plan is a Poisson load of 200/s for ten seconds.
func plan(t *testing.T) (*scenarios.Plan, *target) {
	t.Helper()
	pieces := []generators.Piece{{End: duration, From: 200, To: 200, Process: generators.Poisson}}
	schedule, err := generators.NewSchedule(pieces)
	if err != nil {
		t.Fatal(err)
	}
	g := &target{union: journal.NewRecorder("web", []string{"web"}, 1), played: map[int64]int{}}
	return &scenarios.Plan{
		Info: journal.Plan{
			Version: journal.PlanVersion, Name: "test", Duration: duration,
			Phases: []journal.PhasePlan{{Name: "all", End: duration}},
			Loads:  []journal.LoadPlan{{Name: "web", Kind: "test", Model: "open", Steps: []string{"web"}}},
		},
		Loads: []scenarios.Load{{
			Name: "web", Kind: "test", Steps: []string{"web"}, Schedule: schedule, Pieces: pieces, Seed: 7,
			Generator: g, MaxInFlight: 10_000, Patience: 10 * time.Second,
		}},
	}, g
}

func arrivals(p *scenarios.Plan, s engine.Slice) []time.Duration {
	return slices.Collect(s.Arrivals(p.Loads[0]))
}

// A local is a worker within this process, over pipes.
type local struct {
	io.Reader
	io.Writer
	toWorker   *io.PipeWriter
	fromWorker *io.PipeReader
	frozen     chan struct{} // closed: what it writes goes nowhere any more
	deaf       chan struct{} // closed: what is written to it does
	served     chan error
	fate       string
	closed     int
	mu         sync.Mutex
}

// A oneWay loses what is written once it is shut, as a network does that
// is cut one way.
type oneWay struct {
	io.Writer
	shut chan struct{}
}

func (o oneWay) Write(b []byte) (int, error) {
	select {
	case <-o.shut:
		return len(b), nil
	default:
		return o.Writer.Write(b)
	}
}

// A freezer is a pipe that stops taking anything when it is frozen, as that of
// a stopped process does.
type freezer struct {
	*io.PipeWriter
	frozen chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (f *freezer) Write(b []byte) (int, error) {
	select {
	case <-f.frozen:
		<-f.closed
		return 0, io.ErrClosedPipe
	default:
		return f.PipeWriter.Write(b)
	}
}

func (f *freezer) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.PipeWriter.Close()
}

func startLocal(t *testing.T, compile func(Orders, string) (*scenarios.Plan, func(string) string, error)) *local {
	t.Helper()
	in, toWorker := io.Pipe()
	fromWorker, out := io.Pipe()
	deaf := make(chan struct{})
	l := &local{Reader: fromWorker, Writer: oneWay{toWorker, deaf}, toWorker: toWorker, fromWorker: fromWorker, frozen: make(chan struct{}), deaf: deaf, served: make(chan error, 1)}
	go func() {
		f := &freezer{PipeWriter: out, frozen: l.frozen, closed: make(chan struct{})}
		err := Serve(context.Background(), ServeOptions{In: in, Out: f, Version: "test", Compile: compile, Wait: engine.TimerWait})
		_ = f.Close()
		_ = in.Close()
		l.served <- err
	}()
	return l
}

func (l *local) Where() string { return "here" }

func (l *local) Fate(context.Context) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fate
}

// kill is what the kernel does to the streams of a killed process.
func (l *local) kill(fate string) {
	l.mu.Lock()
	l.fate = fate
	l.mu.Unlock()
	_ = l.Close(context.Background())
}

func (l *local) Close(context.Context) error {
	l.mu.Lock()
	l.closed++
	l.mu.Unlock()
	return errors.Join(l.toWorker.Close(), l.fromWorker.Close())
}

// A team is workers, their crew and the run that they play.
type team struct {
	plan    *scenarios.Plan
	target  *target
	workers []*local
	crew    *Crew
	dir     string
	run     *engine.Run
	ended   []error // how each worker did
}

func assemble(t *testing.T, n int) *team {
	t.Helper()
	team := &team{dir: filepath.Join(t.TempDir(), "run")}
	team.plan, team.target = plan(t)
	var all []Worker
	for range n {
		w := startLocal(t, func(Orders, string) (*scenarios.Plan, func(string) string, error) { return team.plan, nil, nil })
		team.workers = append(team.workers, w)
		all = append(all, w)
	}
	var err error
	if team.crew, err = Assemble(t.Context(), team.plan, all, Orders{Scenario: []byte("version: 1")}, nil); err != nil {
		t.Fatal(err)
	}
	team.plan.Info.Workers = &journal.WorkersPlan{Count: n}
	if team.run, err = engine.New(team.plan, engine.Options{Dir: team.dir, Crew: timed{team.crew, team.target}}); err != nil {
		t.Fatal(err)
	}
	return team
}

// timed tells the target when the run starts.
type timed struct {
	*Crew
	target *target
}

func (c timed) Begin() time.Time {
	c.target.origin = c.Crew.Begin()
	return c.target.origin
}

// play plays the run, with something done at a time after its origin.
func (team *team) play(t *testing.T, at time.Duration, what func()) (engine.Outcome, *journal.Journal) {
	t.Helper()
	var meddling sync.WaitGroup
	if what != nil {
		meddling.Go(func() {
			time.Sleep(shortestLead + at)
			what()
		})
	}
	outcome := team.run.Play(t.Context())
	meddling.Wait()
	if err := team.crew.Close(); err != nil {
		t.Error(err)
	}
	for _, w := range team.workers {
		team.ended = append(team.ended, <-w.served)
	}
	if outcome.Journal != nil {
		t.Fatal(outcome.Journal)
	}
	recorded, err := journal.Open(team.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(recorded.Damage) > 0 {
		t.Fatal(recorded.Damage)
	}
	return outcome, recorded
}

func counts(j *journal.Journal) journal.LoadCounts { return j.Counts("web", 0, time.Hour) }

// histogram is every bucket of the operations of an outcome, of a whole run.
func histogram(j *journal.Journal, m journal.Measure, o journal.Outcomes) map[int64]int64 {
	out := map[int64]int64{}
	for _, bar := range j.Window("web", "", 0, time.Hour).Histogram(m, o).Distribution() {
		if bar.Count > 0 {
			out[bar.From] += bar.Count
		}
	}
	return out
}

// union is a journal of what the target saw.
func union(t *testing.T, g *target) *journal.Journal {
	t.Helper()
	j := journal.New(journal.Plan{})
	if err := j.Append(journal.Batch{Intervals: g.union.Flush()}); err != nil {
		t.Fatal(err)
	}
	return j
}

// The run directory of a run on n workers is that of a run on one: every
// arrival once, every operation in the histograms, to the count.
func TestMergedIsTheUnion(t *testing.T) {
	for _, n := range []int{1, 2, 4, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				team := assemble(t, n)
				want := int64(len(arrivals(team.plan, engine.Slice{})))
				outcome, j := team.play(t, 0, nil)
				if outcome.State != engine.Completed {
					t.Fatalf("outcome %+v", outcome)
				}
				c := counts(j)
				if c.Offered != want || c.Sent != want || c.Completed != want || c.Ops != want || c.Dropped != 0 || c.Lost != 0 {
					t.Errorf("counts %+v, want %d of each", c, want)
				}
				if int64(len(team.target.played)) != want {
					t.Errorf("%d arrivals were played, want %d", len(team.target.played), want)
				}
				for index, times := range team.target.played {
					if times != 1 {
						t.Errorf("arrival %d was played %d times", index, times)
					}
				}
				seen := union(t, team.target)
				for _, m := range []journal.Measure{journal.Response, journal.Service, journal.Wait} {
					for _, o := range []journal.Outcomes{journal.OnlyOK, journal.OnlyFailed} {
						if diff := cmp.Diff(histogram(seen, m, o), histogram(j, m, o)); diff != "" {
							t.Errorf("%s: merged is not the union (-union +merged):\n%s", m, diff)
						}
					}
				}
				wantSeconds(t, j, n)
			})
		})
	}
}

// wantSeconds says that every second was told of once, in order, and that the
// workers were too.
func wantSeconds(t *testing.T, j *journal.Journal, n int) {
	t.Helper()
	last := time.Duration(0)
	states := map[string][]string{}
	for _, e := range j.Events() {
		switch e.Kind {
		case journal.LoadSecond:
			if e.At <= last || e.At > last+time.Second {
				t.Errorf("a second at %s after one at %s", e.At, last)
			}
			last = e.At
		case journal.WorkerState:
			states[e.Name] = append(states[e.Name], e.State)
		}
	}
	if last < duration {
		t.Errorf("the last second was told of at %s", last)
	}
	if len(states) != n {
		t.Errorf("%d workers told of, want %d", len(states), n)
	}
	for name, got := range states {
		if !slices.Equal(got, []string{journal.WorkerReady, journal.WorkerDone}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// lostAt is the first event that says that a worker is lost.
func lostAt(j *journal.Journal, name string) (first journal.Event, last journal.Event) {
	for _, e := range j.Events() {
		if e.Kind == journal.WorkerState && e.Name == name && e.State == journal.WorkerLost {
			if first.Name == "" {
				first = e
			}
			last = e
		}
	}
	return first, last
}

// One of four is killed, frozen or cut off: seen in time, said with its cause,
// and what it would have offered counts as offered and lost, to the arrival.
func TestLostWorkerIsCounted(t *testing.T) {
	const at = 4300 * time.Millisecond
	for name, tt := range map[string]struct {
		lose   func(*local)
		within time.Duration
		text   string
		told   time.Duration // what it told of, in whole seconds
	}{
		"killed":  {func(l *local) { l.kill("it was killed (signal: killed)") }, 10 * time.Millisecond, "it was killed (signal: killed)", 4 * time.Second},
		"cut off": {func(l *local) { _ = l.fromWorker.Close() }, 10 * time.Millisecond, "closed pipe", 4 * time.Second},
		"frozen":  {func(l *local) { close(l.frozen) }, 5 * time.Second, "it has answered nothing for 4", 4 * time.Second},
		// It is heard all the time.
		"deaf": {func(l *local) { close(l.deaf) }, 5 * time.Second, "it has answered nothing for 4", 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				team := assemble(t, 4)
				want := int64(len(arrivals(team.plan, engine.Slice{})))
				mine := arrivals(team.plan, engine.Slice{Index: 2, Of: 4})
				outcome, j := team.play(t, at, func() { tt.lose(team.workers[2]) })
				if outcome.State != engine.Completed {
					t.Fatalf("outcome %+v", outcome)
				}
				first, last := lostAt(j, "worker-2")
				if first.At < at || first.At > at+tt.within {
					t.Errorf("seen at %s, it was lost at %s", first.At, at)
				}
				if !strings.Contains(first.Text, tt.text) {
					t.Errorf("said %q, want %q", first.Text, tt.text)
				}
				told := int64(0)
				for _, due := range mine {
					if due < tt.told {
						told++
					}
				}
				c := counts(j)
				if c.Offered != want || c.Lost != int64(len(mine))-told {
					t.Errorf("offered %d of %d, lost %d of the %d that it had left", c.Offered, want, c.Lost, int64(len(mine))-told)
				}
				if c.Offered != c.Sent+c.Dropped+c.Lost {
					t.Errorf("%+v does not add up", c)
				}
				if last.Worker.Lost != c.Lost || last.Worker.Offered != int64(len(mine)) {
					t.Errorf("the worker's own account: %+v", *last.Worker)
				}
				if got := perSecond(j); got < want/20 {
					t.Errorf("a second of %d offered arrivals: the loss must not show as less load", got)
				}
				if team.workers[2].closed == 0 {
					t.Error("what was left of it was not ended")
				}
			})
		})
	}
}

// perSecond is the least that was offered in any second of the plan.
func perSecond(j *journal.Journal) int64 {
	least := int64(math.MaxInt64)
	for _, e := range j.Events() {
		if e.Kind == journal.LoadSecond && e.At <= duration {
			least = min(least, e.Load.Offered)
		}
	}
	return least
}

// All are lost: the run ends, and says so.
func TestAllLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		team := assemble(t, 3)
		all := arrivals(team.plan, engine.Slice{})
		outcome, j := team.play(t, 2500*time.Millisecond, func() {
			for _, w := range team.workers {
				w.kill("gone")
			}
		})
		if outcome.State != engine.Failed || !strings.Contains(outcome.Why, "all 3 workers were lost") {
			t.Errorf("outcome %+v", outcome)
		}
		due := int64(0)
		for _, d := range all {
			if d < 2500*time.Millisecond {
				due++
			}
		}
		if c := counts(j); c.Offered < due || c.Offered > due+20 || c.Lost == 0 {
			t.Errorf("%+v, and %d were due", c, due)
		}
	})
}

// A stopped run stops its workers: nothing is due any more, nothing is lost,
// and everybody ends.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		team := assemble(t, 3)
		outcome, j := team.play(t, 3200*time.Millisecond, func() { team.run.Stop("enough") })
		if outcome.State != engine.Interrupted {
			t.Errorf("outcome %+v", outcome)
		}
		c := counts(j)
		if c.Offered < 400 || c.Offered > 900 || c.Lost != 0 || c.Offered != c.Completed+c.Canceled {
			t.Errorf("%+v", c)
		}
		for i, err := range team.ended {
			if err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		}
	})
}

// A controller that is gone, with its streams or without, ends its workers.
func TestWorkersDoNotOutliveTheController(t *testing.T) {
	for name, leave := range map[string]func(*local){
		"killed": func(l *local) { _ = l.toWorker.Close() },
		// Nobody closes anything: the machine it was on is gone.
		"vanished": func(*local) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, g := plan(t)
				p.Info.Duration = time.Hour
				w := startLocal(t, func(Orders, string) (*scenarios.Plan, func(string) string, error) { return p, nil, nil })
				digest, err := Digest(p)
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = io.Copy(io.Discard, w.fromWorker) }()
				out := newLineWriter(w.toWorker)
				for _, o := range []order{{Orders: &Orders{Of: 1, Digest: digest}}, {Start: &start{At: int64(time.Second)}}} {
					if err := out.write(o); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(5 * time.Second)
				leave(w)
				left := time.Now()
				if err := <-w.served; !errors.Is(err, ErrCutOff) {
					t.Errorf("ended with %v", err)
				}
				if d := time.Since(left); d > silent+time.Second {
					t.Errorf("it ended %s after its controller", d)
				}
				if len(g.played) == 0 {
					t.Error("it never played")
				}
				_ = w.Close(t.Context())
			})
		})
	}
}

// A worker that cannot play keeps the run from starting, with its reason.
func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		compile func(Orders, string) (*scenarios.Plan, func(string) string, error)
		want    string
	}{
		"it cannot compile": {func(Orders, string) (*scenarios.Plan, func(string) string, error) {
			return nil, nil, errors.New("no such kind")
		}, "no such kind"},
		"it compiles another plan": {func(Orders, string) (*scenarios.Plan, func(string) string, error) {
			p, _ := plan(t)
			p.Loads[0].Seed++
			return p, nil, nil
		}, "comes to another plan"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := plan(t)
				good := startLocal(t, func(Orders, string) (*scenarios.Plan, func(string) string, error) { return p, nil, nil })
				bad := startLocal(t, tt.compile)
				_, err := Assemble(t.Context(), p, []Worker{good, bad}, Orders{}, nil)
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "worker-1 (here) cannot play") {
					t.Errorf("got %v", err)
				}
				if err := <-bad.served; !errors.Is(err, ErrRefused) {
					t.Errorf("the worker ended with %v", err)
				}
				if err := <-good.served; err != nil {
					t.Errorf("the other ended with %v", err)
				}
			})
		})
	}
}

// A worker that never gets ready is named.
func TestNeverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := plan(t)
		slow := startLocal(t, func(Orders, string) (*scenarios.Plan, func(string) string, error) {
			time.Sleep(2 * readyBound)
			return p, nil, nil
		})
		_, err := Assemble(t.Context(), p, []Worker{slow}, Orders{}, nil)
		if err == nil || !strings.Contains(err.Error(), "worker-0 (here): not within 1m0s") {
			t.Errorf("got %v", err)
		}
		<-slow.served
	})
}

func TestTooManyWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := plan(t)
		p.Loads[0].MaxInFlight = 1
		compile := func(Orders, string) (*scenarios.Plan, func(string) string, error) { return p, nil, nil }
		_, err := Assemble(t.Context(), p, []Worker{startLocal(t, compile), startLocal(t, compile)}, Orders{}, nil)
		if err == nil || !strings.Contains(err.Error(), "1 in flight, which 2 workers cannot share") {
			t.Errorf("got %v", err)
		}
	})
}
