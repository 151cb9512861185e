package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

// A planting is one thing that the truth server does and brunt is to find.
type planting struct {
	name    string
	path    string
	rate    [2]int // arrivals a second on the fast path and on goroutines
	poisson bool
	method  string
	timeout time.Duration
}

// plantings are what --calibrate tries. Reset requests are POSTs: a GET on a
// kept-alive connection that turns out to be dead is sent once more, as every
// HTTP client does, and the first try does not count.
func plantings(length time.Duration) []planting {
	stall := func(part time.Duration) string { return (length / part).Round(time.Millisecond).String() }
	return []planting{
		{name: "fixed 200µs", path: "/fixed/200us", rate: [2]int{1000, 1000}},
		{name: "fixed 200µs, busy", path: "/fixed/200us", rate: [2]int{20_000, 4000}},
		{name: "M/D/1, 70% of 500µs", path: "/md1/500us", rate: [2]int{1400, 1400}, poisson: true},
		{name: "M/M/1, 50% of 500µs", path: "/mm1/500us", rate: [2]int{1000, 1000}, poisson: true},
		{name: "bimodal 1ms, 5% 20ms", path: "/bimodal/1ms/20ms/0.05", rate: [2]int{1000, 1000}},
		{name: "stalls of " + stall(8), path: "/stall/" + stall(8) + "/" + stall(2), rate: [2]int{1000, 1000}},
		{name: "errors 5%", path: "/errors/0.05", rate: [2]int{1000, 1000}},
		{name: "resets 5%", path: "/resets/0.05", rate: [2]int{500, 500}, method: "post"},
		{name: "hangs 1%", path: "/hangs/0.01", rate: [2]int{500, 500}, timeout: time.Second},
	}
}

// The two ways in which brunt sends.
const (
	onLane       = "lane"
	onGoroutines = "goroutines"
)

// What brunt may measure beyond the truth and beyond what a bare epoll client
// measured just before: its own part.
var allowed = map[string]struct{ p50, p99 time.Duration }{
	onLane:       {50 * time.Microsecond, 300 * time.Microsecond},
	onGoroutines: {200 * time.Microsecond, 2 * time.Millisecond},
}

// digits is what two histograms of 3 significant digits may differ by.
const digits = 0.002

// tries is how often a planting that is off is tried. A hiccup of the machine
// makes one try bad; a fault of brunt's makes all of them bad.
const tries = 3

const tolerances = `A planting is ok when every request, error, reset and hang was counted, no
percentile is below the truth, p50 is at most 50µs (on goroutines 200µs) and p99
at most 300µs (2ms) above the truth and above what the least of clients, one
thread and one connection in epoll, measured just before; each to the three
digits of a histogram. p90 and max are shown and not judged from above. A
planting that is off is tried up to three times. Where the bare client's own p99
is over 1ms, the machine is not quiet, and ok says little.`

// A calibration is what brunt doctor --calibrate does.
type calibration struct {
	length time.Duration // of each planting
	only   string        // in the names of those to try; empty: all

	server *truth.Server
	dir    string // of run directories
	runs   int
}

