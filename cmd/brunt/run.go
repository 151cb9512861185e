package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/reports"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

func runCommand() *cobra.Command {
	var p play
	var vars map[string]string
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Play a scenario and print its verdict",
		Long: `run plays a scenario and prints its verdict with the evidence. Progress goes to
stderr, the verdict to stdout, everything else to the run directory.

Ctrl-C once stops the load, undoes every fault and reports; twice skips
waiting for requests in flight. The exit code is the verdict.`,
		Args: one("a scenario file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			scenario, err := loadScenario(args[0], vars, cmd.ErrOrStderr())
			if err != nil {
				return exit(exitUsage, err)
			}
			p.face = func(plan journal.Plan, _ *engine.Run) face {
				return &statusLines{w: cmd.ErrOrStderr(), plan: plan}
			}
			return p.play(cmd.Context(), scenario, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	p.flags(cmd)
	p.workers.flags(cmd)
	varFlag(cmd, &vars)
	return cmd
}

// A face shows a run while it plays.
type face interface {
	journal.Sink
	// Close is called after the run's last batch, and returns when the face
	// has let go of the terminal.
	Close() error
}

// play is what run, quick and gameday share: from a checked scenario to an
// exit code.
type play struct {
	workers
	out  string // the run directory; empty: one of its own under brunt-runs
	face func(journal.Plan, *engine.Run) face
}

func (p *play) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.out, "out", "", "the run `directory` (default brunt-runs/NAME-TIME)")
}

func (p *play) play(ctx context.Context, scenario *scenarios.Scenario, stdout, stderr io.Writer) (err error) {
	// A scenario that cannot be compiled is refused before anything starts.
	sketch, err := scenario.Compile(nil, placeholderEnv(scenario))
	if err == nil {
		err = errors.Join(checkMachine(sketch), p.workers.check(scenario, sketch))
	}
	if err == nil {
		err = checkCluster(ctx, sketch)
	}
	if err == nil {
		err = checkProbes(ctx, sketch)
	}
	if err == nil {
		err = checkAccess(ctx, sketch, p.workers.on)
	}
	if err != nil {
		return exit(exitUsage, err)
	}
	dir, made, err := p.directory(scenario.Name)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("brunt: %w", err))
	}
	defer func() {
		if err != nil && made {
			_ = os.Remove(dir) // a refused run has put nothing in it; a folder with anything in it stays
		}
	}()
	ctx, interrupts := catchInterrupts(ctx)
	defer interrupts.release()

	around, err := startSurrounding(ctx, scenario, dir, stderr)
	if err != nil {
		if ctx.Err() != nil {
			return exit(exitInterrupted, fmt.Errorf("brunt: interrupted: %w", err))
		}
		return exit(exitUsage, fmt.Errorf("brunt: %w", err))
	}
	defer func() {
		if stopErr := around.stop(); stopErr != nil {
			fmt.Fprintf(stderr, "brunt: stop the stack: %v\n", stopErr)
			err = unsure(err)
		}
	}()
	plan, err := scenario.Compile(around.vars, around.env)
	if err != nil {
		return exit(exitUsage, err)
	}
	for _, r := range engine.Resolve(ctx, plan) {
		if r.Err != nil {
			return exit(exitUsage, fmt.Errorf("brunt: refused before any traffic: fault %s", r))
		}
	}

	warnOfShortages(stderr, plan, p.workers.count)
	if err := around.willLast(plan.Info.Duration); err != nil {
		return exit(exitUsage, fmt.Errorf("brunt: %w", err))
	}
	lease, err := startLease(ctx, plan, dir)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("brunt: refused before any traffic: %w", err))
	}
	defer lease.end(stderr)

	results, err := openResults(dir, plan.Reports)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("brunt: %w", err))
	}

	options := engine.Options{
		Dir: dir, Scenario: scenario.Source, Version: version(), Environment: environment(),
		Redact: scenario.Redact, Lease: lease.guard(), Observe: results.observe(),
	}
	crew, err := p.assemble(ctx, scenario, plan, around, dir, stderr)
	if err != nil {
		if ctx.Err() != nil {
			return exit(exitInterrupted, fmt.Errorf("brunt: interrupted: %w", err))
		}
		return exit(exitUsage, fmt.Errorf("brunt: refused before any traffic: %w", err))
	}
	if crew != nil {
		defer crew.end(stderr)
		options.Crew = crew.Crew
	}

	faces := &lateFace{}
	options.Faces = []journal.Sink{faces}
	run, err := engine.New(plan, options)
	if err != nil {
		return exit(exitUsage, fmt.Errorf("brunt: %w", err))
	}
	shown := p.face(plan.Info, run)
	faces.to = shown
	interrupts.set(func() {
		fmt.Fprintln(stderr, "brunt: stopping: no more load, undoing faults (Ctrl-C again: do not wait for requests in flight)")
		run.Stop("interrupted by the user")
	}, run.Hurry)
	outcome := run.Play(ctx)
	if closeErr := shown.Close(); closeErr != nil {
		fmt.Fprintf(stderr, "brunt: %v\n", closeErr)
	}
	if closeErr := results.close(); closeErr != nil {
		fmt.Fprintf(stderr, "brunt: %v\n", closeErr)
	}
	return conclude(dir, plan.Reports, outcome, stdout, stderr)
}

