package main

import (
	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos/network"
	"github.com/brunt-dev/brunt/chaos/proxy"
	"github.com/brunt-dev/brunt/chaos/stress"
	"github.com/brunt-dev/brunt/examples/shop"
)

// helperCommands are the processes that brunt starts from its own binary.
// People do not call them.
func helperCommands() []*cobra.Command {
	var all []*cobra.Command
	for use, body := range map[string]func(args []string) int{
		"shop":    shop.Main,    // one process of the example stack
		"proxy":   proxy.Main,   // the run's TCP proxies: apart, so that they do not die with brunt
		"network": network.Main, // holds packets back where the kernel has no netem
		"stress":  stress.Main,  // what a stress fault burns, fills and holds
	} {
		all = append(all, &cobra.Command{
			Use: use, Hidden: true, DisableFlagParsing: true,
			RunE: func(_ *cobra.Command, args []string) error { return exit(body(args), nil) },
		})
	}
	return all
}
