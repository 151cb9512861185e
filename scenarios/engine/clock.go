package engine

import "time"

// A Waiter waits until a moment on the monotonic clock, or until stop closes.
// It reports whether the moment came. Each dispatcher has its own.
type Waiter func(until time.Time, stop <-chan struct{}) bool

// TimerWait waits on Go's own timers, which round up to a millisecond when
// the process is idle. It is what tests under synctest use.
func TimerWait(until time.Time, stop <-chan struct{}) bool {
	d := time.Until(until)
	if d <= 0 {
		return !closed(stop)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-stop:
		return false
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
