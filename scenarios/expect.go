package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// readExpectations reads every statement that must hold, and the conditions
// on which the run stops, into objectives that are whole in themselves.
func (l *loader) readExpectations() {
	l.readExpects(l.top.SteadyState.Node, nil)
	for _, p := range l.phases {
		l.readExpects(p.Expect.Node, p)
	}
	for _, t := range l.top.Safety.Abort {
		if t.value == "" {
			continue
		}
		if o, ok := l.statement(t.Node, nil, nil); ok {
			if o.Scaling() {
				l.d.Report(t.Node, codeObjective, "how an autoscaler reacted is known at the end, so it is no reason to stop", "write a condition on its readings, such as api.ready.max > 20 for 10s")
				continue
			}
			l.aborts = append(l.aborts, expectation{objective: o, node: t.Node, abort: true})
		}
	}
	info := l.names4Check()
	for _, list := range [][]expectation{l.expect, l.aborts, l.readUntils()} {
		for _, e := range list {
			l.checkNames(e, info)
		}
	}
}

func (l *loader) readExpects(n decode.Node, p *phaseSpec) {
	items := n.Items()
	if n.Kind() == decode.Scalar || n.Kind() == decode.Map {
		items = []decode.Node{n}
	}
	for _, item := range items {
		switch item.Kind() {
		case decode.Scalar:
			l.addExpectation(item, p, nil, false)
		case decode.Map:
			l.readLongExpectation(item, p)
		default:
			l.d.Report(item, decode.CodeWrongType, "an expectation is a line of text or a map, and this is "+item.Kind().String(), "write browse.p99 < 300ms")
		}
	}
}

// readLongExpectation reads { that: …, within: …, after: …, abort: … }, a
// probe with what it must see, or a kind that is not built yet.
func (l *loader) readLongExpectation(n decode.Node, p *phaseSpec) {
	own := []string{"that", "within", "after", "abort"}
	probes := l.inlineProbes()
	for _, e := range n.Entries() {
		if l.isPlanned("expectation", e.Key) {
			l.notBuilt(e.KeyNode, e.Key)
			return
		}
	}
	for _, e := range n.Entries() {
		if e.Key == autoscalerKey {
			l.readAutoscaler(n, p)
			return
		}
		if slices.Contains(probes, e.Key) {
			l.readProbeExpectation(n, e, p)
			return
		}
	}
	for _, e := range n.Entries() {
		if !slices.Contains(own, e.Key) {
			l.d.UnknownKey(n, e, slices.Concat(own, probes, []string{autoscalerKey}, l.plannedNames("expectation")))
			return
		}
	}
	var o expectOptions
	if !l.d.Decode(n, &o) || o.That.value == "" {
		return
	}
	var clauses []clause
	for _, c := range []struct {
		key string
		d   time.Duration
	}{{"within", o.Within}, {"after", o.After}} {
		if at, given := n.Get(c.key); given && at.Kind() != decode.Null {
			clauses = append(clauses, clause{c.key, decode.FormatDuration(c.d), at})
		}
	}
	l.addExpectation(o.That.Node, p, clauses, o.Abort)
}

// A clause is added to a statement that does not have it.
type clause struct {
	word, value string
	node        decode.Node // where it was written; none for what the language adds
}

func (l *loader) addExpectation(n decode.Node, p *phaseSpec, clauses []clause, abort bool) {
	o, ok := l.statement(n, p, clauses)
	if !ok {
		return
	}
	if o.For() > 0 {
		l.d.Report(n, codeObjective, "for is a clause of abort conditions; an expectation holds over its whole window", "write within "+decode.FormatDuration(o.For())+" for every window of that length")
		return
	}
	if abort && o.Scaling() {
		l.d.Report(n, codeObjective, "how an autoscaler reacted is known at the end, so abort does not go with it", "remove abort")
		return
	}
	e := expectation{objective: o, node: n, phase: p, abort: abort}
	if judged := l.findPhase(o.Phase()); judged != nil && judged.Exclude {
		l.d.Warn(n, codeNotJudged, "phase "+judged.Name+" is excluded: this is never judged", "remove exclude, or move the expectation to another phase")
		return
	}
	l.expect = append(l.expect, e)
}

