package middlebox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	// startBound is how long the process may take until all listen.
	startBound = 10 * time.Second
	// stopBound is how long it may take to end when told to.
	stopBound = 5 * time.Second
	// sayBound is how long the process may take to take in a line.
	sayBound = 2 * time.Second
)

// A Process is the process in which one run's middleboxes of a family live. It
// has a session of its own, so that signals from a terminal do not reach it, and
// a lifeline, so that it knows when brunt is gone. Its methods are safe for
// concurrent use.
type Process struct {
	family   Family
	cmd      *exec.Cmd
	controls map[string]Control
	done     chan struct{}
	err      error // how it ended; read after done

	mu       sync.Mutex
	lifeline *os.File
	stopping bool
}

// Start runs `exe COMMAND` in a session of its own, tells it what to listen on
// and waits until it does. Dir, which is made if need be, gets one control file
// for each middlebox, and the process's log, COMMAND.log; files maps names to
// control files, for chaos.Env. When Start fails, nothing is left running. A ctx
// that ends later does not end the process: Stop does.
func (f Family) Start(ctx context.Context, exe, dir string, boxes map[string]Endpoint) (p *Process, files map[string]string, err error) {
	p, files, err = f.start(ctx, exe, dir, boxes)
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", f.Many, err)
	}
	return p, files, nil
}

func (f Family) start(ctx context.Context, exe, dir string, boxes map[string]Endpoint) (p *Process, files map[string]string, err error) {
	if len(boxes) == 0 {
		return nil, nil, errors.New("there are none")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make folder: %w", err)
	}
	p, answer, err := f.spawn(exe, dir)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Close()
	if err := p.await(ctx, answer, orders{Dir: dir, Boxes: boxes}); err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
		defer cancel()
		_ = p.Stop(ctx) // how it ended is told by err, or by its log
		return nil, nil, err
	}
	files = map[string]string{}
	for name := range boxes {
		files[name] = controlFile(dir, name)
	}
	return p, files, nil
}

// spawn starts the process and a goroutine that waits for it. What it writes
// to its standard output can be read from answer.
func (f Family) spawn(exe, dir string) (p *Process, answer *os.File, err error) {
	var theirs, ours []*os.File
	defer func() {
		closeFiles(theirs)
		if err != nil {
			closeFiles(ours)
		}
	}()
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make lifeline: %w", err)
	}
	theirs, ours = append(theirs, stdin), append(ours, lifeline)
	answer, stdout, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	theirs, ours = append(theirs, stdout), append(ours, answer)
	// Not a pipe: writing to one whose brunt is dead would kill the process.
	stderr, err := os.OpenFile(filepath.Join(dir, f.Command+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	theirs = append(theirs, stderr)

	cmd := exec.Command(exe, f.Command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	p = &Process{family: f, cmd: cmd, lifeline: lifeline, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, answer, nil
}

func closeFiles(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}

// await gives the process its orders and waits for its answer.
func (p *Process) await(ctx context.Context, answer *os.File, o orders) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = answer.SetReadDeadline(time.Unix(1, 0)) }) // long ago: it ends the read
	defer stop()
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("give orders: %w", err)
	}
	if err := p.say(string(text)); err != nil {
		return fmt.Errorf("give orders: %w", err)
	}
	line, err := bufio.NewReader(io.LimitReader(answer, maxOrders)).ReadBytes('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("wait until they listen: %w", err), context.Cause(ctx))
	}
	var r ready
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("wait until they listen: unexpected answer %.80q", line)
	}
	if r.Error != "" {
		return errors.New(r.Error)
	}
	p.controls = r.Boxes
	return nil
}

// say writes a line to the lifeline. A process that does not read must not hold
// up brunt, so each line has its own deadline, which pipes know too.
func (p *Process) say(line string) error {
	if err := p.lifeline.SetWriteDeadline(time.Now().Add(sayBound)); err != nil {
		return err
	}
	_, err := p.lifeline.WriteString(line + "\n")
	return err
}

// Address is where the middlebox of that name listens, as host:port; empty when
// there is none.
func (p *Process) Address(name string) string { return p.controls[name].Listen }

// Pid is the process's id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended, whoever ended it.
func (p *Process) Done() <-chan struct{} { return p.done }

// PassFor tells the process how long, from now on, it is to be there: for what
// is left of the run and a little more. That is how long it passes traffic
// through should brunt die. Untold, it is ten minutes from brunt's death.
func (p *Process) PassFor(d time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil
	}
	if err := p.say("pass " + d.String()); err != nil {
		return fmt.Errorf("tell %s the run's end: %w", p.family.Many, err)
	}
	return nil
}

// Stop ends the process and returns when it is gone; it is killed when it does
// not end in five seconds, or before ctx does. It is idempotent. The error says
// that the process had ended by itself, badly, or had to be killed.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	if !p.stopping {
		p.stopping = true
		_ = p.say("stop") // fails when it has ended already, which is seen below
		_ = p.lifeline.Close()
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, stopBound)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("kill %s: %w", p.family.Many, err)
		}
		<-p.done
		return fmt.Errorf("stop %s: process %d did not end and was killed", p.family.Many, p.Pid())
	}
	if p.err != nil {
		return fmt.Errorf("stop %s: they had ended: %w", p.family.Many, p.err)
	}
	return nil
}
