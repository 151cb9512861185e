package scenarios

import (
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// A proxySpec is one entry of target.proxies.
type proxySpec struct {
	name string
	spec ProxySpec
}

func (l *loader) proxySpecs() map[string]ProxySpec {
	if len(l.proxies) == 0 {
		return nil
	}
	out := make(map[string]ProxySpec, len(l.proxies))
	for _, p := range l.proxies {
		out[p.name] = p.spec
	}
	return out
}

// A resolverSpec is one entry of target.resolvers.
type resolverSpec struct {
	name string
	spec ResolverSpec
}

func (l *loader) resolverSpecs() map[string]ResolverSpec {
	if len(l.resolvers) == 0 {
		return nil
	}
	out := make(map[string]ResolverSpec, len(l.resolvers))
	for _, r := range l.resolvers {
		out[r.name] = r.spec
	}
	return out
}

// A loadSpec is one entry of loads.
type loadSpec struct {
	name    string
	node    decode.Node // its map
	key     decode.Node
	kind    GeneratorKind
	config  any
	options loadOptions
	steps   []string

	pieces []generators.Piece
	shapes []string // the process of each piece, for the journal
	users  bool
	first  decode.Node // where it was first offered; decides the model
	offers []offer
	feeds  map[string]decode.Node // those it draws on, and where
}

// An offer is what a load was given to do in one phase.
type offer struct {
	phase *phaseSpec
	node  decode.Node
}

// A probeSpec is one entry of watch, or a probe that an expectation asked for.
type probeSpec struct {
	name   string
	node   decode.Node
	kind   ProbeKind
	config any
}

// scaling is what the scenario tells of replicas that the probe watches; nil for
// a probe that watches something else.
func (s *probeSpec) scaling() *journal.ScalingPlan {
	if s.kind.Scaling == nil {
		return nil
	}
	plan := s.kind.Scaling(s.config)
	return &plan
}

// A faultSpec is one entry of a phase's faults.
type faultSpec struct {
	name    string
	node    decode.Node
	key     decode.Node
	choices []*faultChoice // what each occurrence is one of: one, unless one_of is used
	options faultOptions
	phase   *phaseSpec
	after   []*faultSpec // what must be over first
	until   *expectation

	placed      placing
	occurrences []occurrence
}

// A faultChoice is a kind of fault with its configuration.
type faultChoice struct {
	key     decode.Node // the kind's name
	kind    FaultKind
	config  any
	oneShot bool
	on      string // what it acts on that brunt starts for the run
}

// A phaseSpec is one item of phases.
type phaseSpec struct {
	phase
	node decode.Node
	plan journal.PhasePlan
}

// An expectation is one objective and where it was written.
type expectation struct {
	objective objective.Objective
	node      decode.Node
	phase     *phaseSpec // nil for steady_state and safety.abort
	abort     bool
}
