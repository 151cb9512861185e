package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/cluster"
)

// workerCommand is one worker of a run that several offer the load of. People
// do not call it. It takes its orders on standard input, which is its lifeline.
func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use: cluster.Command, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(syscall.SIGPIPE) // a controller that is gone is told of by the write
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM)
			defer stop()
			err := cluster.Serve(ctx, cluster.ServeOptions{In: os.Stdin, Out: os.Stdout, Version: version(), Compile: compileForWorker})
			switch {
			case errors.Is(err, cluster.ErrRefused):
				return exit(exitUsage, fmt.Errorf("brunt worker: %w", err))
			case err != nil:
				return exit(exitInconclusive, fmt.Errorf("brunt worker: %w", err))
			}
			return nil
		},
	}
}

// compileForWorker makes the plan that a worker plays a slice of.
func compileForWorker(o cluster.Orders, dir string) (*scenarios.Plan, func(string) string, error) {
	scenario, err := scenarios.Parse(o.File, o.Scenario, kinds(), scenarios.Options{
		Env: func(name string) (string, bool) { v, ok := o.Env[name]; return v, ok },
		Dir: dir, Vars: o.Vars, LoadsOnly: true,
	})
	if err != nil {
		return nil, nil, err
	}
	plan, err := scenario.Compile(o.Stack, placeholderEnv(scenario))
	return plan, scenario.Redact, err
}

// workers are the flags that spread a run's load over several workers.
type workers struct {
	count int
}

func (w *workers) flags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&w.count, "workers", 0, "offer the load from this many worker processes; faults, probes and the verdict stay here")
}

// mostWorkers bounds a slip of the finger.
const mostWorkers = 1000

// check refuses what workers cannot do, before anything starts.
func (w *workers) check(plan *scenarios.Plan) error {
	if w.count == 0 {
		return nil
	}
	if w.count < 0 || w.count > mostWorkers {
		return fmt.Errorf("--workers %d: it takes 1 to %d", w.count, mostWorkers)
	}
	if slices.Contains(plan.Reports, "vegeta") {
		return errors.New("--workers: report: [vegeta] takes every single operation, and workers send what they add up to; leave one of the two out")
	}
	for _, l := range plan.Loads {
		if l.MaxInFlight < w.count {
			return fmt.Errorf("--workers %d: load %s may have %d in flight, which they cannot share; raise its max_in_flight, or take fewer workers", w.count, l.Name, l.MaxInFlight)
		}
	}
	return nil
}

// assemble starts the workers and returns when all of them are ready. It is nil
// when the run offers its load itself.
func (w *workers) assemble(ctx context.Context, s *scenarios.Scenario, plan *scenarios.Plan, around *surrounding, dir string) (*cluster.Crew, error) {
	if w.count == 0 {
		return nil, nil
	}
	plan.Info.Workers = &journal.WorkersPlan{Count: w.count, MayLose: s.MayLose}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find brunt's own binary: %w", err)
	}
	with := s.ReadWith()
	from, err := filepath.Abs(with.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the scenario's folder: %w", err)
	}
	started, err := cluster.StartProcesses(ctx, exe, filepath.Join(dir, "workers"), w.count)
	if err != nil {
		return nil, err
	}
	orders := cluster.Orders{Version: version(), File: s.File, Scenario: s.Source, Vars: with.Vars, Stack: around.vars, Env: with.Env, Dir: from}
	return cluster.Assemble(ctx, plan, started, orders, nil)
}

// endCrew lets the workers go.
func endCrew(crew *cluster.Crew, stderr io.Writer) {
	if crew == nil {
		return
	}
	if err := crew.Close(); err != nil {
		fmt.Fprintf(stderr, "brunt: %v\n", err)
	}
}
