package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// table prints a contest's medians, and brunt's cost as a share of each
// other's.
func table(w io.Writer, c contest, entrants []tool, results map[string][]turn) {
	fmt.Fprintf(w, "\n%s\n  %-11s %12s %12s %11s %11s %11s %12s\n", c.name, "", "CPU/request", "brunt's/its", "requests/s", "p50", "p99", "p50-truth")
	for _, t := range entrants {
		turns := results[t.name]
		if len(turns) == 0 {
			fmt.Fprintf(w, "  %-11s has no such model\n", t.name)
			continue
		}
		good := slices.DeleteFunc(slices.Clone(turns), func(r turn) bool { return r.err != nil })
		if len(good) == 0 {
			fmt.Fprintf(w, "  %-11s failed: %v\n", t.name, turns[0].err)
			continue
		}
		of := func(what func(turn) float64) float64 {
			var all []float64
			for _, r := range good {
				all = append(all, what(r))
			}
			return median(all)
		}
		p50, p99 := of(func(r turn) float64 { return float64(r.p50) }), of(func(r turn) float64 { return float64(r.p99) })
		beyond := of(func(r turn) float64 { return float64(r.p50 - r.truth) })
		name, mark := t.name, ""
		if name == c.yardstick {
			mark = " *"
		}
		fmt.Fprintf(w, "  %-11s %12s %12s %11.0f %11s %11s %12s", name+mark, micros(of(func(r turn) float64 { return float64(r.cpu) })),
			ratio(results["brunt"], turns), of(func(r turn) float64 { return r.rate }), millis(p50, p50), millis(p99, p99), millis(beyond, p50))
		if failed := len(turns) - len(good); failed > 0 {
			fmt.Fprintf(w, "  (%d of %d turns failed: %v)", failed, len(turns), turns[slices.IndexFunc(turns, func(r turn) bool { return r.err != nil })].err)
		}
		fmt.Fprintln(w)
	}
}

// ratio is the median over the rounds of brunt's CPU a request to another's.
func ratio(brunt, other []turn) string {
	var all []float64
	for i := range min(len(brunt), len(other)) {
		if brunt[i].err == nil && other[i].err == nil && other[i].cpu > 0 {
			all = append(all, float64(brunt[i].cpu)/float64(other[i].cpu))
		}
	}
	if len(all) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", median(all))
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

func micros(ns float64) string { return fmt.Sprintf("%.1fµs", ns/1e3) }

// millis writes a time, when the tool said any.
func millis(ns, said float64) string {
	if said == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3fms", ns/float64(time.Millisecond))
}
