// Command bench runs brunt beside the load generators it finds installed and
// prints what each costs and how right it is: `make bench`.
//
// Everything is run in rounds, in each of which every tool has its turn, so
// that what the machine does meanwhile hits all of them alike. The tools run
// on CPU 0 and the truth server (examples/truth) on CPU 1. What is printed is
// the median over the rounds; a ratio is the median of the ratios within a
// round. CPU is the whole process's, user and system, by getrusage, divided by
// the requests that the server counted; start, report and all.
//
// There are four sections:
//
//	closed     CPU a request, 64 connections, each sending when its last answer came
//	open       CPU a request and how right p50 is, at 20,000 arrivals a second
//	ceiling    the highest rate that holds on one core, against a server that only answers
//	precision  what is measured of a known 200 µs delay, beside the least of clients
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
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often each tool has its turn")
	flag.DurationVar(&o.length, "for", 10*time.Second, "how long a turn is, in whole seconds")
	flag.StringVar(&o.brunt, "brunt", "", "the brunt to measure (default: built from this tree)")
	sections := flag.String("sections", strings.Join(sectionNames(), ","), "what to measure")
	tools := flag.String("tools", "", "only these of the tools, as their names are printed (default: all that are found)")
	flag.Parse()
	o.sections, o.tools = list(*sections), list(*tools)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := o.check()
	if flag.NArg() > 0 {
		err = fmt.Errorf("%q is no flag", flag.Arg(0))
	}
	if err == nil {
		err = measure(ctx, os.Stdout, o)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

type options struct {
	rounds          int
	length          time.Duration
	brunt           string
	sections, tools []string // no tools: all
}

func (o *options) check() error {
	if o.rounds < 1 || o.length < time.Second {
		return errors.New("at least one round of at least a second")
	}
	o.length = o.length.Truncate(time.Second)
	for _, name := range o.sections {
		if !slices.Contains(sectionNames(), name) {
			return fmt.Errorf("there is no section %q: there are %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	for _, name := range o.tools {
		if !slices.ContainsFunc(known, func(t tool) bool { return t.name == name }) {
			return fmt.Errorf("there is no tool %q: there are %s", name, strings.Join(toolNames(known), ", "))
		}
	}
	return nil
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

// A bench is everything that a section needs.
type bench struct {
	options
	w      io.Writer
	tools  []tool // those that are there, brunt first
	absent []string
	server *truth.Server
	client []int // the CPUs of the tools; nil: any
	other  []int // those of the server
}

var sections = []struct {
	name string
	run  func(context.Context, *bench) error
}{
	{"closed", closedModel.run},
	{"open", openModel.run},
	{"ceiling", ceiling},
	{"precision", precision},
}

func sectionNames() (names []string) {
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}

func measure(ctx context.Context, w io.Writer, o options) (err error) {
	dir, err := os.MkdirTemp("", "brunt-bench-")
	if err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.brunt == "" {
		o.brunt = filepath.Join(dir, "brunt")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", o.brunt, "github.com/brunt-dev/brunt/cmd/brunt").CombinedOutput(); err != nil {
			return fmt.Errorf("build brunt: %w\n%s", err, out)
		}
	} else if o.brunt, err = filepath.Abs(o.brunt); err != nil {
		return fmt.Errorf("find brunt: %w", err)
	}
	b := &bench{options: o, w: w, client: []int{0}, other: []int{1}}
	if runtime.NumCPU() < 2 {
		b.client, b.other = nil, nil
		fmt.Fprintln(w, "one core only: tools and server share it, and the figures say little")
	}
	if err := b.serve(ctx); err != nil {
		return err
	}
	defer b.server.Stop()

	b.tools, b.absent = find(ctx, o, dir)
	fmt.Fprintf(w, "%s, %d rounds of %s\n", machine(), o.rounds, o.length)
	for _, t := range b.tools {
		if t.version != "" {
			fmt.Fprintf(w, "  %-11s %s\n", t.name, t.version)
		}
	}
	if len(b.absent) > 0 {
		fmt.Fprintf(w, "not installed: %s\n", strings.Join(b.absent, ", "))
	}
	for _, s := range sections {
		if !slices.Contains(o.sections, s.name) {
			continue
		}
		if err := s.run(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// serve starts a truth server.
func (b *bench) serve(ctx context.Context, args ...string) error {
	return pinned(b.other, func() error {
		server, err := truth.Start(ctx, b.brunt, args...)
		if err == nil {
			b.server = server
		}
		return err
	})
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
