package reaper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	testLease = 15 * time.Second
	testRenew = 5 * time.Second
)

// A lamp is a fault that is on or off.
type lamp struct {
	mu     sync.Mutex
	on     bool
	stuck  int // how many undos fail
	hidden int // how many looks see nothing once it is lit again after an undo
	undone int
}

func (l *lamp) set(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = on
}

func (l *lamp) lit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

func (l *lamp) Prepare(context.Context) (chaos.Receipt, error) { return chaos.Receipt{}, nil }
func (l *lamp) Inject(context.Context, chaos.Receipt) error    { l.set(true); return nil }
func (l *lamp) Verify(context.Context, chaos.Receipt) (chaos.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.on && l.undone > 0 && l.hidden > 0:
		l.hidden--
		return "", chaos.ErrNoEvidence
	case l.on:
		return chaos.Active, nil
	}
	return chaos.Gone, nil
}

func (l *lamp) Undo(context.Context, chaos.Receipt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undone++
	if l.stuck--; l.stuck >= 0 {
		return errors.New("no route")
	}
	l.on = false
	return nil
}

// A stage is a reaper with its run, in one process, on the bubble's clock.
type stage struct {
	dir, run string
	lamps    map[string]*lamp // by kind
	conn     net.Conn         // the run's end
	served   chan error
	origin   time.Time
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{dir: filepath.Join(t.TempDir(), "lease"), run: t.TempDir(), lamps: map[string]*lamp{}, served: make(chan error, 1), origin: time.Now()}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"a", "b"} {
		s.lamps[kind] = &lamp{}
	}
	ours, theirs := net.Pipe()
	s.conn = ours
	go func() {
		s.served <- Serve(context.Background(), ServeOptions{In: theirs, Out: theirs, Clock: s.clock,
			Mend: func(kind string) (chaos.Fault, bool) { l, ok := s.lamps[kind]; return l, ok }})
	}()
	return s
}

func (s *stage) clock() time.Duration { return time.Since(s.origin) }

func (s *stage) info() Info {
	return Info{Name: "test", RunDir: s.run, Lease: testLease, Renew: testRenew, Began: time.Now()}
}

// lease begins the run's end of it.
func (s *stage) lease(t *testing.T) *Lease {
	t.Helper()
	l := newLease(s.conn, s.conn, testLease, testRenew, s.clock)
	if err := l.start(t.Context(), s.dir, s.info()); err != nil {
		t.Fatal(err)
	}
	return l
}

// inject does what a run does with a fault.
func (s *stage) inject(t *testing.T, l *Lease, receipts *chaos.Receipts, kind string, most time.Duration) chaos.Receipt {
	t.Helper()
	r := chaos.Receipt{ID: kind + "-1", Fault: kind, Kind: kind, Most: most, Data: json.RawMessage(`{}`)}
	must(t, receipts.Made(r), l.Guard(t.Context(), r), chaos.InjectOne(t.Context(), receipts, s.lamps[kind], r))
	return r
}

func (s *stage) receipts(t *testing.T) *chaos.Receipts {
	t.Helper()
	r, err := chaos.OpenReceipts(s.run)
	must(t, err)
	return r
}

// over waits for the reaper's end and says what the run directory knows.
func (s *stage) over(t *testing.T) (stages string) {
	t.Helper()
	must(t, <-s.served)
	records, damage, err := chaos.ReadReceipts(s.run)
	if err != nil || damage != nil {
		t.Fatal(damage, err)
	}
	var all []string
	for _, r := range records {
		all = append(all, fmt.Sprintf("%s:%s@%d", r.ID, r.Stage, r.Epoch))
	}
	return strings.Join(all, " ")
}

// left says whether the lease's folder is there, and what it holds.
func (s *stage) left(t *testing.T) (Info, bool) {
	t.Helper()
	info, _, err := readInfo(s.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return info, err == nil
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// A run that lives renews its lease for as long as it likes.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		l := s.lease(t)
		receipts := s.receipts(t)
		r := s.inject(t, l, receipts, "a", 2*time.Hour)
		time.Sleep(time.Hour)
		if err := l.Held(); err != nil || !s.lamps["a"].lit() {
			t.Errorf("after an hour: %v, lit %v", err, s.lamps["a"].lit())
		}
		if info, ok := s.left(t); !ok || info.State != Held {
			t.Errorf("lease %+v", info)
		}
		must(t, s.lamps["a"].Undo(t.Context(), r), receipts.Undone(r.ID), receipts.Gone(r.ID), l.Release(t.Context(), r.ID))
		must(t, receipts.Close(), l.Close(t.Context()), l.Close(t.Context()))
		s.over(t)
		if info, ok := s.left(t); ok {
			t.Errorf("the lease was left behind: %+v", info)
		}
		if s.lamps["a"].undone != 1 {
			t.Errorf("undone %d times", s.lamps["a"].undone)
		}
	})
}

