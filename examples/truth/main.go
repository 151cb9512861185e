package truth

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// DefaultSpin is how long before an answer is due a server stops sleeping:
// longer than an idle virtual machine mostly takes to wake up. On a machine of
// one core it is better not to spin.
const DefaultSpin = 150 * time.Microsecond

// Options are how a server goes about it.
type Options struct {
	Spin time.Duration // how long before an answer is due it stops sleeping
	// Fast makes it as fast as one thread can be, for finding out how much a
	// client can send: it answers /none alone, counts its answers without
	// timing them, and never sleeps, so that nobody who sends it something has
	// to wake it, which on a virtual machine costs the sender as much as a
	// request does.
	Fast bool
}

// greeting is the server's first and only line of output.
type greeting struct {
	URL string `json:"url"`
}

// Main is the body of the hidden command `brunt truth`: it runs a server until
// its standard input ends, and returns its exit code. Its one line of output
// is {"url": "http://…"}, when it listens.
func Main(args []string) int {
	flags := flag.NewFlagSet("brunt truth", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "the address to listen at")
	var options Options
	flags.DurationVar(&options.Spin, "spin", DefaultSpin, "how long before an answer is due to stop sleeping")
	flags.BoolVar(&options.Fast, "fast", false, "answer /none alone, count without timing, and never sleep")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil || flags.NArg() > 0 || options.Spin < 0:
		fmt.Fprintln(os.Stderr, "usage: brunt truth [-listen ADDRESS] [-spin DURATION] [-fast] (runs until its standard input ends)")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		end()
	}()
	err := Serve(ctx, *listen, options, func(url string) {
		_ = json.NewEncoder(os.Stdout).Encode(greeting{url}) // nobody reads it: the server does no harm
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "brunt truth: %v\n", err)
		return 1
	}
	return 0
}
