package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios"
)

// hereKinds are the kinds of fault that act on the machine brunt runs on.
var hereKinds = []string{"process", "stress", "network", "clock", "docker", "exec"}

// checkMachine refuses to break a machine whose own name looks like
// production, unless the scenario says that this is meant.
func checkMachine(plan *scenarios.Plan) error {
	name, err := os.Hostname()
	if err != nil {
		return nil // a machine without a name looks like nothing
	}
	return productionMachine(plan, name)
}

func productionMachine(plan *scenarios.Plan, name string) error {
	word, found := chaos.ProductionWord(name)
	i := slices.IndexFunc(plan.Faults, func(f scenarios.Fault) bool { return slices.Contains(hereKinds, f.Kind) })
	if !found || plan.AllowProduction || i < 0 {
		return nil
	}
	return fmt.Errorf("brunt: refused: this machine is called %s, which looks like production (%s), and fault %s acts on it; if that is meant, say so in the scenario: safety: { allow_production: true }",
		name, word, plan.Faults[i].Name)
}
