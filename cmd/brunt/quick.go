package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

func quickCommand() *cobra.Command {
	var p play
	var q scenarios.QuickOptions
	cmd := &cobra.Command{
		Use:   "quick URL",
		Short: "Load one URL, without a scenario file",
		Long: `quick loads one URL and judges it, without a scenario file:

  brunt quick http://127.0.0.1:8080/ --rate 200/s --for 10s --expect 'p99 < 50ms'

--rate is the open model: requests fall due by the clock, whatever the target
does. --users is the closed one: each user sends when its last answer came.

Headers that carry credentials (Authorization, Cookie, X-Api-Key and the like)
stay out of the run directory: the scenario kept there takes them from the
environment, as ${QUICK_AUTHORIZATION} and so on.`,
		Args: one("a URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.URL = args[0]
			quick, err := scenarios.Quick(q)
			if err != nil {
				return exit(exitUsage, err)
			}
			scenario, err := scenarios.Parse("quick.yaml", quick.Source, kinds(), scenarios.Options{Dir: ".", Env: func(name string) (string, bool) {
				value, ok := quick.Secrets[name]
				return value, ok
			}})
			if err != nil {
				return exit(exitUsage, err)
			}
			p.face = func(plan journal.Plan, _ *engine.Run) face {
				return &statusLines{w: cmd.ErrOrStderr(), plan: plan}
			}
			return p.play(cmd.Context(), scenario, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	p.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Rate, "rate", "", "open model: the `rate` of arrivals, such as 200/s")
	f.IntVar(&q.Users, "users", 0, "closed model: how many users")
	f.DurationVar(&q.For, "for", 10*time.Second, "how long")
	f.StringArrayVar(&q.Expect, "expect", nil, "an `objective` that must hold, such as 'p99 < 50ms' (repeatable)")
	f.IntVar(&q.Connections, "connections", 0, "connections at the most (default: as many as it takes)")
	f.StringVarP(&q.Method, "method", "X", "", "the HTTP method (default GET, or POST with --body)")
	f.StringArrayVarP(&q.Headers, "header", "H", nil, "a `header`, 'Name: value' (repeatable)")
	f.StringVar(&q.Body, "body", "", "the body; @FILE reads it from a file")
	f.DurationVar(&q.Timeout, "timeout", 0, "how long a request may take (default 10s)")
	return cmd
}
