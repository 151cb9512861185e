package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios"
)

// A Resolution is what a fault would touch if it were injected now.
type Resolution struct {
	Fault   string
	Targets []string
	Note    string // for people: what else is to be said
	Err     error  // it could not be injected now

	fault   scenarios.Fault
	receipt chaos.Receipt
}

func (r Resolution) String() string {
	text := list(r.Targets)
	if r.Err != nil {
		text = r.Err.Error()
	}
	if r.Note != "" && text != "" {
		text += "; "
	}
	return r.Fault + ": " + text + r.Note
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

// Resolve asks every fault of the plan what it would touch and whether it would
// be let, once for all occurrences that do the same, and refuses two that would
// hold one thing at one time. It touches nothing.
func Resolve(ctx context.Context, plan *scenarios.Plan) []Resolution {
	var all []Resolution
	asked := map[string]bool{}
	for i, f := range plan.Faults {
		what := f.Name
		if i < len(plan.Info.Faults) {
			what += "\x00" + plan.Info.Faults[i].What
		}
		if asked[what] {
			continue
		}
		asked[what] = true
		receipt, err := prepare(ctx, f, plan.MaxTargets, 0, f.Fault.Prepare)
		if err == nil {
			err = rehearse(ctx, f.Fault, receipt)
		}
		r := Resolution{Fault: f.Label(), Targets: receipt.Targets, Err: err, fault: f, receipt: receipt}
		if f.Follow && errors.Is(err, chaos.ErrNoTarget) {
			r.Err, r.Note = nil, "none now; what comes while it lasts is hit"
		}
		all = append(all, r)
	}
	refuseOverlap(plan, all)
	return all
}

// refuseOverlap refuses the later of two faults that would hold one thing at
// one time.
func refuseOverlap(plan *scenarios.Plan, all []Resolution) {
	for i := range all {
		for j := range i {
			a, b := &all[j], &all[i]
			if a.Err != nil || b.Err != nil || a.fault.Name == b.fault.Name {
				continue
			}
			resource, both := chaos.Overlap(a.receipt.Held(), b.receipt.Held())
			if !both || a.receipt.ID == "" || b.receipt.ID == "" {
				continue
			}
			if at, overlap := meet(plan, a.fault.Name, b.fault.Name); overlap {
				b.Err = fmt.Errorf("it would hold %s at %s, and fault %s has that then: two faults on one thing could not be told apart", resource, at, a.Fault)
			}
		}
	}
}

// meet says when an occurrence of one fault is planned to be there while one of
// another is, unless one waits for the other.
func meet(plan *scenarios.Plan, one, other string) (time.Duration, bool) {
	if waits(plan, one, other) || waits(plan, other, one) {
		return 0, false
	}
	for _, a := range plan.Faults {
		for _, b := range plan.Faults {
			if a.Name != one || b.Name != other {
				continue
			}
			if at := max(a.At, b.At); at <= plannedEnd(plan, a) && at <= plannedEnd(plan, b) && (a.OneShot || at < plannedEnd(plan, a)) && (b.OneShot || at < plannedEnd(plan, b)) {
				return at, true
			}
		}
	}
	return 0, false
}

func plannedEnd(plan *scenarios.Plan, f scenarios.Fault) time.Duration {
	if f.For == 0 && !f.OneShot {
		return plan.Info.Duration
	}
	return f.At + f.For
}

// waits says whether a fault comes after another, itself or by what it waits
// for.
func waits(plan *scenarios.Plan, name, other string) bool {
	for _, f := range plan.Faults {
		if f.Name == name {
			return slices.ContainsFunc(f.After, func(first string) bool { return first == other || waits(plan, first, other) })
		}
	}
	return false
}

// Rehearse is Resolve, and then undoes what was prepared and never injected:
// which must change nothing, and must be able to prove that the fault is not
// there. Faults whose undo is not brunt's own work are left out, and say so.
func Rehearse(ctx context.Context, plan *scenarios.Plan) []Resolution {
	all := Resolve(ctx, plan)
	for i := range all {
		r := &all[i]
		foreign, ok := r.fault.Fault.(chaos.Foreign)
		switch {
		case r.Err != nil || r.receipt.ID == "" || r.receipt.OneShot:
		case ok && foreign.Foreign() != "":
			r.Note = "undo not rehearsed: it " + foreign.Foreign()
		default:
			o := chaos.UndoOne(ctx, nil, r.fault.Fault, r.receipt)
			if o.Gone() {
				r.Note = "undo rehearsed"
			} else {
				r.Err = fmt.Errorf("undoing it, rehearsed without injecting, fails: %s: %s", o.State, o.Reason)
			}
		}
	}
	return all
}