// A run that dies is seen at once: the kernel closes its end of the pipe.
func TestDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		l := s.lease(t)
		receipts := s.receipts(t)
		s.inject(t, l, receipts, "a", time.Hour)
		s.inject(t, l, receipts, "b", time.Hour)
		died := time.Now()
		must(t, s.conn.Close(), receipts.Close())
		synctest.Wait()
		if s.lamps["a"].lit() || s.lamps["b"].lit() || time.Since(died) != 0 {
			t.Errorf("a %v, b %v after %s", s.lamps["a"].lit(), s.lamps["b"].lit(), time.Since(died))
		}
		// What the dead run had under way comes into effect only now.
		s.lamps["b"].set(true)
		got := s.over(t)
		if s.lamps["b"].lit() {
			t.Error("b came back and was left on")
		}
		if took := time.Since(died); took < testRenew || took > testLease+2*time.Second {
			t.Errorf("the reaper stayed for %s", took)
		}
		for _, want := range []string{"a-1:gone@2", "b-1:gone@2"} {
			if !strings.Contains(got, want) {
				t.Errorf("records %s, want %s", got, want)
			}
		}
		if _, ok := s.left(t); ok {
			t.Error("the lease was left behind")
		}
		must(t, l.Close(t.Context()))
	})
}

// A script talks to a reaper by hand, as a run does that may stop at any time.
type script struct {
	t       *testing.T
	s       *stage
	n       int64
	replies chan reply
}

func newScript(t *testing.T, s *stage) *script {
	p := &script{t: t, s: s, replies: make(chan reply, 64)}
	go func() {
		defer close(p.replies)
		_ = lines(s.conn, func(r reply) { p.replies <- r })
	}()
	info := s.info()
	p.ask(request{Do: doOpen, Dir: s.dir, Info: &info})
	return p
}

// ask sends a request and returns the answer to it, and what was said before.
func (p *script) ask(r request) (answer reply, before []reply) {
	p.t.Helper()
	p.n++
	r.N = p.n
	must(p.t, writeLine(p.s.conn, r))
	for got := range p.replies {
		if got.N == r.N {
			return got, before
		}
		before = append(before, got)
	}
	p.t.Fatal("no answer")
	return reply{}, nil
}

// A run that is stopped past its lease is fenced off before its faults are
// undone, and what slips through is found.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		p := newScript(t, s)
		receipts := s.receipts(t)
		r := chaos.Receipt{ID: "a-1", Fault: "a", Kind: "a", Data: json.RawMessage(`{}`)}
		must(t, receipts.Made(r))
		if answer, _ := p.ask(request{Do: doGuard, Receipt: &r}); answer.Error != "" {
			t.Fatal(answer.Error)
		}
		must(t, chaos.InjectOne(t.Context(), receipts, s.lamps["a"], r))

		time.Sleep(testLease - time.Second)
		if !s.lamps["a"].lit() {
			t.Error("undone within the lease")
		}
		time.Sleep(time.Second + 3*pollEvery(testRenew))
		if s.lamps["a"].lit() {
			t.Error("not undone after the lease")
		}
		// It wakes up: it can neither record nor renew nor guard.
		if err := chaos.InjectOne(t.Context(), receipts, s.lamps["a"], r); !errors.Is(err, chaos.ErrFenced) {
			t.Errorf("inject after the lease: %v", err)
		}
		answer, before := p.ask(request{Do: doRenew})
		if !answer.Fenced {
			t.Errorf("renew after the lease: %+v", answer)
		}
		if len(before) != 1 || before[0].Tell != tellFenced {
			t.Errorf("it was told %+v", before)
		}
		if answer, _ := p.ask(request{Do: doGuard, Receipt: &r}); !answer.Fenced {
			t.Errorf("guard after the lease: %+v", answer)
		}
		// An inject that had begun before it was stopped comes through.
		s.lamps["a"].set(true)
		time.Sleep(testRenew + time.Second)
		if s.lamps["a"].lit() {
			t.Error("what slipped through was not found")
		}
		// Not even when a look at it sees nothing yet.
		s.lamps["a"].mu.Lock()
		s.lamps["a"].on, s.lamps["a"].hidden = true, 1
		s.lamps["a"].mu.Unlock()
		time.Sleep(testRenew + time.Second)
		if s.lamps["a"].lit() {
			t.Error("what slipped through and could not be seen was not undone")
		}
		s.lamps["a"].set(true)
		answer, _ = p.ask(request{Do: doYield})
		if s.lamps["a"].lit() || len(answer.Outcomes) != 1 || answer.Outcomes[0].State != chaos.OutcomeGone {
			t.Errorf("yield: %+v, lit %v", answer, s.lamps["a"].lit())
		}
		must(t, receipts.Close())
		p.ask(request{Do: doClose})
		if got, want := s.over(t), "a-1:made@1 a-1:injecting@1 a-1:injected@1 a-1:undone@2 a-1:gone@2"; got != want {
			t.Errorf("records %s, want %s", got, want)
		}
		must(t, s.conn.Close())
	})
}

