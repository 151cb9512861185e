package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
)

// The ceiling of a tool is the highest rung of a ladder that it holds: rates
// two percent apart.
const (
	lowestRate  = 500
	rungs       = 360 // up to 610,000/s
	rungRatio   = 1.02
	firstRung   = 256 // 80,000/s
	firstStride = 32
	stride      = 4   // once it is known about where the ceiling is
	gentleRung  = 105 // 4,000/s, for tools that fall over far beyond their ceiling
)

func rungRate(rung int) int { return int(lowestRate * math.Pow(rungRatio, float64(rung))) }

// What holding means. brunt must send and answer all that it planned, with
// half of it waiting less than heldWait. Others do not say how long arrivals
// waited: it is enough that the server answers nearly as much as was asked for
// in the middle of the turn and that half of what they measured, which in wrk2
// and vegeta has the wait in it, is below heldP50. (wrk2 wakes once a
// millisecond, so that its p50 is above one at any rate.)
const (
	heldWait  = 100 * time.Microsecond
	heldShare = 0.99
	heldP50   = 2 * time.Millisecond
)

const ceilingPath = "/none"

// ceilings are what brunt's ceiling is a multiple of, and which multiple is
// asked.
var ceilings = []struct {
	beside string
	least  float64
}{{"wrk2", 1.25}, {"k6", 10}, {vegetaUnbounded, 10}, {"vegeta", 10}}

// ceiling has a server of its own: one that is faster than any of the tools.
func ceiling(ctx context.Context, b *bench) error {
	account := b.server
	defer func() { b.server = account }()
	if err := b.serve(ctx, "-fast"); err != nil {
		return err
	}
	defer b.server.Stop()
	j := job{base: b.server.URL, path: ceilingPath, connections: 64, rate: 1, length: max(3*time.Second, (b.length / 3).Truncate(time.Second))}
	var tools []tool
	for _, t := range b.able(j) {
		switch t.name {
		case bruntLane, bruntGoroutines, "wrk2", "k6", "vegeta", vegetaUnbounded, "fortio": // those whose open model is one
			tools = append(tools, t)
		}
	}
	// The next round begins where the last one ended.
	begin := map[string]int{}
	all, err := b.play(ctx, tools, func(ctx context.Context, t tool) turn {
		from, known := begin[t.name]
		step := stride
		if !known {
			from, step = firstRung, firstStride
			if t.gentle {
				from = gentleRung
			}
		}
		var best turn
		rung := climb(from, step, func(rung int) bool {
			j.rate = rungRate(rung)
			awaitPorts(ctx)
			r := b.takeSteady(ctx, t, j)
			ok := ctx.Err() == nil && r.holds(t, j)
			if ok && j.rate > int(best.rate) {
				best = r
				best.rate = float64(j.rate)
			}
			return ok
		})
		if rung < 0 {
			return turn{err: fmt.Errorf("it does not hold even %d/s", lowestRate)}
		}
		begin[t.name] = rung
		return best
	})
	if err != nil {
		return err
	}
	printCeiling(b, toolNames(tools), all)
	return nil
}

// awaitPorts waits while much of the local ports is still taken by connections
// of the turn before, which has failed then. The kernel frees them after a
// minute; where it does not say how many there are, nobody waits.
func awaitPorts(ctx context.Context) {
	const most, patience = 8_000, 70 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil && lingering() > most {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// lingering is how many closed connections still hold a port.
func lingering() (n int) {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), " tw ")
	_, _ = fmt.Sscan(after, &n) // 0 where there is no number
	return n
}

// holds says whether a turn at a rate went well.
func (r turn) holds(t tool, j job) bool {
	if r.err != nil {
		return false
	}
	if t.binary == "" {
		return r.exact() && r.wait < heldWait
	}
	return r.steady >= heldShare*float64(j.rate) && r.p50 < heldP50
}

// exact is true when brunt sent what it planned, all of it was answered well,
// and the server counted as much.
func (r turn) exact() bool {
	return r.sent == r.planned && r.succeeded == r.planned && r.truth.Count == r.planned
}

// climb finds the highest rung that holds, trying those around the one to
// begin with first: in strides until it lies between two, then by halves. -1
// when none holds.
func climb(from, stride int, holds func(rung int) bool) int {
	low, high := -1, rungs // low holds, high does not
	for at := from; ; {
		if holds(at) {
			low = at
		} else {
			high = at
		}
		switch {
		case low >= 0 && high < rungs:
			for high-low > 1 {
				if mid := (low + high) / 2; holds(mid) {
					low = mid
				} else {
					high = mid
				}
			}
			return low
		case low >= 0: // nothing too high was found yet
			if low == rungs-1 {
				return low
			}
			at = min(low+stride, rungs-1)
		default:
			if high == 0 {
				return -1
			}
			at = max(high-stride, 0)
		}
	}
}

func printCeiling(b *bench, names []string, all results) {
	fmt.Fprintf(b.w, "\nceiling: the highest rate that holds, open model, 64 connections (of brunt as many as it takes)\n  %-11s %12s %13s %11s %13s\n", "", "arrivals/s", "brunt's / its", "p50", "p50 of waits")
	for _, name := range names {
		if len(all.good(name)) == 0 {
			continue
		}
		times := "-"
		if r, ok := all.ratio(bruntLane, name, heldRate); ok {
			times = fmt.Sprintf("%.2f", r)
		}
		p50, wait := all.of(name, func(r turn) float64 { return float64(r.p50) }), all.of(name, func(r turn) float64 { return float64(r.wait) })
		fmt.Fprintf(b.w, "  %-11s %12.0f %13s %11s %13s\n", name, all.of(name, heldRate), times, millis(p50, p50), millis(wait, wait))
	}
	all.failures(b.w, names)
	for _, c := range ceilings {
		if r, ok := all.ratio(bruntLane, c.beside, heldRate); ok {
			asked(b, r >= c.least, "%s holds %.2f × %s's highest rate, at least %.2f", bruntLane, r, c.beside, c.least)
		} else {
			unasked(b, bruntLane, c.beside)
		}
	}
}

func heldRate(r turn) float64 { return r.rate }
