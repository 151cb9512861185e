//go:build !linux

package engine

// newPreciseWaiter is as precise as Go's timers outside Linux.
func newPreciseWaiter() (w Waiter, closeTimer func() error, err error) {
	return TimerWait, func() error { return nil }, nil
}
