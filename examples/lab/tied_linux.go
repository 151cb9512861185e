package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// tied is a process that the kernel kills when this one ends.
type tied struct {
	done chan struct{}
	err  error // how it ended; read after done
}

// startTied starts cmd. The kernel's promise hangs on the thread that started
// it, so that thread waits as long as the process lives.
func startTied(cmd *exec.Cmd) (*tied, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	t := &tied{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			t.err = cmd.Wait()
			close(t.done)
		}
	}()
	return t, <-started
}
