package engine

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
)

// drawPieces are the pieces of some open load: ramps, waves, Poisson and gaps.
func drawPieces(t *rapid.T) []generators.Piece {
	var pieces []generators.Piece
	var at time.Duration
	for range rapid.IntRange(1, 4).Draw(t, "pieces") {
		at += time.Duration(rapid.IntRange(0, 2).Draw(t, "gap")) * 300 * time.Millisecond
		end := at + time.Duration(rapid.IntRange(1, 3000).Draw(t, "length"))*time.Millisecond
		p := generators.Piece{Start: at, End: end, Process: rapid.SampledFrom([]generators.Process{generators.Constant, generators.Poisson}).Draw(t, "process"),
			From: float64(rapid.IntRange(0, 2000).Draw(t, "from")) / 10, To: float64(rapid.IntRange(0, 2000).Draw(t, "to")) / 10}
		if rapid.Bool().Draw(t, "wave") {
			p.Sine = &generators.Sine{Amplitude: min(p.From, p.To), Period: time.Second}
		}
		pieces = append(pieces, p)
		at = end
	}
	return pieces
}

// The slices of any schedule, put together again, are that schedule: every
// arrival is in one of them, with its due time and its number.
func TestSlicesAreAPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := drawPieces(t)
		schedule, err := generators.NewSchedule(pieces)
		if err != nil {
			t.Fatal(err)
		}
		load := scenarios.Load{Schedule: schedule, Seed: rapid.Uint64().Draw(t, "seed")}
		whole := slices.Collect(schedule.Arrivals(rand.New(rand.NewPCG(load.Seed, scheduleStream))))
		n := rapid.IntRange(1, 9).Draw(t, "workers")
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		got := make([]time.Duration, len(whole))
		owner := make([]int, len(whole))
		for i := range n {
			for j := range lanes {
				s := Slice{Index: i, Of: n}.part(j, lanes)
				k := int64(0)
				for due := range s.Arrivals(load) {
					index := s.nth(k)
					k++
					if index >= int64(len(whole)) {
						t.Fatalf("arrival %d of %d", index, len(whole))
					}
					got[index] = due
					owner[index]++
				}
			}
		}
		if i := slices.IndexFunc(owner, func(n int) bool { return n != 1 }); i >= 0 {
			t.Fatalf("arrival %d is in %d slices", i, owner[i])
		}
		if !slices.Equal(got, whole) {
			t.Fatal("due times differ from those of the whole schedule")
		}
	})
}

// Users, sessions in flight and lanes' shares of them add up to the whole, and
// no two shares differ by more than one.
func TestSharesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, n, lanes := rapid.IntRange(0, 100_000).Draw(t, "whole"), rapid.IntRange(1, 100).Draw(t, "workers"), rapid.IntRange(1, 8).Draw(t, "lanes")
		sum, least, most := 0, whole, 0
		for i := range n {
			part := Slice{Index: i, Of: n}.Share(whole)
			inLanes := 0
			for j := range lanes {
				inLanes += share(part, j, lanes)
			}
			if inLanes != part {
				t.Fatalf("lanes of slice %d have %d of its %d", i, inLanes, part)
			}
			sum, least, most = sum+part, min(least, part), max(most, part)
		}
		if sum != whole || most-least > 1 {
			t.Fatalf("%d in %d shares: sum %d, from %d to %d", whole, n, sum, least, most)
		}
	})
}

// A rowUser is a generator that notes which rows of a feed its arrivals use,
// and which sessions there are.
type rowUser struct {
	feed    *generators.Feed
	service time.Duration

	mu       sync.Mutex
	rows     map[string]int
	ended    int
	sessions map[int]int
}

func (g *rowUser) Open(_ context.Context, id int) (generators.Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sessions[id]++
	return &rowSession{g}, nil
}

type rowSession struct{ g *rowUser }

func (s *rowSession) Do(_ context.Context, a generators.Arrival) generators.Result {
	op := generators.Op{Due: a.Due, Started: time.Now(), Class: generators.OK}
	row, err := s.g.feed.Row(a.Index)
	s.g.mu.Lock()
	if err != nil {
		s.g.ended++
		op.Class, op.Err = generators.Local, err
	} else {
		user, _ := row.Get("user")
		s.g.rows[user]++
	}
	s.g.mu.Unlock()
	time.Sleep(s.g.service)
	op.Ended = time.Now()
	return generators.Result{Ops: []generators.Op{op}}
}

