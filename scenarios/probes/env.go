package probes

// Env is what the run gives to every probe it makes.
type Env struct {
	Name string // the probe's name in the scenario
	// Allow refuses an address ("host:port") outside the scenario's target.
	// A probe asks before it dials. It is safe for concurrent use; nil allows
	// nothing.
	Allow func(address string) error
}
