package generators

import "context"

// A Pausing session can give up its goroutine, and with it a stack and
// buffers, while it has long to wait: for a think time to pass, or for an
// answer. The engine plays an arrival by Start and then, as long as more is
// true, Pause and Continue.
//
// Like those of Session, its methods are called from one goroutine at a time,
// though not always the same, and Close only when more was false.
type Pausing interface {
	Session
	// Start plays an arrival as Do does, up to where the session has long to
	// wait, if that ever is. The Result holds the operations that have ended,
	// and is valid until the next call.
	Start(ctx context.Context, a Arrival) (r Result, more bool)
	// Pause returns at once. wake is called once when Continue should be, also
	// when the context of Start has ended, from a goroutine of its own and
	// perhaps before Pause has returned: nothing may be done with the session
	// afterwards but from within wake.
	Pause(wake func())
	// Continue goes on with the arrival. ctx is that of Start. The Result holds
	// the operations that have ended since; there may be none.
	Continue(ctx context.Context) (r Result, more bool)
}
