package engine

import (
	"context"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios"
)

// BenchmarkArrival takes arrivals from the schedule through dispatch, a session
// and the recorder, on both paths, with sessions that do nothing: what brunt
// itself costs for each, and what it allocates.
func BenchmarkArrival(b *testing.B) {
	b.Run("goroutines", func(b *testing.B) {
		l := newLoad(benchmarkLoad(b.N), Slice{}, time.Now(), &errorSamples{})
		o := newOpenLoad(b.Context(), l, func(time.Time, <-chan struct{}) bool { return true })
		b.ReportAllocs()
		b.ResetTimer()
		o.dispatch(nil)
		o.finish(false)
		l.sessions.Wait()
		if n := l.completed.Load(); n != int64(b.N) {
			b.Fatalf("%d of %d completed", n, b.N)
		}
	})
	b.Run("lane", func(b *testing.B) {
		plan := benchmarkLoad(b.N)
		plan.Loop = func(r generators.LoopRun) error {
			op := generators.LoopOp{Class: generators.OK, Status: 200}
			for due := range r.Arrivals {
				op.Due, op.Started, op.Ended = due, due, due+time.Microsecond
				r.Record(&op)
			}
			return nil
		}
		l := newLoad(plan, Slice{}, time.Now(), &errorSamples{})
		b.ReportAllocs()
		b.ResetTimer()
		startLanes(b.Context(), l, 2)
		l.sessions.Wait()
		if n := l.completed.Load(); n != int64(b.N) {
			b.Fatalf("%d of %d completed", n, b.N)
		}
	})
}

func benchmarkLoad(n int) scenarios.Load {
	return scenarios.Load{Name: "web", Kind: "test", Steps: []string{"web"}, Generator: instant{}, Schedule: atOnce(n), MaxInFlight: 64, Patience: time.Hour}
}

// atOnce is a schedule of n arrivals, all due at the start.
type atOnce int

func (n atOnce) Arrivals(*rand.Rand) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for range int(n) {
			if !yield(0) {
				return
			}
		}
	}
}

// instant makes sessions whose operations take no time.
type instant struct{}

func (instant) Open(context.Context, int) (generators.Session, error) {
	return &instantSession{ops: make([]generators.Op, 1)}, nil
}

type instantSession struct{ ops []generators.Op }

func (s *instantSession) Do(_ context.Context, a generators.Arrival) generators.Result {
	now := time.Now()
	s.ops[0] = generators.Op{Due: a.Due, Started: now, Ended: now, Class: generators.OK}
	return generators.Result{Ops: s.ops}
}

func (s *instantSession) Close() error { return nil }
