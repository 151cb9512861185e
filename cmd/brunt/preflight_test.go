package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/brunt-dev/brunt/chaos/process"
	"github.com/brunt-dev/brunt/scenarios"
)

func TestProductionMachine(t *testing.T) {
	plan := &scenarios.Plan{Faults: []scenarios.Fault{{Name: "slow", Kind: "proxy"}, {Name: "frozen", Kind: "process"}}}
	if err := productionMachine(plan, "web-prod-3"); err == nil || !strings.Contains(err.Error(), "fault frozen") {
		t.Errorf("a machine called web-prod-3: %v", err)
	}
	if err := productionMachine(plan, "products-3"); err != nil {
		t.Error(err)
	}
	if err := productionMachine(&scenarios.Plan{Faults: plan.Faults[:1]}, "web-prod-3"); err != nil {
		t.Errorf("the fault does not act on this machine: %v", err)
	}
	plan.AllowProduction = true
	if err := productionMachine(plan, "web-prod-3"); err != nil {
		t.Errorf("it was allowed: %v", err)
	}
}

// Every command of brunt that holds faults, or undoes them, is protected from
// being broken by one.
func TestOwnCommandsAreProtected(t *testing.T) {
	// Not held to be brunt's own: what a fault may well be meant for, and
	// commands that are over at once.
	other := []string{"check", "plan", "rbac", "init", "lint-cluster", "explain", "schema", "report", "faults", "doctor", "truth", "clock-run", "shop", "version", "compare", "baseline", "help", "completion"}
	for _, c := range rootCommand().Commands() {
		if name := c.Name(); !slices.Contains(process.OwnCommands(), name) && !slices.Contains(other, name) {
			t.Errorf("brunt %s: should a fault be able to break it? Add it to process.OwnCommands or to this test", name)
		}
	}
	for _, name := range process.OwnCommands() {
		if found, _, err := rootCommand().Find([]string{name}); err != nil || found.Name() != name {
			t.Errorf("process.OwnCommands has %s, which is no command", name)
		}
	}
}
