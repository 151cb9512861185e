package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
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

// Users whose target is not there do not try again as fast as they can.
func TestUsersRestWhereTheyReachNobody(t *testing.T) {
	for class, most := range map[generators.Class]int64{generators.Refused: 1000, generators.DNS: 1000, generators.Status: 1e9} {
		synctest.Test(t, func(t *testing.T) {
			plan := onePhase(t, 1, 2*time.Second, always(100*time.Microsecond))
			users(t, plan, generators.Piece{End: 2 * time.Second, From: 10, To: 10})
			plan.Loads[0].Generator = &target{start: time.Now(), service: always(100 * time.Microsecond), class: class}
			_, j := play(t, plan, nil)
			c := j.Counts("web", 0, time.Hour)
			if c.Completed < 900 || c.Completed > most || most > 1000 && c.Completed < 100_000 {
				t.Errorf("%s: %d tries in 2 s by 10 users", class, c.Completed)
			}
		})
	}
}

// However short a run is, it says how brunt was.
func TestShortRunIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, j := play(t, onePhase(t, 100, 50*time.Millisecond, always(time.Millisecond)), nil)
		seconds := 0
		for _, e := range j.Events() {
			if e.Kind == journal.HealthSecond && e.Health.Cores > 0 {
				seconds++
			}
		}
		if seconds != 1 {
			t.Errorf("%d looks at brunt's health", seconds)
		}
	})
}
