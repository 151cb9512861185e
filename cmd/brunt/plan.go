package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

func planCommand() *cobra.Command {
	var vars map[string]string
	var w workers
	cmd := &cobra.Command{
		Use:   "plan SCENARIO",
		Short: "Show what a run would do, and touch nothing",
		Long: `plan shows a scenario's timeline: the load it would offer, the requests it would
send, the faults it would inject and what they would touch. It resolves the
targets of faults where they exist already, rehearses undoing what was never
injected, says which capabilities are missing and, of a cluster, what faults,
probes and workers would not be let do there, and changes nothing.`,
		Args: one("a scenario file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			scenario, err := loadScenario(args[0], vars, cmd.ErrOrStderr())
			if err != nil {
				return exit(exitUsage, err)
			}
			plan, err := scenario.Compile(nil, placeholderEnv(scenario))
			if err != nil {
				return exit(exitUsage, err)
			}
			if err := w.check(scenario, plan); err != nil {
				return exit(exitUsage, err)
			}
			out := cmd.OutOrStdout()
			if err := scenarios.Outline(out, plan); err != nil {
				return fmt.Errorf("print plan: %w", err)
			}
			warnOfShortages(cmd.ErrOrStderr(), plan, max(1, w.count))
			if err := cmp.Or(checkMachine(plan), checkCluster(cmd.Context(), plan)); err != nil {
				return exit(exitUsage, err)
			}
			if err := checkProbes(cmd.Context(), plan); err != nil {
				return exit(exitUsage, err)
			}
			refused := printNeeds(out, plan)
			refused = printAccess(cmd.Context(), out, plan, w.on) || refused
			refused = w.print(cmd.Context(), out, scenario, plan) || refused
			refused = printTargets(cmd.Context(), out, scenario, plan) || refused
			if refused {
				return exit(exitUsage, nil)
			}
			return nil
		},
	}
	w.flags(cmd)
	varFlag(cmd, &vars)
	return cmd
}

// printTargets prints what the plan's faults would touch, as far as it is there
// already, and says whether one of them would be refused.
func printTargets(ctx context.Context, out io.Writer, scenario *scenarios.Scenario, plan *scenarios.Plan) (refused bool) {
	if len(plan.Faults) == 0 {
		return false
	}
	fmt.Fprintln(out, "\nfault targets")
	if scenario.Stack != "" {
		fmt.Fprintf(out, "  the stack %s is started by the run; its processes are resolved then\n", scenario.Stack)
		return false
	}
	there := *plan
	there.Faults = nil
	for _, f := range plan.Faults {
		if f.On == "" {
			there.Faults = append(there.Faults, f)
		} else {
			fmt.Fprintf(out, "  %s: %s, which the run starts\n", f.Name, f.On)
		}
	}
	for _, r := range engine.Rehearse(ctx, &there) {
		fmt.Fprintln(out, "  "+r.String())
		refused = refused || r.Err != nil
	}
	return refused
}
