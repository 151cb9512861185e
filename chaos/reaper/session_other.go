//go:build !unix

package reaper

import (
	"os"
	"os/signal"
	"syscall"
)

func ownSession() *syscall.SysProcAttr { return nil }

func deafen() { signal.Ignore(os.Interrupt, syscall.SIGTERM) }

func stream(fd int, name string) *os.File {
	if fd == 0 {
		return os.Stdin
	}
	return os.Stdout
}
