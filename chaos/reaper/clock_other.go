//go:build !linux

package reaper

import "time"

var started = time.Now()

// bootClock is a clock that nobody can set. On this system it may stand still
// while the machine sleeps.
func bootClock() time.Duration { return time.Since(started) }
