package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/limits"
)

// needsOf is what a scenario asks of the machine.
func needsOf(file string, vars map[string]string, stderr io.Writer) ([]limits.Need, error) {
	scenario, err := loadScenario(file, vars, stderr)
	if err != nil {
		return nil, err
	}
	plan, err := scenario.Compile(nil, placeholderEnv(scenario))
	if err != nil {
		return nil, err
	}
	return planNeeds(plan), nil
}

func planNeeds(plan *scenarios.Plan) []limits.Need {
	needs := make([]limits.Need, 0, len(plan.Loads))
	for i, load := range plan.Loads {
		needs = append(needs, needOf(load, plan.Info.Loads[i].Timeout))
	}
	return needs
}

func needOf(load scenarios.Load, timeout time.Duration) limits.Need {
	peak := 0.0
	for _, p := range load.Pieces {
		at := max(p.From, p.To)
		if p.Sine != nil {
			at += p.Sine.Amplitude
		}
		peak = max(peak, at)
	}
	need := limits.Need{Load: load.Name, Lane: load.Loop != nil, Sessions: int64(load.MaxInFlight)}
	if s, ok := load.Generator.(generators.Spreader); ok {
		need.Pairs = int64(s.Pairs())
	}
	if w, ok := load.Generator.(generators.Weigher); ok {
		need.Memory = w.SessionMemory()
	}
	if load.Schedule == nil {
		need.Sessions = min(need.Sessions, int64(math.Ceil(peak)))
		return need
	}
	// Little's law for a target that answers nothing: everything sent within
	// a timeout is in flight.
	need.Rate, need.Stalled = peak, true
	if timeout > 0 && peak > 0 {
		need.Sessions = min(need.Sessions, int64(math.Ceil(peak*timeout.Seconds())))
	}
	return need
}

// withNeeds puts what the scenario needs in the place of what the machine has.
func withNeeds(m limits.Machine, needs []limits.Need, checks []limits.Check) []limits.Check {
	of := make(map[string]limits.Check)
	for _, c := range m.For(needs) {
		of[c.Name] = c
	}
	for i, c := range checks {
		if better, ok := of[c.Name]; ok {
			checks[i] = better
		}
	}
	return checks
}

// shortages are what a plan would use up of this machine when so many processes
// share its load, to be known before it is played.
func shortages(plan *scenarios.Plan, processes int) []limits.Check {
	machine := limits.Look(os.DirFS("/"))
	machine.Cores, machine.Processes = runtime.GOMAXPROCS(0), int64(processes)
	var short []limits.Check
	for _, c := range machine.For(planNeeds(plan)) {
		if c.State == limits.Short {
			short = append(short, c)
		}
	}
	return short
}

// warnOfShortages prints them, each with how to mend it.
func warnOfShortages(w io.Writer, plan *scenarios.Plan, processes int) {
	for _, c := range shortages(plan, processes) {
		fmt.Fprintf(w, "brunt: warning: this machine is short of %s for it\n", c.Name)
		for _, line := range folded(c.Says+"\nMend: "+c.Mend, warnWidth) {
			fmt.Fprintln(w, "  "+line)
		}
	}
}

// warnWidth is how long a line of a warning is.
const warnWidth = 90
