package network

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// startBound is how long the delaying process may take to be ready.
	startBound = 5 * time.Second
	// stopBound is how long it may take to end, and again once it is killed.
	stopBound = 2 * time.Second
)

// errNoDelayer says that nothing delays packets for the fault.
var errNoDelayer = errors.New("no process of ours delays packets")

// startDelayer starts the delaying process in the namespace, in a session of
// its own, and waits until it holds the queue. It ends with brunt, which has
// the other end of its standard input, or as stopDelayer says.
func (p *place) startDelayer(ctx context.Context, d data) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start delaying process: %w", err)
	}
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start delaying process: %w", err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("start delaying process: %w", err), stdin.Close(), lifeline.Close())
	}
	defer out.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), exe, Command) // it outlives this call
	cmd.Stdin, cmd.Stdout = stdin, stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = p.do(ctx, cmd.Start)
	_, _ = stdin.Close(), stdout.Close()
	if err != nil {
		return errors.Join(fmt.Errorf("start delaying process: %w", err), lifeline.Close())
	}
	ended := make(chan struct{})
	go func() { // ends when the process does, which Undo waits for
		defer close(ended)
		_ = cmd.Wait() // how it ended is of no matter: packets pass
		_ = lifeline.Close()
	}()
	if err := giveOrders(ctx, lifeline, out, d); err != nil {
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("start delaying process: %w", err)
	}
	return nil
}

// giveOrders tells the process what to do and waits for its answer.
func giveOrders(ctx context.Context, lifeline, out *os.File, d data) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		_ = out.SetReadDeadline(time.Now())
		_ = lifeline.SetWriteDeadline(time.Now())
	})
	defer stop()
	text, err := json.Marshal(orders{
		Socket: d.socket(), Queue: d.Queue.Number, Delay: d.Harm.Delay, Jitter: d.Harm.Jitter, Seed: d.Queue.Seed, TTL: d.TTL,
	})
	if err != nil {
		return fmt.Errorf("give orders: %w", err)
	}
	if _, err := lifeline.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("give orders: %w", err)
	}
	answer, err := bufio.NewReader(io.LimitReader(out, maxOrders)).ReadBytes('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("wait until it is ready: %w", err), context.Cause(ctx))
	}
	var r ready
	if err := json.Unmarshal(answer, &r); err != nil {
		return fmt.Errorf("wait until it is ready: unexpected answer %.80q", bytes.TrimSpace(answer))
	}
	if r.Error != "" {
		return errors.New(r.Error)
	}
	return nil
}

// dialDelayer connects to the fault's delaying process; errNoDelayer when there
// is none.
func (p *place) dialDelayer(ctx context.Context, d data) (conn net.Conn, err error) {
	err = p.do(ctx, func() error {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", d.socket())
		return err
	})
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil, errNoDelayer
	}
	if err != nil {
		return nil, fmt.Errorf("ask delaying process: %w", err)
	}
	return conn, nil
}

// askDelayer returns what the delaying process has done so far.
func (p *place) askDelayer(ctx context.Context, d data) (figures, error) {
	conn, err := p.dialDelayer(ctx, d)
	if err != nil {
		return figures{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(stopBound))
	if _, err := io.WriteString(conn, askFigures+"\n"); err != nil {
		return figures{}, fmt.Errorf("ask delaying process: %w", err)
	}
	text, err := bufio.NewReader(io.LimitReader(conn, maxOrders)).ReadBytes('\n')
	if err != nil {
		return figures{}, fmt.Errorf("ask delaying process: %w", err)
	}
	var f figures
	if err := json.Unmarshal(text, &f); err != nil {
		return figures{}, fmt.Errorf("ask delaying process: %w", err)
	}
	return f, nil
}

// stopDelayer ends the delaying process and returns when it has ended. One that
// does not answer, because it is stopped itself, is killed: its connection is
// open for as long as it lives, so its pid means no other process.
func (p *place) stopDelayer(ctx context.Context, d data) error {
	conn, err := p.dialDelayer(ctx, d)
	if errors.Is(err, errNoDelayer) {
		return nil
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	user, err := peerOf(conn)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(stopBound))
	_, _ = io.WriteString(conn, askStop+"\n")
	if closed(conn) {
		return nil
	}
	process, err := os.FindProcess(int(user.Pid))
	if user.Pid <= 1 || err != nil {
		return fmt.Errorf("end delaying process: it does not answer, and its pid %d is out of reach", user.Pid)
	}
	defer func() { _ = process.Release() }()
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill delaying process %d: %w", user.Pid, err)
	}
	_ = conn.SetDeadline(time.Now().Add(stopBound))
	if !closed(conn) {
		return fmt.Errorf("kill delaying process %d: it does not end", user.Pid)
	}
	return nil
}

// closed waits until the other end is closed, or the deadline has passed.
func closed(conn net.Conn) bool {
	_, err := io.Copy(io.Discard, conn)
	return err == nil || !errors.Is(err, os.ErrDeadlineExceeded)
}
