package shop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Main is the body of the hidden command `brunt shop ROLE NAME`: it runs one
// process of a stack until its standard input ends, and returns its exit code.
// Only the keeper and Start call it: its first line of input is the layout.
func Main(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: brunt shop ROLE NAME (started by brunt itself, for target: { stack: shop })")
		return 2
	}
	run, ok := map[string]func(context.Context, layout, string) error{
		"replica":      runReplica,
		namePayments:   runPayments,
		nameLB:         runBalancer,
		nameAutoscaler: runAutoscaler,
		nameKeeper:     runKeeper,
	}[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "brunt shop: no such role: %s\n", args[0])
		return 2
	}
	stdin := bufio.NewReaderSize(os.Stdin, 64<<10)
	l, err := readLayout(stdin)
	if err != nil {
		fmt.Fprintf(os.Stderr, "brunt shop: %v\n", err)
		return 2
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)).With("name", args[1]))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		end(errLifelineCut)
		if args[0] != nameKeeper {
			os.Exit(0) // nobody is left to drain for
		}
	}()
	if err := run(ctx, l, args[1]); err != nil {
		slog.Error("ended", "error", err)
		return 1
	}
	return 0
}

// errLifelineCut is the cause of a context that ended because the parent did.
var errLifelineCut = errors.New("the parent process is gone")

// serve answers HTTP at address until ctx ends, then gives what is under way
// a moment to finish, unless nobody is left to finish it for.
func serve(ctx context.Context, address string, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	if errors.Is(context.Cause(ctx), errLifelineCut) {
		return errors.Join(server.Close(), unlessClosed(<-served))
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err = server.Shutdown(drain)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	return errors.Join(err, unlessClosed(<-served))
}

// unlessClosed is err, but nil for a server that we ended ourselves.
func unlessClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// drainTime bounds how long a process that is asked to end finishes requests.
const drainTime = 2 * time.Second

// sleep waits for d or until ctx ends, and reports whether d passed.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
