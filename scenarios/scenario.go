package scenarios

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// Options say what a scenario may draw on besides its own text. The zero
// value is usable: no environment, files from the working directory.
type Options struct {
	// Env looks up a variable of the environment; nil finds none. What it
	// gives is a secret: it reaches the kinds, and no plan, outline or message.
	Env func(name string) (string, bool)
	// Dir is the folder that data feeds and traces are read from: the
	// scenario file's own.
	Dir string
	// Vars take the place of entries of the scenario's vars.
	Vars map[string]string
	// LoadsOnly makes no fault and no probe: it is for workers, which play the
	// loads and know nothing of what faults and probes need.
	LoadsOnly bool
}

// A Scenario is a file that was read and found good. It is immutable and may
// be compiled any number of times, from one goroutine at a time.
type Scenario struct {
	File   string
	Source []byte // the text as written, with no variable resolved
	Name   string
	Seed   uint64

	Stack    string               // the stack to start before compiling; empty when there is none
	Proxies  map[string]ProxySpec // the proxies to start, their variables resolved as far as they were known
	Warnings decode.Problems      // honest mistakes; the scenario can be played all the same

	Files   []string // those that it reads, as written: data feeds, traces, and what its loads name
	MayLose int      // workers.may_lose

	Kubernetes chaos.Kubernetes // target.kubernetes; without a namespace when there is none

	Resolvers map[string]ResolverSpec // the resolvers to start, their variables likewise

	kinds   Kinds
	options Options
	spec    *loader
	drawn   map[string]string // variables of the environment that were found
}

// Parse reads a scenario and checks all that can be checked without touching
// the target. file is its name, for messages. The error is a decode.Problems
// that holds everything wrong with it, not only the first.
//
// Besides src it reads the files that the scenario names (data feeds and
// traces) and the environment, through o.
func Parse(file string, src []byte, kinds Kinds, o Options) (*Scenario, error) {
	drawn := map[string]string{}
	if env := o.Env; env != nil {
		o.Env = func(name string) (string, bool) {
			value, ok := env(name)
			if ok {
				drawn[name] = value
			}
			return value, ok
		}
	}
	l := load(file, src, kinds, o, nil, map[string]table{})
	if err := l.problems().Err(); err != nil {
		return nil, err
	}
	return &Scenario{
		File: file, Source: src, Name: l.top.Name, Seed: l.top.Seed,
		Stack: l.top.Target.Stack.value, Proxies: l.proxySpecs(), Resolvers: l.resolverSpecs(), Warnings: l.problems().Warnings(),
		Files: slices.Sorted(maps.Keys(l.files)), MayLose: l.top.Workers.MayLose, Kubernetes: l.kubernetes,
		kinds: kinds, options: o, spec: l, drawn: drawn,
	}, nil
}

// A Source is what a scenario was read with, besides its text: what another
// process needs to read it again.
type Source struct {
	Dir  string            // as in Options
	Vars map[string]string // as in Options
	Env  map[string]string // the variables of the environment that it draws on: secrets
}

// ReadWith returns what the scenario was read with.
func (s *Scenario) ReadWith() Source {
	return Source{Dir: s.options.Dir, Vars: maps.Clone(s.options.Vars), Env: maps.Clone(s.drawn)}
}

// Redact puts the names of environment variables in the place of the values
// that the scenario drew from them. It is for text that comes from outside
// the scenario, such as the messages of a run.
func (s *Scenario) Redact(text string) string { return s.spec.redactor().redact(text) }

// A loader reads one scenario. Its methods run in the order that function
// load calls them, each building on what those before it found.
type loader struct {
	kinds   Kinds
	options Options
	file    string

	d     *decode.Decoder
	x     *expander
	top   document
	guard guard
	// instead are the addresses that the kind being read connects elsewhere for.
	instead map[string]bool
	fatal   decode.Problems // the text is not YAML: nothing else is worth saying
	broken  map[string]bool // names of loads, probes and phases that were not understood

	stack      *StackKind
	stackGiven map[string]string // its variables when it runs; nil while checking

	proxies []proxySpec

	resolvers  []resolverSpec
	containers []string // what target.containers allows
	kubernetes chaos.Kubernetes
	protect    chaos.Protection
	production []productionName

	feeds  map[string]*feedSpec
	files  map[string]bool  // names of files that the scenario reads, as written
	tables map[string]table // data files read so far, shared with later readings of the same scenario
	loads  []*loadSpec
	probes []*probeSpec
	phases []*phaseSpec
	faults []*faultSpec
	// occurrences are those of all faults, by when they are due.
	occurrences []occurrence
	expect      []expectation
	aborts      []expectation

	// Of the load being read: itself, and the names it knows during a run.
	reading *loadSpec
	names   sessionNames
	session func(string) bool
}

