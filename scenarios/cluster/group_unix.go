//go:build unix && !linux

package cluster

import (
	"os"
	"syscall"
)

// apart keeps the signals of brunt's terminal from a worker. With brunt gone a
// stopped worker's group is an orphan, which the kernel hangs up on.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a worker and all that it started.
func killGroup(p *os.Process) error {
	if err := syscall.Kill(-p.Pid, syscall.SIGKILL); err != syscall.ESRCH {
		return err
	}
	return os.ErrProcessDone
}
