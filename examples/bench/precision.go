package main

import (
	"context"
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
)

// bareClient is the least of clients, which the others are compared with: what
// it measures beyond the truth is what this machine takes to wake up and to
// carry the bytes.
const bareClient = "bare epoll"

// What brunt may measure beyond it. Below it brunt may be, since the kernel
// stamps the answers, but not below the truth by more than two histograms of
// three digits differ.
const (
	p50Beyond = 50 * time.Microsecond
	p99Beyond = 300 * time.Microsecond
	digits    = 0.002
)

const precisionPath = "/fixed/200us"

func precision(ctx context.Context, b *bench) error {
	for _, rate := range []int{1000, 20_000} {
		j := job{base: b.server.URL, path: precisionPath, connections: 64, rate: rate, length: b.length}
		tools := append([]tool{{name: bareClient}}, b.able(j)...)
		all, err := b.play(ctx, tools, func(ctx context.Context, t tool) turn {
			if t.name == bareClient {
				return b.bare(ctx, j)
			}
			return b.take(ctx, t, j)
		})
		if err != nil {
			return err
		}
		printPrecision(b, j, toolNames(tools), all)
	}
	return nil
}

// bare is the turn of the least of clients. Like brunt it has as many
// connections as it takes: one, where an answer comes before the next request
// is due, and else enough for a hiccup of the machine.
func (b *bench) bare(ctx context.Context, j job) (r turn) {
	if err := b.server.Forget(ctx); err != nil {
		return turn{err: err}
	}
	connections := 1
	if j.rate > 1000 {
		connections = j.connections
	}
	var d truth.Distribution
	err := pinned(b.client, func() (err error) {
		d, err = truth.Bare(ctx, j.url(), float64(j.rate), j.rate*int(j.length/time.Second), connections)
		return err
	})
	if err != nil {
		return turn{err: err}
	}
	report, err := b.server.Report(ctx)
	if err != nil {
		return turn{err: err}
	}
	did := report.Paths[j.path]
	return turn{figures: figures{p50: d.P50, p99: d.P99}, rate: float64(did.Count) / j.length.Seconds(), truth: did}
}

func printPrecision(b *bench, j job, names []string, all results) {
	fmt.Fprintf(b.w, "\nprecision: %d/s, answers after 200µs (the server's own account: p50 %s, p99 %s)\n  %-11s %12s %11s %11s %12s %12s\n", j.rate,
		millis(all.of(bareClient, func(r turn) float64 { return float64(r.truth.P50) }), 1), millis(all.of(bareClient, func(r turn) float64 { return float64(r.truth.P99) }), 1),
		"", "requests/s", "p50", "p99", "p50 − bare", "p99 − bare")
	for _, name := range names {
		if len(all.good(name)) == 0 || all.of(name, p50Of) == 0 {
			continue
		}
		p50, p99 := all.of(name, p50Of), all.of(name, p99Of)
		over50, _ := all.beyondBare(name, p50Of)
		over99, _ := all.beyondBare(name, p99Of)
		fmt.Fprintf(b.w, "  %-11s %12.1f %11s %11s %12s %12s\n", name, all.of(name, func(r turn) float64 { return r.rate }), millis(p50, 1), millis(p99, 1), millis(over50, 1), millis(over99, 1))
	}
	all.failures(b.w, names)
	over50, ok := all.beyondBare(bruntLane, p50Of)
	over99, _ := all.beyondBare(bruntLane, p99Of)
	if !ok {
		unasked(b, bruntLane, bareClient)
		return
	}
	asked(b, over50 <= float64(p50Beyond), "%s's p50 is at most %s beyond the bare client's: %s", bruntLane, p50Beyond, millis(over50, 1))
	asked(b, over99 <= float64(p99Beyond), "%s's p99 is at most %s beyond the bare client's: %s", bruntLane, p99Beyond, millis(over99, 1))
	under := all.of(bruntLane, func(r turn) float64 { return float64(r.p50) / float64(r.truth.P50) })
	asked(b, under >= 1-digits, "%s's p50 is not below the server's own account: %.3f of it", bruntLane, under)
	exact, turns := 0, all.good(bruntLane)
	for _, r := range turns {
		if r.exact() && r.planned == int64(j.rate)*int64(j.length/time.Second) {
			exact++
		}
	}
	asked(b, exact == len(turns), "%s sent, and the server counted, exactly what was offered in %d of %d turns", bruntLane, exact, len(turns))
}

func p50Of(r turn) float64 { return float64(r.p50) }
func p99Of(r turn) float64 { return float64(r.p99) }
