package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// errGone says that the very process meant is not there any more.
var errGone = errors.New("the process is gone")

// A condition is what a process is doing, as far as faults care.
type condition string

const (
	running condition = "running"
	stopped condition = "stopped"  // every thread of it, by a stop signal
	halting condition = "stopping" // some threads of it: on its way to or from stopped
	traced  condition = "held by a debugger"
	gone    condition = "gone" // or a zombie, or replaced by another process with its pid
)

// An identity is one very process within one boot.
type identity struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start_ticks"` // since boot, as in /proc/PID/stat
	Name  string `json:"name"`        // of its program, for people
}

func (id identity) String() string { return fmt.Sprintf("process %d (%s)", id.Pid, id.Name) }

// resource is the process as other faults may hold it.
func (id identity) resource() string { return fmt.Sprintf("process/%d-%d", id.Pid, id.Start) }

// signal sends a signal to exactly this process, or returns errGone. The
// handle is taken first and the identity checked after, so the pid cannot be
// reused in between (on kernels before 5.3, which have no pidfd, it could).
func (id identity) signal(signal syscall.Signal) error {
	p, err := os.FindProcess(id.Pid)
	if err != nil {
		return fmt.Errorf("open %s: %w", id, err)
	}
	defer p.Release()
	switch now, err := id.look(); {
	case err != nil:
		return err
	case now == gone:
		return errGone
	}
	err = p.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return errGone
	}
	return err
}
