//go:build !unix

package middlebox

import "syscall"

// ownSession has no counterpart here.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
