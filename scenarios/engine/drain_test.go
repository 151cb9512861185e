package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// What is in flight when the load ends is awaited as long as its timeout
// allows: cut short, it would be in no figure.
func TestSlowAnswersAreAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 10, 2*time.Second, always(9*time.Minute))
		plan.Loads[0].Timeout = 10 * time.Minute
		outcome, j := play(t, plan, nil)
		if c := j.Counts("web", 0, time.Hour); outcome.State != Completed || c.Completed != 20 || c.Canceled != 0 {
			t.Errorf("%s: %d completed and %d cut short of %d", outcome.State, c.Completed, c.Canceled, c.Offered)
		}
	})
}

// One that no timeout ends is cut short all the same.
func TestEndlessAnswersAreCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		plan := onePhase(t, 10, 2*time.Second, always(100*time.Hour))
		_, j := play(t, plan, nil)
		if c := j.Counts("web", 0, time.Hour); c.Completed != 0 || c.Canceled != 20 || time.Since(start) > time.Hour {
			t.Errorf("%d completed and %d cut short of %d, after %s", c.Completed, c.Canceled, c.Offered, time.Since(start))
		}
	})
}
