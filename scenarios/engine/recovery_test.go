package engine

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
)

// A core is a processor that everything of brunt's must share: it is taken for
// as long as a piece of work needs it, in turn.
type core chan struct{}

func (c core) work(d time.Duration) {
	c <- struct{}{}
	time.Sleep(d)
	<-c
}

// A costly target is one whose arrivals cost brunt time of its core, and the
// first of each session ten times as much, for the connection.
type costly struct {
	core core
	each time.Duration
}

func (c costly) Open(context.Context, int) (generators.Session, error) {
	return &costlySession{costly: c}, nil
}

type costlySession struct {
	costly
	connected bool
	ops       [1]generators.Op
}

func (s *costlySession) Do(_ context.Context, a generators.Arrival) generators.Result {
	started := time.Now()
	if !s.connected {
		s.connected = true
		s.core.work(10 * s.each)
	}
	s.core.work(s.each)
	time.Sleep(100 * time.Microsecond) // the target's own
	s.ops[0] = generators.Op{Due: a.Due, Started: started, Ended: time.Now(), Class: generators.OK}
	return generators.Result{Ops: s.ops[:]}
}

func (s *costlySession) Close() error { return nil }

// Half a second in which nothing of brunt ran, at seven tenths of what its core
// can do. The backlog drains at what is left of the core, and then all is as it
// was: no connections are opened for it, which cost what the backlog needs.
func TestRecoversFromAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			each    = 35 * time.Microsecond
			rate    = 20_000
			stallAt = 2 * time.Second
			stall   = 500 * time.Millisecond
			length  = 6 * time.Second
		)
		plan := onePhase(t, rate, length, nil)
		processor := make(core, 1)
		plan.Loads[0].Generator = costly{processor, each}
		start := time.Now()
		stalled := false
		wait := func(due time.Time, stop <-chan struct{}) bool {
			if !stalled && time.Since(start) >= stallAt {
				stalled = true
				processor.work(stall)
			}
			if !time.Now().Before(due) {
				return !closed(stop) // it goes on while it has the core
			}
			ok := TimerWait(due, stop)
			processor.work(0) // and waits for its turn once it has slept
			return ok
		}
		dir := filepath.Join(t.TempDir(), "run")
		run, err := New(plan, Options{Dir: dir, Wait: wait})
		if err != nil {
			t.Fatal(err)
		}
		run.Play(t.Context())
		j, err := journal.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if c := counts(j); c.Offered != rate*6 || c.Completed != c.Offered {
			t.Errorf("counts %+v", c)
		}
		open := func(at time.Duration) int64 { return j.Counts("web", at-time.Second/2, at+time.Second/2).Sessions }
		if before, after := open(stallAt), open(length-time.Second); before == 0 || before > 100 || after > before {
			t.Errorf("%d sessions before it stood still, %d after", before, after)
		}
		// What came in half a second, at what the core can do beyond the plan.
		drained := stallAt + stall + time.Duration(float64(stall)*rate/(1/each.Seconds()-rate))
		const second = time.Second
		for _, w := range []struct {
			name     string
			from, to time.Duration
			least    time.Duration
			most     time.Duration
		}{
			{"before", second, stallAt, 0, time.Millisecond},
			{"stall", stallAt, stallAt + second, stall - stall/50, stall + stall/50},
			{"after", (drained + second).Truncate(second), length, 0, time.Millisecond},
		} {
			got, ok := j.Window("web", "", w.from, w.to).Quantile(journal.Wait, journal.All, 100)
			if !ok || got < w.least || got > w.most {
				t.Errorf("%s: the longest wait of what fell due from %s to %s is %v (%t), want %v to %v", w.name, w.from, w.to, got, ok, w.least, w.most)
			}
		}
	})
}
