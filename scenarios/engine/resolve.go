package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios"
)

// A Resolution is what a fault would touch if it were injected now.
type Resolution struct {
	Fault   string
	Targets []string
	Err     error // it could not be injected now
}

func (r Resolution) String() string {
	if r.Err != nil {
		return fmt.Sprintf("%s: %v", r.Fault, r.Err)
	}
	return fmt.Sprintf("%s: %s", r.Fault, strings.Join(r.Targets, ", "))
}

// rehearseBound is how long asking whether a fault would be let may take.
const rehearseBound = 20 * time.Second

// rehearse asks a fault that can tell whether it would be let.
func rehearse(ctx context.Context, fault chaos.Fault, receipt chaos.Receipt) error {
	r, ok := fault.(chaos.Rehearser)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rehearseBound)
	defer cancel()
	if err := r.Rehearse(ctx, receipt); err != nil {
		return fmt.Errorf("it would not be let: %w", err)
	}
	return nil
}

// Resolve asks every fault of the plan what it would touch, and whether it would
// be let. It touches nothing.
func Resolve(ctx context.Context, plan *scenarios.Plan) []Resolution {
	var all []Resolution
	for _, f := range plan.Faults {
		receipt, err := prepare(ctx, f, plan.MaxTargets, 0, f.Fault.Prepare)
		if err == nil {
			err = rehearse(ctx, f.Fault, receipt)
		}
		all = append(all, Resolution{Fault: f.Name, Targets: receipt.Targets, Err: err})
	}
	return all
}
