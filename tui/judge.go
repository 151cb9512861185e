package tui

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// How an objective stands, in the words on the screen.
const (
	standingNotYet  = "not yet" // its time has not come
	standingHolding = "holding" // so far; its time is not over
	standingAtRisk  = "at risk" // close to its limit, or past it in a way that can still mend
	standingBroken  = "broken"  // and it stays so
	standingHeld    = "held"    // and it stays so
	standingUnknown = "unknown" // its time is over, and nothing can be said
)

// riskMargin is how close to its limit an objective is at risk, as a share of
// the limit in percent.
const riskMargin = 10

// A standing is how one objective stands.
type standing struct {
	word     string
	source   string
	observed string
	margin   string
	reason   string
	final    bool // it will not change any more
}

// rank orders standings by how much they need to be seen.
func (s standing) rank() int {
	return slices.Index([]string{standingBroken, standingAtRisk, standingUnknown, standingHolding, standingNotYet, standingHeld}, s.word)
}

// A judge says how each objective of a plan stands, over a live journal of its
// own. Its pass may run beside an Append to the journal, but not beside
// another pass.
type judge struct {
	journal *journal.Journal
	cases   []judged
}

// A judged is one objective and the time it is about.
type judged struct {
	standing
	objective objective.Objective
	from, to  time.Duration // of its phase, or of the run
	settled   time.Duration // after to, when nothing that fell due before can still end
	growing   bool          // a value past its limit can come back while the window goes on
}

func newJudge(plan journal.Plan) *judge {
	j := &judge{journal: journal.New(plan)}
	for _, p := range plan.Objectives {
		c := judged{standing: standing{word: standingNotYet, source: clean(p.Source)}, to: plan.Duration}
		o, err := objective.Compile(p.Source)
		if err != nil {
			// The plan was compiled with it; another version's may not be.
			c.word, c.reason, c.final = standingUnknown, clean(err.Error()), true
			j.cases = append(j.cases, c)
			continue
		}
		c.objective = o
		if phase, ok := j.journal.Phase(o.Phase()); ok {
			c.from, c.to = phase.Start, phase.End
		}
		if o.Scaling() {
			// It takes the whole run to learn what a replica bears.
			c.from, c.to = 0, plan.Duration
		}
		load, _, measure := o.Metric()
		for _, l := range plan.Loads {
			if l.Name == load {
				c.settled = l.Timeout + l.Patience
			}
		}
		c.settled += 2 * time.Second
		c.growing = canMend(o.Source(), measure)
		j.cases = append(j.cases, c)
	}
	return j
}

// canMend reports whether a statistic that is past its limit can come back
// while its window grows: a percentile, a mean or a share can, a maximum, a
// count or a single reading cannot. With a within clause, neither can: the
// window that failed stays failed.
func canMend(source, measure string) bool {
	if strings.Contains(source, " within ") {
		return false
	}
	words := strings.Split(measure, ".")
	if words[0] == "errors" {
		return strings.Contains(source, "%")
	}
	for _, w := range words {
		if w == "mean" || w == "rate" || len(w) > 1 && w[0] == 'p' && w[1] >= '0' && w[1] <= '9' {
			return true
		}
	}
	return false
}

// needs reports whether an interval matters to an objective that is still
// open, by what the last pass returned. It may run beside a pass.
func (j *judge) needs(iv journal.Interval, last []standing) bool {
	for i := range j.cases {
		if i < len(last) && last[i].final {
			continue
		}
		load, step, measure := j.cases[i].objective.Metric()
		if load != iv.Load || step != "" && step != iv.Step {
			continue
		}
		if iv.Measure == journal.Response || strings.Contains(measure, string(iv.Measure)) {
			return true
		}
	}
	return false
}

// pass judges what is open at a time of the run, and all of it once the run
// has ended. It returns how everything stands.
func (j *judge) pass(now time.Duration, ended bool) []standing {
	keep := now
	out := make([]standing, len(j.cases))
	for i := range j.cases {
		c := &j.cases[i]
		if !c.final && (now >= c.from || ended) {
			c.look(j.journal, now, ended)
		}
		if !c.final {
			keep = min(keep, c.from)
		}
		out[i] = c.standing
	}
	// What no open objective reaches back to has been judged for good.
	j.journal.Forget(keep.Truncate(time.Second))
	return out
}

// look judges the objective.
func (c *judged) look(j *journal.Journal, now time.Duration, ended bool) {
	f := c.objective.Judge(j)
	c.observed, c.margin, c.reason = clean(f.Observed), brief(clean(f.Margin)), clean(f.Reason)
	over := ended || now > c.to+c.settled
	c.final = over
	switch {
	case f.State == objective.Pass && !over && !ended:
		c.word = standingHolding
	case f.State == objective.Pass:
		c.word = standingHeld
	case f.State == objective.Fail:
		c.word = standingBroken
		// The window that decided may be the one that goes on.
		if c.growing && !over && now < c.to && f.To+time.Second >= now.Truncate(time.Second) {
			c.word = standingAtRisk
		}
	case over:
		c.word = standingUnknown
	case f.Observed == "":
		c.word = standingNotYet
	case holds(f):
		c.word = standingHolding
	default:
		c.word = standingAtRisk
	}
	if c.word == standingHolding && nearLimit(f) {
		c.word = standingAtRisk
	}
}

// holds reports whether what was observed so far is within the limit. Of an
// open window a finding says no more than on which side of it the value is.
func holds(f objective.Finding) bool {
	op, limit, _ := strings.Cut(f.Limit, " ")
	at := f.Margin == "at the limit"
	above := strings.HasSuffix(f.Margin, "above the limit") || strings.HasSuffix(f.Margin, "times the limit")
	switch op {
	case "<":
		return !above && !at
	case "<=":
		return !above
	case ">":
		return above
	case ">=":
		return above || at
	case "==":
		return f.Observed == limit
	case "!=":
		return f.Observed != limit
	}
	return f.Margin == "inside the range"
}

// nearLimit reports whether a value within its limit is close to it. For counts
// and numbers of things there is no near: 4 of at least 4 is what was asked.
func nearLimit(f objective.Finding) bool {
	switch f.Unit {
	case "ns", "ratio", "per_second", "bytes":
	default:
		return false
	}
	if f.Margin == "at the limit" {
		return true
	}
	percent, ok := strings.CutSuffix(strings.Fields(f.Margin + " x")[0], "%")
	v, err := strconv.ParseFloat(percent, 64)
	return ok && err == nil && v < riskMargin
}

// brief leaves out of a margin what stands beside it: the limit.
func brief(margin string) string {
	for _, side := range []string{"above", "below", "inside"} {
		for _, of := range []string{" the limit", " the range"} {
			if cut, ok := strings.CutSuffix(margin, side+of); ok {
				return strings.Replace(cut, "over ", ">", 1) + side
			}
		}
	}
	margin = strings.Replace(margin, "times the limit", "times", 1)
	return strings.Replace(margin, "at the limit", "at limit", 1)
}
