package clock

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// become replaces this process by the command, within a time namespace of its
// own if its monotonic clock shall be off. It returns only with an error.
func become(program string, command, environment []string, monotonic time.Duration) error {
	if monotonic != 0 {
		// The namespace belongs to the thread that makes it; exec gives that
		// thread's to the process and ends the others.
		runtime.LockOSThread()
		if err := enterTime(monotonic); err != nil {
			return fmt.Errorf("make time namespace: %w", err)
		}
	}
	if err := syscall.Exec(program, command, environment); err != nil {
		return fmt.Errorf("run %s: %w", program, err)
	}
	return nil
}

// enterTime makes a time namespace, which this thread enters when it next
// calls exec: Linux does so since 6.2, and before that only for a fork that Go
// programs do not make.
func enterTime(offset time.Duration) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	release := unix.ByteSliceToString(name.Release[:])
	if !atLeast(release, 6, 2) {
		return fmt.Errorf("linux 6.2 is needed, and this is %s: %w", release, errors.ErrUnsupported)
	}
	if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w: root or CAP_SYS_ADMIN is needed", err)
		}
		return err
	}
	seconds := int64(offset / time.Second)
	rest := int64(offset % time.Second)
	if rest < 0 {
		seconds, rest = seconds-1, rest+int64(time.Second)
	}
	text := fmt.Sprintf("monotonic %d %d\nboottime %d %d\n", seconds, rest, seconds, rest)
	// Of this thread, and not of the process, whose first thread it may not be.
	path := "/proc/" + strconv.Itoa(unix.Gettid()) + "/timens_offsets"
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		if errors.Is(err, unix.ERANGE) {
			return fmt.Errorf("the monotonic clock would be before its beginning: %w", err)
		}
		return fmt.Errorf("set its offsets: %w", err)
	}
	return nil
}

// atLeast compares a kernel's release, such as "6.18.44-generic".
func atLeast(release string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(release, "%d.%d", &a, &b); err != nil {
		return false
	}
	return a > major || a == major && b >= minor
}
