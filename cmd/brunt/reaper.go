package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/reaper"
	"github.com/brunt-dev/brunt/scenarios"
)

// reaperCommand is the process that undoes a run's faults when brunt cannot.
// People do not call it.
func reaperCommand() *cobra.Command {
	return &cobra.Command{
		Use: reaper.Command, Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error { return exit(reaper.Main(args, mend), nil) },
	}
}

// leaseEndBound is how long ending a lease may take: the reaper may be undoing.
const leaseEndBound = time.Minute

// A runLease is the lease on a run's faults; a run without faults has none.
type runLease struct{ held *reaper.Lease }

// startLease starts the reaper of a run with faults and returns when it has
// acknowledged the lease.
func startLease(ctx context.Context, plan *scenarios.Plan, dir string) (runLease, error) {
	if len(plan.Faults) == 0 {
		return runLease{}, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return runLease{}, fmt.Errorf("find brunt's own binary: %w", err)
	}
	held, err := reaper.Start(ctx, reaper.Options{Exe: exe, Name: plan.Info.Name, RunDir: dir, Lease: plan.Lease, Renew: plan.Renew})
	return runLease{held}, err
}

// guard is the lease as the engine knows it.
func (l runLease) guard() chaos.Lease {
	if l.held == nil {
		return nil // not a nil *reaper.Lease, which would be no nil Lease
	}
	return l.held
}

// end ends the lease and waits for its reaper.
func (l runLease) end(stderr io.Writer) {
	if l.held == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseEndBound)
	defer cancel()
	if err := l.held.Close(ctx); err != nil {
		fmt.Fprintf(stderr, "brunt: %v\n", err)
	}
}