// The run's own view of its lease ends before the reaper's.
func TestHeldByClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		var slept time.Duration // how long the machine slept, which timers do not see
		l := newLease(s.conn, s.conn, testLease, testRenew, func() time.Duration { return s.clock() + slept })
		must(t, l.start(t.Context(), s.dir, s.info()))
		time.Sleep(time.Minute + time.Second)
		must(t, l.Held())
		slept = testLease
		if err := l.Held(); !errors.Is(err, chaos.ErrFenced) {
			t.Errorf("after sleeping for a lease: %v", err)
		}
		select {
		case <-l.Lost():
		default:
			t.Error("it is not lost")
		}
		if err := l.Guard(t.Context(), chaos.Receipt{ID: "x"}); !errors.Is(err, chaos.ErrFenced) {
			t.Errorf("guard: %v", err)
		}
		if outcomes, err := l.Yield(t.Context()); len(outcomes) != 0 || err != nil {
			t.Errorf("yield: %v, %v", outcomes, err)
		}
		must(t, l.Close(t.Context()))
		s.over(t)
	})
}

// A fault that outlives its declared maximum is undone while its run lives.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		l := s.lease(t)
		receipts := s.receipts(t)
		s.inject(t, l, receipts, "a", time.Minute)
		s.inject(t, l, receipts, "b", time.Hour)
		time.Sleep(time.Minute - time.Second)
		if !s.lamps["a"].lit() {
			t.Error("undone before its time")
		}
		time.Sleep(2 * time.Second)
		if s.lamps["a"].lit() || !s.lamps["b"].lit() {
			t.Errorf("a %v, b %v", s.lamps["a"].lit(), s.lamps["b"].lit())
		}
		if err := l.Held(); !errors.Is(err, errOverdue) || errors.Is(err, chaos.ErrFenced) {
			t.Errorf("held: %v", err)
		}
		time.Sleep(10 * testLease) // the run takes its time to undo the other
		if !s.lamps["b"].lit() {
			t.Error("the lease on b ran out, though the run lives")
		}
		must(t, receipts.Close(), l.Close(t.Context()))
		s.over(t)
		if s.lamps["b"].lit() {
			t.Error("b was left on")
		}
	})
}

// A reaper that dies is seen at once; one that is stopped, within two renewals.
func TestReaperGone(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(theirs net.Conn)
		want error
		in   time.Duration
	}{
		"dead":    {func(c net.Conn) { _ = c.Close() }, chaos.ErrUnguarded, 0},
		"stopped": {func(net.Conn) {}, errSilent, 2 * testRenew},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				origin := time.Now()
				l := newLease(ours, ours, testLease, testRenew, func() time.Duration { return time.Since(origin) })
				var talking sync.WaitGroup
				talking.Go(func() {
					_ = lines(theirs, func(r request) {
						if r.Do == doOpen || r.Do == doGuard {
							_ = writeLine(theirs, reply{N: r.N})
						}
					})
				})
				must(t, l.start(t.Context(), t.TempDir(), Info{}), l.Guard(t.Context(), chaos.Receipt{ID: "a"}))
				test.end(theirs)
				<-l.Lost()
				if err := l.Held(); !errors.Is(err, test.want) || errors.Is(err, chaos.ErrFenced) || time.Since(origin) > test.in {
					t.Errorf("after %s: %v", time.Since(origin), err)
				}
				before := time.Now()
				_ = l.Release(t.Context(), "a")
				asking, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := l.Yield(asking); !errors.Is(err, chaos.ErrUnguarded) {
					t.Errorf("yield: %v", err)
				}
				must(t, l.Close(t.Context()))
				if took := time.Since(before); took > time.Minute {
					t.Errorf("ending it took %s", took)
				}
				_ = theirs.Close()
				talking.Wait()
			})
		})
	}
}

