package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// A pausingTarget's sessions take two operations an arrival, and pause for as
// long as each takes.
type pausingTarget struct{ *target }

func (p pausingTarget) Open(context.Context, int) (generators.Session, error) {
	return &pausingSession{targetSession: targetSession{target: p.target}}, nil
}

type pausingSession struct {
	targetSession
	ctx  context.Context
	step int
	due  time.Time
	from time.Time
}

func (s *pausingSession) Start(ctx context.Context, a generators.Arrival) (generators.Result, bool) {
	s.ctx, s.step, s.due, s.from = ctx, 0, a.Due, time.Now()
	return generators.Result{}, true
}

func (s *pausingSession) Pause(wake func()) {
	go func() {
		select {
		case <-time.After(s.target.service(time.Since(s.target.start))):
		case <-s.ctx.Done():
		}
		wake()
	}()
}

func (s *pausingSession) Continue(context.Context) (generators.Result, bool) {
	op := &s.ops[0]
	*op = generators.Op{Step: s.step, Due: s.due, Started: s.from, Ended: time.Now(), Class: s.target.class, Status: 200}
	if s.ctx.Err() != nil {
		op.Class, op.Err = generators.Canceled, s.ctx.Err()
	}
	s.step, s.due, s.from = s.step+1, op.Ended, op.Ended
	return generators.Result{Ops: s.ops[:]}, s.step < 2 && s.ctx.Err() == nil
}

func pausingPlan(t *testing.T, service time.Duration) (*scenarios.Plan, *target) {
	plan := onePhase(t, 50, 10*time.Second, always(service))
	plan.Loads[0].Steps = []string{"one", "two"}
	plan.Info.Loads[0].Steps = plan.Loads[0].Steps
	of := plan.Loads[0].Generator.(*target)
	plan.Loads[0].Generator = pausingTarget{of}
	return plan, of
}

// Sessions that pause play what others do: every arrival, each operation once,
// and all of them end and are closed.
func TestPausingSessions(t *testing.T) {
	check := func(t *testing.T, j *journal.Journal, of *target, arrivals, sessions int64) {
		t.Helper()
		c := counts(j)
		if c.Offered != arrivals || c.Sent != arrivals || c.Completed != arrivals || c.Ops != 2*arrivals || c.Canceled+c.Dropped != 0 {
			t.Errorf("%+v, want %d arrivals", c, arrivals)
		}
		if p50 := quantile(t, j, journal.Service, 0.5); !within(p50, 100*time.Millisecond) {
			t.Errorf("p50 of service times %v", p50)
		}
		if int64(of.closed) != sessions {
			t.Errorf("%d sessions were closed, want %d", of.closed, sessions)
		}
	}
	t.Run("open", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			plan, of := pausingPlan(t, 100*time.Millisecond)
			_, j := play(t, plan, nil)
			// An arrival each 20 ms that takes 200.
			check(t, j, of, 500, 11)
		})
	})
	t.Run("closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			plan, of := pausingPlan(t, 100*time.Millisecond)
			users(t, plan, generators.Piece{End: 10 * time.Second, From: 7, To: 7})
			_, j := play(t, plan, nil)
			check(t, j, of, 7*50, 7)
		})
	})
	// The first operation of each has ended, the second never does.
	t.Run("canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			plan, of := pausingPlan(t, 0)
			of.service = func(since time.Duration) time.Duration {
				if since < time.Second {
					return time.Second
				}
				return time.Hour
			}
			users(t, plan, generators.Piece{End: 10 * time.Second, From: 7, To: 7})
			_, j := play(t, plan, nil)
			if c := counts(j); c.Offered != 7 || c.Canceled != 7 || c.Completed != 0 || c.Ops != 7 || of.closed != 7 {
				t.Errorf("%+v, %d closed", c, of.closed)
			}
		})
	})
}
