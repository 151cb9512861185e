//go:build !linux

package engine

import "time"

// PreciseWait is as precise as Go's timers outside Linux.
func PreciseWait(until time.Time, stop <-chan struct{}) bool { return TimerWait(until, stop) }
