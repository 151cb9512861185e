//go:build unix

package clock

import (
	"os"
	"syscall"
)

// sameOwner gives a new file to the owner of the one that it replaces, where
// that is somebody else and we may.
func sameOwner(fresh *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return nil
	}
	return fresh.Chown(int(owner.Uid), int(owner.Gid))
}
