package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/brunt-dev/brunt/chaos/dns"
	"github.com/brunt-dev/brunt/chaos/middlebox"
	"github.com/brunt-dev/brunt/chaos/proxy"
	"github.com/brunt-dev/brunt/examples/shop"
	"github.com/brunt-dev/brunt/scenarios"
)

// A surrounding is what brunt itself starts around a run: the example stack,
// and the TCP proxies and DNS resolvers that faults act on.
type surrounding struct {
	stack     *shop.Stack
	proxies   *middlebox.Process
	resolvers *middlebox.Process

	vars map[string]string
	env  scenarios.CompileEnv
}

// stopBound is how long the stack, the proxies and the resolvers may take to end.
const stopBound = 20 * time.Second

// startSurrounding starts what the scenario asks for; when it fails, nothing
// is left running.
func startSurrounding(ctx context.Context, s *scenarios.Scenario, dir string, stderr io.Writer) (around *surrounding, err error) {
	around = &surrounding{}
	defer func() {
		if err != nil {
			err = errors.Join(err, around.stop())
		}
	}()
	exe, err := os.Executable()
	if err != nil {
		return around, fmt.Errorf("find brunt's own binary: %w", err)
	}
	if s.Stack != "" {
		around.stack, err = shop.Start(ctx, shop.Options{Exe: exe, Dir: filepath.Join(dir, "stack"), Stderr: stderr})
		if err != nil {
			return around, fmt.Errorf("start stack %s: %w", s.Stack, err)
		}
		around.vars = around.stack.Vars()
		around.env.Processes = around.stack.Processes()
	}
	if len(s.Proxies) > 0 {
		endpoints, err := s.ProxyEndpoints(around.vars)
		if err != nil {
			return around, err
		}
		targets := make(map[string]middlebox.Endpoint, len(endpoints))
		for name, e := range endpoints {
			targets[name] = middlebox.Endpoint{Listen: e.Listen, Upstream: e.Upstream}
		}
		around.proxies, around.env.Proxies, err = proxy.Start(ctx, exe, filepath.Join(dir, "proxies"), targets)
		if err != nil {
			return around, err
		}
	}
	if len(s.Resolvers) > 0 {
		endpoints, err := s.ResolverEndpoints(around.vars)
		if err != nil {
			return around, err
		}
		targets := make(map[string]middlebox.Endpoint, len(endpoints))
		for name, e := range endpoints {
			targets[name] = middlebox.Endpoint{Listen: e.Listen, Upstream: e.Upstream}
		}
		around.resolvers, around.env.Resolvers, err = dns.Start(ctx, exe, filepath.Join(dir, "resolvers"), targets)
		if err != nil {
			return around, err
		}
	}
	return around, nil
}

// passMargin is how much longer than the run's plan proxies and resolvers pass
// traffic through when brunt is killed in the middle.
const passMargin = 15 * time.Second

// willLast says how long the run is planned to take.
func (a *surrounding) willLast(d time.Duration) error {
	var errs []error
	if a.proxies != nil {
		errs = append(errs, a.proxies.PassFor(d+passMargin))
	}
	if a.resolvers != nil {
		errs = append(errs, a.resolvers.PassFor(d+passMargin))
	}
	return errors.Join(errs...)
}

// stop ends everything that startSurrounding started, last started first. It is
// idempotent.
func (a *surrounding) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopBound)
	defer cancel()
	var errs []error
	if a.resolvers != nil {
		errs = append(errs, a.resolvers.Stop(ctx))
	}
	if a.proxies != nil {
		errs = append(errs, a.proxies.Stop(ctx))
	}
	if a.stack != nil {
		errs = append(errs, a.stack.Stop(ctx))
	}
	return errors.Join(errs...)
}
