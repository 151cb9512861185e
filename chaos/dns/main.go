package dns

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main is the body of the hidden command `brunt resolver`: Serve on standard
// input and output, until SIGTERM. It takes no arguments; orders come on the
// lifeline, where ps does not show them. It returns the exit code.
func Main(args []string) int {
	if len(args) > 0 {
		fmt.Fprintln(os.Stderr, "brunt resolver: it takes no arguments, and brunt itself starts it")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := Serve(ctx, ServeOptions{Lifeline: os.Stdin, Ready: os.Stdout}); err != nil {
		fmt.Fprintln(os.Stderr, "brunt resolver:", err)
		return 1
	}
	return 0
}
