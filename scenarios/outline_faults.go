package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// byName groups occurrences by their fault, in the order of the first ones.
func byName(faults []journal.FaultPlan) [][]journal.FaultPlan {
	var all [][]journal.FaultPlan
	for _, f := range faults {
		i := slices.IndexFunc(all, func(of []journal.FaultPlan) bool { return of[0].Name == f.Name })
		if i < 0 {
			all = append(all, []journal.FaultPlan{f})
		} else {
			all[i] = append(all[i], f)
		}
	}
	return all
}

// faults lists every fault, and each occurrence that the seed has decided.
func (o outliner) faults() {
	if len(o.plan.Info.Faults) == 0 {
		return
	}
	o.printf("\nFaults\n")
	rows := [][]string{}
	for _, all := range byName(o.plan.Info.Faults) {
		f := all[0]
		if f.Random && f.Occurrence > 0 {
			rows = append(rows, []string{f.Name, fmt.Sprintf("%s by seed %d", count(len(all), "time"), o.plan.Info.Seed)})
			for _, f := range all {
				rows = append(rows, []string{"  #" + fmt.Sprint(f.Occurrence), when(f), f.Kind + ": " + f.What, lasting(f)})
			}
			continue
		}
		text := when(f)
		if n := len(all); n > 1 {
			text += fmt.Sprintf(" and then every %s, %s, the last at %s", decode.FormatDuration(all[1].At-f.At), count(n, "time"), decode.FormatDuration(all[n-1].At))
		}
		rows = append(rows, []string{f.Name, text, f.Kind + ": " + f.What, lasting(f)})
	}
	o.table(rows)
}

// when says when an occurrence is due.
func when(f journal.FaultPlan) string {
	if len(f.After) > 0 {
		return fmt.Sprintf("after %s (about %s) in %s", strings.Join(f.After, ", "), decode.FormatDuration(f.At.Round(time.Millisecond)), f.Phase)
	}
	return "at " + decode.FormatDuration(f.At.Round(time.Millisecond)) + " in " + f.Phase
}

// lasting says how long an occurrence lasts, and what becomes of it.
func lasting(f journal.FaultPlan) string {
	text, undone := "", "undone"
	if f.OneShot {
		undone = "nothing to undo"
	}
	switch {
	case f.OneShot && !f.Follow:
		return "once; nothing to undo"
	case f.Until != "" && f.For > 0:
		text = "until " + f.Until + ", for " + decode.FormatDuration(f.For) + " at the most, then " + undone
	case f.Until != "":
		text = "until " + f.Until + " or the run ends, then " + undone
	case f.For > 0:
		text = "for " + decode.FormatDuration(f.For) + ", then " + undone
	default:
		text = undone + " when the run ends"
	}
	if f.Follow {
		text += "; new targets too"
	}
	return text
}
