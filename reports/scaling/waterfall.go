package scaling

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// follow draws the waterfall of a step up.
func (a *Analysis) follow(s *Step) {
	if v, known := a.Ready.at(s.Start); known {
		s.Before = &v
	} else if next := a.Ready.between(s.Start, s.End); len(next) > 0 && next[0].Known {
		s.Before = &next[0].Value // the first look came a moment after the run began
	}
	if a.PerReplica > 0 {
		w := replicasFor(s.To, a.PerReplica)
		s.Wanted = &w
	}
	decided := a.decided(s)
	seen := a.seen(s, decided)
	s.Absorbed = a.absorbed(s, decided)
	s.Stages = []Stage{seen, decided}
	from := s.Start
	if decided.State == Reached {
		from += decided.After - decided.Within
	}
	fresh := a.freshPods(s, from)
	for _, stage := range []string{Created, Node, Scheduled, Started, Ready} {
		s.Stages = append(s.Stages, a.podStage(s, stage, fresh))
	}
	s.Stages = append(s.Stages, a.served(s, fresh), a.capacity(s))
	if s.Absorbed {
		for i := range s.Stages {
			if s.Stages[i].State != Reached {
				s.Stages[i] = Stage{Name: s.Stages[i].Name, State: Unneeded, Text: "what was there was enough"}
			}
		}
	}
	a.countUnserved(s)
	s.Pinning = a.pinning(s, fresh)
	a.note(s)
}

// notReached is right-censored; where the run itself broke off, what would have
// come is not known.
func (a *Analysis) notReached(s *Step, name, why string) Stage {
	if s.Cut {
		return Stage{Name: name, State: Unknown, After: s.End - s.Start, Text: why + ", and the run ended early"}
	}
	return Stage{Name: name, State: Not, After: s.End - s.Start, Text: why}
}

func reached(s *Step, name string, m moment) Stage {
	return Stage{Name: name, State: Reached, After: max(m.at-s.Start, 0), Within: m.within}
}

// seen is when the autoscaler's own metric first showed more than its target.
func (a *Analysis) seen(s *Step, decided Stage) Stage {
	if a.Metric == nil {
		return Stage{Name: Seen, State: Unknown, Text: "the probe does not see what the autoscaler goes by"}
	}
	m, ok := a.Metric.first(s.Start, s.End, func(v float64) bool { return v > 1 })
	switch {
	case !ok && decided.State == Reached:
		return Stage{Name: Seen, State: Unknown, Text: "it was not seen above its target, though the autoscaler decided"}
	case !ok:
		return a.notReached(s, Seen, "the autoscaler's metric never went above its target")
	}
	st := reached(s, Seen, m)
	if decided.State == Reached && st.After > decided.After {
		// Both are told in one status: it was seen at the latest then.
		st.After, st.Within, st.Text = decided.After, decided.Within, "told with the decision"
	}
	if st.After == 0 && st.Within == 0 {
		st.Text = "it was above its target before"
	}
	return st
}

// decided is when more replicas were first asked for.
func (a *Analysis) decided(s *Step) Stage {
	if a.Desired == nil {
		return Stage{Name: Decided, State: Unknown, Text: "the probe does not see decisions"}
	}
	for _, o := range a.objects {
		if o.What == "scaled" && o.From != nil && o.To != nil && *o.To > *o.From && o.At >= s.Start-o.Within && o.At < s.End {
			st := reached(s, Decided, moment{o.At, o.Within})
			st.Object, st.Text = o.Object, fmt.Sprintf("%s → %s", number(*o.From), number(*o.To))
			if why := a.said(o); why != "" {
				st.Text += ": " + why
			}
			return st
		}
	}
	before, known := a.Desired.at(s.Start)
	if !known {
		next := a.Desired.between(s.Start, s.End)
		i := slices.IndexFunc(next, func(p Point) bool { return p.Known })
		if i < 0 {
			return Stage{Name: Decided, State: Unknown, Text: "how many replicas were asked for was never seen"}
		}
		before = next[i].Value
	}
	last := before
	for _, p := range a.Desired.between(s.Start, s.End) {
		if p.Known && p.Value > last {
			since := max(p.Since, s.Start)
			st := reached(s, Decided, moment{since + (p.At-since)/2, (p.At - since) / 2})
			st.Text = fmt.Sprintf("%s → %s", number(last), number(p.Value))
			return st
		}
		if p.Known {
			last = p.Value
		}
	}
	return a.notReached(s, Decided, "no more replicas were asked for")
}

