package reports

import (
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// lagLimit is the dispatch lag that counts as strain for what is judged.
func lagLimit(objectives []Objective) time.Duration {
	limit := time.Duration(0)
	for _, o := range objectives {
		if l, ok := latencyLimit(o.Finding); ok {
			if share := time.Duration(lagShare * float64(l)); limit == 0 || share < limit {
				limit = share
			}
		}
	}
	if limit == 0 && len(objectives) > 0 {
		return maxLag // nothing is judged that less could decide
	}
	return min(max(limit, minLag), maxLag)
}

// latencyLimit is the upper limit of a finding about a load's latency; false
// for every other finding.
func latencyLimit(f objective.Finding) (time.Duration, bool) {
	if !aboutLatency(f) {
		return 0, false
	}
	text := strings.TrimLeft(f.Limit, "<>=! ")
	if _, high, ok := strings.Cut(text, ".."); ok {
		text = high
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// aboutLatency reports whether a finding is about the latency of a load, which
// is what a strained generator distorts.
func aboutLatency(f objective.Finding) bool {
	if f.Unit != "ns" {
		return false
	}
	o, err := objective.Compile(f.Source)
	if err != nil {
		return false
	}
	load, _, _ := o.Metric()
	return load != ""
}

// distrust makes findings unknown that the generator's strain may have
// decided: those about latency where it was strained in more than a hundredth
// of the window, and failures of errors that were mostly its own.
//
// Let stand are: a hiccup of the dispatcher that the waits of the operations
// show to have decided nothing; a finding that held although late dispatch can
// only have made it worse; and a failure that is one even without all the
// delay that the generator can have added.
func (r *Report) distrust(j *journal.Journal) {
	for i := range r.Objectives {
		o := &r.Objectives[i]
		doubt, note := r.doubt(j, o)
		if note != "" {
			o.Warnings = append(o.Warnings, sentence(note))
		}
		if doubt != "" {
			o.Before, o.State, o.Reason = o.State, objective.Unknown, sentence(doubt)
		}
	}
}

// doubt says why a finding is not to be trusted, or what is to be noted of one
// that is.
func (r *Report) doubt(j *journal.Journal, o *Objective) (doubt, note string) {
	if o.State == objective.Unknown {
		return "", ""
	}
	if !aboutLatency(o.Finding) {
		return r.doubtErrors(j, o), ""
	}
	s := r.Trust.over(o.From, o.To)
	window := max((o.To - o.From).Seconds(), 1)
	if !s.tooMuch(window) {
		return "", ""
	}
	strained := plural(s.seconds, "second")
	if s.fellBehind(window) {
		return fmt.Sprintf("arrivals were sent up to %s late in %s of the window from %s, so what was measured (%s) is of another load than the plan's",
			duration(s.delay), plural(s.behind, "second"), between(o.From, o.To), o.Observed), ""
	}
	limit, ok := latencyLimit(o.Finding)
	if s.hiccup(window) && waited(j, o.Finding) <= r.Trust.Limits.DispatchLag {
		return "", fmt.Sprintf("the generator was late in %s of the window, but operations waited too little for it to matter", strained)
	}
	if o.State == objective.Pass && ok && strings.HasPrefix(o.Limit, "<") && !s.deep && r.offeredOpen(o.Finding) {
		return "", fmt.Sprintf("the generator was late in %s of the window; response times hold that delay, and were within the limit all the same", strained)
	}
	if o.State == objective.Fail && ok && !s.deep && time.Duration(o.Value)-s.delay > limit {
		return "", fmt.Sprintf("the generator was strained in %s of the window, but the delay it can have added (%s) does not explain the failure", strained, duration(s.delay))
	}
	return fmt.Sprintf("the generator was strained in %s of the window from %s, so what was measured (%s) says nothing about the target",
		strained, between(o.From, o.To), o.Observed), ""
}

// offeredOpen reports whether a finding is about a load in the open model,
// whose arrivals fall due whatever the generator does. In the closed one a
// slow generator offers less.
func (r *Report) offeredOpen(f objective.Finding) bool {
	o, err := objective.Compile(f.Source)
	if err != nil {
		return false
	}
	load, _, _ := o.Metric()
	l := r.Loads[load]
	return l != nil && l.Model == "open"
}

// waited is how long operations waited to be sent in the window of a finding
// about latency, by the finding's own statistic.
func waited(j *journal.Journal, f objective.Finding) time.Duration {
	o, err := objective.Compile(f.Source)
	if err != nil {
		return forever
	}
	load, step, measure := o.Metric()
	s := span{f.From, f.To}.seconds()
	w := j.Window(load, step, s.from, s.to)
	var d time.Duration
	if q, ok := o.Percentile(); ok {
		d, _ = w.Quantile(journal.Wait, journal.All, q)
	} else if strings.HasSuffix(measure, "mean") {
		d, _ = w.Mean(journal.Wait, journal.All)
	} else {
		d, _ = w.Max(journal.Wait, journal.All)
	}
	return d
}

// doubtErrors says why a failure is not the target's: half of the failed
// operations or more failed on brunt's own side, or were dropped while it had
// fallen behind.
func (r *Report) doubtErrors(j *journal.Journal, o *Objective) string {
	compiled, err := objective.Compile(o.Source)
	if err != nil || o.State != objective.Fail {
		return ""
	}
	load, step, measure := compiled.Metric()
	if load == "" || measure != "errors" {
		return ""
	}
	s := span{o.From, o.To}.seconds()
	w := j.Window(load, step, s.from, s.to)
	if own, all := w.Class(localClass), w.Failed(); own > 0 && 2*own >= all {
		return fmt.Sprintf("%s of %s failed on brunt's own side (class %s), so %s says nothing about the target",
			count(own), plural(all, "failed operation"), localClass, o.Observed)
	}
	if strained := r.Trust.over(o.From, o.To); strained.fellBehind(max((o.To - o.From).Seconds(), 1)) {
		if own, all := w.Class(journal.OutcomeDropped), w.Failed(); 2*own >= all {
			return fmt.Sprintf("%s of %s were dropped because brunt had fallen behind, so %s says nothing about the target",
				count(own), plural(all, "failed operation"), o.Observed)
		}
	}
	return ""
}
