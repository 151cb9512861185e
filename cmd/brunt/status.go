package main

import (
	"cmp"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/scaling"
)

// statusEvery is how many seconds pass between two lines about the loads.
const statusEvery = 5

// statusLines is the face of a run without a terminal: a line every few
// seconds, and one for each thing that happens.
type statusLines struct {
	w    io.Writer
	plan journal.Plan

	seconds int
	sums    map[string]*journal.LoadCounts // by load, since the last line
	probes  map[string]float64             // last readings
	blind   map[string]bool                // probes whose last look failed
}

func (s *statusLines) Append(b journal.Batch) error {
	for _, e := range b.Events {
		s.event(e)
	}
	return nil
}

func (s *statusLines) Close() error { return nil }

func (s *statusLines) event(e journal.Event) {
	switch e.Kind {
	case journal.RunStarted:
		phases := "1 phase"
		if n := len(s.plan.Phases); n != 1 {
			phases = fmt.Sprintf("%d phases", n)
		}
		s.line(e.At, "%s: %s, %s", s.plan.Name, s.plan.Duration, phases)
	case journal.PhaseStarted:
		s.line(e.At, "phase %s", e.Name)
	case journal.FaultState:
		s.line(e.At, "fault %s %s%s", journal.FaultLabel(e.Name, e.Occurrence), e.State, join(e))
	case journal.ProbeReading:
		if s.probes == nil {
			s.probes = make(map[string]float64)
		}
		if s.blind[e.Name] {
			delete(s.blind, e.Name)
			s.line(e.At, "probe %s reads again", e.Name)
		}
		s.probes[e.Name] = *e.Value
	case journal.ProbeFailed:
		if s.blind == nil {
			s.blind = make(map[string]bool)
		}
		if !s.blind[e.Name] || e.State != "" {
			s.line(e.At, "probe %s %s: %s", e.Name, cmp.Or(e.State, "reads nothing"), e.Text)
		}
		s.blind[e.Name] = true
		delete(s.probes, e.Name) // the last reading is not the present one
	case journal.ObjectEvent:
		if e.Object == nil {
			break
		}
		if text, notable := scaling.Tell(*e.Object); notable {
			s.line(e.At, "%s", text)
		}
	case journal.LoadError:
		s.line(e.At, "%s %s: %s", e.Name, e.State, e.Text)
	case journal.WorkerState:
		if e.State == journal.WorkerLost && e.Text != "" {
			s.line(e.At, "%s lost: %s", e.Name, e.Text)
		}
	case journal.AbortBreach:
		s.line(e.At, "abort: %s", e.Text)
	case journal.Note:
		s.line(e.At, "%s: %s", e.State, e.Text)
	case journal.RunEnded:
		s.line(e.At, "run %s%s", e.State, join(e))
	case journal.LoadSecond:
		s.add(e)
	case journal.HealthSecond: // the last event of a second
		if s.seconds++; s.seconds%statusEvery == 0 {
			s.loads(e.At)
		}
	}
}

func (s *statusLines) add(e journal.Event) {
	if s.sums == nil {
		s.sums = make(map[string]*journal.LoadCounts)
	}
	sum := s.sums[e.Name]
	if sum == nil {
		sum = &journal.LoadCounts{}
		s.sums[e.Name] = sum
	}
	sum.Offered += e.Load.Offered
	sum.Completed += e.Load.Completed
	sum.Dropped += e.Load.Dropped
	sum.Ops += e.Load.Ops
	for _, n := range e.Load.Failed {
		if sum.Failed == nil {
			sum.Failed = make(map[string]int64)
		}
		sum.Failed["all"] += n
	}
	sum.InFlight = e.Load.InFlight
}

func (s *statusLines) loads(at time.Duration) {
	var parts []string
	for _, l := range s.plan.Loads {
		sum := s.sums[l.Name]
		if sum == nil {
			continue
		}
		part := fmt.Sprintf("%s %d/s offered, %d/s done, %d in flight", l.Name, sum.Offered/statusEvery, sum.Completed/statusEvery, sum.InFlight)
		if failed := sum.Failed["all"]; failed > 0 {
			part += fmt.Sprintf(", %d failed", failed)
		}
		if sum.Dropped > 0 {
			part += fmt.Sprintf(", %d dropped", sum.Dropped)
		}
		parts = append(parts, part)
	}
	names := make([]string, 0, len(s.probes))
	for name := range s.probes {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %g", name, s.probes[name]))
	}
	s.line(at, "%s", strings.Join(parts, " · "))
	clear(s.sums)
}

func (s *statusLines) line(at time.Duration, format string, args ...any) {
	at = at.Truncate(time.Second)
	fmt.Fprintf(s.w, "%02d:%02d  "+format+"\n", append([]any{int(at.Minutes()), int(at.Seconds()) % 60}, args...)...)
}

// join appends what an event says of itself.
func join(e journal.Event) string {
	text := ""
	if len(e.Targets) > 0 {
		text = ": " + strings.Join(e.Targets, ", ")
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}
