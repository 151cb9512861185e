package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

const (
	// readyBound is how long a worker may take from its orders until it is ready.
	readyBound = time.Minute
	// shortest and longest are how far ahead the start is set: far enough for
	// every worker to have heard of it.
	shortestLead = 300 * time.Millisecond
	longestLead  = 5 * time.Second
	// overtime is how long workers may take after the plan's end: more than
	// what they allow their own operations to drain.
	overtime = 3 * time.Minute
)

// A Crew is a number of workers that are ready to play the same plan. It is the
// engine.Crew of a run. Close ends it, whatever happened.
type Crew struct {
	plan    *scenarios.Plan
	base    time.Time
	members []*member
	said    chan saying
	origin  time.Time

	stopped atomic.Int64 // when no more arrivals fell due, since origin; 0: not stopped
	closing sync.Once
	failed  error // of closing
}

// A File is one that the scenario reads and that workers have to be sent.
type File struct {
	Name string // as the scenario writes it, below its folder
	Data []byte
}

// Assemble gives every worker its orders and returns when all are ready and
// their clocks are measured. orders are those of worker 0; each gets its own
// index. It owns the workers: when it fails, all of them are gone.
func Assemble(ctx context.Context, plan *scenarios.Plan, workers []Worker, orders Orders, files []File) (_ *Crew, err error) {
	c := &Crew{plan: plan, base: time.Now(), said: make(chan saying, backlog)}
	for i, w := range workers {
		c.members = append(c.members, newMember(ctx, i, w, c.base, c.said))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if orders.Digest, err = Digest(plan); err != nil {
		return nil, err
	}
	for _, l := range plan.Loads {
		if l.MaxInFlight < len(workers) {
			return nil, fmt.Errorf("load %s may have %d in flight, which %d workers cannot share: raise max_in_flight, or take fewer workers", l.Name, l.MaxInFlight, len(workers))
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyBound, fmt.Errorf("not within %s", readyBound))
	defer cancel()
	var sending sync.WaitGroup
	defer sending.Wait()
	defer cancel()
	for _, m := range c.members {
		sending.Go(func() {
			// What goes wrong shows as a worker that does not get ready.
			_ = m.instruct(ctx, orders, files, len(workers))
		})
	}
	if err := c.awaitReady(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// instruct sends a worker all that it needs.
func (m *member) instruct(ctx context.Context, o Orders, files []File, of int) error {
	for _, f := range files {
		for rest := f.Data; ; {
			piece := rest[:min(len(rest), pieceLen)]
			rest = rest[len(piece):]
			if err := m.send(ctx, order{File: &file{Name: f.Name, Data: piece}}); err != nil {
				return err
			}
			if len(rest) == 0 {
				break
			}
		}
	}
	o.Index, o.Of = m.index, of
	return m.send(ctx, order{Orders: &o})
}

// awaitReady returns when all workers are ready and have answered some pings.
func (c *Crew) awaitReady(ctx context.Context) error {
	ticker := time.NewTicker(firstEvery)
	defer ticker.Stop()
	for {
		select {
		case s := <-c.said:
			switch {
			case s.what.Refused != "":
				return fmt.Errorf("%s (%s) cannot play: %s", s.from.name, s.from.sum.Where, s.what.Refused)
			case s.err != nil:
				fates, cancel := context.WithTimeout(ctx, fateBound)
				defer cancel()
				return fmt.Errorf("%s (%s) ended before the start: %s", s.from.name, s.from.sum.Where, because(s.err, s.from.worker.Fate(fates)))
			case s.what.Ready != nil:
				s.from.isReady = true
			}
		case <-ticker.C:
			// Ready, and the clock measured.
			if !slices.ContainsFunc(c.members, func(m *member) bool { return !m.isReady || !m.clock.measured() }) {
				return nil
			}
		case <-ctx.Done():
			var late []string
			for _, m := range c.members {
				if !m.isReady {
					late = append(late, m.name+" ("+m.sum.Where+")")
				}
			}
			return fmt.Errorf("wait for workers to be ready: %s: %w", strings.Join(late, ", "), context.Cause(ctx))
		}
	}
}

// because says why a worker is not heard of any more. That its stream ended is
// told only when nothing else is known.
func because(err error, fate string) string {
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case ended && fate != "":
		return fate
	case ended:
		return "its stream ended"
	case fate != "":
		return err.Error() + "; " + fate
	}
	return err.Error()
}

// Begin implements engine.Crew.
func (c *Crew) Begin() time.Time {
	lead := shortestLead
	for _, m := range c.members {
		if best, ok := m.clock.settle(); ok {
			lead = max(lead, 8*best.trip)
		}
	}
	c.origin = time.Now().Add(min(lead, longestLead))
	for _, m := range c.members {
		best, _ := m.clock.settle()
		m.sum.ClockOffset, m.sum.ClockError = best.wall, best.within()
		// One that does not read it falls silent, or is silent already.
		m.order(order{Start: &start{At: int64(c.origin.Sub(c.base) + best.mono)}})
	}
	return c.origin
}

// Stop implements engine.Crew.
func (c *Crew) Stop() {
	c.stopped.CompareAndSwap(0, max(1, int64(time.Since(c.origin))))
	for _, m := range c.members {
		m.order(order{Stop: &stop{}})
	}
}

// Hurry implements engine.Crew.
func (c *Crew) Hurry() {
	c.stopped.CompareAndSwap(0, max(1, int64(time.Since(c.origin))))
	for _, m := range c.members {
		m.order(order{Stop: &stop{Hurry: true}})
	}
}

// Follow implements engine.Crew.
func (c *Crew) Follow(emit func(journal.Event), second func(at time.Duration, b journal.Batch)) error {
	f := &following{Crew: c, merger: newMerger(c.plan, len(c.members)), emit: emit, second: second}
	defer f.merger.close()
	for _, m := range c.members {
		f.say(m, journal.WorkerReady, m.sum.Where)
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for f.left() {
		select {
		case s := <-c.said:
			f.hear(s)
		case <-ticker.C:
			f.look()
		}
		f.handOn()
	}
	return f.conclude()
}

// A following is a crew being followed. One goroutine uses it.
type following struct {
	*Crew
	merger    *merger
	emit      func(journal.Event)
	second    func(at time.Duration, b journal.Batch)
	inquiries sync.WaitGroup
	unknown   int // lost workers whose fate is being asked for
}

// left reports whether there is anything more to hear.
func (f *following) left() bool {
	return f.unknown > 0 || slices.ContainsFunc(f.members, func(m *member) bool { return !m.done && !m.lost })
}

func (f *following) say(m *member, state, text string) {
	sum := m.sum
	at := time.Duration(0)
	if m.lost {
		at = m.lostAt
	}
	f.emit(journal.Event{At: at, Kind: journal.WorkerState, Name: m.name, State: state, Text: text, Worker: &sum})
}

func (f *following) hear(s saying) {
	m := s.from
	switch {
	case s.known:
		f.unknown--
		f.say(m, journal.WorkerLost, because(m.why, s.fate))
	case m.lost || m.done:
		// Nothing that it says counts any more.
	case s.err != nil:
		f.lose(m, s.err)
	case s.what.Refused != "":
		f.lose(m, errors.New(s.what.Refused))
	case s.what.Second != nil:
		at := s.what.Second.At
		m.add(s.batch)
		f.merger.add(m, at, s.batch)
		m.reached = max(m.reached, at.Truncate(time.Second))
	case s.what.Done:
		m.done = true
	}
}

// look finds the workers that have fallen silent, and those that do not end.
func (f *following) look() {
	for _, m := range f.members {
		if m.lost || m.done {
			continue
		}
		if d := m.silentFor(); d > silence {
			f.lose(m, fmt.Errorf("it has answered nothing for %s", d.Round(100*time.Millisecond)))
		} else if time.Since(f.origin) > f.plan.Info.Duration+overtime {
			f.lose(m, fmt.Errorf("it had not ended %s after the end of the run", overtime))
		}
	}
}

// lose gives a worker up. Its share counts as lost from here on, and from what
// it last told.
func (f *following) lose(m *member, why error) {
	m.lost, m.lostAt, m.why = true, max(time.Since(f.origin), 1), why
	slice := engine.Slice{Index: m.index, Of: len(f.members)}
	m.sum.Users = users(f.plan.Loads, slice, m.reached)
	f.merger.lose(m, slice)
	f.unknown++
	f.inquiries.Go(m.inquire)
}

// handOn hands on every second that all workers have told of.
func (f *following) handOn() {
	last := f.merger.last()
	for _, m := range f.members {
		last = max(last, int64(m.reached/time.Second))
	}
	for k := f.merger.next; k <= last && everyoneSaid(f.members, k); k++ {
		f.second(f.merger.take(k, f.due(k), f.members))
	}
}

// due is up to when arrivals that are due count as lost in second k.
func (f *following) due(k int64) time.Duration {
	end := time.Duration(k) * time.Second
	if stopped := f.stopped.Load(); stopped > 0 {
		end = min(end, time.Duration(stopped))
	}
	return end
}

// conclude accounts for every worker when the last has ended.
func (f *following) conclude() error {
	f.inquiries.Wait()
	last, left := f.lastLost()
	if !left {
		// Seconds that nobody is left to tell of: up to now, and no further than
		// the plan goes.
		now := max(min(time.Since(f.origin), f.plan.Info.Duration), 0)
		for k := f.merger.next; k <= number(now); k++ {
			f.merger.second(k).at = min(time.Duration(k)*time.Second, now)
			f.second(f.merger.take(k, min(f.due(k), now), f.members))
		}
	}
	for _, m := range f.members {
		state := journal.WorkerDone
		if m.lost {
			state = journal.WorkerLost
		} else if d, ok := m.clock.drift(); ok {
			m.sum.ClockDrift = &d
		}
		sum := m.sum
		f.emit(journal.Event{Kind: journal.WorkerState, Name: m.name, State: state, Worker: &sum})
	}
	switch {
	case left:
		return nil
	case len(f.members) == 1:
		return fmt.Errorf("the only worker was lost")
	}
	return fmt.Errorf("all %d workers were lost, the last of them %s at %s", len(f.members), last.name, last.lostAt.Round(100*time.Millisecond))
}

// lastLost is the worker that was lost last, nil when none was; left says that
// another played to its end.
func (f *following) lastLost() (last *member, left bool) {
	for _, m := range f.members {
		switch {
		case !m.lost:
			left = true
		case last == nil || m.lostAt > last.lostAt:
			last = m
		}
	}
	return last, left
}

// Close lets every worker go and returns when all of them are gone. It may be
// called more than once.
func (c *Crew) Close() error {
	c.closing.Do(func() {
		errs := make([]error, len(c.members))
		closed := make(chan struct{})
		var closing, hearing sync.WaitGroup
		hearing.Go(func() {
			for {
				select {
				case <-c.said:
				case <-closed:
					return
				}
			}
		})
		for i, m := range c.members {
			closing.Go(func() { errs[i] = m.close() })
		}
		closing.Wait()
		close(closed)
		hearing.Wait()
		c.failed = errors.Join(errs...)
	})
	return c.failed
}
