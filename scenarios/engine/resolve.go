package engine

import (
	"context"
	"fmt"
	"strings"

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

// Resolve asks every fault of the plan what it would touch. It touches
// nothing.
func Resolve(ctx context.Context, plan *scenarios.Plan) []Resolution {
	var all []Resolution
	for _, f := range plan.Faults {
		receipt, err := prepare(ctx, f, plan.MaxTargets)
		all = append(all, Resolution{Fault: f.Name, Targets: receipt.Targets, Err: err})
	}
	return all
}
