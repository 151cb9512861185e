package scenarios

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// warn finds honest mistakes: a scenario that can be played, and whose answer
// may not be the one its author looks for.
func (l *loader) warn() {
	for _, e := range l.expect {
		l.warnWindow(e)
		l.warnShort(e)
		l.warnSamples(e)
	}
	for _, spec := range l.loads {
		l.warnFeeds(spec)
		l.warnPorts(spec)
	}
	for _, p := range l.phases {
		if at, ok := p.node.Get("after"); ok && p.After >= p.For && p.For > 0 {
			l.d.Warn(at, codeNotJudged, fmt.Sprintf("phase %s lasts %s, so after %s nothing of it is left to judge", p.Name, decode.FormatDuration(p.For), decode.FormatDuration(p.After)), "")
		}
	}
}

// window is how long the stretch is that an expectation is judged on, as
// planned. while narrows it during the run; that is not known here.
func (l *loader) window(e expectation) (from, to time.Duration, ok bool) {
	p := l.findPhase(e.objective.Phase())
	if p == nil {
		return 0, 0, false
	}
	return p.plan.Start + lengthOf(e, "after"), p.plan.End, true
}

func (l *loader) warnWindow(e expectation) {
	from, to, ok := l.window(e)
	if !ok || clauseOf(e, "while") != "" {
		return
	}
	p := l.findPhase(e.objective.Phase())
	switch {
	case lengthOf(e, "after") > 0 && from >= to:
		if lengthOf(e, "after") == p.After {
			return // said at the phase
		}
		l.d.Warn(e.node, codeNotJudged, fmt.Sprintf("phase %s lasts %s, so after %s nothing is left to judge", p.Name, decode.FormatDuration(p.For), decode.FormatDuration(lengthOf(e, "after"))), "")
	case lengthOf(e, "within") > to-from:
		l.d.Warn(e.node, codeNotJudged, fmt.Sprintf("within %s is longer than what there is to judge, %s", decode.FormatDuration(lengthOf(e, "within")), decode.FormatDuration(to-from)), "")
	}
}

// warnShort finds a fault that is over before a whole second of it could be
// judged.
func (l *loader) warnShort(e expectation) {
	name := clauseOf(e, "while")
	for _, o := range l.occurrences {
		if f := o.plan; f.Name == name && !f.OneShot && f.For > 0 && f.For < 2*time.Second {
			l.d.Warn(e.node, codeNotJudged, fmt.Sprintf("fault %s lasts %s, and what is judged is whole seconds: there may be none in which it is there", f.Name, decode.FormatDuration(f.For)), "let it last 2s or more")
			return
		}
	}
}

// clauseOf is the value of one clause of an expectation, "" when it has none.
func clauseOf(e expectation, word string) string {
	words := clauseWords(e.objective.Source())
	if i := slices.Index(words, word); i >= 0 && i+1 < len(words) {
		return words[i+1]
	}
	return ""
}

// lengthOf is a clause's duration, 0 when it has none.
func lengthOf(e expectation, word string) time.Duration {
	d, err := decode.ParseDuration(clauseOf(e, word))
	if err != nil {
		return 0 // there is no such clause: the statement was compiled
	}
	return d
}

// tailSamples is how many operations beyond a percentile make it more than
// the luck of one of them.
const tailSamples = 10

// warnSamples finds percentiles that too few operations are planned for.
func (l *loader) warnSamples(e expectation) {
	q, ok := e.objective.Percentile()
	from, to, known := l.window(e)
	if !ok || !known || clauseOf(e, "while") != "" {
		return
	}
	name, step, measure := e.objective.Metric()
	spec := l.findLoad(name)
	if spec == nil || spec.users || l.broken[name] || strings.Contains(measure, "failed") || from >= to {
		return
	}
	n := expectedBetween(spec.pieces, from, to)
	if step == "" {
		n *= float64(len(spec.steps))
	}
	what := "the window"
	if w := lengthOf(e, "within"); w > 0 && w < to-from {
		n *= float64(w) / float64(to-from)
		what = "every " + decode.FormatDuration(w)
	}
	need := math.Ceil(tailSamples / (1 - q/100))
	if n >= need || n == 0 {
		return
	}
	l.d.Warn(e.node, codeSamples, fmt.Sprintf("p%v takes %s operations to mean something, and about %s are planned for %s", q, thousands(int64(need)), thousands(int64(n)), what),
		"offer more, judge a longer window, or take a lower percentile")
}

// expectedBetween is the integral of a plan over a window.
func expectedBetween(pieces []generators.Piece, from, to time.Duration) float64 {
	total := 0.0
	for _, p := range pieces {
		a, b := max(from, p.Start), min(to, p.End)
		if a >= b {
			continue
		}
		if p.Trace != nil {
			total += float64(arrivalsBetween(p, a, b))
			continue
		}
		flat := p
		flat.Sine = nil // over many periods the wave adds nothing
		total += (planned(flat, a) + planned(flat, b)) / 2 * (b - a).Seconds()
	}
	return total
}

func (l *loader) warnFeeds(spec *loadSpec) {
	if spec.users || len(spec.pieces) == 0 {
		return
	}
	n := int64(expectedBetween(spec.pieces, 0, l.end()))
	for _, name := range slices.Sorted(maps.Keys(spec.feeds)) {
		f := l.feeds[name]
		if f.feed == nil || !f.stops() || n <= int64(f.feed.Len()) {
			continue
		}
		l.d.Warn(spec.feeds[name], codeFeedEnds, fmt.Sprintf("feed %s has %s, and load %s is to use %s: the rest of its arrivals will fail", name, count(f.feed.Len(), "row"), spec.name, thousands(n)),
			"write on_end: wrap, or give the feed more rows")
	}
}

// A connection that was closed keeps its local port for a minute, and Linux
// hands out 28,232 of them for one address unless it is told otherwise.
const (
	localPorts = 28_232
	portHeld   = 60 * time.Second
)

// warnPorts finds loads that open a connection for every request, faster than
// local ports come free.
func (l *loader) warnPorts(spec *loadSpec) {
	at, fresh := closesConnections(spec.node)
	if !fresh || spec.users || len(spec.pieces) == 0 {
		return
	}
	steps := float64(max(1, len(spec.steps)))
	var starts []time.Duration // a minute is busiest at one end of a piece
	for _, p := range spec.pieces {
		starts = append(starts, p.Start, p.End-portHeld)
	}
	for _, start := range starts {
		n := expectedBetween(spec.pieces, start, start+portHeld) * steps
		if n <= localPorts {
			continue
		}
		l.d.Warn(at, codePorts, fmt.Sprintf("a connection for every request makes %s in a minute, and there are about %s local ports, each held for a minute", thousands(int64(n)), thousands(localPorts)),
			"keep connections alive, offer less than 470/s, or widen net.ipv4.ip_local_port_range")
		return
	}
}

// closesConnections finds where a load says that it does not keep connections.
func closesConnections(load decode.Node) (decode.Node, bool) {
	for _, e := range load.Entries() {
		c, _ := e.Value.Get("connections")
		if n, ok := c.Get("max_requests"); ok && n.Text() == "1" {
			return n, true
		}
		if n, ok := c.Get("keep_alive"); ok && n.Text() == "false" {
			return n, true
		}
		headers, _ := e.Value.Get("headers")
		for _, h := range headers.Entries() {
			if strings.EqualFold(h.Key, "connection") && strings.EqualFold(h.Value.Text(), "close") {
				return h.Value, true
			}
		}
	}
	return decode.Node{}, false
}
