package shop

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHPAProposal(t *testing.T) {
	tests := []struct {
		name string
		o    observed
		want int
	}{
		{"on target", observed{current: 2, ready: []float64{.5, .5}}, 2},
		{"within the tolerance, above", observed{current: 2, ready: []float64{.54, .54}}, 2},
		{"within the tolerance, below", observed{current: 4, ready: []float64{.46, .46, .46, .46}}, 4},
		{"just past the tolerance", observed{current: 2, ready: []float64{.56, .56}}, 3},
		{"twice the target: twice the replicas", observed{current: 3, ready: []float64{1, 1, 1}}, 6},
		{"rounded up, also when scaling down", observed{current: 4, ready: []float64{.3, .3, .3, .3}}, 3},
		{"idle: none, before the minimum", observed{current: 3, ready: []float64{0, 0, 0}}, 0},
		{"nothing is known", observed{current: 3, unready: 2, missing: 1}, 3},
		{"starting ones count as idle: not twice as many again", observed{current: 4, ready: []float64{1, 1}, unready: 2}, 4},
		{"starting ones do not hide all of the load", observed{current: 3, ready: []float64{1, 1}, unready: 1}, 4},
		{"starting ones would turn the direction round", observed{current: 6, ready: []float64{.6, .6}, unready: 4}, 6},
		{"starting ones do not matter for scaling down", observed{current: 4, ready: []float64{.1, .1}, unready: 2}, 1},
		{"missing metrics count as idle when scaling up", observed{current: 3, ready: []float64{1, 1}, missing: 1}, 4},
		{"missing metrics count as on target when scaling down", observed{current: 3, ready: []float64{.1, .1}, missing: 1}, 2},
		{"a dead replica's load is on the others", observed{current: 4, ready: []float64{.8, .8, .8}, unready: 1}, 5},
		{"never up to fewer than there are", observed{current: 9, ready: []float64{.9, .9}}, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hpa{target: .5, tolerance: .1}
			if got := h.proposal(tt.o); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestHPAStabilisation(t *testing.T) {
	h := hpa{min: 2, max: 6, target: .5, tolerance: .1, window: 10 * time.Second}
	start := time.Now()
	busy := func(n int, share float64) observed {
		o := observed{current: n}
		for range n {
			o.ready = append(o.ready, share)
		}
		return o
	}
	steps := []struct {
		name string
		at   time.Duration
		o    observed
		want int
	}{
		{"up at once", 0, busy(2, 1), 4},
		{"up at once, but not past the maximum", 1 * time.Second, busy(4, 1), 6},
		{"down: six were wanted a moment ago", 2 * time.Second, busy(6, .1), 6},
		{"down: still within the window", 11 * time.Second, busy(6, .1), 6},
		{"down at last, not below the minimum", 12 * time.Second, busy(6, .1), 2},
		{"up again needs no window", 13 * time.Second, busy(2, .8), 4},
		{"an old recommendation is no reason to go up", 14 * time.Second, busy(3, .4), 3},
	}
	for _, s := range steps {
		if got := h.decide(start.Add(s.at), s.o); got != s.want {
			t.Errorf("%s: got %d, want %d", s.name, got, s.want)
		}
	}
}

// Whatever is observed, the answer is within the bounds, and the window is all
// that is remembered.
func TestHPAIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := hpa{min: 2, max: 6, target: .65, tolerance: .1, window: 5 * time.Second}
		now, current := time.Now(), 2
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Second)
			current = h.decide(now, observed{
				current: current,
				ready:   rapid.SliceOfN(rapid.Float64Range(0, 1), 0, current).Draw(t, "ready"),
				unready: rapid.IntRange(0, 4).Draw(t, "unready"),
				missing: rapid.IntRange(0, 2).Draw(t, "missing"),
			})
			if current < h.min || current > h.max {
				t.Fatalf("%d replicas, want %d to %d", current, h.min, h.max)
			}
			if len(h.recent) > 6 {
				t.Fatalf("%d recommendations are kept for a window of 5", len(h.recent))
			}
		}
	})
}
