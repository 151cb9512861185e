package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios"
)

// A lack is a capability that this user has not, and what needs it.
type lack struct {
	need   chaos.Need
	faults []string
}

// lacks are the capabilities that the plan's faults need and this user has not.
func lacks(plan *scenarios.Plan, capable func(chaos.Capability) (bool, error)) ([]lack, error) {
	var all []lack
	for _, f := range plan.Faults {
		needer, ok := f.Fault.(chaos.Needer)
		if !ok {
			continue
		}
		for _, need := range needer.Needs() {
			has, err := capable(need.Capability)
			if err != nil {
				return nil, err
			}
			if has {
				continue
			}
			i := slices.IndexFunc(all, func(l lack) bool { return l.need == need })
			if i < 0 {
				i = len(all)
				all = append(all, lack{need: need})
			}
			if !slices.Contains(all[i].faults, f.Name) {
				all[i].faults = append(all[i].faults, f.Name)
			}
		}
	}
	return all, nil
}

// printNeeds prints what the plan's faults need and this user has not, and says
// whether that is certain to stop one of them.
func printNeeds(w io.Writer, plan *scenarios.Plan) (certain bool) {
	all, err := lacks(plan, chaos.Capable)
	if err != nil {
		fmt.Fprintf(w, "\ncapabilities\n  %v\n", err)
		return false
	}
	if len(all) == 0 {
		return false
	}
	fmt.Fprintln(w, "\ncapabilities that this user has not")
	for _, l := range all {
		text := fmt.Sprintf("  %s, for %s: %s", l.need.Capability, l.need.For, strings.Join(l.faults, ", "))
		if l.need.Unless != "" {
			text += "; not needed where " + l.need.Unless
		} else {
			certain = true
			text += "; run as root, or give it to brunt"
		}
		fmt.Fprintln(w, text)
	}
	return certain
}
