package http

import (
	"context"
	"math/rand/v2"
	nethttp "net/http"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// A session is one simulated client.
type session struct {
	g   *generator
	id  int
	jar nethttp.CookieJar // nil until there is a cookie
	own holder            // its connections, unless they are shared

	vars map[string]string // nil until there is one
	rows map[string]generators.Row
	pcg  rand.PCG
	rng  *rand.Rand
	ops  []generators.Op

	arrival arrival
	timer   *time.Timer // for think times and for shared connections
	closed  bool

	// What stops a session in the middle of a read or write: the end of the
	// context moves the connection's deadline into the past.
	watched watched
	mu      sync.Mutex
	live    deadliner // the connection in use, nil for none
	stopped bool      // the watched context has ended

	paused pausing
}

// An arrival is how far a session has come with one.
type arrival struct {
	index   int64
	due     time.Time // of the next action
	actions []action  // that are still to be played
	given   bool      // some operation has ended, or begun
	waiting *scratch  // of the request that waits for its answer while the session is paused
}

type deadliner interface {
	SetDeadline(time.Time) error
	SetReadDeadline(time.Time) error
}

// aLongTimeAgo is a deadline that has passed.
func aLongTimeAgo() time.Time { return time.Unix(1, 0) }

// Do plays one arrival.
func (s *session) Do(ctx context.Context, a generators.Arrival) generators.Result {
	if s.begin(ctx, a) {
		s.advance(ctx, false)
	}
	return generators.Result{Ops: s.ops}
}

// begin prepares for playing an arrival. It returns false when that failed.
func (s *session) begin(ctx context.Context, a generators.Arrival) bool {
	s.ops = s.ops[:0]
	s.watch(ctx)
	actions := s.g.program.actions
	if s.g.program.rotates {
		i := int(uint64(a.Index) % uint64(len(actions)))
		actions = actions[i : i+1]
	}
	if err := s.draw(a.Index); err != nil {
		s.give(firstStep(actions), a.Due, localError{err})
		return false
	}
	s.arrival = arrival{index: a.Index, due: a.Due, actions: actions}
	return true
}

// advance plays what is left of the arrival. It returns true when it got to
// where the session has long to wait, and may pause.
func (s *session) advance(ctx context.Context, mayPause bool) (pause bool) {
	at := &s.arrival
	first := at.actions
	for ; len(at.actions) > 0; at.actions = at.actions[1:] {
		act := &at.actions[0]
		if act.think != nil {
			due := at.due.Add(max(act.think(s.rng), 0))
			from := at.due
			at.due = due
			if mayPause && time.Until(due) > 0 {
				at.actions = at.actions[1:]
				return true
			}
			if !s.sleep(ctx, from, due.Sub(from)) {
				break
			}
			continue
		}
		if at.waiting == nil {
			if ctx.Err() != nil {
				break
			}
			s.ops = append(s.ops, generators.Op{})
			at.given = true
		}
		op := &s.ops[len(s.ops)-1]
		if !s.perform(ctx, act.request, op, mayPause) {
			return true
		}
		if op.Class != generators.OK {
			break
		}
		at.due = op.Ended
	}
	if !at.given {
		// Cancelled before the first request.
		s.give(firstStep(first), at.due, nil)
		s.ops[0].Class, s.ops[0].Err = generators.Canceled, context.Cause(ctx)
	}
	at.actions = nil
	return false
}

// firstStep is the index of the first request among actions.
func firstStep(actions []action) int {
	for _, a := range actions {
		if a.request != nil {
			return a.step
		}
	}
	return 0
}

// give adds an operation that never started, failed with err.
func (s *session) give(step int, due time.Time, err error) {
	now := notBefore(time.Now(), due)
	op := generators.Op{Step: step, Due: due, Started: now, Ended: now, Err: err}
	if err != nil {
		op.Class = classify(err)
	}
	s.ops = append(s.ops, op)
}

// notBefore is t, or earliest when t lies before it.
func notBefore(t, earliest time.Time) time.Time {
	if t.Before(earliest) {
		return earliest
	}
	return t
}

// draw has an arrival's values come from its own row of each feed and its own
// random numbers. These depend on the load's seed and the arrival alone, so that
// they are the same whichever session plays it.
func (s *session) draw(index int64) error {
	p := s.g.program
	if s.rng == nil {
		s.rng = rand.New(&s.pcg)
		if len(p.feeds) > 0 {
			s.rows = make(map[string]generators.Row, len(p.feeds))
		}
	}
	s.pcg.Seed(p.seed, uint64(index))
	for _, f := range p.feeds {
		row, err := f.Row(index)
		if err != nil {
			return err
		}
		s.rows[f.name] = row
	}
	return nil
}

// scope is where the arrival's values come from.
func (s *session) scope() generators.Scope {
	return generators.Scope{Vars: s.vars, Rows: s.rows, Rand: s.rng, Arrival: s.arrival.index, Session: s.id}
}

// sleep waits until pause after from, and returns false when ctx ended first.
func (s *session) sleep(ctx context.Context, from time.Time, pause time.Duration) bool {
	wait := time.Until(from.Add(pause))
	if wait <= 0 {
		return ctx.Err() == nil
	}
	s.startTimer(wait)
	defer s.timer.Stop()
	select {
	case <-s.timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *session) startTimer(d time.Duration) {
	if s.timer == nil {
		s.timer = time.NewTimer(d)
		return
	}
	s.timer.Reset(d)
}

// stop is called when the watched context has ended, from a goroutine of its
// own.
func (s *session) stop(done <-chan struct{}) {
	s.mu.Lock()
	if s.watched.done != done {
		s.mu.Unlock()
		return
	}
	s.stopped = true
	if s.live != nil {
		_ = s.live.SetDeadline(aLongTimeAgo())
	}
	s.mu.Unlock()
	s.rouse()
}

// arm makes a connection the one to stop, and bounds it by a deadline.
func (s *session) arm(c deadliner, deadline time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = c
	if s.stopped {
		deadline = aLongTimeAgo()
	}
	return c.SetDeadline(deadline)
}

// limit bounds what is read from the connection that is in use.
func (s *session) limit(c deadliner, deadline time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	return c.SetReadDeadline(deadline)
}

// goesOn is false when the session is to stop, or a deadline has passed.
func (s *session) goesOn(deadline time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.stopped && time.Now().Before(deadline)
}

func (s *session) disarm() {
	s.mu.Lock()
	s.live = nil
	s.mu.Unlock()
}

// Close gives up the session's connections. It may be called again.
func (s *session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.forget()
	s.own.close()
	if s.g.shared != nil {
		s.g.shared.leave()
	}
	s.g.leave(s)
	return nil
}
