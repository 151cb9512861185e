//go:build unix

package reaper

import (
	"os"
	"os/signal"
	"syscall"
)

// ownSession keeps the signals of brunt's terminal away from its reaper.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// deafen makes this process end only when its work is done, or killed.
func deafen() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
}

// stream opens a standard stream in a way that knows deadlines and lets a
// pending read end when it is closed.
func stream(fd int, name string) *os.File {
	_ = syscall.SetNonblock(fd, true) // a stream that cannot works without deadlines
	return os.NewFile(uintptr(fd), name)
}
