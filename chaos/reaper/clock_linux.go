package reaper

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootClock is the time since the machine was started, sleep included. Setting
// the machine's clock does not move it.
func bootClock() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		panic("read boot clock: " + err.Error()) // it cannot fail: the clock is there since Linux 2.6.39
	}
	return time.Duration(now.Nano())
}
