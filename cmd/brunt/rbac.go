package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
)

func rbacCommand() *cobra.Command {
	var vars map[string]string
	var user, account, on string
	cmd := &cobra.Command{
		Use:   "rbac SCENARIO",
		Short: "Print the smallest Kubernetes role that a scenario needs",
		Long: `rbac prints, as YAML for kubectl apply, what a scenario's faults and probes need to
be let do in the cluster: a Role in the target's namespace, and a ClusterRole where
they touch or watch nodes or other things outside of all namespaces. With --user or
--service-account it prints the bindings too, with --on kubernetes what workers in
pods need as well. It connects to nothing; brunt plan, with the same --on, asks the
cluster whether the role is there.`,
		Args: one("a scenario file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			scenario, err := loadScenario(args[0], vars, cmd.ErrOrStderr())
			if err != nil {
				return exit(exitUsage, err)
			}
			plan, err := scenario.Compile(nil, placeholderEnv(scenario))
			if err != nil {
				return exit(exitUsage, err)
			}
			subject, err := subjectOf(user, account)
			if err != nil {
				return exit(exitUsage, err)
			}
			if on != "" && on != onKubernetes {
				return exit(exitUsage, fmt.Errorf("brunt: --on %s: workers run on kubernetes, or here without --on", on))
			}
			if on != "" && plan.Kubernetes.Namespace == "" {
				return exit(exitUsage, fmt.Errorf("brunt: %w", errNoNamespace))
			}
			needs := accessOf(parties(plan, on))
			if len(needs) == 0 {
				return exit(exitUsage, errors.New("brunt: the scenario touches nothing in Kubernetes"))
			}
			return printRoles(cmd.OutOrStdout(), "brunt-"+roleName(plan.Info.Name), needs, subject)
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "bind the roles to this user")
	cmd.Flags().StringVar(&account, "service-account", "", "bind the roles to this service account, as NAMESPACE:NAME")
	cmd.Flags().StringVar(&on, "on", "", "where the workers of the run are to be: kubernetes adds what their pods take")
	varFlag(cmd, &vars)
	return cmd
}

// merged puts the verbs of each resource together, in order.
func merged(all []chaos.Access) []chaos.Access {
	type key struct{ namespace, group, resource, name string }
	verbs := map[key]map[string]bool{}
	for _, a := range all {
		k := key{a.Namespace, a.Group, a.Resource, a.Name}
		if verbs[k] == nil {
			verbs[k] = map[string]bool{}
		}
		for _, v := range a.Verbs {
			verbs[k][v] = true
		}
	}
	var out []chaos.Access
	for k, v := range verbs {
		out = append(out, chaos.Access{Verbs: slices.Sorted(maps.Keys(v)), Group: k.group, Resource: k.resource, Namespace: k.namespace, Name: k.name})
	}
	slices.SortFunc(out, func(a, b chaos.Access) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// subjectOf is who the roles are bound to, as YAML; empty for nobody.
func subjectOf(user, account string) (string, error) {
	switch {
	case user != "" && account != "":
		return "", errors.New("brunt: --user and --service-account are two subjects; say one")
	case user != "":
		return fmt.Sprintf("{ kind: User, name: %q, apiGroup: rbac.authorization.k8s.io }", user), nil
	case account == "":
		return "", nil
	}
	namespace, name, ok := strings.Cut(account, ":")
	if !ok || namespace == "" || name == "" {
		return "", fmt.Errorf("brunt: --service-account %q is no NAMESPACE:NAME", account)
	}
	return fmt.Sprintf("{ kind: ServiceAccount, name: %s, namespace: %s }", name, namespace), nil
}

// roleName is a scenario's name as names of roles go.
func roleName(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "-")) }

// printRoles writes one role for each namespace, and a cluster role for what is
// in none.
func printRoles(w io.Writer, name string, needs []chaos.Access, subject string) error {
	var b strings.Builder
	for i, a := range needs {
		if i == 0 || needs[i-1].Namespace != a.Namespace {
			kind, where := "Role", ", namespace: "+a.Namespace
			if a.Namespace == "" {
				kind, where = "ClusterRole", ""
			}
			fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: { name: %s%s }\nrules:\n", kind, name, where)
		}
		only := ""
		if a.Name != "" {
			only = fmt.Sprintf(", resourceNames: [%q]", a.Name)
		}
		fmt.Fprintf(&b, "  - { apiGroups: [%q], resources: [%s]%s, verbs: [%s] }\n", a.Group, a.Resource, only, strings.Join(a.Verbs, ", "))
		if subject == "" || i+1 < len(needs) && needs[i+1].Namespace == a.Namespace {
			continue
		}
		kind, where := "Role", ", namespace: "+a.Namespace
		if a.Namespace == "" {
			kind, where = "ClusterRole", ""
		}
		fmt.Fprintf(&b, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: %sBinding\nmetadata: { name: %s%s }\nroleRef: { apiGroup: rbac.authorization.k8s.io, kind: %s, name: %s }\nsubjects: [%s]\n",
			kind, name, where, kind, name, subject)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print roles: %w", err)
	}
	return nil
}
