package gentest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// The suite for generators that are also a generators.Looper. A load that none
// of its loops can play has nothing to show here.

// loop plays arrivals, due at once and one after the other over a single
// session, on a loop. before is called before each, and done with what came of
// it. Once hurry is true what is in flight is cut short.
func loop(t *testing.T, target Target, arrivals int, hurry *atomic.Bool, before func(i int), done func(i int, op generators.LoopOp)) {
	t.Helper()
	looper, ok := target.Generator.(generators.Looper)
	if !ok {
		return
	}
	play, why := looper.Loop()
	if play == nil {
		if why == "" {
			t.Error("no loop, and not why")
		}
		return
	}
	n := 0
	run := generators.LoopRun{
		Origin: time.Now(), MaxSessions: 1, Patience: patience, Stop: new(atomic.Bool), Hurry: hurry,
		Stats: &generators.LoopStats{Lag: func(time.Duration) {}},
		Record: func(op *generators.LoopOp) {
			if n < arrivals {
				done(n, *op)
			}
			// The loop sends the next as soon as this one is recorded.
			if n++; n < arrivals {
				before(n)
			}
		},
		Arrivals: func(yield func(time.Duration) bool) {
			before(0)
			for range arrivals {
				if !yield(0) {
					return
				}
			}
		},
	}
	within(t, func() {
		if err := play(run); err != nil {
			t.Errorf("play: %v", err)
		}
	})
	if n != arrivals {
		t.Errorf("%d operations for %d arrivals", n, arrivals)
	}
	if s := run.Stats; s.Offered.Load() != int64(arrivals) || s.InFlight.Load() != 0 || s.Waiting.Load() != 0 || s.Sessions.Load() != 0 {
		t.Errorf("offered %d of %d; left over: %d in flight, %d waiting, %d sessions", s.Offered.Load(), arrivals, s.InFlight.Load(), s.Waiting.Load(), s.Sessions.Load())
	}
}

func nothing(int) {}

func loopStamps(t *testing.T, target Target) {
	last := time.Duration(0)
	loop(t, target, 5, new(atomic.Bool), nothing, func(_ int, op generators.LoopOp) {
		if op.Class != generators.OK || op.Err != nil {
			t.Errorf("class %s (%v) from a healthy target", op.Class, op.Err)
		}
		if op.Started < op.Due || op.Ended < op.Started || op.FirstByte < 0 || op.FirstByte > op.Ended-op.Started {
			t.Errorf("stamps out of order: due %v, started %v, ended %v, first byte after %v", op.Due, op.Started, op.Ended, op.FirstByte)
		}
		if op.Started < last {
			t.Errorf("started at %v, over one session, while the one before ended at %v", op.Started, last)
		}
		last = op.Ended
	})
}

// loopTaken: see taken.
func loopTaken(t *testing.T, target Target) {
	seen := int64(0)
	loop(t, target, 8, new(atomic.Bool), func(i int) {
		seen = target.Operations()
		if i%2 == 1 {
			target.Break(i%4 == 3)
		}
	}, func(i int, op generators.LoopOp) {
		if n := target.Operations() - seen; n != 1 {
			t.Errorf("the target saw operation %d %d times", i, n)
		}
		if i%2 == 1 {
			blamed(t, op.Class, op.Err)
		} else if op.Class != generators.OK {
			t.Errorf("operation %d: class %s (%v) before anything broke, or after", i, op.Class, op.Err)
		}
	})
	if r, ok := target.Generator.(generators.Resender); ok && r.Resent() != 0 {
		t.Errorf("%d operations are said to have been sent again", r.Resent())
	}
}

// loopVanished: see vanished.
func loopVanished(t *testing.T, target Target) {
	loop(t, target, 6, new(atomic.Bool), func(i int) {
		if i == 1 {
			target.Vanish()
		}
	}, func(i int, op generators.LoopOp) {
		if i > 0 {
			blamed(t, op.Class, op.Err)
		}
	})
}

// loopHurried: see canceledWithin.
func loopHurried(t *testing.T, target Target) {
	var hurry atomic.Bool
	var watching sync.WaitGroup
	defer watching.Wait()
	loop(t, target, 1, &hurry, func(int) {
		seen := target.Hang()
		watching.Go(func() {
			select {
			case <-seen:
			case <-time.After(patience):
			}
			hurry.Store(true)
		})
	}, func(_ int, op generators.LoopOp) {
		if op.Class != generators.Canceled {
			t.Errorf("class %s (%v), want canceled", op.Class, op.Err)
		}
	})
}
