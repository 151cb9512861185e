package tui

import (
	"math"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/brunt-dev/brunt/reports/journal"
)

// FuzzUpdate plays whatever comes from the engine and the keyboard, in windows
// of any size: nothing panics, and every screen fills its window.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte{0, 80, 24, 1, 0, 1, 1, 2, 9, 4, 3, 3, 5})
	f.Add([]byte{0, 1, 1, 0, 255, 255, 0, 0, 0, 1, 70, 5, 1, 71, 5})
	f.Add([]byte{2, 2, 200, 3, 7, 1, 2, 4, 9, 9, 2, 5, 0, 3, 0, 60, 16, 5, 3, 6})
	names := []string{"browse", "checkout", "kill_replica", "slow_payments", "replicas", "steady", "", "\x1b[2J", "nobody"}
	states := []string{"", journal.FaultRequested, journal.FaultInjected, journal.FaultEffective, journal.FaultIneffective, journal.FaultUndone, journal.FaultGone, journal.FaultConflict, journal.FaultFailed, journal.FaultUnverified, "crashed", "completed", "测试"}
	kinds := []journal.Kind{journal.RunStarted, journal.RunEnded, journal.PhaseStarted, journal.PhaseEnded, journal.LoadSecond, journal.LoadError, journal.FaultState, journal.ProbeReading, journal.ProbeFailed, journal.HealthSecond, journal.AbortBreach, journal.Note, "later"}
	values := []float64{0, 1, -1, 1e300, math.NaN(), math.Inf(1), math.SmallestNonzeroFloat64}
	keys := []string{"U", "ctrl+u", "q", "ctrl+c", "?", "p", "tab", "shift+tab", "1", "2", "3", "4", "5", "up", "down", "pgup", "pgdown", "home", "end", "enter", "esc", "x"}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 400 {
			return
		}
		next := func() int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b)
		}
		plan := scriptedPlan()
		switch next() % 4 {
		case 1:
			plan = journal.Plan{}
		case 2:
			plan.Duration, plan.Phases[0].Start = 0, -time.Hour
		case 3:
			plan.Phases, plan.Loads[0].Segments[0].From, plan.Faults[0].For = nil, math.NaN(), -1
		}
		follower := newFollower(plan)
		at := epoch
		m := newModel(follower.snapshot(at), Controls{}, newPalette(true, next()%2 == 0))
		width, height := 0, 0
		for len(data) > 0 {
			switch next() % 4 {
			case 0:
				width, height = next(), next()%80
				m.Update(tea.WindowSizeMsg{Width: width, Height: height})
			case 1:
				v := values[next()%len(values)]
				n := int64(next()) - 10
				e := journal.Event{
					At: time.Duration(next()-5) * 700 * time.Millisecond, Kind: kinds[next()%len(kinds)], Name: names[next()%len(names)],
					State: states[next()%len(states)], Text: names[next()%len(names)],
				}
				if next()%4 > 0 {
					e.Value, e.Health = &v, &journal.Health{CPU: v, Cores: int(n), DispatchLag: time.Duration(n)}
					e.Load = &journal.LoadCounts{Offered: n, Completed: n, Ops: n, InFlight: n, Planned: v, Failed: map[string]int64{names[next()%len(names)]: n}}
				}
				at = at.Add(time.Duration(next()) * 50 * time.Millisecond)
				follower.take(journal.Batch{Events: []journal.Event{e}}, at)
				m.Update(snapshotMsg{follower.snapshot(at)})
			case 2:
				for _, b := range scripted(scriptedPlan(), next()%72) {
					follower.take(b, at)
				}
				follower.now.objectives = follower.judge.pass(follower.last, follower.now.ended)
				m.Update(snapshotMsg{follower.snapshot(at)})
			case 3:
				m.Update(pressed(keys[next()%len(keys)]))
			}
			if m.failure != nil {
				t.Fatal(m.failure)
			}
			exact(t, "fuzzed", m.screen.rows(), width, height)
			if m.View(); m.failure != nil {
				t.Fatal(m.failure)
			}
		}
	})
}
