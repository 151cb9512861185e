package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/inventory"
)

func initCommand() *cobra.Command {
	var target chaos.Kubernetes
	var cluster bool
	cmd := &cobra.Command{
		Use:   "init URL | --from-cluster --namespace NAMESPACE",
		Short: "Print a commented scenario to start from",
		Long: `init prints a commented scenario that loads URL:

  brunt init https://shop.staging.example/ > scenario.yaml

With --from-cluster it prints one for what a Kubernetes namespace runs: its HTTP
services loaded, its autoscalers watched and judged, a pod of each workload
killed in turn. It only reads.`,
		Args: most(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var text []byte
			var err error
			switch {
			case cluster == (len(args) == 1):
				err = errors.New("init takes a URL, or --from-cluster")
			case cluster && target.Namespace == "":
				err = errors.New("which namespace? say --namespace")
			case cluster:
				var n inventory.Namespace
				if n, err = readInventory(cmd.Context(), target); err == nil {
					text, err = n.Starter()
				}
			default:
				text, err = scenarios.Starter(args[0])
			}
			if err != nil {
				return exit(exitUsage, fmt.Errorf("brunt: %w", err))
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&cluster, "from-cluster", false, "write it from what a Kubernetes namespace runs")
	namespaceFlags(cmd, &target)
	return cmd
}
