package engine

import (
	"runtime"
	"sync"
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

// A pooled target shares so many connections among all its sessions.
type pooled struct {
	target
	pool int
}

func (p *pooled) Pool() int     { return p.pool }
func (p *pooled) SharePool(int) {}

// However many lanes play a load, and however many processes, together they
// open no more connections than the load may have.
func TestLanesShareConnections(t *testing.T) {
	for _, test := range []struct {
		pool, inFlight, cores, workers, lanes int
	}{
		{pool: 3, inFlight: 1000, cores: 2, workers: 1, lanes: 2},
		{pool: 1, inFlight: 1000, cores: 2, workers: 1, lanes: 1},
		{pool: 0, inFlight: 5, cores: 4, workers: 1, lanes: 4},
		{pool: 0, inFlight: 2, cores: 4, workers: 1, lanes: 2},
		{pool: 5, inFlight: 1000, cores: 4, workers: 3, lanes: 5},
	} {
		plan := onePhase(t, 100*rateALane, time.Second, always(0)).Loads[0]
		plan.MaxInFlight, plan.Generator = test.inFlight, &pooled{pool: test.pool}
		var mu sync.Mutex
		lanes, connections := 0, 0
		plan.Loop = func(r generators.LoopRun) error {
			mu.Lock()
			defer mu.Unlock()
			lanes++
			connections += r.MaxSessions
			if r.MaxSessions == 0 {
				t.Errorf("%+v: a lane without a connection", test)
			}
			return nil
		}
		for i := range test.workers {
			l := newLoad(plan, Slice{Index: i, Of: test.workers}, time.Now(), nil)
			startLanes(t.Context(), l, test.cores).sessions.Wait()
		}
		want := test.inFlight
		if test.pool > 0 {
			want = min(want, test.pool)
		}
		if lanes != test.lanes || connections != want {
			t.Errorf("%+v: %d lanes with %d connections, want %d of them", test, lanes, connections, want)
		}
	}
}
