package main

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos/clock"
)

func clockRunCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   clock.Command + " [--file FILE] [--monotonic OFFSET] -- COMMAND [ARGUMENT...]",
		Short: "Run a command so that clock faults can skew its clock",
		Long: `clock-run runs a command whose wall clock a clock fault can skew while it runs,
by libfaketime. The host's clock is never touched. It becomes the command, with
the same process id, so that pid files and supervisors hold.

  brunt clock-run --file /run/shop/clock -- ./shop --port 8080

and in the scenario:

  faults:
    late: { at: 1m, for: 2m, clock: { file: /run/shop/clock, offset: -1h } }

Programs that are linked statically, as most Go binaries are, are refused:
libfaketime cannot reach their clock.`,
		// What stands behind the dashes is the command's own.
		DisableFlagParsing:    true,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && slices.Contains([]string{"-h", "-help", "--help"}, args[0]) {
				return cmd.Help()
			}
			return exit(clock.Main(args), nil)
		},
	}
	// For the help only: clock.Main reads them.
	cmd.Flags().String("file", "", "the timestamp file, made with no offset if there is none")
	cmd.Flags().String("library", "", "libfaketime, where it is not found by itself")
	cmd.Flags().Duration("monotonic", 0, "set its monotonic and boot clocks off by this much for all its life, in a time namespace (Linux 6.2, root)")
	return cmd
}
