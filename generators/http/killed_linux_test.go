package http

import (
	"bufio"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/generators/gentest"
)

// A server is killed with requests at work: exactly these have failed, none of
// them came to it twice, and what comes after is refused.
func TestServerIsKilled(t *testing.T) {
	const busy, idle = 20, 5
	// awaitTaken returns once the server has taken n requests that it is slow with.
	awaitTaken := func(t *testing.T, says *bufio.Reader, n int) {
		for range n {
			if line, err := says.ReadString('\n'); err != nil || line != "took one\n" {
				t.Errorf("the server says %q: %v", line, err)
				return
			}
		}
	}
	end := func(t *testing.T, says *bufio.Reader) {
		if rest, err := io.ReadAll(says); len(rest) > 0 {
			t.Errorf("the server took more: %q %v", rest, err)
		}
	}
	inSessions := func(t *testing.T, as func(*generator) generators.Generator) {
		leakCheck(t)
		url, says, kill := startProcess(t, "slow")
		g, _ := generatorOf(t, Config{Get: url})
		var sessions []generators.Session
		for id := range busy + idle {
			s := openOf(t, as(g), id)
			ok(t, s)
			sessions = append(sessions, s)
		}
		var playing sync.WaitGroup
		for _, s := range sessions[:busy] {
			playing.Go(func() {
				if op := s.Do(t.Context(), generators.Arrival{Due: time.Now()}).Ops[0]; op.Class != generators.Reset {
					t.Errorf("at work: class %s (%v), want reset", op.Class, op.Err)
				}
			})
		}
		awaitTaken(t, says, busy)
		kill()
		playing.Wait()
		end(t, says)
		for _, s := range sessions {
			expectClass(t, once(t, s), generators.Refused, "connect to")
		}
		if n := g.Resent(); n != 0 {
			t.Errorf("%d sent again", n)
		}
	}
	t.Run("goroutines", func(t *testing.T) {
		inSessions(t, func(g *generator) generators.Generator { return g })
	})
	t.Run("pausing", func(t *testing.T) {
		inSessions(t, func(g *generator) generators.Generator { return gentest.Pausing(pausesAlways(g)) })
	})
	t.Run("lane", func(t *testing.T) {
		leakCheck(t)
		url, says, kill := startProcess(t, "slow")
		g, _ := generatorOf(t, Config{Get: url})
		loop, why := g.Loop()
		if loop == nil {
			t.Fatalf("not on the lane: %s", why)
		}
		got := map[generators.Class]int{}
		run := generators.LoopRun{
			Origin: time.Now(), MaxSessions: busy, Patience: time.Minute, Stop: new(atomic.Bool), Hurry: new(atomic.Bool),
			Stats: &generators.LoopStats{Lag: func(time.Duration) {}},
			// Each connection takes two: one that is answered, and one that is not.
			Arrivals: func(yield func(time.Duration) bool) {
				for i := 0; i < 2*busy && yield(0); i++ {
				}
			},
			Record: func(op *generators.LoopOp) { got[op.Class]++ },
		}
		done := make(chan error, 1)
		go func() { done <- loop(run) }()
		awaitTaken(t, says, busy)
		kill()
		if err := <-done; err != nil {
			t.Error(err)
		}
		end(t, says)
		if got[generators.OK] != busy || got[generators.Reset] != busy || len(got) != 2 {
			t.Errorf("%v, want %d ok and %d reset", got, busy, busy)
		}
		if n := g.Resent(); n != 0 {
			t.Errorf("%d sent again", n)
		}
	})
}
