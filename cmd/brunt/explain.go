package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/scenarios"
)

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [NAME[.KEY]]",
		Short: "Explain a part of the scenario language, or list its kinds",
		Long: `explain prints every key of a section or a kind of the scenario language, with
its type, its default and what it means; without a name, what there is:

  brunt explain             all sections and kinds
  brunt explain http        the keys of all that is called http
  brunt explain http.tls    those under one key`,
		Args: most(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			if err := scenarios.Explain(cmd.OutOrStdout(), name, kinds()); err != nil {
				return exit(exitUsage, fmt.Errorf("brunt: %w", err))
			}
			return nil
		},
	}
}

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema (draft-07) of scenario files",
		Long: `schema prints the JSON Schema of the scenario language, for editors:

  brunt schema > brunt.schema.json

and as the first line of a scenario:

  # yaml-language-server: $schema=brunt.schema.json`,
		Args: most(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			out.SetEscapeHTML(false)
			if err := out.Encode(scenarios.Schema(kinds())); err != nil {
				return fmt.Errorf("print schema: %w", err)
			}
			return nil
		},
	}
}
