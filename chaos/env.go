package chaos

import "time"

// Env is what the run gives to every fault it makes.
type Env struct {
	Fault string // the fault's name in the scenario
	// For is how long the fault is meant to last. Kinds whose target can end a
	// fault by itself set its expiry a little later than that. 0: until the
	// run ends.
	For time.Duration
	// Seed is the fault's own, derived from the scenario's: the same seed
	// gives the same jitter.
	Seed uint64
	// Processes are the stack's processes: name to the path of a pid file.
	// Empty when the target has no stack.
	Processes map[string]string
	// Proxies are the run's TCP proxies: name to the path of a file that says
	// how to control it.
	Proxies map[string]string
	// Resolvers are the run's DNS resolvers: name to the path of a file that
	// says how to control it.
	Resolvers map[string]string
	// Containers is the allow-list of target.containers: names, globs of names
	// ("shop-*") or labels ("label:app=shop"). Empty allows no container.
	Containers []string
	// Allow refuses an address ("host:port") outside the scenario's target.
	// Kinds that connect to an address a scenario names ask it before anything
	// is touched. It may be called from any goroutine. Nil allows nothing.
	Allow func(address string) error
}
