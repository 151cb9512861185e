package http

import (
	"context"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// A session that waits on its goroutine keeps a stack of 8 KB and buffers of
// 6 KB. That is the fastest where there are few of them, or where answers come
// soon. Elsewhere it pauses.
const (
	manySessions = 2000                  // from how many open ones on they pause
	shortWait    = 20 * time.Millisecond // before an answer is waited for in a pause
)

// pausing is what a session is paused for. The session's lock guards it while
// it is paused; otherwise whoever has the session has it.
type pausing struct {
	wake  func()      // nil once it has been called
	alarm *time.Timer // calls rouse; nil until it is needed

	slot  int32 // in the poller, plus 1; 0 for none
	slow  bool  // the last answer was long in coming: this one will be, too
	never bool  // the system cannot tell when the answer comes
}

// mayPause says whether there are so many sessions that they had better pause.
func (s *session) mayPause() bool {
	return s.g.open.Load() >= s.g.many && !s.paused.never
}

// Start plays an arrival up to where it has long to wait.
func (s *session) Start(ctx context.Context, a generators.Arrival) (generators.Result, bool) {
	if !s.begin(ctx, a) {
		return generators.Result{Ops: s.ops}, false
	}
	return s.advanced(ctx)
}

// Continue goes on with the arrival.
func (s *session) Continue(ctx context.Context) (generators.Result, bool) {
	if s.paused.alarm != nil {
		s.paused.alarm.Stop()
	}
	at := &s.arrival
	if n := len(s.ops); at.waiting == nil {
		s.ops = s.ops[:0]
		if ctx.Err() == nil && time.Now().Before(at.due) {
			return generators.Result{}, true // woken by something that came too late
		}
	} else {
		// Only the operation that waits is left.
		s.ops[0] = s.ops[n-1]
		s.ops = s.ops[:1]
		s.paused.slow = time.Since(at.waiting.attempt.pausedAt) > shortWait
	}
	return s.advanced(ctx)
}

func (s *session) advanced(ctx context.Context) (generators.Result, bool) {
	more := s.advance(ctx, s.mayPause())
	ended := s.ops
	if s.arrival.waiting != nil {
		ended = ended[:len(ended)-1]
	}
	return generators.Result{Ops: ended}, more
}

// Pause has wake called when the think time is over, when there is something to
// read, when the request has run out of time or when the context has ended. It
// may be called too early, never too late.
func (s *session) Pause(wake func()) {
	sc := s.arrival.waiting
	if sc == nil && cap(s.ops) > 1 {
		s.ops = nil // it held the operations of a flow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		go wake()
		return
	}
	p := &s.paused
	p.wake = wake
	until := s.arrival.due
	if sc != nil {
		until = sc.attempt.deadline
	}
	if p.alarm == nil {
		p.alarm = time.AfterFunc(time.Until(until), s.rouse)
	} else {
		p.alarm.Reset(time.Until(until))
	}
	if sc == nil {
		return
	}
	if err := s.expectAnswer(sc.attempt.loan.c); err != nil {
		p.never, p.wake = true, nil // it waits on its goroutine, then
		go wake()
	}
}

// rouse ends a pause, if there is one.
func (s *session) rouse() {
	s.mu.Lock()
	wake := s.paused.wake
	s.paused.wake = nil
	s.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// expectAnswer has the poller rouse the session.
func (s *session) expectAnswer(c *conn) error {
	p, err := s.g.poller()
	if err != nil {
		return err
	}
	if s.paused.slot == 0 {
		s.paused.slot = p.join(s)
	}
	return p.expect(s.paused.slot, c)
}

// poller is the generator's, made when it is first needed. The last session
// that closes ends it.
func (g *generator) poller() (*poller, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.polling == nil {
		p, err := newPoller()
		if err != nil {
			return nil, err
		}
		g.polling = p
	}
	return g.polling, nil
}

// leave is called once for each session that closes.
func (g *generator) leave(s *session) {
	if s.paused.alarm != nil {
		s.paused.alarm.Stop()
	}
	g.mu.Lock()
	p := g.polling
	last := g.open.Add(-1) == 0
	if last {
		g.polling = nil
	}
	g.mu.Unlock()
	if p == nil {
		return
	}
	if s.paused.slot != 0 {
		p.leave(s.paused.slot)
		s.paused.slot = 0
	}
	if last {
		p.close()
	}
}
