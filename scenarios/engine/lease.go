package engine

import (
	"context"

	"github.com/brunt-dev/brunt/chaos"
)

// inProcess is the lease of a run that nobody watches over from outside: its
// faults end with it only if it lives to undo them.
type inProcess struct{}

func (inProcess) Guard(context.Context, chaos.Receipt) error { return nil }
func (inProcess) Release(context.Context, string) error      { return nil }
func (inProcess) Held() error                                { return nil }
func (inProcess) Lost() <-chan struct{}                      { return nil }
func (inProcess) Yield(context.Context) ([]chaos.Outcome, error) {
	return nil, chaos.ErrUnguarded
}

// watchLease ends the run when its lease is lost. It returns when done closes.
func (r *Run) watchLease(done <-chan struct{}) {
	select {
	case <-r.options.Lease.Lost():
		r.end(Failed, "the lease on its faults was lost: "+r.options.Lease.Held().Error())
	case <-done:
	}
}
