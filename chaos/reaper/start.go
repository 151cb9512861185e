package reaper

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// startBound is how long a reaper may take to acknowledge its order.
	startBound = 10 * time.Second
	// stopBound is how long it may take to end once it has said that it will.
	stopBound = 5 * time.Second
)

// Options say how a run's lease is made. Exe, Name and RunDir are required.
type Options struct {
	Exe    string // brunt's own binary
	Name   string // the scenario's, for people
	RunDir string
	Lease  time.Duration // 0: DefaultLease
	Renew  time.Duration // 0: DefaultRenew, or a third of a shorter lease
}

// Start runs `exe reaper` in a session of its own and returns when it has
// acknowledged the lease. When it fails, nothing is left running. A ctx that
// ends later does not end the lease: Close does.
func Start(ctx context.Context, o Options) (*Lease, error) {
	l, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start reaper: %w", err)
	}
	return l, nil
}

func start(ctx context.Context, o Options) (l *Lease, err error) {
	lease, renew, err := times(o.Lease, o.Renew)
	if err != nil {
		return nil, err
	}
	runDir, err := filepath.Abs(o.RunDir)
	if err != nil {
		return nil, err
	}
	dir, err := makeFolder(o.Name)
	if err != nil {
		return nil, err
	}
	process, to, from, err := spawn(o.Exe, dir)
	if err != nil {
		return nil, errors.Join(err, remove(dir))
	}
	l = newLease(to, from, lease, renew, bootClock)
	l.process = process
	info := Info{Name: o.Name, RunDir: runDir, Run: identify(os.Getpid()), Boot: chaos.BootID(),
		Began: time.Now().UTC(), Lease: lease, Renew: renew}
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	if err := l.start(ctx, dir, info); err != nil {
		_ = process.cmd.Process.Kill() // it holds nothing yet
		_ = l.Close(ctx)
		return nil, errors.Join(err, lastWords(dir), remove(dir))
	}
	return l, nil
}

// lastWords is what the reaper wrote to its log; nil when it is empty.
func lastWords(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, logFile))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(text) == 0 {
		return nil // ending the lease took it away, or nothing was said
	}
	if err != nil {
		return err
	}
	const most = 1 << 10
	return errors.New(strings.TrimSpace(string(text[max(0, len(text)-most):])))
}

// makeFolder makes the lease's folder, for its owner only: receipts hold keys.
func makeFolder(name string) (string, error) {
	base, err := leasesDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", fmt.Errorf("make state folder: %w; XDG_STATE_HOME says where it is", err)
	}
	dir := filepath.Join(base, fmt.Sprintf("%s-%d-%s", name, os.Getpid(), rand.Text()[:8]))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make state folder: %w", err)
	}
	return dir, nil
}

// A child is the reaper's process.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// spawn starts the process and a goroutine that waits for its end.
func spawn(exe, dir string) (process *child, to, from *os.File, err error) {
	var theirs, ours []*os.File
	defer func() {
		closeAll(theirs)
		if err != nil {
			closeAll(ours)
		}
	}()
	stdin, to, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	theirs, ours = append(theirs, stdin), append(ours, to)
	from, stdout, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	theirs, ours = append(theirs, stdout), append(ours, from)
	log, err := os.OpenFile(filepath.Join(dir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("open log: %w", err)
	}
	theirs = append(theirs, log)
	// It keeps brunt's working folder and environment: undo must find what
	// inject found.
	cmd := exec.Command(exe, Command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, log
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return nil, nil, nil, err
	}
	process = &child{cmd, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended shows in what it left
		close(process.done)
	}()
	return process, to, from, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}

// stop waits for the process to end, and kills it if it does not, or at once.
func (c *child) stop(ctx context.Context, atOnce bool) error {
	ctx, cancel := context.WithTimeout(ctx, stopBound)
	defer cancel()
	if !atOnce {
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
		}
	}
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the reaper: %w", err)
	}
	<-c.done
	if atOnce {
		return nil
	}
	return fmt.Errorf("the reaper, process %d, did not end and was killed", c.cmd.Process.Pid)
}

// Main is the body of the hidden command `brunt reaper`. It returns the exit
// code.
func Main(args []string, mend Mender) int {
	deafen()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if len(args) > 0 {
		log.Error("brunt itself starts it")
		return 2
	}
	err := Serve(context.Background(), ServeOptions{In: stream(0, "requests"), Out: stream(1, "answers"), Mend: mend, Log: log})
	if err != nil {
		log.Error(err.Error())
		return 1
	}
	return 0
}
