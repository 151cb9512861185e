//go:build !unix

package proxy

import "syscall"

// ownSession has no counterpart here.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
