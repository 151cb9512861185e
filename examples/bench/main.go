// Command bench runs brunt beside the load generators it finds installed and
// prints what each costs and how right it is: `make bench`.
//
// Every contest is run in rounds, in each of which every tool has its turn, so
// that what the machine does meanwhile hits all of them alike. The tools run
// on CPU 0 and the truth server (examples/truth) on CPU 1. What is printed is
// the median over the rounds; a ratio is the median of the ratios within a
// round. CPU is the whole process's, user and system, by getrusage, divided by
// the requests that the server counted; start, report and all.
//
// It is no part of the brunt binary.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
)

// A contest is what the tools are compared at.
type contest struct {
	name        string
	path        string // at the truth server
	connections int
	rate        int    // arrivals a second; 0: the closed model
	yardstick   string // the tool that matters most, marked in the table
}

var contests = []contest{
	{"closed model, 64 connections", "/none", 64, 0, "wrk"},
	{"open model, 1,000/s", "/fixed/200us", 64, 1000, "wrk2"},
	{"open model, 20,000/s", "/fixed/200us", 64, 20_000, "wrk2"},
}

func main() {
	rounds := flag.Int("rounds", 5, "how often each tool has its turn")
	length := flag.Duration("for", 10*time.Second, "how long a turn is, in whole seconds")
	brunt := flag.String("brunt", "", "the brunt to measure (default: built from this tree)")
	only := flag.String("only", "", "only contests with this text in their name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := errors.New("usage: bench [-rounds N] [-for SECONDS] [-brunt FILE] [-only TEXT]")
	if flag.NArg() == 0 && *rounds > 0 && *length >= time.Second {
		err = bench(ctx, os.Stdout, *brunt, *only, *rounds, length.Truncate(time.Second))
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, w io.Writer, brunt, only string, rounds int, length time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "brunt-bench-")
	if err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if brunt == "" {
		brunt = filepath.Join(dir, "brunt")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", brunt, "github.com/brunt-dev/brunt/cmd/brunt").CombinedOutput(); err != nil {
			return fmt.Errorf("build brunt: %w\n%s", err, out)
		}
	}
	client, server := []int{0}, []int{1}
	if runtime.NumCPU() < 2 {
		client, server = nil, nil
		fmt.Fprintln(w, "one core only: tools and server share it, and the figures say little")
	}
	var s *truth.Server
	if err := pinned(server, func() (err error) { s, err = truth.Start(ctx, brunt); return err }); err != nil {
		return err
	}
	defer s.Stop()

	entrants, missing := find(ctx, brunt, dir)
	fmt.Fprintf(w, "%s, %d rounds of %s\n", machine(), rounds, length)
	for _, t := range entrants {
		fmt.Fprintf(w, "  %-11s %s\n", t.name, t.version)
	}
	fmt.Fprintf(w, "missing: %s\n", strings.Join(missing, ", "))
	for _, c := range contests {
		if !strings.Contains(c.name, only) {
			continue
		}
		results := map[string][]turn{}
		for round := range rounds {
			for i := range entrants {
				// Another one begins each round.
				t := entrants[(i+round)%len(entrants)]
				if t.args(c, s.URL+c.path, length) == nil {
					continue
				}
				result := take(ctx, t, c, s, client, length)
				if err := ctx.Err(); err != nil {
					return context.Cause(ctx)
				}
				results[t.name] = append(results[t.name], result)
			}
		}
		table(w, c, entrants, results)
	}
	return nil
}

// A turn is what one tool did in one round.
type turn struct {
	cpu      time.Duration // for each request
	rate     float64       // answered requests a second
	p50, p99 time.Duration // as the tool says; 0: it does not
	truth    time.Duration // p50 as the server says
	err      error
}

func take(ctx context.Context, t tool, c contest, s *truth.Server, cpus []int, length time.Duration) (r turn) {
	if err := s.Forget(ctx); err != nil {
		return turn{err: err}
	}
	out, used, err := t.play(ctx, cpus, t.args(c, s.URL+c.path, length), s.URL+c.path, length)
	if err != nil {
		return turn{err: err}
	}
	report, err := s.Report(ctx)
	if err != nil {
		return turn{err: err}
	}
	did := report.Paths[c.path]
	if did.Count == 0 {
		return turn{err: errors.New("not one request came")}
	}
	r = turn{cpu: used / time.Duration(did.Count), rate: float64(did.Count) / length.Seconds(), truth: did.P50}
	r.p50, r.p99, r.err = t.read(out)
	return r
}

// machine is what the figures depend on.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // not on every system
	return strings.Join(strings.Fields(fmt.Sprintf("%s, %d cores, %s %s, %s", model, runtime.NumCPU(), runtime.GOOS, kernel, runtime.Version())), " ")
}
