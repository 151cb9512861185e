package scenarios

import (
	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/probes"
)

// Kinds is the list of everything a scenario may name: which protocols can be
// loaded, what can be broken, what can be watched. The language knows none of
// them itself; cmd/brunt hands it the one list. It is read only after it was
// made, so any number of scenarios may be loaded from it at once.
type Kinds struct {
	Generators []GeneratorKind
	Faults     []FaultKind
	Probes     []ProbeKind
	Stacks     []StackKind
	Planned    []PlannedKind
}

// A GeneratorKind is a protocol that a load can speak.
type GeneratorKind struct {
	Name, Doc string
	// Config returns a pointer to a fresh configuration, to be decoded into.
	Config func() any
	// New makes the generator from what Config returned, decoded.
	New func(config any, env generators.Env) (generators.Generator, error)
	// Steps names the operations of one arrival, in order. An empty answer
	// stands for one step with the load's own name.
	Steps func(config any) []string
}

// A FaultKind is a way to break something.
type FaultKind struct {
	Name, Doc string
	Config    func() any
	New       func(config any, env chaos.Env) (chaos.Fault, error)
	// Mend returns a fault that can undo and verify from a receipt alone.
	Mend func() chaos.Fault
	// What says in a few words what the fault does and to what: "pause shop-2".
	What func(config any) string
	// OneShot is true for faults that cannot be undone because there is
	// nothing left to undo: a killed process stays killed.
	OneShot func(config any) bool
}

// A ProbeKind is a way to watch something.
type ProbeKind struct {
	Name, Doc string
	Config    func() any
	New       func(config any, env probes.Env) (probes.Probe, error)
	// Unit is that of the probe's readings: "" (a plain number), "ns",
	// "bytes" or "ratio".
	Unit func(config any) string
	// What says in a few words what is watched: "GET /health".
	What func(config any) string

	// Series are the names of what it reads beside its number, all without a
	// unit. Scaling is for kinds that watch replicas, and says what the
	// scenario tells of them; nil for all others.
	Series  []string
	Scaling func(config any) journal.ScalingPlan
}

// A StackKind is a stack of real processes that brunt can start by itself.
type StackKind struct {
	Name, Doc string
	Vars      []string // the variables it offers, as ${stack.NAME}
	Processes []string // the names its processes will have

	// Examples holds a value of the right shape for each variable, to check
	// a scenario with while the stack does not run. A variable without one
	// is checked as a URL when it is called url, status or NAME_url, and as
	// host:port otherwise.
	Examples map[string]string
}

// A PlannedKind is a part of the language whose engine is not there yet. It
// is in the schema and in explain; a scenario that uses it is answered with
// "not built yet", never silently obeyed in part.
type PlannedKind struct {
	Role      string // generator, fault, probe, expectation or section
	Name, Doc string
}

// GeneratorOf describes a generator kind whose configuration is a C.
func GeneratorOf[C any](name, doc string, new func(C, generators.Env) (generators.Generator, error), steps func(C) []string) GeneratorKind {
	return GeneratorKind{
		Name:   name,
		Doc:    doc,
		Config: fresh[C],
		New: func(config any, env generators.Env) (generators.Generator, error) {
			return new(*config.(*C), env)
		},
		Steps: func(config any) []string { return steps(*config.(*C)) },
	}
}

// FaultOf describes a fault kind whose configuration is a C. What and oneShot
// are asked before anything is touched, mend in another process after a crash.
func FaultOf[C any](name, doc string, new func(C, chaos.Env) (chaos.Fault, error), mend func() chaos.Fault, what func(C) string, oneShot func(C) bool) FaultKind {
	return FaultKind{
		Name:   name,
		Doc:    doc,
		Config: fresh[C],
		New: func(config any, env chaos.Env) (chaos.Fault, error) {
			return new(*config.(*C), env)
		},
		Mend:    mend,
		What:    func(config any) string { return what(*config.(*C)) },
		OneShot: func(config any) bool { return oneShot(*config.(*C)) },
	}
}

// ProbeOf describes a probe kind whose configuration is a C.
func ProbeOf[C any](name, doc string, new func(C, probes.Env) (probes.Probe, error), unit, what func(C) string) ProbeKind {
	return ProbeKind{
		Name:   name,
		Doc:    doc,
		Config: fresh[C],
		New: func(config any, env probes.Env) (probes.Probe, error) {
			return new(*config.(*C), env)
		},
		Unit: func(config any) string { return unit(*config.(*C)) },
		What: func(config any) string { return what(*config.(*C)) },
	}
}

// ScalingProbeOf is ProbeOf for a kind that watches replicas.
func ScalingProbeOf[C any](name, doc string, new func(C, probes.Env) (probes.Probe, error), what func(C) string, series []string, scaling func(C) journal.ScalingPlan) ProbeKind {
	k := ProbeOf(name, doc, new, func(C) string { return "" }, what)
	k.Series = series
	k.Scaling = func(config any) journal.ScalingPlan { return scaling(*config.(*C)) }
	return k
}

func fresh[C any]() any { return new(C) }
