package tui

import (
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A snapshot is all a screen shows of the run at one moment. Nobody changes it
// once it is made.
type snapshot struct {
	plan   *journal.Plan
	now    time.Duration // the run's clock
	silent time.Duration // how long nothing has come from the run, when that is remarkable

	started  bool
	ended    bool   // RunEnded came
	closed   bool   // nothing more will come
	state    string // of RunEnded
	why      string // of RunEnded
	aborting string // what was breached
	phase    string // the phase being played; empty between and after

	health     journal.Health // of brunt itself, in the last second
	loads      []loadNow
	objectives []standing
	faults     []faultNow
	probes     []probeNow
	log        []entry // the newest last
	missed     int64   // things that came too fast to be shown
}

// over reports whether the run can tell nothing more.
func (s *snapshot) over() bool { return s.ended || s.closed }

// A loadNow is what one load did in the last seconds, and in all.
type loadNow struct {
	plan    journal.LoadPlan
	history []moment
	counted bool // a second of it has come

	offered, achieved float64 // arrivals a second over recentSeconds
	p50, p99          time.Duration
	measured          bool
	ops, failed       int64 // over recentSeconds
	droppedNow        int64 // over recentSeconds

	planned                     float64
	inFlight, waiting, sessions int64

	totalFailed, totalDropped int64
	classes                   []class // of failures in all, the most frequent first
}

type class struct {
	name string
	n    int64
}

// A faultNow is the state of one fault.
type faultNow struct {
	plan    journal.FaultPlan
	state   string        // the last of journal's states, empty before the first
	since   time.Duration // of that state
	from    time.Duration // when it was first injected
	to      time.Duration // when it was gone, once it was
	there   bool          // it was injected
	failed  bool          // something about it went wrong, even if it is gone now
	targets string
	text    string // the last thing said about it
}

// present reports whether there may be something in place to undo. What a
// one-shot did is done.
func (f faultNow) present() bool {
	if f.plan.OneShot && f.there {
		return false
	}
	switch f.state {
	case "", journal.FaultGone:
		return false
	case journal.FaultRequested:
		return true
	case journal.FaultConflict:
		return false // it is not ours any more
	case journal.FaultFailed:
		// Half-way in, or not all the way out. A failure to prepare touched nothing.
		return f.there || strings.HasPrefix(f.text, "inject:") || strings.HasPrefix(f.text, "undo:")
	}
	return true
}

// A probeNow is what one probe saw.
type probeNow struct {
	plan    journal.ProbePlan
	history []value
	at      time.Duration // of the last reading
	last    float64
	read    bool // there was one
	text    string
	trouble string // the last look failed, or the probe crashed: why
	crashed bool
}

// An entry is one thing that happened, in words.
type entry struct {
	at   time.Duration
	text string
	role role
}
