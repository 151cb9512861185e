package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/reports"
)

func reportCommand() *cobra.Command {
	format := "text"
	formats := reports.Formats()
	names := make([]string, 0, len(formats))
	for name := range formats {
		names = append(names, name)
	}
	sort.Strings(names)
	cmd := &cobra.Command{
		Use:   "report RUNDIR",
		Short: "Print a run's report again, from its run directory alone",
		Args:  one("a run directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			print, ok := formats[format]
			if !ok {
				return exit(exitUsage, fmt.Errorf("brunt: no report format %q: it is one of %s", format, strings.Join(names, ", ")))
			}
			recorded, err := openRun(args[0])
			if err != nil {
				return exit(exitUsage, fmt.Errorf("brunt: %w", err))
			}
			if err := print(cmd.OutOrStdout(), reports.Build(recorded)); err != nil {
				return fmt.Errorf("print report: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "the `format`: "+strings.Join(names, ", "))
	return cmd
}
