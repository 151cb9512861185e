package main

import (
	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos/proxy"
)

// proxyCommand is the process that the run's TCP proxies live in, apart from
// brunt itself so that it does not die with it. People do not call it.
func proxyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "proxy", Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error { return exit(proxy.Main(args), nil) },
	}
}
