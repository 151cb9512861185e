//go:build !unix

package exec

import (
	"os"
	"syscall"
)

// ownSession has no counterpart here.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// killGroup kills the command alone: there are no process groups here.
func killGroup(p *os.Process) error { return p.Kill() }
