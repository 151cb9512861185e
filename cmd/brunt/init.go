package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/scenarios"
)

func initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init URL",
		Short: "Print a commented scenario to start from",
		Long:  "init prints a commented scenario that loads URL:\n\n  brunt init https://shop.staging.example/ > scenario.yaml",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := scenarios.Starter(args[0])
			if err != nil {
				return exit(exitUsage, fmt.Errorf("brunt: %w", err))
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
