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
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/cluster"
	"github.com/brunt-dev/brunt/scenarios/cluster/pods"
)

// workerCommand is one worker of a run that several offer the load of. People
// do not call it. It takes its orders on standard input, which is its lifeline.
func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use: cluster.Command, Hidden: true, Args: most(0),
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
	count       int
	on          string
	image       string
	cpu, memory string
}

func (w *workers) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&w.count, "workers", 0, "offer the load from this many worker processes; faults, probes and the verdict stay here")
	f.StringVar(&w.on, "on", "", "where the workers run: kubernetes (an Indexed Job in target.kubernetes.namespace); otherwise here")
	f.StringVar(&w.image, "image", "", "with --on kubernetes: the workers' image, with this brunt as its entrypoint")
	f.StringVar(&w.cpu, "worker-cpu", "500m", "with --on kubernetes: the processor time that each worker requests")
	f.StringVar(&w.memory, "worker-memory", "256Mi", "with --on kubernetes: the memory that each worker requests")
}

const (
	// mostWorkers bounds a slip of the finger.
	mostWorkers = 1000
	// onKubernetes is the value of --on.
	onKubernetes = "kubernetes"
	// aroundRun is what a Job may take besides the run's plan and the start of
	// its pods: getting ready, draining, ending.
	aroundRun = 5 * time.Minute
	// removeBound is how long a Job may take to be gone.
	removeBound = time.Minute
)

// check refuses what workers cannot do, before anything starts.
func (w *workers) check(s *scenarios.Scenario, plan *scenarios.Plan) error {
	switch {
	case w.on != "" && w.on != onKubernetes:
		return fmt.Errorf("--on %s: workers run on kubernetes, or here without --on", w.on)
	case w.count == 0 && (w.on != "" || w.image != ""):
		return errors.New("--on and --image are about workers: say how many, --workers 4")
	case w.count == 0:
		return nil
	case w.count < 0 || w.count > mostWorkers:
		return fmt.Errorf("--workers %d: it takes 1 to %d", w.count, mostWorkers)
	case w.on == "" && w.image != "":
		return errors.New("--image goes with --on kubernetes")
	case slices.Contains(plan.Reports, "vegeta"):
		return errors.New("--workers: report: [vegeta] takes every single operation, and workers send what they add up to; leave one of the two out")
	}
	for _, l := range plan.Loads {
		if l.MaxInFlight < w.count {
			return fmt.Errorf("--workers %d: load %s may have %d in flight, which they cannot share; raise its max_in_flight, or take fewer workers", w.count, l.Name, l.MaxInFlight)
		}
		if p, ok := l.Generator.(generators.Pooler); ok && p.Pool() > 0 && p.Pool() < w.count {
			return fmt.Errorf("--workers %d: load %s may have %d connections, which they cannot share; raise its connections.max, or take fewer workers", w.count, l.Name, p.Pool())
		}
	}
	if w.on != onKubernetes {
		return nil
	}
	switch {
	case w.image == "":
		return errors.New("--on kubernetes takes --image: an image with this brunt as its entrypoint, that the cluster can pull")
	case s.Kubernetes.Namespace == "":
		return errNoNamespace
	case s.Stack != "" || len(s.Proxies) > 0 || len(s.Resolvers) > 0:
		return errors.New("--on kubernetes: the scenario's stack, proxies or resolvers run on this machine, where pods do not reach them; play it without --on")
	}
	for _, name := range s.Files {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("--on kubernetes: %s is sent to the workers, and so has to lie below the scenario's folder", name)
		}
	}
	return nil
}

// A crew is the workers of a run, ready to play, and what they run in. A nil
// crew is that of a run that offers its load itself.
type crew struct {
	*cluster.Crew
	team *pods.Team // nil on this machine
}

