package scenarios

import (
	"errors"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// autoscalerKey makes an expectation one about an autoscaler.
const autoscalerKey = "autoscaler"

// autoscalerOptions are the limits for how an autoscaler reacts: each is an
// objective of its own. What the metrics are, package objective says.
type autoscalerOptions struct {
	Autoscaler    text `yaml:"autoscaler" required:"true" example:"api" doc:"The probe that watches it, or that counts its replicas."`
	FirstDecision text `yaml:"first_decision" example:"<= 20s" doc:"From the start of each step up of the load until more replicas are asked for."`
	FirstScale    text `yaml:"first_scale" example:"<= 25s" doc:"Until the first new replica is there."`
	FirstReady    text `yaml:"first_ready" example:"<= 75s" doc:"Until the first new replica is ready."`
	FirstServed   text `yaml:"first_served" example:"<= 80s" doc:"Until a new replica has answered its first request; the load's served_by says who answered."`
	Capacity      text `yaml:"capacity" example:"<= 2m" doc:"Until as many are ready as the step needs."`
	Replicas      text `yaml:"replicas" example:"6..20" doc:"The most replicas that there are at one time."`
	Overshoot     text `yaml:"overshoot" example:"<= 20%" doc:"How many more are asked for than a step needs, as a share of that."`
	Flaps         text `yaml:"flaps" example:"<= 1" doc:"How often it turns back without a step of the load that explains it."`
	Under         text `yaml:"under" example:"<= 5%" doc:"For how much of the time there are fewer ready than wanted (timeshare_U of SPEC RG)."`
	Over          text `yaml:"over" example:"<= 30%" doc:"For how much of the time there are more ready than wanted (timeshare_O)."`
	AccuracyUnder text `yaml:"accuracy_under" example:"<= 5%" doc:"How many are missing, as a share of those wanted, averaged over the time (accuracy_U)."`
	AccuracyOver  text `yaml:"accuracy_over" example:"<= 30%" doc:"How many are too many, as a share of those wanted, averaged over the time (accuracy_O)."`
	Instability   text `yaml:"instability" example:"<= 5%" doc:"For how much of the time supply and demand do not move alike."`
	Short         text `yaml:"short" example:"<= 300" doc:"Replica-seconds that are missing."`
	Wasted        text `yaml:"wasted" example:"<= 3000" doc:"Replica-seconds that are too many."`
	Cost          text `yaml:"cost" example:"<= 2.50" doc:"What the replicas cost, at the probe's price."`
	BackTo        text `yaml:"back_to" example:"3 within 10m" doc:"How soon after the load steps down no more than that many are left."`
}

func (o autoscalerOptions) limits() []autoscalerLimit {
	return []autoscalerLimit{
		{"first_decision", o.FirstDecision}, {"first_scale", o.FirstScale}, {"first_ready", o.FirstReady}, {"first_served", o.FirstServed},
		{"capacity", o.Capacity}, {"replicas", o.Replicas}, {"overshoot", o.Overshoot}, {"flaps", o.Flaps},
		{"under", o.Under}, {"over", o.Over}, {"accuracy_under", o.AccuracyUnder}, {"accuracy_over", o.AccuracyOver}, {"instability", o.Instability},
		{"short", o.Short}, {"wasted", o.Wasted}, {"cost", o.Cost}, {"back_to", o.BackTo},
	}
}

type autoscalerLimit struct {
	key   string
	limit text
}

// readAutoscaler reads { autoscaler: api, first_ready: <= 75s, flaps: <= 1 }:
// an objective for each limit.
func (l *loader) readAutoscaler(n decode.Node, p *phaseSpec) {
	for _, e := range n.Entries() {
		if slices.Contains([]string{"within", "after", "abort"}, e.Key) {
			l.d.Report(e.KeyNode, decode.CodeUnknownKey, e.Key+" does not go with what an autoscaler did: it is judged over the steps of the load that begin in the phase", "remove it")
			return
		}
	}
	var o autoscalerOptions
	if !l.d.Decode(n, &o) {
		return
	}
	name := o.Autoscaler.value
	if l.broken[name] {
		return // its own mistake says enough
	}
	if !slices.ContainsFunc(l.probes, func(s *probeSpec) bool { return s.name == name }) {
		l.noAutoscaler(o.Autoscaler)
		return
	}
	asked := 0
	for _, limit := range o.limits() {
		if limit.limit.value == "" {
			continue
		}
		asked++
		l.readAutoscalerLimit(name, limit, p)
	}
	if asked == 0 {
		l.d.Report(n, codeObjective, "nothing is asked of the autoscaler "+name, "add a limit, such as first_ready: <= 75s")
	}
}

func (l *loader) noAutoscaler(at text) {
	var names []string
	for _, s := range l.probes {
		names = append(names, s.name)
	}
	hint := "watch it: watch: { " + at.value + ": { hpa: " + at.value + " } }"
	if near := decode.Suggest(at.value, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	l.d.Report(at.Node, codeReference, "there is no probe called "+at.value, hint)
}

// readAutoscalerLimit makes one objective of a key and its limit.
func (l *loader) readAutoscalerLimit(name string, a autoscalerLimit, p *phaseSpec) {
	subject := objective.Name(name) + ".scaling." + a.key
	e, ok := l.text(a.limit.Node)
	if !ok {
		return
	}
	limit, skipped := e.text, 0
	if a.key == "back_to" {
		count, rest, found := strings.Cut(limit, " within ")
		if !found {
			l.d.Report(a.limit.Node, codeObjective, "back_to says how many replicas, and how soon", "write back_to: 3 within 10m")
			return
		}
		subject += "." + strings.TrimSpace(count)
		skipped = len(limit) - len(rest)
		limit = "<= " + rest
		skipped -= len("<= ")
	}
	source := subject + " " + limit
	if _, err := objective.Compile(source); err != nil {
		var syntax *objective.SyntaxError
		if !errors.As(err, &syntax) {
			l.d.Report(a.limit.Node, codeObjective, err.Error(), "")
			return
		}
		offset := max(0, syntax.Offset-len(subject)-1+skipped)
		l.reportIn(a.limit.Node, e, codeObjective, &textError{min(offset, max(0, len(e.text)-1)), syntax.Length, syntax.Message, syntax.Hint})
		return
	}
	l.addExpectation(a.limit.WithText(source), p, nil, false)
}
