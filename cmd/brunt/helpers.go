package main

import (
	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos/dns"
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
		"shop":      shop.Main,    // one process of the example stack
		dns.Command: dns.Main,     // the run's DNS resolvers, likewise
		"network":   network.Main, // holds packets back where the kernel has no netem
		"stress":    stress.Main,  // what a stress fault burns, fills and holds
	} {
		all = append(all, &cobra.Command{
			Use: use, Hidden: true, DisableFlagParsing: true,
			RunE: func(_ *cobra.Command, args []string) error { return exit(body(args), nil) },
		})
	}
	return all
}

// proxyCommand is the process that the run's TCP proxies live in: apart, so
// that they do not die with brunt. With --toxiproxy people start one of their
// own, for the clients they have.
func proxyCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "proxy --toxiproxy ADDRESS [--config FILE]",
		Short:              "Run proxies that Toxiproxy's clients drive",
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return exit(proxy.Main(args), nil) },
	}
}