// load reads a scenario. stack holds the stack's variables, nil to check with
// examples of them.
func load(file string, src []byte, kinds Kinds, o Options, stack map[string]string, tables map[string]table) *loader {
	l := &loader{kinds: kinds, options: o, file: file, stackGiven: stack,
		tables: tables, files: map[string]bool{}, broken: map[string]bool{}, feeds: map[string]*feedSpec{}}
	l.x = &expander{env: o.Env, vars: map[string]*variable{}, secrets: map[string]string{}}
	doc, problems := decode.Parse(file, src)
	if problems.Err() != nil {
		l.fatal = problems
		return l
	}
	l.d = &decode.Decoder{Doc: doc, Synonyms: synonyms(),
		Expand: func(text string, _ decode.Node) (string, error) {
			e, err := l.x.expand(text, false, nil)
			if err != nil {
				return "", err
			}
			return e.text, nil
		},
		ExpandTemplate: l.expandTemplate,
	}
	root := doc.Root()
	if root.Kind() != decode.Map {
		l.d.Report(root, decode.CodeWrongType, "a scenario is a map of sections, and this is "+root.Kind().String(), "start with version: 1, name, target, loads and phases; brunt init URL writes an example")
		return l
	}
	l.readVars(root)
	l.readStack(root)
	l.checkVars(root)
	l.d.Decode(root, &l.top)
	l.checkName(root)
	l.readProtect()
	l.readTarget()
	l.readData()
	l.readLoads()
	l.readWatch()
	l.readPhases()
	l.readExpectations()
	l.checkSafety()
	l.checkUnused()
	l.plannedSection("baseline", l.top.Baseline.Node)
	l.warn()
	l.check()
	return l
}

// problems are all that is wrong with the scenario and all that is dubious,
// with no secret in them.
func (l *loader) problems() decode.Problems {
	all := l.fatal
	if l.d != nil {
		all = append(slices.Clone(all), l.d.Problems()...)
	}
	return l.redactor().problems(all)
}

func (l *loader) redactor() redactor { return newRedactor(l.x.secrets) }

// Codes of problems beyond those of package decode.
const (
	codeNotBuilt   = "not-built-yet"
	codeName       = "bad-name"
	codeDuplicate  = "duplicate-name"
	codeKind       = "kind"
	codeOutside    = "outside-target"
	codeShape      = "bad-shape"
	codeTimeline   = "timeline"
	codeObjective  = "objective"
	codeFile       = "file"
	codeReference  = "unknown-name"
	codeSafety     = "safety-limit"
	codeSamples    = "few-samples"
	codeFeedEnds   = "feed-ends"
	codePorts      = "ports"
	codeNotJudged  = "not-judged"
	codeUnused     = "unused"
	codeEnvSection = "environment"
)

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

// goodName reports a name that would break a file name, a table or the
// expectation language.
func (l *loader) goodName(n decode.Node, name, what string) bool {
	if l.redactor().redact(name) != name {
		l.d.Report(n, codeEnvSection, "names are kept in the run directory, so no value of the environment may be in one", "name the "+what+" in so many words")
		return false
	}
	if nameRule.MatchString(name) {
		return true
	}
	fixed := strings.Trim(regexp.MustCompile(`[^A-Za-z0-9_.-]+`).ReplaceAllString(name, "-"), "-.")
	hint := ""
	if nameRule.MatchString(fixed) {
		hint = "write " + fixed
	}
	l.d.Report(n, codeName, "a "+what+"'s name has letters, digits, _ . and -, 64 of them at most", hint)
	return false
}

func (l *loader) checkName(root decode.Node) {
	if n, ok := root.Get("name"); ok && l.top.Name != "" {
		l.goodName(n, l.top.Name, "scenario")
	}
}
