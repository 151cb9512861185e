package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Command is the name of the hidden command that is a worker.
const Command = "worker"

// StartProcesses starts n workers as processes of brunt's own binary, each in a
// process group of its own. Their standard error goes to files in dir, which is
// made if need be. When it fails, none is left running.
func StartProcesses(ctx context.Context, exe, dir string, n int) (workers []Worker, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start workers: make folder: %w", err)
	}
	for i := range n {
		p, err := startProcess(exe, filepath.Join(dir, fmt.Sprintf("worker-%d.log", i)))
		if err != nil {
			for _, w := range workers {
				err = errors.Join(err, w.Close(ctx))
			}
			return nil, fmt.Errorf("start worker-%d: %w", i, err)
		}
		workers = append(workers, p)
	}
	return workers, nil
}

// A process is a worker on this machine. Its standard input is its lifeline;
// where the kernel can, it is killed when the controller dies, too, so that even
// a stopped one is not left behind.
type process struct {
	cmd      *exec.Cmd
	in       *os.File // to its standard input
	out      *os.File // from its standard output
	log      string
	done     chan struct{}
	finished error // how it ended; read after done
}

func startProcess(exe, log string) (_ *process, err error) {
	var files []*os.File
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
		}
	}()
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	files = append(files, stdin, in)
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	files = append(files, out, stdout)
	stderr, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	files = append(files, stderr)

	p := &process{cmd: exec.Command(exe, Command), in: in, out: out, log: log, done: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, stdout, stderr
	p.cmd.SysProcAttr = apart()
	started := make(chan error, 1)
	go func() {
		// What the kernel does when a parent dies it does when the thread that
		// started the child ends, so this one must last as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.finished = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	_, _, _ = stdin.Close(), stdout.Close(), stderr.Close() // the child has its own
	return p, nil
}

func (p *process) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p *process) Where() string               { return fmt.Sprintf("process %d", p.cmd.Process.Pid) }

func (p *process) Fate(ctx context.Context) string {
	select {
	case <-p.done:
	case <-ctx.Done():
		return "its process has not ended"
	}
	text := "its process ended (" + p.cmd.ProcessState.String() + ")"
	if last := lastLine(p.log); last != "" {
		text += ": " + last
	}
	return text
}

// lastLine is what a process said last, which tells most when it had to end.
func lastLine(name string) string {
	const most = 4096
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	text := make([]byte, min(info.Size(), most))
	n, _ := f.ReadAt(text, info.Size()-int64(len(text)))
	lines := strings.Split(strings.TrimSpace(string(text[:n])), "\n")
	return lines[len(lines)-1]
}

func (p *process) Close(ctx context.Context) error {
	_ = p.in.Close() // a second time it is closed already
	if !p.ended() {
		if err := killGroup(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) && !p.ended() {
			return fmt.Errorf("kill process %d: %w", p.cmd.Process.Pid, err)
		}
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("process %d has not ended: %w", p.cmd.Process.Pid, context.Cause(ctx))
	}
	_ = p.out.Close()
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