// statement compiles one statement with the clauses that its place gives it:
// its phase and the phase's after, or calm for steady_state.
func (l *loader) statement(n decode.Node, p *phaseSpec, clauses []clause) (objective.Objective, bool) {
	e, ok := l.text(n)
	if !ok {
		return objective.Objective{}, false
	}
	if name, secret := l.secretIn(n); secret {
		l.d.Report(n, codeEnvSection, "an expectation is kept in the run directory, so no value of the environment may be in it, and "+name+" is one",
			"write the value itself")
		return objective.Objective{}, false
	}
	source := e.text
	words := clauseWords(source)
	for _, c := range clauses {
		if slices.Contains(words, c.word) {
			l.d.Report(c.node, codeObjective, c.word+" is said twice, here and in the statement", "keep one of them")
			return objective.Objective{}, false
		}
		source += " " + c.word + " " + c.value
	}
	words = clauseWords(source)
	while := slices.Contains(words, "while")
	switch {
	case p != nil:
		if !slices.Contains(words, "in") {
			source += " in " + objective.Name(p.Name)
		}
		// A window that a fault opens does not begin with the phase.
		if p.After > 0 && !while && !slices.Contains(words, "after") && !slices.Contains(words, "in") {
			source += " after " + decode.FormatDuration(p.After)
		}
	case l.inSteadyState(n) && !while && !slices.Contains(words, "in"):
		source += " while calm"
	}
	// First as written: what it lacks at its end is not made up for by what is
	// added.
	o, err := objective.Compile(e.text)
	if err == nil {
		o, err = objective.Compile(source)
	}
	if err != nil {
		var syntax *objective.SyntaxError
		if !errors.As(err, &syntax) {
			l.d.Report(n, codeObjective, err.Error(), "")
			return o, false
		}
		if syntax.Offset > len(e.text) {
			syntax.Offset, syntax.Length = 0, len(e.text) // in what was added
		}
		syntax.Offset = min(syntax.Offset, max(0, len(e.text)-1))
		l.reportIn(n, e, codeObjective, &textError{syntax.Offset, syntax.Length, syntax.Message, syntax.Hint})
		return o, false
	}
	return o, true
}

func (l *loader) inSteadyState(n decode.Node) bool {
	return strings.HasPrefix(n.Path(), "steady_state")
}

// secretIn names a variable of the environment that a scalar draws on.
func (l *loader) secretIn(n decode.Node) (name string, ok bool) {
	if !strings.Contains(n.Text(), "$") {
		return "", false
	}
	probe := &expander{env: l.x.env, stack: l.x.stack, stackName: l.x.stackName, secrets: map[string]string{}, vars: map[string]*variable{}}
	for name, v := range l.x.vars {
		fresh := *v
		fresh.done = v.given
		probe.vars[name] = &fresh
	}
	if _, err := probe.expand(n.Text(), false, nil); err != nil {
		return "", false
	}
	for _, name := range probe.secrets {
		return name, true
	}
	return "", false
}

// clauseWords are the words of a statement outside quotes, but for its
// subject: among them are its clauses.
func clauseWords(s string) []string {
	var out []string
	quoted := false
	word := strings.Builder{}
	flush := func() {
		if word.Len() > 0 {
			out = append(out, word.String())
			word.Reset()
		}
	}
	for _, r := range s {
		switch {
		case r == '"':
			quoted = !quoted
			word.WriteRune(r)
		case unicode.IsSpace(r) && !quoted:
			flush()
		default:
			word.WriteRune(r)
		}
	}
	flush()
	if len(out) > 0 {
		out = out[1:]
	}
	return out
}

// names4Check is the plan as far as expectations name parts of it.
func (l *loader) names4Check() journal.Plan {
	var p journal.Plan
	for _, spec := range l.loads {
		p.Loads = append(p.Loads, journal.LoadPlan{Name: spec.name, Steps: spec.steps})
	}
	for _, spec := range l.probes {
		p.Probes = append(p.Probes, journal.ProbePlan{Name: spec.name, Unit: spec.kind.Unit(spec.config), Series: spec.kind.Series})
	}
	for _, ph := range l.phases {
		p.Phases = append(p.Phases, ph.plan)
	}
	for _, f := range l.faults {
		p.Faults = append(p.Faults, journal.FaultPlan{Name: f.name})
	}
	return p
}

// checkNames reports names that the scenario does not have and units that do
// not fit a probe.
func (l *loader) checkNames(e expectation, info journal.Plan) {
	for _, ref := range e.objective.References() {
		if l.broken[ref.Name] {
			return // its own mistake says enough
		}
	}
	err := e.objective.Check(info)
	if err == nil {
		return
	}
	var syntax *objective.SyntaxError
	if !errors.As(err, &syntax) {
		l.d.Report(e.node, codeReference, err.Error(), "")
		return
	}
	text, ok := l.text(e.node)
	if !ok || syntax.Offset >= len(text.text) {
		l.d.Report(e.node, codeReference, syntax.Message, syntax.Hint)
		return
	}
	l.reportIn(e.node, text, codeReference, &textError{syntax.Offset, syntax.Length, syntax.Message, syntax.Hint})
}

