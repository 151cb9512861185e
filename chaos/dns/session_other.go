//go:build !unix

package dns

import "syscall"

// ownSession has no counterpart here.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