// said is why a decision fell, in the controller's own words where it says
// something of that number around that time.
func (a *Analysis) said(decision journal.Object) string {
	size := "New size: " + number(*decision.To) + ";"
	for _, o := range a.objects {
		apart := o.At - decision.At
		if o.What != "said" || o.Object != decision.Object || max(apart, -apart) > o.Within+decision.Within+2*time.Second {
			continue
		}
		if _, after, ok := strings.Cut(o.Text, size); ok {
			return strings.TrimPrefix(strings.TrimSpace(after), "reason: ")
		}
	}
	return decision.Text
}

// absorbed reports whether there was nothing to react to.
func (a *Analysis) absorbed(s *Step, decided Stage) bool {
	if decided.State == Reached {
		return false
	}
	if s.Wanted != nil && s.Before != nil && *s.Before >= *s.Wanted {
		return true
	}
	_, high, known := a.Metric.extremes(s.Start, s.End)
	return known && high <= 1+tolerance && a.unknown(a.Metric, s.Start, s.End) < time.Second
}

// readyByCount is the first time that more replicas were ready than before.
func (a *Analysis) readyByCount(s *Step) Stage {
	if s.Before == nil {
		return Stage{Name: Ready, State: Unknown, Text: "how many were ready before was not seen"}
	}
	m, ok := a.Ready.first(s.Start, s.End, func(v float64) bool { return v > *s.Before })
	if !ok {
		return a.notReached(s, Ready, "no more replicas became ready")
	}
	return reached(s, Ready, m)
}

// node is when the first new node that a new pod runs on was ready.
func (a *Analysis) node(s *Step, fresh []*pod) Stage {
	if !a.PodsKnown {
		return Stage{Name: Node, State: Unknown, Text: "the probe does not see single pods"}
	}
	waited := slices.ContainsFunc(fresh, func(p *pod) bool { _, ok := p.when["unschedulable"]; return ok })
	var nodes []journal.Object
	watched := false
	for _, p := range a.journal.Plan.Probes {
		for _, e := range a.journal.Objects(p.Name) {
			if o := *e.Object; strings.HasPrefix(o.Object, "node/") && o.What == "ready" && o.At >= s.Start-o.Within && o.At < s.End {
				nodes = append(nodes, o)
			}
		}
		for _, e := range a.journal.Readings(p.Name, 0, forever) {
			if _, ok := e.Series["nodes"]; ok {
				watched = true
				break
			}
		}
	}
	slices.SortFunc(nodes, func(x, y journal.Object) int { return cmp.Compare(x.At, y.At) })
	for _, n := range nodes {
		name := strings.TrimPrefix(n.Object, "node/")
		if slices.ContainsFunc(fresh, func(p *pod) bool { return p.on == name }) {
			st := reached(s, Node, moment{n.At, n.Within})
			st.Object, st.Text = n.Object, n.Text
			return st
		}
	}
	switch {
	case len(fresh) > 0 && !waited:
		return Stage{Name: Node, State: Unneeded, Text: "the new pods found room"}
	case !watched && waited:
		return Stage{Name: Node, State: Unknown, Text: "pods waited for room, and no probe watches nodes"}
	case waited:
		return a.notReached(s, Node, "pods waited for room, and no new node became ready for them")
	}
	return Stage{Name: Node, State: Unneeded, Text: "no pod asked for room"}
}

// served is when a new pod answered its first request.
func (a *Analysis) served(s *Step, fresh []*pod) Stage {
	switch {
	case !a.ServedKnown:
		return Stage{Name: Served, State: Unknown, Text: "no answer says who served it (set served_by on the load)"}
	case !a.PodsKnown:
		return Stage{Name: Served, State: Unknown, Text: "the probe does not see single pods"}
	}
	var best *Stage
	take := func(m moment, pod string) {
		st := reached(s, Served, m)
		if st.Object = "pod/" + pod; best == nil || st.After < best.After {
			best = &st
		}
	}
	for _, p := range fresh {
		if o, ok := p.when["served"]; ok && o.At < s.End {
			take(moment{o.At, o.Within}, p.name)
		}
	}
	for _, name := range a.load.names {
		if p, second, ok := a.firstServed(name, s, fresh); ok {
			take(moment{second + time.Second/2, time.Second / 2}, p.name)
		}
	}
	if best == nil {
		return a.notReached(s, Served, "no new pod answered a request")
	}
	return *best
}

// firstServed finds the first second of a load in which a new pod answered.
func (a *Analysis) firstServed(load string, s *Step, fresh []*pod) (first *pod, second time.Duration, ok bool) {
	for _, e := range a.journal.LoadSeconds(load, s.Start, s.End+stampLag) {
		for _, who := range slices.Sorted(maps.Keys(e.Load.Served)) {
			if p := a.podOf(who); p != nil && e.Load.Served[who] > 0 && slices.Contains(fresh, p) {
				return p, secondOf(e.At), true
			}
		}
	}
	return nil, 0, false
}

