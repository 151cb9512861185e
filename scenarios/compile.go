package scenarios

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/decode"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// CompileEnv is what runs already when a scenario is compiled.
type CompileEnv struct {
	Processes map[string]string // the stack's processes: name to pid file
	Proxies   map[string]string // the proxies: name to control file
	Resolvers map[string]string // the resolvers: name to control file
}

// Compile fixes every offset and makes every kind. vars are the variables of
// the running stack; nil compiles with examples of them, good for looking at
// but not for playing. The same goes for env. Nothing is touched and nothing
// is sent. The error is a decode.Problems.
func (s *Scenario) Compile(vars map[string]string, env CompileEnv) (*Plan, error) {
	l := load(s.File, s.Source, s.kinds, s.options, vars, s.spec.tables)
	var plan *Plan
	if l.problems().Err() == nil {
		plan = l.compile(env)
	}
	if err := l.problems().Err(); err != nil {
		return nil, err
	}
	return plan, nil
}

// ProxyEndpoints are the proxies to start, by name, with the variables of the
// running stack resolved. The error is a decode.Problems.
func (s *Scenario) ProxyEndpoints(vars map[string]string) (map[string]ProxySpec, error) {
	l := load(s.File, s.Source, s.kinds, s.options, vars, s.spec.tables)
	if err := l.problems().Err(); err != nil {
		return nil, err
	}
	return l.proxySpecs(), nil
}

// ResolverEndpoints are the resolvers to start, by name, with the variables of
// the running stack resolved. The error is a decode.Problems.
func (s *Scenario) ResolverEndpoints(vars map[string]string) (map[string]ResolverSpec, error) {
	l := load(s.File, s.Source, s.kinds, s.options, vars, s.spec.tables)
	if err := l.problems().Err(); err != nil {
		return nil, err
	}
	return l.resolverSpecs(), nil
}

// check makes every kind once, with stand-ins for what does not run yet, for
// the mistakes that only a kind can find.
func (l *loader) check() {
	if len(l.d.Problems().Errors()) > 0 {
		return // they would be found through what is reported already
	}
	l.compile(CompileEnv{})
}

// defaultReports are the formats written when a scenario does not say.
func defaultReports() []string { return []string{"html", "junit", "json", "markdown"} }

func (l *loader) compile(env CompileEnv) *Plan {
	if env.Processes == nil && l.stack != nil {
		env.Processes = map[string]string{}
		for _, name := range l.stack.Processes {
			env.Processes[name] = name + ".pid"
		}
	}
	if env.Proxies == nil && len(l.proxies) > 0 {
		env.Proxies = map[string]string{}
		for _, p := range l.proxies {
			env.Proxies[p.name] = p.name + ".json"
		}
	}
	if env.Resolvers == nil && len(l.resolvers) > 0 {
		env.Resolvers = map[string]string{}
		for _, r := range l.resolvers {
			env.Resolvers[r.name] = r.name + ".json"
		}
	}
	guard := l.guard
	plan := &Plan{Allow: guard.Allow, MaxTargets: l.top.Safety.MaxTargets, AllowProduction: l.top.Safety.AllowProduction, Kubernetes: l.kubernetes, Reports: l.top.Report}
	plan.Lease, plan.Renew = l.top.Safety.lease()
	if len(plan.Reports) == 0 {
		plan.Reports = defaultReports()
	}
	feeds := map[string]*generators.Feed{}
	for name, f := range l.feeds {
		feeds[name] = f.feed
	}
	for _, spec := range l.loads {
		plan.Loads = append(plan.Loads, l.compileLoad(spec, plan, feeds))
	}
	probeSpecs := l.probes
	if l.options.LoadsOnly {
		probeSpecs = nil
	} else {
		l.compileFaults(plan, env)
		l.checkOverlap(plan)
	}
	for _, spec := range probeSpecs {
		p, err := spec.kind.New(spec.config, probes.Env{Name: spec.name, Allow: plan.Allow, Kubernetes: probes.Kubernetes(l.kubernetes)})
		if err != nil {
			l.d.Report(keyOr(spec.node), decode.CodeBadValue, "probe "+spec.name+": "+err.Error(), "")
		}
		plan.Probes = append(plan.Probes, Probe{Name: spec.name, Probe: p})
	}
	for _, e := range l.expect {
		if e.abort {
			plan.MustHold = append(plan.MustHold, e.objective)
		}
	}
	for _, e := range l.aborts {
		plan.AbortOn = append(plan.AbortOn, e.objective)
	}
	plan.Info = l.info(plan)
	return plan
}

