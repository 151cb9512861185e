package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/chaos/mesh"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/limits"
)

// meshBound is how long finding Chaos Mesh may take.
const meshBound = 10 * time.Second

// withMesh adds what there is to say of the Chaos Mesh that a scenario's faults go
// through.
func withMesh(ctx context.Context, file string, vars map[string]string, checks []limits.Check) []limits.Check {
	scenario, err := loadScenario(file, vars, io.Discard)
	if err != nil {
		return checks // said already
	}
	plan, err := scenario.Compile(nil, placeholderEnv(scenario))
	if err != nil {
		return checks
	}
	if check, ok := meshCheck(ctx, plan); ok {
		checks = append(checks, check)
	}
	return checks
}

// meshCheck looks at the Chaos Mesh that a plan's faults go through; false when
// none does.
func meshCheck(ctx context.Context, plan *scenarios.Plan) (limits.Check, bool) {
	if !slices.ContainsFunc(plan.Faults, func(f scenarios.Fault) bool { return slices.Contains(mesh.Names(), f.Kind) }) {
		return limits.Check{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, meshBound)
	defer cancel()
	version, holed, err := mesh.Version(ctx, clusterFor, plan.Kubernetes)
	check := limits.Check{Name: "chaos mesh", State: limits.OK}
	switch {
	case errors.Is(err, kube.ErrAbsent):
		check.State, check.Says = limits.Short, "the cluster has no Chaos Mesh that its labels would show"
		check.Mend = "install it: https://chaos-mesh.org/docs/production-installation-using-helm/"
	case err != nil:
		check.State, check.Says = limits.Short, err.Error()
	case holed:
		check.State, check.Says = limits.Short, fmt.Sprintf("version %s lets anyone in the cluster run commands on its nodes (CVE-2025-59358 to 59361)", version)
		check.Mend = "upgrade Chaos Mesh to " + mesh.Holes + " or later"
	case version == "":
		check.State, check.Says = limits.Unknown, "its version could not be told"
	default:
		check.Says = "version " + version
	}
	return check, true
}
