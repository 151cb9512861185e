package main

import (
	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/reports/journal"
)

// openRun reads what there is of a run in its directory. Where the journal
// stops before the run did, as after a crash or on a full disk, the receipts
// say what became of the faults.
func openRun(dir string) (*journal.Journal, error) {
	recorded, err := journal.Open(dir)
	if err != nil {
		return nil, err
	}
	records, damage, err := chaos.ReadReceipts(dir)
	if err != nil || len(damage) > 0 {
		return recorded, nil // they prove nothing, and what is not proven gone counts as there
	}
	return recorded, recorded.Append(journal.Batch{Events: goneSince(recorded, records)})
}

// goneSince are the events that the journal of a run lacks of its faults being
// gone. A fault is, in all its occurrences, when everything that it ever
// touched is verified gone. The journal's clock ended with it: no event is
// later.
func goneSince(recorded *journal.Journal, records []chaos.Record) []journal.Event {
	pending := map[string]string{} // fault, by receipt
	touched, left := map[string]bool{}, map[string]bool{}
	for _, r := range records {
		switch r.Stage {
		case chaos.StageMade:
			pending[r.ID], touched[r.Receipt.Fault] = r.Receipt.Fault, true
		case chaos.StageGone: // said twice, it is no other one's end
			delete(pending, r.ID)
		}
	}
	for _, name := range pending {
		left[name] = true
	}
	type occurrence struct {
		fault string
		n     int
	}
	open := map[occurrence]bool{}
	var order []occurrence
	for _, e := range recorded.Events() {
		switch {
		case e.Kind == journal.RunEnded:
			return nil
		case e.Kind != journal.FaultState || !touched[e.Name] || left[e.Name]:
			continue
		}
		o := occurrence{e.Name, e.Occurrence}
		if _, seen := open[o]; !seen {
			order = append(order, o)
		}
		open[o] = e.State != journal.FaultGone
	}
	var gone []journal.Event
	for _, o := range order {
		if open[o] {
			gone = append(gone, journal.Event{At: recorded.End(), Kind: journal.FaultState, Name: o.fault, Occurrence: o.n, State: journal.FaultGone})
		}
	}
	return gone
}
