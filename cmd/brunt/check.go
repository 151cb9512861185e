package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/scenarios"
)

func checkCommand() *cobra.Command {
	var vars map[string]string
	cmd := &cobra.Command{
		Use:   "check SCENARIO...",
		Short: "Check scenario files, offline",
		Long: `check reads scenario files and prints every problem in them at once, and warns
of what this machine would run out of. It touches nothing.`,
		Args: some("scenario files"),
		RunE: func(cmd *cobra.Command, files []string) error {
			bad := false
			for _, file := range files {
				var plan *scenarios.Plan
				scenario, err := loadScenario(file, vars, cmd.ErrOrStderr())
				if err == nil {
					plan, err = scenario.Compile(nil, placeholderEnv(scenario))
				}
				if err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					bad = true
					continue
				}
				warnOfShortages(cmd.ErrOrStderr(), plan, 1)
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", file)
			}
			if bad {
				return exit(exitUsage, nil)
			}
			return nil
		},
	}
	varFlag(cmd, &vars)
	return cmd
}
