package engine

import (
	"fmt"
	"slices"
	"sync"

	"github.com/brunt-dev/brunt/chaos"
)

// claims are what the faults of a run hold at this moment. Two faults on one
// thing would prove and undo each other's effect.
type claims struct {
	mu   sync.Mutex
	held []claim
}

type claim struct {
	id, label string
	resources []string
}

// take claims all that a receipt names, or nothing and says who has it.
func (c *claims) take(receipt chaos.Receipt, label string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := receipt.Held()
	for _, other := range c.held {
		if resource, both := chaos.Overlap(wanted, other.resources); both {
			return fmt.Errorf("fault %s holds %s: two faults on one thing could not be told apart", other.label, resource)
		}
	}
	c.held = append(c.held, claim{receipt.ID, label, wanted})
	return nil
}

// give lets go of what a receipt has claimed.
func (c *claims) give(receipt chaos.Receipt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = slices.DeleteFunc(c.held, func(h claim) bool { return h.id == receipt.ID })
}
