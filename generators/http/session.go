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
	jar nethttp.CookieJar // nil without cookies
	own holder            // its connections, unless they are shared

	vars map[string]string
	rows map[string]generators.Row
	pcg  rand.PCG
	rng  *rand.Rand
	ops  []generators.Op

	timer  *time.Timer // for think times and for shared connections
	closed bool

	// What stops a session in the middle of a read or write: the end of the
	// context moves the connection's deadline into the past.
	done    <-chan struct{} // of the context that is watched
	unwatch func() bool
	mu      sync.Mutex
	live    deadliner // the connection in use, nil for none
	stopped bool      // the watched context has ended
}

type deadliner interface{ SetDeadline(time.Time) error }

// aLongTimeAgo is a deadline that has passed.
func aLongTimeAgo() time.Time { return time.Unix(1, 0) }

// Do plays one arrival.
func (s *session) Do(ctx context.Context, a generators.Arrival) generators.Result {
	s.ops = s.ops[:0]
	s.watch(ctx)
	due := a.Due
	actions := s.g.program.actions
	if s.g.program.rotates {
		i := int(uint64(a.Index) % uint64(len(actions)))
		actions = actions[i : i+1]
	}
	scope, err := s.scope(a)
	if err != nil {
		s.give(s.firstStep(actions), due, localError{err})
		return generators.Result{Ops: s.ops}
	}
	for _, act := range actions {
		if act.think != nil {
			pause := act.think(s.rng)
			if pause > 0 && !s.sleep(ctx, due, pause) {
				break
			}
			due = due.Add(pause)
			continue
		}
		if ctx.Err() != nil {
			if len(s.ops) == 0 {
				s.give(act.step, due, nil)
				s.ops[0].Class, s.ops[0].Err = generators.Canceled, context.Cause(ctx)
			}
			break
		}
		s.ops = append(s.ops, generators.Op{})
		op := &s.ops[len(s.ops)-1]
		s.perform(ctx, act.request, due, scope, op)
		if op.Class != generators.OK {
			break
		}
		due = op.Ended
	}
	if len(s.ops) == 0 {
		// Cancelled while thinking before the first request.
		s.give(s.firstStep(actions), due, nil)
		s.ops[0].Class, s.ops[0].Err = generators.Canceled, context.Cause(ctx)
	}
	return generators.Result{Ops: s.ops}
}

// firstStep is the index of the first request among actions.
func (s *session) firstStep(actions []action) int {
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

// scope is where an arrival's values come from. Random numbers depend on the
// load's seed and the arrival alone, so that they are the same whichever
// session plays it.
func (s *session) scope(a generators.Arrival) (generators.Scope, error) {
	if s.rng == nil {
		s.rng = rand.New(&s.pcg)
		s.vars = map[string]string{}
		s.rows = map[string]generators.Row{}
	}
	s.pcg.Seed(s.g.program.seed, uint64(a.Index))
	for _, f := range s.g.program.feeds {
		row, err := f.Row(a.Index)
		if err != nil {
			return generators.Scope{}, err
		}
		s.rows[f.name] = row
	}
	return generators.Scope{Vars: s.vars, Rows: s.rows, Rand: s.rng, Arrival: a.Index, Session: s.id}, nil
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

// watch makes the end of ctx stop the session. The run hands the same context
// to every arrival, so this does nothing but compare most of the time.
func (s *session) watch(ctx context.Context) {
	if done := ctx.Done(); done != s.done {
		s.forget()
		s.mu.Lock()
		s.done, s.stopped = done, false
		s.mu.Unlock()
		if done != nil {
			s.unwatch = context.AfterFunc(ctx, func() { s.stop(done) })
		}
	}
}

// forget stops watching.
func (s *session) forget() {
	if s.unwatch != nil {
		s.unwatch()
		s.unwatch = nil
	}
}

// stop is called when a watched context has ended, from a goroutine of its
// own.
func (s *session) stop(done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != done {
		return
	}
	s.stopped = true
	if s.live != nil {
		_ = s.live.SetDeadline(aLongTimeAgo())
	}
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
	return nil
}
