package shop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A child is a running process of the stack, seen by its parent.
type child struct {
	name string
	cmd  *exec.Cmd
	life io.Closer     // the write end of its standard input; it ends when this does
	done chan struct{} // closed when it has ended and was reaped
	err  error         // how it ended; read it after done
}

// spawn starts `Exe shop ROLE NAME` with its log in Dir/NAME.log, in the
// parent's process group, or as the leader of one of its own. The child hangs
// on a pipe from this process.
func spawn(l layout, role, name string, leader bool) (*child, error) {
	log, err := os.OpenFile(filepath.Join(l.Dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close() // the child has its own

	cmd := exec.Command(l.Exe, "shop", role, name)
	cmd.Stdout, cmd.Stderr = log, log
	if leader {
		leadGroup(cmd)
	}
	// One processor is plenty for what sleeps most of the time, and many
	// processes with many idle threads are not.
	if role != nameLB {
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c := &child{name: name, cmd: cmd, life: in, done: make(chan struct{})}
	// Far below the size of a pipe, so it cannot block. An error means that
	// the child is gone already, which is seen below.
	_ = json.NewEncoder(in).Encode(l)
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// kill ends the child at once, also a stopped one.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// readLayout reads the first line of a process's standard input.
func readLayout(stdin *bufio.Reader) (layout, error) {
	line, err := stdin.ReadSlice('\n')
	if err != nil {
		return layout{}, fmt.Errorf("read the stack's layout from standard input: %w", err)
	}
	var l layout
	if err := json.Unmarshal(line, &l); err != nil {
		return layout{}, fmt.Errorf("read the stack's layout from standard input: %w", err)
	}
	return l, nil
}

// writeFile writes a small file so that readers see the old or the new one,
// never half of one.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, strings.NewReader(text))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
