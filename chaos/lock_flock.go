//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package chaos

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lock takes the file for this process, without waiting. The kernel gives it
// up when the process ends, however it ends, so no stale lock is ever left.
func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}