// compileFaults makes each occurrence of each fault.
func (l *loader) compileFaults(plan *Plan, env CompileEnv) {
	refused := map[*faultChoice]bool{} // said once, however often it comes
	for _, o := range l.occurrences {
		spec, c := o.spec, o.choice
		f, err := c.kind.New(c.config, chaos.Env{Fault: spec.name, For: o.plan.For, Seed: l.seed("fault", o.plan.Label()),
			Processes: env.Processes, Proxies: env.Proxies, Resolvers: env.Resolvers, Containers: l.containers, Kubernetes: l.kubernetes,
			Protect: l.protect, Allow: plan.Allow})
		if err != nil && !refused[c] {
			refused[c] = true
			at := spec.key
			if len(spec.choices) > 1 {
				at = c.key
			}
			l.d.Report(at, decode.CodeBadValue, "fault "+spec.name+": "+err.Error(), "")
		}
		if err == nil && spec.options.Follow && !refused[c] {
			refused[c] = !l.checkFollow(spec, c, f)
		}
		made := Fault{Name: o.plan.Name, Occurrence: o.plan.Occurrence, Kind: o.plan.Kind, At: o.plan.At, For: o.plan.For, OneShot: o.plan.OneShot,
			Fault: f, After: o.plan.After, Lag: o.lag, NotBefore: spec.phase.plan.Start + o.lag, Follow: o.plan.Follow, AllowIrreversible: spec.options.AllowIrreversible, On: c.on}
		if spec.until != nil {
			made.Until = &spec.until.objective
		}
		plan.Faults = append(plan.Faults, made)
	}
}

// checkFollow refuses follow for a fault whose targets cannot become more.
func (l *loader) checkFollow(spec *faultSpec, c *faultChoice, f chaos.Fault) bool {
	at, _ := spec.node.Get("follow")
	follower, ok := f.(chaos.Follower)
	if !ok {
		l.d.Report(at, codeKind, c.kind.Name+" faults have no targets that come to be later: there is nothing to follow", "remove follow")
		return false
	}
	if err := follower.Follows(); err != nil {
		l.d.Report(at, codeKind, "fault "+spec.name+" has nothing to follow: "+err.Error(), "")
		return false
	}
	return true
}

func (l *loader) compileLoad(spec *loadSpec, plan *Plan, feeds map[string]*generators.Feed) Load {
	out := Load{
		Name: spec.name, Kind: spec.kind.Name, Steps: spec.steps, Pieces: spec.pieces, Seed: l.seed("load", spec.name),
		MaxInFlight: l.inFlight(spec), Patience: spec.options.Patience, Timeout: timeoutOf(spec.config),
	}
	used := map[string]*generators.Feed{}
	for name := range spec.feeds {
		used[name] = feeds[name]
	}
	var err error
	out.Generator, err = spec.kind.New(spec.config, generators.Env{Load: spec.name, Seed: l.seed("generator", spec.name), Allow: plan.Allow, Feeds: used})
	if err != nil {
		l.d.Report(spec.key, decode.CodeBadValue, "load "+spec.name+": "+err.Error(), "")
	}
	out.Path = "goroutines"
	if looper, ok := out.Generator.(generators.Looper); ok {
		var why string
		if out.Loop, why = looper.Loop(); out.Loop != nil {
			out.Path = "lane"
		} else {
			out.Path += " (" + why + ")"
		}
	}
	if patient, ok := out.Generator.(generators.Patient); ok {
		out.Timeout = max(out.Timeout, patient.Longest())
	}
	if rough, ok := out.Generator.(generators.Rough); ok {
		out.Precision = rough.Precision()
	}
	if spec.users {
		out.Users = spec.pieces
		return out
	}
	if out.Schedule, err = generators.NewSchedule(spec.pieces); err != nil {
		l.d.Report(spec.key, codeShape, "load "+spec.name+": "+err.Error(), "")
	}
	return out
}

