//go:build unix

package exec

import (
	"errors"
	"os"
	"syscall"
)

// ownSession keeps a terminal's signals from a command, and makes it and what
// it starts one process group.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// killGroup kills a command with what it has started. The command has not been
// waited for, so its id is not anybody else's.
func killGroup(p *os.Process) error {
	err := syscall.Kill(-p.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