// healthProbe is the kind of probe that an expectation may hold itself: given
// a URL and no more, it reads 1 while that is healthy.
const healthProbe = "http"

func (l *loader) inlineProbes() []string {
	if slices.Contains(l.probeKinds(), healthProbe) {
		return []string{healthProbe}
	}
	return nil
}

var notName = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// readProbeExpectation reads { http: /health, status: 200, every: 5s }: a
// probe of its own, and that it is healthy all the time.
func (l *loader) readProbeExpectation(n decode.Node, e decode.Entry, p *phaseSpec) {
	own := []string{"within", "after", "abort"}
	config := n.Without(append([]string{e.Key}, own...)...)
	subject := e.Value
	if subject.Kind() == decode.Map {
		for _, extra := range config.Entries() {
			l.d.Report(extra.KeyNode, decode.CodeUnknownKey, "beside "+e.Key+" there are only "+strings.Join(own, ", ")+" when it is a map", "put "+extra.Key+" into "+e.Key)
			return
		}
		config = subject
	} else {
		key, ok := scalarKey(l.probeKind(e.Key).Config())
		if !ok || subject.Kind() != decode.Scalar {
			l.d.Report(subject, decode.CodeWrongType, e.Key+" is a map here, and this is "+subject.Kind().String(), "")
			return
		}
		config = config.With(decode.Entry{Key: key, KeyNode: e.KeyNode.WithText(key), Value: l.underBase(subject)})
	}
	name := l.freshProbeName(e.Key, subject.Text())
	if !l.addProbe(name, e.Key, config) {
		l.broken[name] = true
		return
	}
	var clauses []clause
	var abort bool
	var o struct {
		Within time.Duration `yaml:"within" min:"1s"`
		After  time.Duration `yaml:"after"`
		Abort  bool          `yaml:"abort"`
	}
	if !l.d.Decode(n.Without(foreignKeys(n, own)...), &o) {
		return
	}
	abort = o.Abort
	if o.Within > 0 {
		clauses = append(clauses, clause{word: "within", value: decode.FormatDuration(o.Within)})
	}
	if o.After > 0 {
		clauses = append(clauses, clause{word: "after", value: decode.FormatDuration(o.After)})
	}
	l.addExpectation(n.WithText(objective.Name(name)+" == 1"), p, clauses, abort)
}

func (l *loader) probeKind(name string) ProbeKind {
	return l.kinds.Probes[slices.Index(l.probeKinds(), name)]
}

// scalarKey is the key that a lone value of a configuration goes into.
func scalarKey(config any) (string, bool) {
	f, ok := fieldByKey(reflect.TypeOf(config), func(f reflect.StructField) bool { return f.Tag.Get("scalar") == "true" })
	return yamlKey(f), ok
}

// underBase completes a path with the base of the loads, when they agree.
func (l *loader) underBase(n decode.Node) decode.Node {
	if !strings.HasPrefix(n.Text(), "/") {
		return n
	}
	base := ""
	for _, spec := range l.loads {
		for _, e := range spec.node.Entries() {
			b, ok := e.Value.Get("base")
			if !ok || b.Kind() != decode.Scalar {
				continue
			}
			if base != "" && base != b.Text() {
				l.d.Report(n, codeReference, "the loads have more than one base, so a path alone says too little", fmt.Sprintf("write the whole URL, such as %s%s", strings.TrimRight(base, "/"), n.Text()))
				return n
			}
			base = b.Text()
		}
	}
	return n.WithText(strings.TrimRight(base, "/") + n.Text())
}

func (l *loader) freshProbeName(kind, subject string) string {
	if i := strings.Index(subject, "://"); i >= 0 {
		subject = subject[i+3:]
	}
	name := kind
	if slug := strings.Trim(notName.ReplaceAllString(subject, "-"), "-"); slug != "" {
		name = strings.Trim(clip(kind+"-"+slug, 40), "-…")
	}
	base := name
	taken := func(name string) bool {
		return l.findLoad(name) != nil || slices.ContainsFunc(l.probes, func(p *probeSpec) bool { return p.name == name })
	}
	for i := 2; taken(name); i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return name
}
