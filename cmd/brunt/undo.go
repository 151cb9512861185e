package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
)

func undoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "undo RUNDIR",
		Short: "Mend what a run broke and did not undo",
		Long: `undo reads the receipts in a run directory and undoes every fault that is not
yet verified gone. It may be called any number of times.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			receipts, err := chaos.OpenReceipts(args[0])
			if err != nil {
				return exit(exitUsage, fmt.Errorf("brunt: open receipts: %w", err))
			}
			defer func() { err = errors.Join(err, receipts.Close()) }()
			pending := receipts.Pending()
			if len(pending) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing to undo: every fault of this run is verified gone")
				return nil
			}
			err = chaos.Undo(cmd.Context(), receipts, mend, func(o chaos.Outcome) {
				fmt.Fprintln(cmd.OutOrStdout(), o)
			})
			if err != nil {
				return exit(exitFaultLeft, fmt.Errorf("brunt: %w", err))
			}
			return nil
		},
	}
}