func (c *calibration) command(ctx context.Context, stdout, stderr io.Writer) error {
	if c.length < 200*time.Millisecond || c.length > 5*time.Minute {
		return exit(exitUsage, fmt.Errorf("brunt: --for %s: it is from 200ms to 5m", c.length))
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	comparisons, err := c.run(ctx, stdout)
	if err != nil {
		code := exitInternal
		if ctx.Err() != nil {
			code = exitInterrupted
		}
		return exit(code, fmt.Errorf("brunt: calibrate: %w", err))
	}
	if len(comparisons) == 0 {
		return exit(exitUsage, fmt.Errorf("brunt: no planting has %q in its name", c.only))
	}
	var off []string
	for _, r := range comparisons {
		if r.Off != "" {
			off = append(off, r.Planted+" on the "+r.Path+" path")
		}
	}
	if c.only == "" {
		if file, err := keepCalibration(comparisons, time.Now()); err != nil {
			fmt.Fprintf(stderr, "brunt: the figures will not be in later reports: %v\n", err)
		} else {
			fmt.Fprintf(stdout, "\nkept in %s for the environment section of later reports\n", file)
		}
	}
	if len(off) > 0 {
		fmt.Fprintf(stdout, "\noff: %s\n", strings.Join(off, "; "))
		return exit(exitFail, nil)
	}
	fmt.Fprintf(stdout, "\nall %d ok\n", len(comparisons))
	return nil
}

// run tries every planting on both paths and prints each as it ends.
func (c *calibration) run(ctx context.Context, w io.Writer) (all []comparison, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find brunt's own binary: %w", err)
	}
	args := []string{}
	if runtime.NumCPU() == 1 {
		args = []string{"-spin", "0"} // the only core is for brunt
	}
	if c.server, err = truth.Start(ctx, exe, args...); err != nil {
		return nil, err
	}
	defer c.server.Stop()
	if c.dir, err = os.MkdirTemp("", "brunt-calibrate-"); err != nil {
		return nil, fmt.Errorf("make room for runs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.dir)) }()
	for _, p := range plantings(c.length) {
		if !strings.Contains(p.name, c.only) {
			continue
		}
		for _, path := range []string{onLane, onGoroutines} {
			r, err := c.try(ctx, p, path)
			if err != nil {
				return nil, fmt.Errorf("%s on the %s path: %w", p.name, path, err)
			}
			r.print(w)
			all = append(all, r)
		}
	}
	return all, nil
}

// try measures one planting until it is ok.
func (c *calibration) try(ctx context.Context, p planting, path string) (r comparison, err error) {
	for n := 1; n <= tries; n++ {
		bare, err := c.bare(ctx)
		if err != nil {
			return r, err
		}
		if r, err = c.measure(ctx, p, path); err != nil {
			return r, err
		}
		r.Bare, r.Tries = bare, n
		if r.Off = r.judge(); r.Off == "" {
			break
		}
	}
	return r, nil
}

// bareRate and barePath are what the least of clients measures.
const (
	bareRate = 1000
	barePath = "/fixed/200us"
)

// bare is what the least of clients measures beyond the truth.
func (c *calibration) bare(ctx context.Context) (beyond quantiles, err error) {
	if err := c.server.Forget(ctx); err != nil {
		return beyond, err
	}
	n := int(bareRate * min(c.length, time.Second).Seconds())
	measured, err := truth.Bare(ctx, c.server.URL+barePath, bareRate, n, 1)
	if err != nil {
		return beyond, err
	}
	report, err := c.server.Report(ctx)
	if err != nil {
		return beyond, err
	}
	return quantilesOf(measured).minus(quantilesOf(report.Paths[barePath].Distribution)), nil
}

// measure plays one run against the planting with brunt's own engine, and asks
// both sides what happened.
func (c *calibration) measure(ctx context.Context, p planting, path string) (r comparison, err error) {
	if err := c.server.Forget(ctx); err != nil {
		return r, err
	}
	src, rate := p.scenario(c.server.URL, path, c.length)
	scenario, err := scenarios.Parse("calibrate.yaml", src, kinds(), scenarios.Options{Env: os.LookupEnv, Dir: c.dir})
	if err != nil {
		return r, err
	}
	plan, err := scenario.Compile(nil, scenarios.CompileEnv{})
	if err != nil {
		return r, err
	}
	if sent := plan.Loads[0].Path; (plan.Loads[0].Loop != nil) != (path == onLane) {
		return r, fmt.Errorf("it would be sent by way of %s", sent)
	}
	c.runs++
	dir := filepath.Join(c.dir, fmt.Sprint("run-", c.runs))
	run, err := engine.New(plan, engine.Options{Dir: dir, Scenario: src, Version: version()})
	if err != nil {
		return r, err
	}
	outcome := run.Play(ctx)
	if err := ctx.Err(); err != nil {
		return r, context.Cause(ctx)
	}
	if outcome.State != engine.Completed || outcome.Journal != nil {
		return r, fmt.Errorf("the run %s: %s: %w", outcome.State, outcome.Why, outcome.Journal)
	}
	recorded, err := journal.Open(dir)
	if err != nil {
		return r, err
	}
	report, err := c.server.Report(ctx)
	if err != nil {
		return r, err
	}
	r = comparison{Planted: p.name, Path: path, Rate: rate, Planned: plan.Info.Loads[0].Arrivals, poisson: p.poisson, truth: report.Paths[p.path]}
	r.Truth = quantilesOf(r.truth.Distribution)
	r.take(recorded)
	return r, nil
}

// scenario is the run that a planting is measured by. A request that differs
// from arrival to arrival needs a goroutine a session.
func (p planting) scenario(url, path string, length time.Duration) (src []byte, rate int) {
	target, rate := p.path, p.rate[0]
	if path == onGoroutines {
		target, rate = p.path+"?n=${seq()}", p.rate[1]
	}
	method, timeout, arrivals := "get", 10*time.Second, "constant"
	if p.method != "" {
		method = p.method
	}
	if p.timeout > 0 {
		timeout = p.timeout
	}
	if p.poisson {
		arrivals = "poisson"
	}
	return fmt.Appendf(nil, `version: 1
name: calibrate
seed: 1
target: { hosts: [%q] }
loads:
  truth:
    http: { base: %q, timeout: %s }
    steps:
      - %s: %q
        name: planted
phases:
  - name: planted
    for: %s
    load: { truth: { rate: %d/s, arrivals: %s } }
`, strings.TrimPrefix(url, "http://"), url, timeout, method, target, length, rate, arrivals), rate
}
