package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// faultNames are the names of the faults, each once, in the order of their
// first occurrences.
func (r *Report) faultNames() []string {
	var names []string
	for _, f := range r.Faults {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// occurrences are all of one name.
func (r *Report) occurrences(name string) []Fault {
	var all []Fault
	for _, f := range r.Faults {
		if f.Name == name {
			all = append(all, f)
		}
	}
	return all
}

// tellRepeated sums up a fault that came more often than is worth a sentence
// each: how its occurrences went, and the range of each load's p99 over them.
func (r *Report) tellRepeated(j *journal.Journal, name string, all []Fault) string {
	went := map[Truth][]string{}
	var there []Fault
	for _, f := range all {
		went[f.Truth] = append(went[f.Truth], f.Label())
		if f.to > f.from {
			there = append(there, f)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s was to come %d times: %d took effect and are gone", name, len(all), len(went[FaultProven]))
	for _, bad := range []struct {
		truth Truth
		words string
	}{{FaultNotGone, "not verified gone"}, {FaultIneffective, "without an effect that was seen"}, {FaultNotInjected, "not injected"}} {
		if labels := went[bad.truth]; len(labels) > 0 {
			fmt.Fprintf(&b, ", %d %s (%s)", len(labels), bad.words, someOf(labels))
		}
	}
	if len(there) == 0 {
		return b.String()
	}
	before := r.before(there[0])
	for _, load := range r.loads {
		low, high, measured := time.Duration(0), time.Duration(0), 0
		for _, f := range there {
			s := span{f.from, min(f.to, r.Run.Ended)}.seconds()
			if p, ok := j.Window(load, "", s.from, s.to).Quantile(journal.Response, journal.All, 99); ok {
				if measured == 0 || p < low {
					low = p
				}
				high = max(high, p)
				measured++
			}
		}
		if measured == 0 {
			continue
		}
		fmt.Fprintf(&b, "; while it was there %s had a p99 of %s to %s", load, duration(low), duration(high))
		if p, ok := j.Window(load, "", before.from, before.to).Quantile(journal.Response, journal.All, 99); ok {
			fmt.Fprintf(&b, " (%s before)", duration(p))
		}
	}
	return b.String()
}

// someOf names the first few of many.
func someOf(labels []string) string {
	if len(labels) <= maxTold {
		return strings.Join(labels, ", ")
	}
	return strings.Join(labels[:maxTold], ", ") + ", …"
}
