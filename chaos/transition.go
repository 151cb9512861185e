package chaos

// A Transition is a place in a fault's life at which the kill matrix (package
// kills) kills and stops what stands between a fault and its undo.
type Transition string

// The transitions, in order. A kind whose Inject or Undo has several steps
// passes Injecting or Undoing between them too.
const (
	Written   Transition = "written"   // the receipt is on disk in the run directory
	Guarded   Transition = "guarded"   // and at the reaper's
	Injecting Transition = "injecting" // something is broken, and that is not recorded yet
	Injected  Transition = "injected"  // it is recorded
	Effective Transition = "effective" // the effect was seen
	Undoing   Transition = "undoing"   // something is mended, and that is not recorded yet
	Undone    Transition = "undone"    // it is recorded
	Verified  Transition = "verified"  // seen gone, and that is recorded; the lease does not know yet
)