// seed derives a seed of its own for a part of the run, so that adding one
// part changes nothing about the others.
func (l *loader) seed(role, name string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%s", l.top.Seed, role, name) // never fails
	return h.Sum64()
}

// mostArrivals is where counting stops to be exact in the journal.
const mostArrivals = 1 << 53

// info is the plan in plain data. No value of the environment is in it.
func (l *loader) info(plan *Plan) journal.Plan {
	redactor := l.redactor()
	hide := func(text string) string { return l.unresolve(redactor.redact(text)) }
	info := journal.Plan{
		Version: journal.PlanVersion, Name: hide(l.top.Name), Description: hide(strings.TrimSpace(l.top.Description)), File: l.file,
		Seed: l.top.Seed, Duration: l.end(), Target: l.targetList(),
	}
	for _, p := range l.phases {
		info.Phases = append(info.Phases, p.plan)
	}
	for i, spec := range l.loads {
		info.Loads = append(info.Loads, loadPlan(spec, plan.Loads[i]))
	}
	for _, o := range l.occurrences {
		f := o.plan
		f.What = hide(f.What)
		info.Faults = append(info.Faults, f)
	}
	for _, spec := range l.probes {
		info.Probes = append(info.Probes, journal.ProbePlan{
			Name: spec.name, Kind: spec.kind.Name, Unit: spec.kind.Unit(spec.config), What: hide(spec.kind.What(spec.config)),
			Series: spec.kind.Series, Scaling: spec.scaling()})
	}
	for _, e := range l.expect {
		info.Objectives = append(info.Objectives, journal.ObjectivePlan{Source: e.objective.Source(), Phase: phaseName(e.phase), Line: e.node.Line(), Abort: e.abort})
	}
	for _, e := range l.aborts {
		info.Aborts = append(info.Aborts, e.objective.Source())
	}
	for _, w := range l.problems().Warnings() {
		text := fmt.Sprintf("line %d: %s", w.Line, w.Message)
		if w.Hint != "" {
			text += " (" + w.Hint + ")"
		}
		info.Warnings = append(info.Warnings, text)
	}
	return info
}

func phaseName(p *phaseSpec) string {
	if p == nil {
		return ""
	}
	return p.Name
}

// targetList is what may be loaded and broken, for people.
func (l *loader) targetList() []string {
	var out []string
	if l.stack != nil {
		out = append(out, "stack "+l.stack.Name)
	}
	for _, p := range l.guard.patterns {
		if !p.implied && !slices.Contains(out, p.text) {
			out = append(out, p.text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.proxySpecs())) {
		out = append(out, "proxy "+name)
	}
	for _, name := range slices.Sorted(maps.Keys(l.resolverSpecs())) {
		out = append(out, "resolver "+name)
	}
	for _, c := range l.top.Target.Containers {
		if c.value != "" {
			out = append(out, "containers "+c.Text()) // as written, as hosts are
		}
	}
	if k := l.top.Target.Kubernetes; k.Namespace.value != "" {
		text := "kubernetes namespace " + k.Namespace.Text()
		if k.Context.value != "" {
			text += " of context " + k.Context.Text()
		}
		out = append(out, text)
	}
	return out
}

func loadPlan(spec *loadSpec, made Load) journal.LoadPlan {
	p := journal.LoadPlan{
		Name: spec.name, Kind: spec.kind.Name, Model: "open", Steps: spec.steps,
		MaxInFlight: made.MaxInFlight, Patience: made.Patience, Timeout: timeoutOf(spec.config), Path: made.Path,
	}
	if spec.users {
		p.Model = "closed"
	} else if n := generators.Expected(spec.pieces); n < mostArrivals {
		p.Arrivals = int64(math.Round(n))
	} else {
		p.Arrivals = -1
	}
	for i, piece := range spec.pieces {
		p.Segments = append(p.Segments, journal.Segment{Start: piece.Start, End: piece.End, From: piece.From, To: piece.To, Arrivals: spec.shapes[i]})
	}
	return p
}
