package engine

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// shards is how many ways the counters and histograms of a load are split, so
// that sessions on different cores seldom meet.
const shards = 16

// A load is one stream of operations while it plays: its counters, its
// histograms and its sessions.
type load struct {
	plan     scenarios.Load
	slice    Slice // the part of it that is played
	origin   time.Time
	recorder *journal.Recorder
	samples  *errorSamples
	observe  func(load, step string, op generators.Op) // may be nil
	sessions sync.WaitGroup                            // every session's goroutine

	offered, sent, completed, dropped, canceled atomic.Int64
	inFlight, open                              atomic.Int64
	counters                                    [shards]counters

	lag lagMeter

	// What was told already of a generator's own counts; the ticker's.
	fullBefore, resumedBefore, resentBefore int64
}

// counters are what the sessions of one shard counted since the last second.
type counters struct {
	mu                sync.Mutex
	ops               int64
	failed            map[generators.Class]int64
	status            map[int]int64
	served            map[string]int64
	bytesOut, bytesIn int64
	_                 [64]byte // keeps neighbours off this cache line
}

func newLoad(plan scenarios.Load, slice Slice, origin time.Time, samples *errorSamples) *load {
	l := &load{
		plan:     plan,
		slice:    slice,
		origin:   origin,
		recorder: journal.NewRecorder(plan.Name, plan.Steps, shards),
		samples:  samples,
	}
	for i := range l.counters {
		l.counters[i].failed = make(map[generators.Class]int64)
		l.counters[i].status = make(map[int]int64)
		l.counters[i].served = make(map[string]int64)
	}
	return l
}

// A clientSession is one session of a load, opened when it is first used and
// opened anew for the next arrival when that failed.
type clientSession struct {
	load     *load
	id       int
	session  generators.Session
	pausing  generators.Pausing // the same; nil when it is none
	canceled bool               // the arrival that is being played
	missed   bool               // its last operation so far did not reach the target
}

// start plays an arrival. more is true when the session has long to wait and is
// to be paused and resumed.
func (s *clientSession) start(ctx context.Context, a generators.Arrival) (more bool) {
	l := s.load
	l.sent.Add(1)
	l.inFlight.Add(1)
	s.canceled, s.missed = false, false
	if s.session == nil {
		opened, err := l.plan.Generator.Open(ctx, int(l.slice.nth(int64(s.id))))
		if err != nil {
			now := time.Now()
			class := generators.Other
			if ctx.Err() != nil {
				class = generators.Canceled
			}
			s.record([]generators.Op{{Due: a.Due, Started: now, Ended: now, Class: class, Err: err}})
			s.missed = true
			return s.played(false)
		}
		s.session = opened
		s.pausing, _ = opened.(generators.Pausing)
		l.open.Add(1)
	}
	if s.pausing == nil {
		s.record(s.session.Do(ctx, a).Ops)
		return s.played(false)
	}
	r, more := s.pausing.Start(ctx, a)
	s.record(r.Ops)
	return s.played(more)
}

// resume goes on with the arrival after a pause.
func (s *clientSession) resume(ctx context.Context) (more bool) {
	r, more := s.pausing.Continue(ctx)
	s.record(r.Ops)
	return s.played(more)
}

// played counts an arrival when no more is to come of it. One that was cut short
// by the end of the run is counted as canceled.
func (s *clientSession) played(more bool) bool {
	if more {
		return true
	}
	l := s.load
	l.inFlight.Add(-1)
	if s.canceled {
		l.canceled.Add(1)
	} else {
		l.completed.Add(1)
	}
	return false
}

func (s *clientSession) close() {
	if s.session == nil {
		return
	}
	s.load.open.Add(-1)
	if err := s.session.Close(); err != nil {
		s.load.samples.add(s.load.plan.Name, "", "close", err)
	}
}

// reached is false for an operation that got no connection, or one on which
// nothing came but its end.
func reached(op *generators.Op) bool {
	switch op.Class {
	case generators.DNS, generators.Refused, generators.Connect, generators.TLS, generators.Local:
		return false
	case generators.Reset, generators.Protocol:
		return op.Connect == 0 || op.Status != 0
	}
	return true
}

