package generators

// Env is what the run gives to every generator it makes.
type Env struct {
	Load string // the load's name in the scenario
	Seed uint64 // of this load, derived from the scenario's
	// Allow refuses an address ("host:port") outside the scenario's target.
	// A generator asks before it dials, redirects and re-resolutions
	// included. It is safe for concurrent use; nil allows nothing.
	Allow func(address string) error
	// Feeds are the scenario's data feeds by name, shared by all sessions.
	Feeds map[string]*Feed
}
