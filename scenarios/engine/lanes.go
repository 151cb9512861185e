package engine

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

const (
	// rateALane is the rate from which a load gets another lane. One lane
	// holds more; two that are half idle wake more precisely.
	rateALane = 40_000
	// usersALane is the same in the closed model.
	usersALane = 256
)

// A laneLoad plays a load on the fast path: loops that need no goroutine a
// session. Worker i of n takes every n-th arrival.
type laneLoad struct {
	*load
	stop, hurry atomic.Bool
	stats       []*generators.LoopStats
}

// startLanes starts the loops. They end by themselves when the plan does;
// cancelling ctx cuts short what is in flight.
func startLanes(ctx context.Context, l *load, cores int) *laneLoad {
	p := &laneLoad{load: l}
	stopWatching := context.AfterFunc(ctx, func() { p.hurry.Store(true) })
	n := lanes(l.plan, l.slice, cores)
	left := atomic.Int64{}
	left.Store(int64(n))
	for i := range n {
		stats := &generators.LoopStats{Lag: l.lag.add}
		p.stats = append(p.stats, stats)
		run := generators.LoopRun{
			Origin: l.origin, Patience: l.plan.Patience,
			MaxSessions: share(laneSessions(l.plan, l.slice), i, n),
			Stop:        &p.stop, Hurry: &p.hurry, Stats: stats,
			Record: func(op *generators.LoopOp) { l.recordLoop(i, op) },
		}
		if l.plan.Schedule != nil {
			run.Arrivals = l.slice.part(i, n).Arrivals(l.plan)
		} else {
			run.End = l.plan.Users[len(l.plan.Users)-1].End
			run.Users = func(at time.Duration) int {
				return share(l.slice.Share(int(generators.At(l.plan.Users, at)+0.5)), i, n)
			}
		}
		l.sessions.Go(func() {
			if err := l.plan.Loop(run); err != nil {
				l.samples.add(l.plan.Name, "", string(generators.Local), err)
			}
			if left.Add(-1) == 0 {
				stopWatching()
			}
		})
	}
	return p
}

// lanes is how many loops a slice of a load is split over; 0 for a load that is
// not played by loops.
func lanes(plan scenarios.Load, slice Slice, cores int) int {
	if plan.Loop == nil {
		return 0
	}
	peak := 0.0
	for _, piece := range plan.Pieces {
		peak = max(peak, piece.From, piece.To)
		if piece.Sine != nil {
			peak += piece.Sine.Amplitude
		}
	}
	per := float64(rateALane)
	if plan.Schedule == nil {
		per = usersALane
	}
	return min(1+int(peak/float64(slice.of())/per), cores, laneSessions(plan, slice))
}

// laneSessions is how many sessions all loops of a slice of a load may open:
// each is a connection, of which there may be a bounded number for all.
func laneSessions(plan scenarios.Load, slice Slice) int {
	most := slice.Share(plan.MaxInFlight)
	if p, ok := plan.Generator.(generators.Pooler); ok && p.Pool() > 0 {
		most = min(most, slice.Share(p.Pool()))
	}
	return max(most, 1)
}

// roomBeside raises GOMAXPROCS where lanes would leave no processor, in the Go
// scheduler's sense, to the rest of brunt, until restore is called.
//
// A lane keeps its own even while it sleeps for a moment, as the scheduler is
// not told of that. All else would wait for it up to 20 ms, the journal and the
// undoing of faults too, and then make the lane wait in its turn. The kernel
// shares out the cores better.
func roomBeside(lanes, cores int) (restore func()) {
	if lanes < cores {
		return func() {}
	}
	runtime.GOMAXPROCS(lanes + 1)
	return func() { runtime.GOMAXPROCS(cores) }
}

// recordLoop counts one operation of lane i.
func (l *load) recordLoop(i int, op *generators.LoopOp) {
	shard := i % shards
	switch op.Class {
	case generators.Canceled:
		l.canceled.Add(1)
		return
	case generators.Dropped:
		l.dropped.Add(1)
	default:
		l.completed.Add(1)
	}
	l.recorder.Record(shard, journal.Sample{
		Outcome: string(op.Class),
		Due:     op.Due, Started: op.Started, Ended: op.Ended,
		Connect: op.Connect, FirstByte: op.FirstByte,
	})
	c := &l.counters[shard]
	c.mu.Lock()
	c.ops++
	if op.Class != generators.OK {
		c.failed[op.Class]++
	}
	if op.Status != 0 {
		c.status[op.Status]++
	}
	c.bytesOut += op.BytesOut
	c.bytesIn += op.BytesIn
	c.mu.Unlock()
	if op.Err != nil {
		l.samples.add(l.plan.Name, l.plan.Steps[0], string(op.Class), op.Err)
	}
	if l.observe != nil {
		l.observe(l.plan.Name, l.plan.Steps[0], generators.Op{
			Due: l.origin.Add(op.Due), Started: l.origin.Add(max(op.Started, op.Due)), Ended: l.origin.Add(op.Ended),
			Class: op.Class, Status: op.Status, Err: op.Err, BytesOut: op.BytesOut, BytesIn: op.BytesIn,
			Connect: op.Connect, FirstByte: op.FirstByte,
		})
	}
}

func (p *laneLoad) dispatch(<-chan struct{}) {}

func (p *laneLoad) finish(abandon bool) {
	if abandon {
		p.stop.Store(true)
	}
}

func (p *laneLoad) expire(time.Time) {}

// gather carries the loops' counts over to the load's.
func (p *laneLoad) gather() (waiting int) {
	var inFlight, sessions int64
	for _, s := range p.stats {
		p.offered.Add(s.Offered.Swap(0))
		p.sent.Add(s.Sent.Swap(0))
		inFlight += s.InFlight.Load()
		sessions += s.Sessions.Load()
		waiting += int(s.Waiting.Load())
	}
	p.inFlight.Store(inFlight)
	p.open.Store(sessions)
	return waiting
}
