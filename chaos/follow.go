package chaos

import (
	"context"
	"errors"
)

// ErrNoTarget says that what a fault is meant for is not there: nothing is
// wrong with the fault, and it may come to be.
var ErrNoTarget = errors.New("there is no target")

// A Follower is a Fault that can hit targets that come to be after it was
// injected: replicas that an autoscaler adds. The engine asks it once a second
// while the fault is there, from one goroutine.
type Follower interface {
	Fault
	// Follows returns nil when the fault's targets can become more, and else
	// why they cannot, in words that complete "it has nothing to follow". It
	// is asked before anything is there.
	Follows() error
	// Follow is Prepare for those targets alone that none of the receipts
	// names. It touches nothing. The error wraps ErrNoTarget when there is no
	// such target.
	Follow(ctx context.Context, held []Receipt) (Receipt, error)
}
