//go:build unix && !linux

package shop

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
)

// A process stands for all that is left of a stack's process group.
type process struct {
	group int
}

func (p process) String() string { return fmt.Sprintf("some of process group %d", p.group) }

// leadGroup makes a command lead a process group of its own.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func (p process) kill() { _ = syscall.Kill(-p.group, syscall.SIGKILL) }

// groupMembers says whether a group has any member left; which ones cannot be
// told here without help from other programs.
func groupMembers(group int) ([]process, error) {
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		return nil, nil
	}
	return []process{{group}}, nil
}