// record counts operations. What was cut short by the end of the run is in no
// histogram.
func (s *clientSession) record(ops []generators.Op) {
	l, shard := s.load, s.id%shards
	c := &l.counters[shard]
	for i := range ops {
		op := &ops[i]
		s.missed = !reached(op)
		if op.Class == generators.Canceled {
			s.canceled = true
			continue
		}
		l.recorder.Record(shard, journal.Sample{
			Step:    op.Step,
			Outcome: string(op.Class),
			Due:     op.Due.Sub(l.origin), Started: op.Started.Sub(l.origin), Ended: op.Ended.Sub(l.origin),
			DNS: op.DNS, Connect: op.Connect, TLS: op.TLS, FirstByte: op.FirstByte,
		})
		c.mu.Lock()
		c.ops++
		if op.Class != generators.OK {
			c.failed[op.Class]++
		}
		if op.Status != 0 {
			c.status[op.Status]++
		}
		if op.Server != "" {
			c.serve(op.Server)
		}
		c.bytesOut += op.BytesOut
		c.bytesIn += op.BytesIn
		c.mu.Unlock()
		if op.Class != generators.OK {
			l.samples.add(l.plan.Name, l.plan.Steps[op.Step], string(op.Class), op.Err)
		}
		if l.observe != nil {
			l.observe(l.plan.Name, l.plan.Steps[op.Step], *op)
		}
	}
}

// maxServers bounds how many servers are told apart in one second and shard:
// answers say who sent them, and may say anything.
const (
	maxServers    = 1000
	maxServerName = 253 // of a DNS name, and so of a pod
)

// serve counts an operation for who served it; the caller holds the lock.
func (c *counters) serve(server string) {
	if _, known := c.served[server]; !known && (len(c.served) >= maxServers || len(server) > maxServerName) {
		server = "other"
	}
	c.served[server]++
}

// drop counts an arrival that was given up before it was sent.
func (l *load) drop(a generators.Arrival, now time.Time) {
	shard := int(a.Index / int64(l.slice.of()) % shards)
	l.dropped.Add(1)
	l.recorder.Record(shard, journal.Sample{
		Outcome: string(generators.Dropped),
		Due:     a.Due.Sub(l.origin), Started: -1, Ended: now.Sub(l.origin),
	})
	c := &l.counters[shard]
	c.mu.Lock()
	c.ops++
	c.failed[generators.Dropped]++
	c.mu.Unlock()
	if l.observe != nil {
		l.observe(l.plan.Name, l.plan.Steps[0], generators.Op{Due: a.Due, Started: now, Ended: now, Class: generators.Dropped})
	}
}

// second takes what was counted since the last call.
func (l *load) second(at time.Duration, waiting int) *journal.LoadCounts {
	counts := &journal.LoadCounts{
		Offered:   l.offered.Swap(0),
		Sent:      l.sent.Swap(0),
		Completed: l.completed.Swap(0),
		Dropped:   l.dropped.Swap(0),
		Canceled:  l.canceled.Swap(0),
		InFlight:  l.inFlight.Load(),
		Waiting:   int64(waiting),
		Sessions:  l.open.Load(),
		Planned:   generators.At(l.plan.Pieces, at),
		Failed:    make(map[string]int64),
		Status:    make(map[string]int64),
	}
	for i := range l.counters {
		c := &l.counters[i]
		c.mu.Lock()
		counts.Ops += c.ops
		counts.BytesOut += c.bytesOut
		counts.BytesIn += c.bytesIn
		for class, n := range c.failed {
			counts.Failed[string(class)] += n
		}
		for status, n := range c.status {
			counts.Status[strconv.Itoa(status)] += n
		}
		for server, n := range c.served {
			if counts.Served == nil {
				counts.Served = make(map[string]int64)
			}
			counts.Served[server] += n
		}
		clear(c.served)
		c.ops, c.bytesOut, c.bytesIn = 0, 0, 0
		clear(c.failed)
		clear(c.status)
		c.mu.Unlock()
	}
	if h, ok := l.plan.Generator.(generators.Handshaker); ok {
		full, resumed := h.Handshakes()
		counts.FullHandshakes, counts.ResumedHandshakes = full-l.fullBefore, resumed-l.resumedBefore
		l.fullBefore, l.resumedBefore = full, resumed
	}
	if r, ok := l.plan.Generator.(generators.Resender); ok {
		resent := r.Resent()
		counts.Resent, l.resentBefore = resent-l.resentBefore, resent
	}
	return counts
}
