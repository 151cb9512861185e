package proxy

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// usage is what `brunt proxy --help` says.
const usage = `Usage: brunt proxy --toxiproxy ADDRESS [--config FILE]

Run TCP proxies that clients of Toxiproxy drive, through its HTTP API, until
interrupted. Toxics are brunt's own.

  --toxiproxy ADDRESS   serve the API there, on loopback: 127.0.0.1:8474
  --config FILE         begin with these proxies; Toxiproxy's own format:
                        [{"name": "db", "listen": "127.0.0.1:15432", "upstream": "127.0.0.1:5432"}]
`

// Main is the body of the command `brunt proxy` and returns its exit code: 0,
// 1 when it fails, 2 when it is called wrongly.
//
// With --toxiproxy it serves Toxiproxy's API until SIGTERM or SIGINT.
//
// Without arguments it is the process that Start starts: middlebox.Serve on standard
// input and output, until SIGTERM. Orders come on the lifeline, where ps does
// not show them.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if len(args) > 0 || byHand(os.Stdin) {
		return mainToxiproxy(ctx, args, os.Stdout, os.Stderr)
	}
	switch err := serve(ctx, os.Stdin, os.Stdout); {
	case errors.Is(err, middlebox.ErrNoOrders):
		return mainToxiproxy(ctx, nil, os.Stdout, os.Stderr)
	case err != nil:
		fmt.Fprintln(os.Stderr, "brunt proxy:", err)
		return 1
	}
	return 0
}

// byHand is true where a person would have to type the orders; Start makes the
// lifeline a pipe.
func byHand(lifeline *os.File) bool {
	info, err := lifeline.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func mainToxiproxy(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("brunt proxy", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var o ToxiproxyOptions
	flags.StringVar(&o.Address, "toxiproxy", "", "")
	flags.StringVar(&o.Config, "config", "", "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "brunt proxy: %v\n\n%s", err, usage)
		return 2
	case flags.NArg() > 0 || o.Address == "":
		fmt.Fprint(stderr, "brunt proxy: it takes --toxiproxy, perhaps with --config, and nothing else\n\n", usage)
		return 2
	}
	if err := onLoopback(o.Address); err != nil {
		fmt.Fprintln(stderr, "brunt proxy:", err)
		return 2
	}
	o.Ready = func(address string) { fmt.Fprintf(stdout, "Toxiproxy's API is on http://%s\n", address) }
	if err := ServeToxiproxy(ctx, o); err != nil {
		fmt.Fprintln(stderr, "brunt proxy:", err)
		return 1
	}
	return 0
}

// serve runs the proxies of one run.
func serve(ctx context.Context, lifeline io.ReadCloser, ready io.Writer) error {
	return middlebox.Serve(ctx, middlebox.ServeOptions{Family: family(), Listen: listenBox, Lifeline: lifeline, Ready: ready})
}
