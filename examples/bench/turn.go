package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
)

// A turn is what one tool did in one round.
type turn struct {
	figures
	cpu   time.Duration // for each request
	rate  float64       // answered requests a second
	truth truth.Path    // by the server's own account
	err   error

	steady float64 // answered requests a second in the middle of the turn, where that was asked for
}

// edge is how much of a turn's start and end is left out of its middle: tools
// start up and open their connections one after the other.
const edge = 700 * time.Millisecond

// takeSteady gives a tool its turn and looks at how fast it is in the middle of
// it.
func (b *bench) takeSteady(ctx context.Context, t tool, j job) turn {
	var middle sync.WaitGroup
	var steady float64
	var lookErr error
	begin := time.Now()
	middle.Go(func() { steady, lookErr = b.rateBetween(ctx, begin.Add(edge), begin.Add(j.length-edge/2), j.path) })
	r := b.take(ctx, t, j)
	middle.Wait()
	if r.err == nil && t.binary != "" {
		r.steady, r.err = steady, lookErr
	}
	return r
}

// rateBetween asks the server at two moments.
func (b *bench) rateBetween(ctx context.Context, from, to time.Time, path string) (float64, error) {
	var counts [2]int64
	var times [2]time.Time
	for i, at := range []time.Time{from, to} {
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		report, err := b.server.Report(ctx)
		if err != nil {
			return 0, err
		}
		counts[i], times[i] = report.Paths[path].Count, time.Now()
	}
	return float64(counts[1]-counts[0]) / times[1].Sub(times[0]).Seconds(), nil
}

// take gives a tool its turn.
func (b *bench) take(ctx context.Context, t tool, j job) (r turn) {
	if err := b.server.Forget(ctx); err != nil {
		return turn{err: err}
	}
	f, used, err := t.play(ctx, b.client, j)
	if err != nil {
		return turn{err: err}
	}
	report, err := b.server.Report(ctx)
	if err != nil {
		return turn{err: err}
	}
	did := report.Paths[j.path]
	if did.Count == 0 {
		return turn{err: errors.New("not one request came")}
	}
	return turn{figures: f, cpu: used / time.Duration(did.Count), rate: float64(did.Count) / j.length.Seconds(), truth: did}
}

// results are the turns of each tool, by round.
type results map[string][]turn

// play gives every tool its turn in every round. Another one begins each
// round, so that none always follows the same.
func (b *bench) play(ctx context.Context, tools []tool, take func(context.Context, tool) turn) (results, error) {
	all := results{}
	for round := range b.rounds {
		for i := range tools {
			t := tools[(i+round)%len(tools)]
			r := take(ctx, t)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			all[t.name] = append(all[t.name], r)
		}
	}
	return all, nil
}

// able are the tools that can do a job.
func (b *bench) able(j job) (tools []tool) {
	for _, t := range b.tools {
		if t.args(j) != nil {
			tools = append(tools, t)
		}
	}
	return tools
}

// good are the turns that did not fail.
func (all results) good(name string) []turn {
	return slices.DeleteFunc(slices.Clone(all[name]), func(r turn) bool { return r.err != nil })
}

// of is the median of something over the good turns of a tool.
func (all results) of(name string, what func(turn) float64) float64 {
	var values []float64
	for _, r := range all.good(name) {
		values = append(values, what(r))
	}
	return median(values)
}

// ratio is the median over the rounds of something of one tool to that of
// another; false when they have no good round in common.
func (all results) ratio(one, other string, what func(turn) float64) (float64, bool) {
	return all.compare(one, other, func(a, b turn) (float64, bool) { return what(a) / what(b), what(b) > 0 })
}

// beyondBare is the same for the difference to the bare client.
func (all results) beyondBare(one string, what func(turn) float64) (float64, bool) {
	return all.compare(one, bareClient, func(a, b turn) (float64, bool) { return what(a) - what(b), true })
}

func (all results) compare(one, other string, by func(a, b turn) (float64, bool)) (float64, bool) {
	var values []float64
	for i := range min(len(all[one]), len(all[other])) {
		if a, b := all[one][i], all[other][i]; a.err == nil && b.err == nil {
			if v, ok := by(a, b); ok {
				values = append(values, v)
			}
		}
	}
	return median(values), len(values) > 0
}

// failures tells of the turns that failed, if any did.
func (all results) failures(w io.Writer, names []string) {
	for _, name := range names {
		failed := 0
		var first error
		for _, r := range all[name] {
			if r.err != nil {
				if failed++; first == nil {
					first = r.err
				}
			}
		}
		if failed > 0 {
			fmt.Fprintf(w, "  %s failed in %d of %d turns: %v\n", name, failed, len(all[name]), first)
		}
	}
}

// median is 0 for nothing.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	if n := len(all); n%2 == 0 {
		return (all[n/2-1] + all[n/2]) / 2
	}
	return all[len(all)/2]
}
