package scenarios

import (
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// checkOverlap refuses two faults that would hold one thing at one time, as far
// as that shows before anything is there. plan has the occurrences in order.
func (l *loader) checkOverlap(plan *Plan) {
	type holder struct {
		occurrence
		claims []string
		end    time.Duration
	}
	var there []holder
	said := map[[2]string]bool{}
	for i, o := range l.occurrences {
		claimer, ok := plan.Faults[i].Fault.(chaos.Claimer)
		if !ok {
			continue
		}
		h := holder{o, claimer.Claims(), o.plan.At + o.plan.For}
		if o.plan.For == 0 && !o.plan.OneShot {
			h.end = l.end()
		}
		kept := there[:0]
		for _, other := range there {
			if other.end < o.plan.At || other.end == o.plan.At && !other.plan.OneShot {
				continue // over before this one and all that follow
			}
			kept = append(kept, other)
			pair := [2]string{other.spec.name, o.spec.name}
			resource, both := chaos.Overlap(h.claims, other.claims)
			if !both || said[pair] || o.spec.comesAfter(other.spec) || other.spec.comesAfter(o.spec) {
				continue
			}
			said[pair] = true
			l.d.Report(o.spec.key, codeTimeline, fmt.Sprintf("faults %s and %s both hold %s at %s: two faults on one thing could not be told apart",
				other.plan.Label(), o.plan.Label(), resource, decode.FormatDuration(o.plan.At.Round(time.Millisecond))),
				"give them other times, or let one follow the other: after: "+other.spec.name)
		}
		there = append(kept, h)
	}
}

// comesAfter says whether the fault waits until another is over, itself or by
// what it waits for.
func (s *faultSpec) comesAfter(other *faultSpec) bool {
	for _, first := range s.after {
		if first == other || first.comesAfter(other) {
			return true
		}
	}
	return s == other // its occurrences wait for each other
}
