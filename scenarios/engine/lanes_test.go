package engine

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
)

// However few processors there are, lanes leave one to the rest of brunt while
// they play; brunt still counts the cores that it may use, and sets all back.
func TestLanesLeaveRoom(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	synctest.Test(t, func(t *testing.T) {
		const rate = 10 * rateALane // more lanes than one, had it the cores
		plan := onePhase(t, rate, 2*time.Second, always(time.Millisecond))
		var during []int
		plan.Loads[0].Loop = func(r generators.LoopRun) error {
			during = append(during, runtime.GOMAXPROCS(0))
			time.Sleep(2 * time.Second)
			return nil
		}
		_, j := play(t, plan, nil)
		if len(during) != 1 || during[0] != 2 {
			t.Errorf("GOMAXPROCS in each lane %d, want one lane and 2", during)
		}
		if n := runtime.GOMAXPROCS(0); n != 1 {
			t.Errorf("GOMAXPROCS %d after the run, want 1 as before", n)
		}
		seconds := 0
		for _, e := range j.Events() {
			if e.Kind == journal.HealthSecond {
				if seconds++; e.Health.Cores != 1 {
					t.Errorf("%d cores at %v, want 1", e.Health.Cores, e.At)
				}
			}
		}
		if seconds == 0 {
			t.Error("no second of health")
		}
	})
}
