//go:build !linux

package main

import "os/exec"

// tied is a process that ends when this one closes it; a lab that is killed
// leaves it behind where the kernel has no promise to offer.
type tied struct {
	done chan struct{}
	err  error // how it ended; read after done
}

func startTied(cmd *exec.Cmd) (*tied, error) {
	t := &tied{done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		t.err = cmd.Wait()
		close(t.done)
	}()
	return t, nil
}
