package http

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// lateBind makes a socket that is bound to an address without a port get its
// port only when it connects: until then one port serves connections to many
// places, instead of being used up (IP_BIND_ADDRESS_NO_PORT, ip(7)). Kernels
// that do not know the option do without.
func lateBind(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}