func (s *rowSession) Close() error { return nil }

// Workers that share a feed with pick: unique use no row twice and, in the open
// model, every row; sessions have ids of their own.
func TestWorkersUseNoRowTwice(t *testing.T) {
	for _, model := range []string{"open", "closed"} {
		t.Run(model, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const rows, n = 1000, 4
				table := make([][]string, rows)
				for i := range table {
					table[i] = []string{strconv.Itoa(i)}
				}
				feed, err := generators.NewFeed("users", []string{"user"}, table, generators.FeedOptions{Pick: "unique"})
				if err != nil {
					t.Fatal(err)
				}
				g := &rowUser{feed: feed, service: 7 * time.Millisecond, rows: map[string]int{}, sessions: map[int]int{}}
				plan := onePhase(t, rows/10, 10*time.Second, nil)
				plan.Loads[0].Generator = g
				if model == "closed" {
					users(t, plan, generators.Piece{End: 10 * time.Second, From: 10, To: 10})
				}
				playSlices(t, plan, n)
				for user, times := range g.rows {
					if times != 1 {
						t.Errorf("user %s was used %d times", user, times)
					}
				}
				for id, times := range g.sessions {
					if times != 1 {
						t.Errorf("session id %d was given %d times", id, times)
					}
				}
				if len(g.rows) != rows {
					t.Errorf("%d of %d rows were used", len(g.rows), rows)
				}
				if model == "open" && g.ended != 0 {
					t.Errorf("%d arrivals found the feed ended", g.ended)
				}
				if model == "closed" && len(g.sessions) != 10 {
					t.Errorf("%d users, want 10", len(g.sessions))
				}
			})
		})
	}
}

// playSlices plays n slices of a plan at once and returns what they did, added
// up: the counts of each second and all their intervals.
func playSlices(t *testing.T, plan *scenarios.Plan, n int) (journal.LoadCounts, []journal.Interval) {
	t.Helper()
	sum := journal.LoadCounts{Failed: map[string]int64{}, Status: map[string]int64{}}
	var intervals []journal.Interval
	var mu sync.Mutex
	var playing sync.WaitGroup
	for i := range n {
		run := NewLoads(plan, LoadsOptions{Slice: Slice{Index: i, Of: n}, Origin: time.Now().Add(time.Second), Wait: TimerWait,
			Second: func(_ time.Duration, b journal.Batch) {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range b.Events {
					if e.Kind == journal.LoadSecond {
						sum.Merge(e.Load)
					}
				}
				intervals = append(intervals, b.Intervals...)
			}})
		playing.Go(func() { run.Play(t.Context()) })
	}
	playing.Wait()
	return sum, journal.MergeIntervals(intervals)
}

// What n slices offer and measure is what the whole load does, to the count.
func TestSlicesAreTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := always(30 * time.Millisecond)
		whole, _ := playSlices(t, onePhase(t, 333.3, 7*time.Second, service), 1)
		sliced, intervals := playSlices(t, onePhase(t, 333.3, 7*time.Second, service), 5)
		if sliced.Offered != whole.Offered || sliced.Completed != whole.Completed || sliced.Ops != whole.Ops || sliced.Dropped != 0 {
			t.Errorf("slices %+v, whole %+v", sliced, whole)
		}
		samples := int64(0)
		for _, iv := range intervals {
			if iv.Measure == journal.Response {
				samples += iv.Hist.TotalCount()
			}
		}
		if samples != whole.Ops {
			t.Errorf("%d samples of %d operations", samples, whole.Ops)
		}
	})
}

// Stopped before it began, a slice has sent nothing and says so.
func TestLoadsStoppedBeforeTheyBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := onePhase(t, 100, 5*time.Second, always(time.Millisecond))
		var at []time.Duration
		var offered int64
		run := NewLoads(plan, LoadsOptions{Origin: time.Now().Add(10 * time.Second), Wait: TimerWait, Second: func(d time.Duration, b journal.Batch) {
			at = append(at, d)
			for _, e := range b.Events {
				if e.Load != nil {
					offered += e.Load.Offered
				}
			}
		}})
		run.Stop()
		run.Play(t.Context())
		if !slices.Equal(at, []time.Duration{0}) || offered != 0 {
			t.Errorf("seconds at %v, offered %d", at, offered)
		}
	})
}
