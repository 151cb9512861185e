//go:build unix

package middlebox

import "syscall"

// ownSession keeps a terminal's signals and its hangup from the process.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