// unsure is the exit of a run whose surroundings did not end as they should:
// somebody killed a proxy, or a process of the stack is left. What the run
// showed counts for nothing then, unless it is worse.
func unsure(err error) error {
	var ended *exitError
	if err == nil || errors.As(err, &ended) && ended.code == exitFail {
		return exit(exitInconclusive, nil)
	}
	return err
}

// conclude builds the report from the run directory alone, as `brunt report`
// would, prints it and turns the verdict into an exit code.
func conclude(dir string, formats []string, outcome engine.Outcome, stdout, stderr io.Writer) error {
	recorded, err := openRun(dir)
	if err != nil {
		return exit(exitInconclusive, fmt.Errorf("brunt: inconclusive: the journal could not be read back: %w", err))
	}
	report := reports.Build(recorded)
	writeErr := reports.WriteFiles(dir, report, formats)
	if err := reports.Text(stdout, report); err != nil {
		writeErr = errors.Join(writeErr, fmt.Errorf("print report: %w", err))
	}
	fmt.Fprintf(stdout, "\n%s\n", dir)
	code := report.ExitCode()
	if writeErr != nil {
		fmt.Fprintf(stderr, "brunt: %v\n", writeErr)
		code = max(code, exitInconclusive)
	}
	switch {
	case len(outcome.Unmended) > 0:
		for _, err := range outcome.Unmended {
			fmt.Fprintf(stderr, "brunt: %v\n", err)
		}
		fmt.Fprintf(stderr, "brunt: a fault may still be in place; mend it with:\n\n  brunt undo %s\n\n", dir)
		code = exitFaultLeft
	case outcome.Journal != nil:
		fmt.Fprintf(stderr, "brunt: inconclusive: %v\n", outcome.Journal)
		code = max(code, exitInconclusive)
	case outcome.State == engine.Interrupted:
		code = exitInterrupted
	}
	return exit(code, nil)
}

// directory makes the run directory, and says whether it was not there before.
func (p *play) directory(name string) (dir string, made bool, err error) {
	dir = p.out
	if dir == "" {
		dir = filepath.Join("brunt-runs", name+"-"+time.Now().UTC().Format("20060102-150405"))
	}
	if _, err := os.Stat(filepath.Join(dir, "events.jsonl")); err == nil {
		return "", false, fmt.Errorf("%s already holds a run: give another --out", dir)
	}
	_, err = os.Stat(dir)
	made = errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", false, fmt.Errorf("create run directory: %w", err)
	}
	return dir, made, nil
}

// A lateFace is a face that is made only after the run it shows.
type lateFace struct{ to journal.Sink }

func (f *lateFace) Append(b journal.Batch) error { return f.to.Append(b) }
