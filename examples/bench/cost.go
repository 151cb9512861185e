package main

import (
	"context"
	"fmt"
	"time"
)

// A costContest compares what a request costs.
type costContest struct {
	title     string
	job       job
	yardstick string // the tool that the others' cost is a multiple of
	goals     []goal
}

// A goal is what is asked of one way of using brunt, beside another tool.
type goal struct {
	tool, beside string
	most         float64 // of the ratio
}

var closedModel = costContest{
	title:     "closed: CPU a request, closed model, 64 connections",
	job:       job{path: "/none", connections: 64},
	yardstick: "wrk",
	goals:     []goal{{bruntLane, "wrk", 0.95}, {bruntGoroutines, "wrk", 1.5}, {bruntFlow, "wrk", 1.5}},
}

var openModel = costContest{
	title:     "open: CPU a request and p50, open model, 20,000/s, answers after 200µs",
	job:       job{path: "/fixed/200us", connections: 64, rate: 20_000},
	yardstick: "wrk2",
	goals:     []goal{{bruntLane, "wrk2", 1.3}, {bruntRough, "wrk2", 1}},
}

func (c costContest) run(ctx context.Context, b *bench) error {
	j := c.job
	j.base, j.length = b.server.URL, b.length
	tools := b.able(j)
	all, err := b.play(ctx, tools, func(ctx context.Context, t tool) turn { return b.take(ctx, t, j) })
	if err != nil {
		return err
	}
	c.print(b, toolNames(tools), all)
	return nil
}

func (c costContest) print(b *bench, names []string, all results) {
	fmt.Fprintf(b.w, "\n%s\n  %-11s %12s %9s %11s %11s %11s %12s\n", c.title, "", "CPU/request", "× "+c.yardstick, "requests/s", "p50", "p99", "p50 − truth")
	for _, name := range names {
		if len(all.good(name)) == 0 {
			continue
		}
		times := "-"
		if r, ok := all.ratio(name, c.yardstick, costOf); ok {
			times = fmt.Sprintf("%.2f", r)
		}
		p50 := all.of(name, func(r turn) float64 { return float64(r.p50) })
		fmt.Fprintf(b.w, "  %-11s %12s %9s %11.0f %11s %11s %12s\n", name, fmt.Sprintf("%.1fµs", all.of(name, costOf)/1e3), times,
			all.of(name, func(r turn) float64 { return r.rate }), millis(p50, p50), millis(all.of(name, func(r turn) float64 { return float64(r.p99) }), p50),
			millis(all.of(name, func(r turn) float64 { return float64(r.p50 - r.truth.P50) }), p50))
	}
	all.failures(b.w, names)
	for _, g := range c.goals {
		if r, ok := all.ratio(g.tool, g.beside, costOf); ok {
			asked(b, r <= g.most, "%s %.2f × %s's CPU a request, at most %.2f", g.tool, r, g.beside, g.most)
		} else {
			unasked(b, g.tool, g.beside)
		}
	}
}

func costOf(r turn) float64 { return float64(r.cpu) }

// asked says whether a goal was met.
func asked(b *bench, met bool, format string, args ...any) {
	verdict := "missed"
	if met {
		verdict = "met"
	}
	fmt.Fprintf(b.w, "  %-6s  %s\n", verdict, fmt.Sprintf(format, args...))
}

// unasked says that a goal could not be looked at.
func unasked(b *bench, one, other string) {
	fmt.Fprintf(b.w, "  %-6s  %s beside %s: they did not both play\n", "open", one, other)
}

// millis writes a time, when the tool said any.
func millis(ns, said float64) string {
	if said == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3fms", ns/float64(time.Millisecond))
}
