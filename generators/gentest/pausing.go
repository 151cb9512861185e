package gentest

import (
	"context"

	"github.com/brunt-dev/brunt/generators"
)

// Pausing makes a generator whose sessions play each arrival by Start, Pause
// and Continue. Those of g have to be Pausing.
func Pausing(g generators.Generator) generators.Generator { return pausing{g} }

type pausing struct{ of generators.Generator }

func (p pausing) Open(ctx context.Context, id int) (generators.Session, error) {
	s, err := p.of.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	return PausingSession(s.(generators.Pausing)), nil
}

// PausingSession makes a session's Do play by Start, Pause and Continue.
func PausingSession(s generators.Pausing) generators.Session { return &pausingSession{Pausing: s} }

type pausingSession struct {
	generators.Pausing
	ops []generators.Op
}

// Do goes on in whichever goroutine wakes the session.
func (s *pausingSession) Do(ctx context.Context, a generators.Arrival) generators.Result {
	s.ops = s.ops[:0]
	done := make(chan struct{})
	var proceed func(r generators.Result, more bool)
	proceed = func(r generators.Result, more bool) {
		s.ops = append(s.ops, r.Ops...)
		if !more {
			close(done)
			return
		}
		s.Pause(func() { proceed(s.Continue(ctx)) })
	}
	proceed(s.Start(ctx, a))
	<-done
	return generators.Result{Ops: s.ops}
}
