package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// conditions are those that would end a fault that is there now. Faults add
// and drop them; the ticker looks at them once a second.
type conditions struct {
	mu   sync.Mutex
	open []*condition
}

// An until is an objective as far as it ends faults.
type until interface {
	HeldSince(live *journal.Journal, since, now time.Duration) (held bool, what string)
}

// A condition ends one fault.
type condition struct {
	until until
	since time.Duration // when the fault was there, on the run's clock
	met   gate          // opened when it holds
	what  string        // what was seen; written before met opens
}

// watch has a condition looked at from now on.
func (c *conditions) watch(until until, since time.Duration) *condition {
	one := &condition{until: until, since: since, met: newGate()}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, one)
	return one
}

func (c *conditions) drop(one *condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(o *condition) bool { return o == one })
}

// look opens those that hold.
func (c *conditions) look(live *journal.Journal, now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(one *condition) bool {
		held, what := one.until.HeldSince(live, one.since, now)
		if held {
			one.what = what
			one.met.open()
		}
		return held
	})
}