// assemble starts the workers and returns when all of them are ready.
func (w *workers) assemble(ctx context.Context, s *scenarios.Scenario, plan *scenarios.Plan, around *surrounding, dir string, stderr io.Writer) (*crew, error) {
	if w.count == 0 {
		return nil, nil
	}
	plan.Info.Workers = &journal.WorkersPlan{Count: w.count, MayLose: s.MayLose}
	with := s.ReadWith()
	orders := cluster.Orders{Version: version(), File: s.File, Scenario: s.Source, Vars: with.Vars, Stack: around.vars, Env: with.Env}
	if w.on == onKubernetes {
		return w.assemblePods(ctx, s, plan, orders, stderr)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find brunt's own binary: %w", err)
	}
	if orders.Dir, err = filepath.Abs(with.Dir); err != nil {
		return nil, fmt.Errorf("find the scenario's folder: %w", err)
	}
	started, err := cluster.StartProcesses(ctx, exe, filepath.Join(dir, "workers"), w.count)
	if err != nil {
		return nil, err
	}
	assembled, err := cluster.Assemble(ctx, plan, started, orders, nil)
	if err != nil {
		return nil, err
	}
	return &crew{Crew: assembled}, nil
}

// assemblePods is assemble for workers in pods, which have to be sent the files
// that the scenario reads.
func (w *workers) assemblePods(ctx context.Context, s *scenarios.Scenario, plan *scenarios.Plan, orders cluster.Orders, stderr io.Writer) (*crew, error) {
	var files []cluster.File
	for _, name := range s.Files {
		data, err := os.ReadFile(filepath.Join(s.ReadWith().Dir, name))
		if err != nil {
			return nil, fmt.Errorf("read what the workers need: %w", err)
		}
		files = append(files, cluster.File{Name: name, Data: data})
	}
	config, _, err := clusterFor(s.Kubernetes)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stderr, "brunt: starting %d workers in namespace %s\n", w.count, s.Kubernetes.Namespace)
	options := w.podOptions(s, plan)
	options.Progress = func(text string) { fmt.Fprintln(stderr, "brunt: "+text) }
	team, err := pods.Start(ctx, config, options)
	if err != nil {
		return nil, err
	}
	assembled, err := cluster.Assemble(ctx, plan, team.Workers(), orders, files)
	if err != nil {
		return nil, errors.Join(err, remove(team))
	}
	return &crew{assembled, team}, nil
}

// podOptions describe the Job.
func (w *workers) podOptions(s *scenarios.Scenario, plan *scenarios.Plan) pods.Options {
	return pods.Options{
		Namespace: s.Kubernetes.Namespace, Name: s.Name, Image: w.image, Workers: w.count, CPU: w.cpu, Memory: w.memory,
		Lasts: pods.RunningBound + plan.Info.Duration + aroundRun,
	}
}

// print prints where the workers would run, and says whether the cluster would
// refuse them; it is asked without making anything.
func (w *workers) print(ctx context.Context, out io.Writer, s *scenarios.Scenario, plan *scenarios.Plan) (refused bool) {
	switch {
	case w.count == 0:
		return false
	case w.on != onKubernetes:
		fmt.Fprintf(out, "\nworkers\n  %d processes on this machine\n", w.count)
		return false
	}
	fmt.Fprintf(out, "\nworkers\n  %d pods of an Indexed Job in namespace %s, image %s, each requesting cpu %s and memory %s\n", w.count, s.Kubernetes.Namespace, w.image, w.cpu, w.memory)
	config, _, err := clusterFor(s.Kubernetes)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, clusterBound)
		defer cancel()
		err = pods.Rehearse(ctx, config, w.podOptions(s, plan))
	}
	if err != nil {
		fmt.Fprintf(out, "  the cluster would not take it: %v\n", err)
	}
	return err != nil
}

func remove(team *pods.Team) error {
	if team == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), removeBound)
	defer cancel()
	if err := team.Remove(ctx); err != nil {
		return fmt.Errorf("%w; brunt undo --all removes it from any machine, and it ends by itself in time", err)
	}
	return nil
}

// end lets the workers go.
func (c *crew) end(stderr io.Writer) {
	if c == nil {
		return
	}
	if err := errors.Join(c.Close(), remove(c.team)); err != nil {
		fmt.Fprintf(stderr, "brunt: %v\n", err)
	}
}
