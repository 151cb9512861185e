package engine

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A kernelTimer waits on a timer of the kernel's by way of the runtime's own
// poller. Go's timers are as late as a millisecond when the process is idle,
// since the poller's timeout counts in those; a timer that is a file wakes the
// poller when it expires. The waiting goroutine takes no thread, and on a
// single core sessions run while it waits.
//
// One goroutine at a time may wait.
type kernelTimer struct {
	file *os.File
	raw  syscall.RawConn
	left time.Duration // to set the timer to
	set  bool
	err  error
	step func(fd uintptr) bool // made once: it would be an allocation for every wait
}

// nap bounds one wait, so that a stop is noticed in time.
const nap = 20 * time.Millisecond

// newPreciseWaiter makes a Waiter that is late by no more than the kernel
// needs to wake a thread. It is for one goroutine; close gives up the timer.
func newPreciseWaiter() (w Waiter, closeTimer func() error, err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("create timer: %w", err)
	}
	t := &kernelTimer{file: os.NewFile(uintptr(fd), "timer")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		_ = t.file.Close() // it never was of use
		return nil, nil, fmt.Errorf("create timer: %w", err)
	}
	t.step = t.setOrExpired
	return t.wait, t.file.Close, nil
}

func (t *kernelTimer) wait(until time.Time, stop <-chan struct{}) bool {
	for {
		if closed(stop) {
			return false
		}
		left := time.Until(until)
		if left <= 0 {
			return true
		}
		if err := t.sleep(min(left, nap)); err != nil {
			return TimerWait(until, stop)
		}
	}
}

// sleep returns after d; not before, unless the runtime wakes it for nothing.
func (t *kernelTimer) sleep(d time.Duration) error {
	t.left, t.set, t.err = d, false, nil
	if err := t.raw.Read(t.step); err != nil {
		return err
	}
	return t.err
}

// setOrExpired is called twice for a wait: when the poller is ready to notice
// that the timer expires, and when it has. The timer is never read: setting it
// anew makes it unexpired.
func (t *kernelTimer) setOrExpired(fd uintptr) bool {
	if t.set {
		return true
	}
	t.set = true
	t.err = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(t.left))}, nil)
	return t.err != nil
}
