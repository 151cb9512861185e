package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/scenarios"
)

// loadScenario reads and checks a scenario file. Warnings go to w; the error
// holds every problem, ready to print.
func loadScenario(file string, vars map[string]string, w io.Writer) (*scenarios.Scenario, error) {
	src, err := readScenario(file)
	if err != nil {
		return nil, err
	}
	scenario, err := scenarios.Parse(file, src, kinds(), scenarios.Options{Env: os.LookupEnv, Dir: filepath.Dir(file), Vars: vars})
	if err != nil {
		return nil, err
	}
	if len(scenario.Warnings) > 0 {
		fmt.Fprintln(w, scenario.Warnings)
	}
	return scenario, nil
}

// varFlag lets a command take the place of entries of the scenario's vars.
func varFlag(cmd *cobra.Command, vars *map[string]string) {
	cmd.Flags().StringToStringVar(vars, "var", nil, "a variable of the scenario, `NAME=VALUE` (repeatable)")
	cmd.Flags().Lookup("var").DefValue = "" // none, and not "[]" as the help would have it
}

// scenarioLimit bounds what is read of a scenario file; the language's own
// limit is smaller and its message better.
const scenarioLimit = 16 << 20

func readScenario(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("brunt: read scenario: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, scenarioLimit))
	if err != nil {
		return nil, fmt.Errorf("brunt: read scenario: %w", err)
	}
	return src, nil
}

// placeholderEnv names what will exist once the run has started, for checking
// a scenario while nothing runs.
func placeholderEnv(s *scenarios.Scenario) scenarios.CompileEnv {
	env := scenarios.CompileEnv{Processes: map[string]string{}, Proxies: map[string]string{}, Resolvers: map[string]string{}}
	for _, k := range kinds().Stacks {
		if k.Name == s.Stack {
			for _, name := range k.Processes {
				env.Processes[name] = ""
			}
		}
	}
	for name := range s.Proxies {
		env.Proxies[name] = ""
	}
	for name := range s.Resolvers {
		env.Resolvers[name] = ""
	}
	return env
}
