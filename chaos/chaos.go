// Package chaos holds the contract of faults: how one is prepared, injected,
// undone and proven gone. One folder below it holds one kind each. It uses
// the standard library only.
package chaos

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Fault breaks something and can always mend it, from any process, from any
// half-way state. The engine calls its methods from one goroutine, in the
// order Prepare, Inject, Verify, Undo, Verify; `brunt undo` calls Undo and
// Verify in another process, on a Fault made without a configuration.
type Fault interface {
	// Prepare resolves targets and remembers what to restore. It touches
	// nothing. The receipt is on disk before Inject is called.
	Prepare(context.Context) (Receipt, error)
	// Inject breaks what the receipt names, and nothing else. It may fail
	// half-way; Undo mends that too.
	Inject(context.Context, Receipt) error
	// Undo restores what is still ours. It is idempotent and needs nothing
	// but the receipt. What someone else has changed since is left alone and
	// reported as a *ConflictError.
	Undo(context.Context, Receipt) error
	// Verify looks, by another path than Inject's, at whether the fault is in
	// effect. It says Active only for an effect it saw and Gone only for an
	// effect it knows to be absent; where it could see neither, it returns an
	// error, which wraps ErrNoEvidence when there was simply nothing to see.
	// For a one-shot, Active means that what it set out to do has happened;
	// that stays so, whatever Undo is called.
	Verify(context.Context, Receipt) (State, error)
}

// A Measurer is a Fault that can put a number on the effect it has had so far
// ("412 pieces left 80.2ms late on average"). The engine asks once, before
// Undo, for the journal; the answer is for people.
type Measurer interface {
	Measure(context.Context, Receipt) (string, error)
}

// A Rehearser is a Fault that can ask whether it would be let. The plan asks
// after Prepare, before anything starts; nothing is changed by it.
type Rehearser interface {
	// Rehearse returns an error that names everything that would be refused,
	// of injecting and of undoing.
	Rehearse(context.Context, Receipt) error
}

// An Access is a permission that a fault on a cluster needs.
type Access struct {
	Verbs     []string // get, list, patch, …
	Group     string   // the API group; empty for the core
	Resource  string   // "pods", "pods/eviction"
	Namespace string   // empty: in the whole cluster
	Name      string   // of the one object that is meant; empty: any
}

// An Accessor is a Fault that needs permissions in a cluster. Access needs no
// connection.
type Accessor interface{ Access() []Access }

// A Receipt is all that is needed to undo a fault and to prove it gone. It
// survives JSON and outlives the process that wrote it.
type Receipt struct {
	ID      string   `json:"id"`      // unique within the run directory
	Fault   string   `json:"fault"`   // its name in the scenario
	Kind    string   `json:"kind"`    // which kind can undo it
	Targets []string `json:"targets"` // what it touches, for people
	// Resources are what it holds while it is there, so that no other fault
	// gets at them: paths such as process/4711 or process/4711/nice, a part
	// within the whole. Empty: its targets; see Held.
	Resources []string `json:"resources,omitempty"`
	// OneShot marks a fault that has nothing to undo: a killed process stays
	// killed. The engine does not call Undo for it, it is never pending, and
	// its Undo is a no-op for whoever calls it all the same.
	OneShot bool      `json:"one_shot,omitempty"`
	Class   Class     `json:"class,omitempty"` // what a reboot does to it; empty counts as durable
	Boot    string    `json:"boot,omitempty"`  // the boot it was made in; empty where there is no name for it
	Made    time.Time `json:"made"`
	// Most is how long after it was made the fault may last at the most; the
	// lease ends it then, whatever the run does. 0: no limit is declared.
	Most time.Duration   `json:"most_ns,omitempty"`
	Data json.RawMessage `json:"data"` // the kind's own: image before, image set
}

// A State is what Verify saw.
type State string

const (
	Active   State = "active"   // in effect
	Gone     State = "gone"     // not in effect
	Conflict State = "conflict" // neither ours nor what was there before
)

var (
	// ErrConflict marks something found that is neither ours nor what was
	// there before; errors.Is finds it in every *ConflictError.
	ErrConflict = errors.New("changed by someone else since")
	// ErrNoEvidence marks a Verify that had nothing to look at: the fault is
	// set, but nothing has met it yet.
	ErrNoEvidence = errors.New("no evidence")
)

// A ConflictError is a target that someone else has changed, or holds already. It
// was left as found.
type ConflictError struct {
	Target string // what it is about: "process 4711 (shop)"
	Want   string // what we set, or expected to find
	Found  string // what is there instead
}

func (c *ConflictError) Error() string {
	return fmt.Sprintf("%s: expected %s, found %s", c.Target, c.Want, c.Found)
}

// Is makes every ConflictError an ErrConflict.
func (c *ConflictError) Is(target error) bool { return target == ErrConflict }

// NewReceipt makes the receipt that a kind's Prepare returns: a fresh ID (the
// fault's name and 64 random bits), the present time and boot, and data as JSON.
// It fails only when data is not JSON. Kinds set Class themselves.
func NewReceipt(fault, kind string, targets []string, oneShot bool, data any) (Receipt, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Receipt{}, fmt.Errorf("write receipt of %s: %w", fault, err)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program rather than return an error
	return Receipt{
		ID:      fault + "-" + hex.EncodeToString(id[:]),
		Fault:   fault,
		Kind:    kind,
		Targets: targets,
		OneShot: oneShot,
		Boot:    BootID(),
		Made:    time.Now().UTC(),
		Data:    raw,
	}, nil
}
