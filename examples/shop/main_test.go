package shop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test binary be the program that runs the processes, as
// brunt is, and the caller of Start that gets killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "shop":
			os.Exit(Main(os.Args[2:]))
		case "owner":
			owner(os.Args[2])
			return
		}
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// owner starts a stack, says so on standard output, and waits for the end of
// its input. It never stops the stack.
func owner(dir string) {
	s, err := Start(context.Background(), quick(dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.keeper.pid())
	_, _ = io.Copy(io.Discard, bufio.NewReader(os.Stdin))
}

// quick is a stack that does everything faster than people would want it.
func quick(dir string) Options {
	return Options{
		Exe: os.Args[0], Dir: dir,
		Max: 4, StartUp: time.Millisecond, Sync: 50 * time.Millisecond, ScaleDownWindow: 100 * time.Millisecond,
	}
}
