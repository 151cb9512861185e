// Package reaper is the lease on a run's faults: a process in a session of its
// own that holds a copy of every receipt and undoes what the run cannot undo
// any more.
//
// The run starts it, with Start, before its first fault, and renews the lease
// over a pipe. The reaper takes over
//
//   - at once, when the pipe ends without a word: the run's process is dead;
//   - when the lease runs out: the process is stopped, or starved;
//   - for one fault, when that has outlived its declared maximum.
//
// Taking over from a process that may wake up again begins with a fence: the
// epoch in the run directory is raised, which keeps that process from recording
// and so from injecting. It judges its lease by itself as well, by the same
// clock, from the moment before each renewal was sent, so that it always gives
// up before the reaper takes over. What slips through all the same, because the
// process was stopped in the middle of an inject, is found by the looks that the
// reaper takes until that process has stood down or is dead.
//
// The clock is the machine's boot clock: it goes on while the machine sleeps,
// and nobody can set it.
//
// When the reaper is killed, the pipe tells the run, which undoes its faults
// and ends. When both are killed, what they left lies in the state folder, and
// Leases finds it for `brunt undo --all`.
package reaper

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// Command is the name of the hidden command that runs Main.
	Command = "reaper"
	// DefaultLease is how long a run that says nothing is believed to be well.
	DefaultLease = 15 * time.Second
	// DefaultRenew is how often a run says that it is well.
	DefaultRenew = 5 * time.Second
)

// polls is how often within a renewal the reaper looks at the clock.
const polls = 8

// longestPoll bounds the time between looks for long leases.
const longestPoll = time.Second

// pollEvery is the time between the reaper's looks at the clock.
func pollEvery(renew time.Duration) time.Duration {
	return max(time.Millisecond, min(renew/polls, longestPoll))
}

// StateDir is where leases are kept, apart from the run directories:
// $XDG_STATE_HOME/brunt, or .local/state/brunt in the user's home.
func StateDir() (string, error) {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find state folder: %w; set XDG_STATE_HOME", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(base) {
		return "", errors.New("find state folder: XDG_STATE_HOME is not an absolute path")
	}
	return filepath.Join(base, "brunt"), nil
}

// leasesDir holds one folder for each lease.
func leasesDir() (string, error) {
	dir, err := StateDir()
	return filepath.Join(dir, "leases"), err
}

// times are the lease's two, with their defaults.
func times(lease, renew time.Duration) (time.Duration, time.Duration, error) {
	lease = cmp.Or(lease, DefaultLease)
	renew = cmp.Or(renew, min(DefaultRenew, lease/3))
	if renew <= 0 || lease < 2*renew {
		return 0, 0, fmt.Errorf("a lease of %s cannot be renewed every %s: it must last at least two renewals", lease, renew)
	}
	return lease, renew, nil
}
