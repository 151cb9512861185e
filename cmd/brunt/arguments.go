package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// one lets a command take one argument, such as "a scenario file".
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("%s takes %s: %s", cmd.Name(), what, cmd.UseLine())
		case 1:
			return nil
		}
		return tooMany(cmd, args[1])
	}
}

// some lets a command take one argument or more.
func some(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s takes %s: %s", cmd.Name(), what, cmd.UseLine())
		}
		return nil
	}
}

// most lets a command take up to n arguments.
func most(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return tooMany(cmd, args[n])
		}
		return nil
	}
}

func tooMany(cmd *cobra.Command, arg string) error {
	return fmt.Errorf("%s: %q is one argument too many: %s", cmd.Name(), arg, cmd.UseLine())
}