// stampLag is how late the event of a second may be stamped.
const stampLag = 200 * time.Millisecond

// secondOf is the start of the second that the event of a second is about.
func secondOf(at time.Duration) time.Duration {
	return max(0, at-stampLag).Truncate(time.Second)
}

// capacity is when as many replicas were ready as the step needs.
func (a *Analysis) capacity(s *Step) Stage {
	if a.pinned(*s) && !a.Declared {
		limit, _ := a.Limit.at(s.End - 1)
		return a.notReached(s, Capacity, fmt.Sprintf("it is pinned at its maximum of %s with the metric above its target", number(limit)))
	}
	if s.Wanted == nil {
		return Stage{Name: Capacity, State: Unknown, Text: a.Basis}
	}
	m, ok := a.Ready.first(s.Start, s.End, func(v float64) bool { return v >= *s.Wanted })
	if !ok {
		_, high, known := a.Ready.extremes(s.Start, s.End)
		if !known {
			return Stage{Name: Capacity, State: Unknown, Text: "how many were ready was never seen"}
		}
		why := fmt.Sprintf("%s of %s were ready at most", number(high), number(*s.Wanted))
		if a.pinned(*s) {
			limit, _ := a.Limit.at(s.End - 1)
			why += fmt.Sprintf(": it is pinned at its maximum of %s", number(limit))
		}
		return a.notReached(s, Capacity, why)
	}
	st := reached(s, Capacity, m)
	st.Text = number(*s.Wanted) + " ready"
	return st
}

// countUnserved shares the operations of a step out among its stages: each
// second belongs to the stage that was reached next, and what is left behind
// the last to capacity, where that was not reached.
func (a *Analysis) countUnserved(s *Step) {
	order := make([]*Stage, 0, len(s.Stages))
	for i := range s.Stages {
		if s.Stages[i].State == Reached {
			order = append(order, &s.Stages[i])
		}
	}
	slices.SortStableFunc(order, func(x, y *Stage) int { return cmp.Compare(x.After, y.After) })
	from := s.Start
	count := func(st *Stage, to time.Duration) {
		if to <= from {
			return
		}
		for _, name := range a.load.names {
			w := a.journal.Window(name, "", ceilSecond(from), ceilSecond(to))
			st.Due += w.Ops()
			st.Unserved += w.Failed()
		}
		from = to
	}
	for _, st := range order {
		count(st, s.Start+st.After)
	}
	if last := s.Stage(Capacity); last.State == Not {
		count(last, s.End)
	}
}

func ceilSecond(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// note tells what else happened during a step that its figures hang on.
func (a *Analysis) note(s *Step) {
	say := func(format string, args ...any) { s.Notes = append(s.Notes, fmt.Sprintf(format, args...)) }
	stuck := map[string]string{}
	lost := map[string]time.Duration{}
	for _, o := range a.objects {
		if o.At < s.Start-o.Within || o.At >= s.End {
			continue
		}
		at := clock(o.At)
		switch o.What {
		case "limited":
			say("At %s the autoscaler was held at a limit: %s.", at, orNothing(o.Text))
		case "edited":
			say("At %s its rules were changed: %s. What came before and after is not one autoscaler's.", at, orNothing(o.Text))
		case "metric_lost":
			lost[o.Object] = o.At
			say("At %s it could not read its metric: %s.", at, orNothing(o.Text))
		case "metric_back":
			if since, ok := lost[o.Object]; ok {
				say("It read its metric again at %s, after %s without.", at, clock(o.At-since))
			}
		case "rollout_began":
			say("A rollout began at %s: what it made after the decision cannot be told from what the load needed.", at)
		case "unschedulable":
			stuck[o.Object] = o.Text
		case "scheduled":
			delete(stuck, o.Object)
		case "deleted":
			if strings.HasPrefix(o.Object, "hpa/") || strings.HasPrefix(o.Object, "deployment/") {
				say("%s was deleted at %s.", o.Object, at)
			}
			delete(stuck, o.Object)
		}
	}
	if len(stuck) > 0 {
		names := make([]string, 0, len(stuck))
		for name := range stuck {
			names = append(names, name)
		}
		slices.Sort(names)
		say("%s found no room by the end of the step: %s.", plural(len(names), "pod"), orNothing(stuck[names[0]]))
	}
	if p := s.Pinning; p != nil && p.Pinned {
		say("The load's connections stay where they were: %s ready, which is %s of the replicas, and they got %s of the requests (keep-alive pins clients; connections: {max_age: 30s} moves them).",
			plural(int(p.New), "new replica"), percent(p.Fair), percent(p.Share))
	}
}
