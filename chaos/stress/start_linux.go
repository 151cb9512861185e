package stress

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// startBound is how long a helper may take to begin.
	startBound = 10 * time.Second
	// begun is what a helper says when it has begun; anything else is why not.
	begun = "begun"
	// longestAnswer bounds what is read of it.
	longestAnswer = 4 << 10
)

// longAgo as a deadline ends a read at once.
var longAgo = time.Unix(1, 0)

// start runs a helper and waits until it has begun. When it fails, nothing is
// left running. The helper's lifeline is a pipe that this process holds open
// as long as both live; a goroutine waits for the helper's end, whoever ends
// it, lets go of the pipe and closes ended.
func start(ctx context.Context, receipt chaos.Receipt) (ended chan struct{}, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start helper: %w", err)
	}
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start helper: make lifeline: %w", err)
	}
	defer stdin.Close()
	answer, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start helper: make pipe: %w", err), lifeline.Close())
	}
	defer answer.Close()
	// It outlives this call: Undo, its lifeline and its own clock end it.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe, arguments(receipt)...)
	cmd.Stdin, cmd.Stdout = stdin, stdout
	cmd.Dir, cmd.Env = "/", []string{} // it holds on to no folder and knows no secret
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = stdout.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start helper: %w", err), lifeline.Close())
	}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // how it ended is for Verify to see
		_ = lifeline.Close()
	}()
	chaos.Pass(chaos.Injecting)
	if err := await(ctx, answer); err != nil {
		_ = cmd.Process.Kill()
		<-ended
		return nil, fmt.Errorf("start helper: %w", err)
	}
	return ended, nil
}

// await reads the helper's answer.
func await(ctx context.Context, answer *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = answer.SetReadDeadline(longAgo) })
	defer stop()
	line, err := bufio.NewReader(io.LimitReader(answer, longestAnswer)).ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("wait until it has begun: %w", err), context.Cause(ctx))
	}
	if line = strings.TrimSuffix(line, "\n"); line != begun {
		return errors.New(line)
	}
	return nil
}
