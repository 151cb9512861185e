package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/examples/truth"
	"github.com/brunt-dev/brunt/scenarios/limits"
)

func doctorCommand() *cobra.Command {
	var calibrate bool
	c := calibration{length: 3 * time.Second}
	var vars map[string]string
	cmd := &cobra.Command{
		Use:   "doctor [SCENARIO]",
		Short: "Say what of this machine would run out, and how well brunt measures on it",
		Long: `doctor looks at this machine: open files, local ports, memory, connection
tracking, processors, clocks. With a scenario it says what of them that scenario
would use up, and how to mend it, and whether the Chaos Mesh that its faults go through
is one to run. It touches nothing.

With --calibrate it starts a server whose delays are known, plants each kind of
delay and failure, loads it on both of brunt's paths and compares what brunt
measured with what happened. The figures are kept for the environment section of
later reports.

` + tolerances + `

Exit codes: 0 all is well, 1 something would run out or brunt measures badly.`,
		Args: most(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if calibrate {
				if len(args) > 0 {
					return exit(exitUsage, fmt.Errorf("brunt: --calibrate takes no scenario"))
				}
				return c.command(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			machine, err := lookAtMachine(cmd.Context())
			if err != nil {
				return exit(exitInterrupted, fmt.Errorf("brunt: %w", err))
			}
			checks := machine.Checks()
			if len(args) > 0 {
				needs, err := needsOf(args[0], vars, cmd.ErrOrStderr())
				if err != nil {
					return exit(exitUsage, err)
				}
				checks = withMesh(cmd.Context(), args[0], vars, withNeeds(machine, needs, checks))
			}
			return printChecks(cmd.OutOrStdout(), checks)
		},
	}
	cmd.Flags().BoolVar(&calibrate, "calibrate", false, "compare what brunt measures with a server whose delays are known")
	cmd.Flags().DurationVar(&c.length, "for", c.length, "how long each planting of --calibrate is loaded")
	cmd.Flags().StringVar(&c.only, "only", "", "only the plantings of --calibrate with this text in their name")
	varFlag(cmd, &vars)
	return cmd
}

// truthCommand is the server that doctor and `make bench` measure. People
// seldom call it.
func truthCommand() *cobra.Command {
	return &cobra.Command{
		Use: "truth", Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error { return exit(truth.Main(args), nil) },
	}
}

// lookTime is how long doctor watches what else the processors do.
const lookTime = 500 * time.Millisecond

func lookAtMachine(ctx context.Context) (limits.Machine, error) {
	root := os.DirFS("/")
	before := limits.Look(root)
	select {
	case <-time.After(lookTime):
	case <-ctx.Done():
		return limits.Machine{}, context.Cause(ctx)
	}
	machine := limits.Look(root).Since(before)
	machine.Cores = runtime.GOMAXPROCS(0)
	return machine, nil
}

func printChecks(w io.Writer, checks []limits.Check) error {
	short := false
	for _, c := range checks {
		short = short || c.State == limits.Short
		text := c.Says
		if c.Mend != "" {
			text += "\nMend: " + c.Mend
		}
		for i, line := range folded(text, checkWidth) {
			if i == 0 {
				fmt.Fprintf(w, "%-10s %-8s %s\n", c.Name, c.State, line)
			} else {
				fmt.Fprintf(w, "%19s %s\n", "", line)
			}
		}
	}
	if short {
		return exit(exitFail, nil)
	}
	return nil
}

// checkWidth is how long a line of a check's text is, beside its name and state.
const checkWidth = 76

// folded breaks a text into lines at its spaces.
func folded(text string, width int) []string {
	var lines []string
	for paragraph := range strings.Lines(text) {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			if line != "" && len(line)+1+len(word) > width {
				lines = append(lines, line)
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		lines = append(lines, line)
	}
	return lines
}
