package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/inventory"
)

func lintClusterCommand() *cobra.Command {
	var target chaos.Kubernetes
	var vars map[string]string
	var replicas int
	cmd := &cobra.Command{
		Use:   "lint-cluster [SCENARIO]",
		Short: "Say what in a namespace would hurt under load or faults",
		Long: `lint-cluster reads a namespace's workloads, autoscalers, disruption budgets and
services, and says what is wrong with them: autoscalers that cannot see, drains
that would block, single replicas. It changes nothing. With a scenario it reads
the scenario's namespace, and knows how long its phases are.

It ends with 1 when it found an error, and with 0 otherwise.`,
		Args: most(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			need := inventory.Need{Replicas: replicas}
			if len(args) == 1 {
				scenario, err := loadScenario(args[0], vars, cmd.ErrOrStderr())
				if err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					return exit(exitUsage, nil)
				}
				plan, err := scenario.Compile(nil, placeholderEnv(scenario))
				if err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), err)
					return exit(exitUsage, nil)
				}
				for _, p := range plan.Info.Phases {
					need.Phase = max(need.Phase, p.End-p.Start)
				}
				if target.Namespace == "" && target.Context == "" && target.Kubeconfig == "" {
					target = plan.Kubernetes
				}
			}
			if target.Namespace == "" {
				return exit(exitUsage, errors.New("brunt: which namespace? say --namespace, or give a scenario with target.kubernetes"))
			}
			n, err := readInventory(cmd.Context(), target)
			if err != nil {
				return exit(exitUsage, fmt.Errorf("brunt: %w", err))
			}
			findings := n.Lint(need)
			bad := 0
			for _, f := range findings {
				if f.Severity == inventory.Error {
					bad++
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-7s  %s: %s  (%s)\n", f.Severity, f.Object, f.Message, f.Code)
				fmt.Fprintf(cmd.OutOrStdout(), "%-7s  hint: %s\n", "", f.Hint)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "namespace %s: %s looked at, %d found, %d of them errors\n", n.Name, looked(n), len(findings), bad)
			if bad > 0 {
				return exit(exitFail, nil)
			}
			return nil
		},
	}
	namespaceFlags(cmd, &target)
	cmd.Flags().IntVar(&replicas, "replicas", 0, "how many replicas the load was measured to need, to compare with what autoscalers allow")
	varFlag(cmd, &vars)
	return cmd
}

// namespaceFlags say which namespace of which cluster.
func namespaceFlags(cmd *cobra.Command, target *chaos.Kubernetes) {
	cmd.Flags().StringVar(&target.Namespace, "namespace", "", "the namespace to read")
	cmd.Flags().StringVar(&target.Context, "context", "", "the kubeconfig's context; its current one unless told")
	cmd.Flags().StringVar(&target.Kubeconfig, "kubeconfig", "", "the kubeconfig file; by default $KUBECONFIG, then ~/.kube/config")
}

// looked counts what was read.
func looked(n inventory.Namespace) string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{len(n.Workloads), "workload"}, {len(n.Autoscalers), "autoscaler"}, {len(n.Budgets), "disruption budget"}, {len(n.Services), "service"}} {
		if c.n != 1 {
			c.what += "s"
		}
		parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
	}
	return strings.Join(parts, ", ")
}
