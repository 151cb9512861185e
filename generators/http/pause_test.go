package http

import (
	"bufio"
	"context"
	"io"
	"net"
	nethttp "net/http"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
)

// pausingOf opens a session that pauses for every answer that is not there at once.
func pausingOf(t *testing.T, c Config) (*generator, *session) {
	t.Helper()
	g, _ := generatorOf(t, c)
	return g, openOf(t, pausesAlways(g), 0).(*session)
}

// pause pauses a session until it is to go on.
func pause(t *testing.T, s *session) {
	t.Helper()
	awake := make(chan struct{})
	s.Pause(func() { close(awake) })
	select {
	case <-awake:
	case <-time.After(20 * time.Second):
		t.Fatal("not woken")
	}
}

// What ended before a think time is told at once, and the next step is due when
// the pause is over.
func TestThinkTimeIsAPause(t *testing.T) {
	leakCheck(t)
	srv := startServer(t, false, func(w nethttp.ResponseWriter, _ *nethttp.Request) { io.WriteString(w, "hello") })
	g, s := pausingOf(t, Config{Base: srv.URL, Steps: []Step{{Get: "/a"}, {Think: "30ms"}, {Get: "/b"}}})
	g.shortWait = time.Minute // for the answers
	r, more := s.Start(t.Context(), generators.Arrival{Due: time.Now()})
	if len(r.Ops) != 1 || !more || r.Ops[0].Class != generators.OK {
		t.Fatalf("%+v, more: %t", r.Ops, more)
	}
	ended := r.Ops[0].Ended
	// Woken by something that came too late: it goes on thinking.
	if r, more := s.early(t); len(r.Ops) != 0 || !more {
		t.Fatalf("woken too early: %+v, more: %t", r.Ops, more)
	}
	pause(t, s)
	r, more = s.Continue(t.Context())
	if len(r.Ops) != 1 || more {
		t.Fatalf("%+v, more: %t", r.Ops, more)
	}
	op := r.Ops[0]
	if op.Step != 1 || op.Class != generators.OK || !op.Due.Equal(ended.Add(30*time.Millisecond)) || op.Started.Before(op.Due) {
		t.Errorf("step %d, class %s (%v), due %v after the first ended, started %v after that",
			op.Step, op.Class, op.Err, op.Due.Sub(ended), op.Started.Sub(op.Due))
	}
}

// early wakes a session that has just been paused.
func (s *session) early(t *testing.T) (generators.Result, bool) {
	awake := make(chan struct{}, 1)
	s.Pause(func() { awake <- struct{}{} })
	s.rouse()
	<-awake
	return s.Continue(t.Context())
}

// A session that waits for an answer may be woken for nothing, by the end of its
// time, by the end of the context, or by the answer, of which the head may still
// be on its way.
func TestAnswerIsAwaitedInAPause(t *testing.T) {
	first := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	start := func(t *testing.T, timeout time.Duration) (s *session, ctx context.Context, cancel context.CancelFunc, say func(string)) {
		leakCheck(t)
		conns := make(chan *net.TCPConn, 1)
		srv := serve(t, func(_ int64, c *net.TCPConn, r *bufio.Reader) {
			for n := 0; ; n++ {
				if _, err := nethttp.ReadRequest(r); err != nil {
					return
				}
				if n > 0 {
					conns <- c
				} else if _, err := c.Write(first); err != nil {
					return
				}
			}
		})
		g, s := pausingOf(t, Config{Get: srv.url, Timeout: timeout})
		ctx, cancel = context.WithCancel(t.Context())
		t.Cleanup(cancel)
		g.many = 1000
		if r, more := s.Start(ctx, generators.Arrival{Due: time.Now()}); more || r.Ops[0].Class != generators.OK {
			t.Fatalf("%+v, more: %t", r.Ops, more)
		}
		g.many = 0
		if r, more := s.Start(ctx, generators.Arrival{Due: time.Now()}); len(r.Ops) != 0 || !more {
			t.Fatalf("%+v, more: %t", r.Ops, more)
		}
		c := <-conns
		return s, ctx, cancel, func(text string) {
			if _, err := io.WriteString(c, text); err != nil {
				t.Error(err)
			}
		}
	}
	conclude := func(t *testing.T, s *session, ctx context.Context, want generators.Class) generators.Op {
		t.Helper()
		r, more := s.Continue(ctx)
		if more || len(r.Ops) != 1 || r.Ops[0].Class != want {
			t.Fatalf("%+v, more: %t, want %s", r.Ops, more, want)
		}
		return r.Ops[0]
	}
	t.Run("answer", func(t *testing.T) {
		s, ctx, _, say := start(t, time.Minute)
		if r, more := s.early(t); len(r.Ops) != 0 || !more {
			t.Fatalf("woken too early: %+v, more: %t", r.Ops, more)
		}
		say("HTTP/1.1 2")
		pause(t, s)
		// What has begun is read on the goroutine.
		late := time.AfterFunc(3*shortWait, func() { say("02 Fine\r\nContent-Length: 2\r\n\r\nok") })
		defer late.Stop()
		op := conclude(t, s, ctx, generators.OK)
		if op.Status != 202 || op.FirstByte <= 0 || op.FirstByte >= op.Ended.Sub(op.Started) {
			t.Errorf("status %d, the first byte came after %v of %v", op.Status, op.FirstByte, op.Ended.Sub(op.Started))
		}
	})
	// So many sessions have ended meanwhile that it waits on its goroutine.
	t.Run("answer, no pauses any more", func(t *testing.T) {
		s, ctx, _, say := start(t, time.Minute)
		s.early(t)
		s.g.many = 1000
		late := time.AfterFunc(3*shortWait, func() { say("HTTP/1.1 202 Fine\r\nContent-Length: 2\r\n\r\nok") })
		defer late.Stop()
		if op := conclude(t, s, ctx, generators.OK); op.Status != 202 {
			t.Errorf("status %d", op.Status)
		}
		if c := s.own.conns[0]; c.users.Load() != 1 {
			t.Errorf("%d users of a connection that lies idle", c.users.Load())
		}
	})
	t.Run("timeout", func(t *testing.T) {
		s, ctx, _, _ := start(t, 2*shortWait)
		pause(t, s)
		if op := conclude(t, s, ctx, generators.Timeout); op.Ended.Sub(op.Started) < 2*shortWait {
			t.Errorf("timed out after %v", op.Ended.Sub(op.Started))
		}
	})
	t.Run("canceled", func(t *testing.T) {
		s, ctx, cancel, _ := start(t, time.Minute)
		awake := make(chan struct{})
		s.Pause(func() { close(awake) })
		cancel()
		<-awake
		conclude(t, s, ctx, generators.Canceled)
	})
	t.Run("canceled before", func(t *testing.T) {
		s, ctx, cancel, _ := start(t, time.Minute)
		cancel()
		pause(t, s)
		conclude(t, s, ctx, generators.Canceled)
	})
}
