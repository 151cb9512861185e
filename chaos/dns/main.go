package dns

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// Main is the body of the hidden command `brunt resolver`: middlebox.Serve on standard
// input and output, until SIGTERM. It takes no arguments; orders come on the
// lifeline, where ps does not show them. It returns the exit code.
func Main(args []string) int {
	if len(args) > 0 {
		fmt.Fprintln(os.Stderr, "brunt resolver: it takes no arguments, and brunt itself starts it")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "brunt resolver:", err)
		return 1
	}
	return 0
}

// serve runs the resolvers of one run.
func serve(ctx context.Context, lifeline io.ReadCloser, ready io.Writer) error {
	return middlebox.Serve(ctx, middlebox.ServeOptions{Family: family(), Listen: listenBox, Lifeline: lifeline, Ready: ready})
}
