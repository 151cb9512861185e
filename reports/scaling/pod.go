package scaling

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A pod is what happened to one pod, the first time each.
type pod struct {
	name string
	on   string
	when map[string]journal.Object
}

func (p *pod) take(o journal.Object) {
	if o.On != "" {
		p.on = o.On
	}
	if _, known := p.when[o.What]; !known {
		p.when[o.What] = o
	}
}

// freshPods are those created in answer to a step.
func (a *Analysis) freshPods(s *Step, from time.Duration) []*pod {
	var out []*pod
	for _, p := range a.pods {
		c, ok := p.when["created"]
		if ok && c.At >= from-c.Within && c.At < s.End {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(x, y *pod) int {
		return cmp.Or(cmp.Compare(x.when["created"].At, y.when["created"].At), cmp.Compare(x.name, y.name))
	})
	return out
}

// podStage is when the first new pod came to a stage.
func (a *Analysis) podStage(s *Step, name string, fresh []*pod) Stage {
	if name == Node {
		return a.node(s, fresh)
	}
	if !a.PodsKnown {
		if name == Ready {
			return a.readyByCount(s)
		}
		return Stage{Name: name, State: Unknown, Text: "the probe does not see single pods"}
	}
	var first *journal.Object
	for _, p := range fresh {
		if o, ok := p.when[name]; ok && o.At < s.End && (first == nil || o.At < first.At) {
			first = &o
		}
	}
	if first == nil {
		if got := laterStage(name, fresh, s.End); got != "" {
			return Stage{Name: name, State: Unknown, Text: "it was not seen, though a new pod was " + got}
		}
		why := "no new pod was " + name
		if name == Ready {
			why = "no new pod became ready"
		}
		return a.notReached(s, name, why)
	}
	st := reached(s, name, moment{first.At, first.Within})
	st.Object, st.Text = first.Object, first.Text
	if first.On != "" && name == Scheduled {
		st.Text = "on " + first.On
	}
	return st
}

// laterStage names a stage behind another that a new pod came to.
func laterStage(name string, fresh []*pod, end time.Duration) string {
	order := []string{Created, Scheduled, Started, Ready}
	for _, later := range order[slices.Index(order, name)+1:] {
		for _, p := range fresh {
			if o, ok := p.when[later]; ok && o.At < end {
				return later
			}
		}
	}
	return ""
}

// podOf finds the pod that an answer names as its server: by its name alone,
// behind a namespace, or before a domain.
func (a *Analysis) podOf(who string) *pod {
	if i := strings.LastIndexByte(who, '/'); i >= 0 {
		who = who[i+1:]
	}
	if p := a.pods[who]; p != nil {
		return p
	}
	name, _, _ := strings.Cut(who, ".")
	return a.pods[name]
}