// What cannot be undone is tried again while there is hope, and left with all
// that is needed when there is none.
func TestStuck(t *testing.T) {
	for name, test := range map[string]struct {
		stuck int
		left  bool
	}{
		"for a while": {5, false},
		"for good":    {1 << 30, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				l := s.lease(t)
				receipts := s.receipts(t)
				s.lamps["a"].stuck = test.stuck
				s.inject(t, l, receipts, "a", 0)
				died := time.Now()
				must(t, s.conn.Close(), receipts.Close())
				s.over(t)
				info, left := s.left(t)
				if left != test.left || s.lamps["a"].lit() != test.left || time.Since(died) > giveUp+time.Minute {
					t.Errorf("left %v (%+v), lit %v after %s", left, info, s.lamps["a"].lit(), time.Since(died))
				}
				must(t, l.Close(t.Context()))
				if !test.left {
					return
				}
				status, err := status(s.dir)
				if err != nil || status.State != Left || len(status.Pending) != 1 || status.Alive() {
					t.Fatalf("status %+v, %v", status, err)
				}
				// `brunt undo --all`, once with the obstacle and once without.
				mend := func(kind string) (chaos.Fault, bool) { l, ok := s.lamps[kind]; return l, ok }
				var notUndone *chaos.NotUndone
				if err := status.Settle(t.Context(), mend, nil); !errors.As(err, &notUndone) {
					t.Errorf("settle: %v", err)
				}
				s.lamps["a"].stuck = 0
				var outcomes []string
				must(t, status.Settle(t.Context(), mend, func(o chaos.Outcome) { outcomes = append(outcomes, o.State) }))
				if _, left := s.left(t); left || s.lamps["a"].lit() || !slices.Equal(outcomes, []string{chaos.OutcomeGone}) {
					t.Errorf("left %v, lit %v, outcomes %v", left, s.lamps["a"].lit(), outcomes)
				}
				if pending, _, err := chaos.ReadPending(s.run); len(pending) != 0 || err != nil {
					t.Errorf("the run directory knows of %v, %v", pending, err)
				}
			})
		})
	}
}

// While the dead run's directory is locked, the reaper waits with recording.
func TestRunDirBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		l := s.lease(t)
		receipts := s.receipts(t)
		s.inject(t, l, receipts, "a", 0)
		must(t, s.conn.Close())
		time.Sleep(time.Second)
		if s.lamps["a"].lit() {
			t.Error("not undone")
		}
		must(t, receipts.Close())
		if got := s.over(t); !strings.HasSuffix(got, "a-1:undone@2 a-1:gone@2") {
			t.Errorf("records %s", got)
		}
		must(t, l.Close(t.Context()))
	})
}

func TestTimes(t *testing.T) {
	for _, test := range []struct {
		lease, renew         time.Duration
		wantLease, wantRenew time.Duration // 0: refused
	}{
		{0, 0, 15 * time.Second, 5 * time.Second},
		{6 * time.Second, 0, 6 * time.Second, 2 * time.Second}, // a shorter lease is renewed more often
		{time.Minute, 0, time.Minute, 5 * time.Second},
		{2 * time.Second, time.Second, 2 * time.Second, time.Second},
		{2 * time.Second, 1100 * time.Millisecond, 0, 0}, // one late renewal would end it
		{-1, 0, 0, 0},
	} {
		lease, renew, err := times(test.lease, test.renew)
		if lease != test.wantLease || renew != test.wantRenew || (err == nil) != (test.wantLease > 0) {
			t.Errorf("times(%s, %s) = %s, %s, %v", test.lease, test.renew, lease, renew, err)
		}
	}
}

// Serve takes no order but the first.
func TestServeRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"nothing":     "",
		"no message":  "hello\n",
		"not an open": `{"n":1,"do":"renew"}` + "\n",
		"no folder":   `{"n":1,"do":"open","dir":"/nonexistent/x","info":{}}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			served := make(chan error, 1)
			go func() { served <- Serve(t.Context(), ServeOptions{In: theirs, Out: theirs}) }()
			go func() { _ = lines(ours, func(reply) {}) }()
			if _, err := ours.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
			if line == "" {
				must(t, ours.Close())
			}
			if err := <-served; err == nil {
				t.Error("no error")
			}
			_ = ours.Close()
		})
	}
}
