//go:build !unix

package process

import "syscall"

// These signals do not exist here; Prepare refuses before one is sent.
const (
	stopSignal     = syscall.Signal(-1)
	continueSignal = syscall.Signal(-1)
)
