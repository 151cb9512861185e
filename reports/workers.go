package reports

import (
	"cmp"
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A Worker is one of several processes that offered the load.
type Worker struct {
	Name  string         `json:"name"`
	State string         `json:"state"`             // done, lost; "unfinished" when the journal just ends
	Lost  *time.Duration `json:"lost_ns,omitempty"` // when it was seen to be lost
	Text  string         `json:"text,omitempty"`    // what became of it
	journal.Worker
}

// readWorkers takes what the journal says of each worker, in its order.
func (r *Report) readWorkers(j *journal.Journal) {
	at := map[string]int{}
	for _, e := range j.Events() {
		if e.Kind != journal.WorkerState || e.Worker == nil {
			continue
		}
		i, known := at[e.Name]
		if !known {
			i = len(r.Workers)
			at[e.Name] = i
			r.Workers = append(r.Workers, Worker{Name: e.Name})
		}
		w := &r.Workers[i]
		w.Worker = *e.Worker
		switch e.State {
		case journal.WorkerLost:
			if w.Lost == nil {
				when := e.At
				w.Lost, w.Text = &when, e.Text
			}
			w.State = journal.WorkerLost
		case journal.WorkerDone:
			w.State = journal.WorkerDone
		default:
			w.State = unfinished
		}
	}
}

// lostWorkers are those that were lost; tooMany says that they are more than
// the scenario allows.
func (r *Report) lostWorkers(p *journal.WorkersPlan) (lost []Worker, tooMany bool) {
	for _, w := range r.Workers {
		if w.State == journal.WorkerLost {
			lost = append(lost, w)
		}
	}
	return lost, len(lost) > 0 && (p == nil || len(lost) > p.MayLose)
}

// tell says when a worker was lost, and what of the load went with it.
func (w Worker) tell(of int) string {
	s := fmt.Sprintf("%s of %d (%s) was lost", w.Name, of, w.Where)
	if w.Lost != nil {
		s += " at " + moment(*w.Lost)
	}
	s += fmt.Sprintf(" (%s)", cmp.Or(w.Text, "nothing says why"))
	switch {
	case w.Worker.Lost > 0:
		s += fmt.Sprintf("; %s of its share were not offered, or nobody knows what became of them", plural(w.Worker.Lost, "arrival"))
	case w.Users == 0:
		s += "; nothing of its share was left to offer"
	}
	if w.Users > 0 {
		s += fmt.Sprintf("; with it went %s", plural(w.Users, "user"))
	}
	return s
}

// accountForWorkers says of every lost worker what was lost with it: as what
// keeps the run from meaning anything, or as a warning where the scenario lets
// that many be lost.
func (r *Report) accountForWorkers(p *journal.WorkersPlan) {
	lost, tooMany := r.lostWorkers(p)
	for _, w := range lost {
		if s := sentence(w.tell(len(r.Workers))); tooMany {
			r.lost = append(r.lost, s)
		} else {
			r.Warnings = append(r.Warnings, s+" The scenario lets that many be lost.")
		}
	}
}

// clockText is how far a worker's clock was off, and to within what.
func (w Worker) clockText() string {
	s := fmt.Sprintf("%s ±%s", signed(w.ClockOffset), duration(w.ClockError))
	if w.ClockDrift != nil && w.ClockDrift.Abs() > 2*w.ClockError {
		s += ", drifted " + signed(*w.ClockDrift)
	}
	return s
}

func signed(d time.Duration) string {
	if d < 0 {
		return "−" + duration(-d)
	}
	return "+" + duration(d)
}

// workerTable is the workers as a table's rows, the head first.
func (r *Report) workerTable() [][]string {
	if len(r.Workers) == 0 {
		return nil
	}
	rows := [][]string{{"", "offered", "sent", "lost", "worst lag", "CPU", "clock", "where"}}
	for _, w := range r.Workers {
		state := w.Name
		if w.State != journal.WorkerDone {
			state += " " + w.State
			if w.Lost != nil {
				state += " at " + moment(*w.Lost)
			}
		}
		rows = append(rows, []string{state, count(w.Offered), count(w.Sent), count(w.Worker.Lost), duration(w.DispatchLag), percent(w.CPU), w.clockText(), w.Where})
	}
	return rows
}
