package engine

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// spin is how long before the moment PreciseWait stops sleeping and
	// watches the clock: about what the kernel needs to wake a thread.
	spin = 30 * time.Microsecond
	// nap bounds one sleep, so that a stop is noticed in time.
	nap = 20 * time.Millisecond
)

// PreciseWait sleeps in the kernel until shortly before the moment, absolutely
// on CLOCK_MONOTONIC, and spins the rest. The caller must hold its thread
// (runtime.LockOSThread), or the wake-up waits for a processor too.
func PreciseWait(until time.Time, stop <-chan struct{}) bool {
	for {
		if closed(stop) {
			return false
		}
		left := time.Until(until)
		if left <= 0 {
			return true
		}
		if left <= spin {
			for time.Until(until) > 0 {
			}
			return true
		}
		sleep(min(left-spin, nap))
	}
}

// sleep returns after d at the earliest; a signal may end it early, which the
// caller's loop takes care of.
func sleep(d time.Duration) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		time.Sleep(d)
		return
	}
	at := unix.NsecToTimespec(now.Nano() + int64(d))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}
