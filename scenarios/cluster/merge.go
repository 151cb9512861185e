package cluster

import (
	"fmt"
	"slices"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/scenarios"
	"github.com/brunt-dev/brunt/scenarios/engine"
)

// A merger puts the seconds of all workers together. One goroutine uses it.
type merger struct {
	plan    *scenarios.Plan
	seconds map[int64]*merged // by their number, from 1: second k ends at k
	next    int64             // the first that was not handed on
	offered map[string][]int64
	missing map[int]map[string]*missing // of lost workers, by load
	samples map[string]int              // how many messages were handed on, by load, step and class
	told    map[string]bool             // the messages themselves
}

// merged is one second.
type merged struct {
	at        time.Duration
	loads     map[string]*journal.LoadCounts
	intervals []journal.Interval
	messages  []journal.Event
	health    *journal.Health
	worst     string // the worker whose dispatcher was latest
}

func newMerger(plan *scenarios.Plan, workers int) *merger {
	m := &merger{plan: plan, seconds: map[int64]*merged{}, next: 1, offered: map[string][]int64{}, missing: map[int]map[string]*missing{}, samples: map[string]int{}, told: map[string]bool{}}
	for _, l := range plan.Loads {
		m.offered[l.Name] = make([]int64, workers)
	}
	return m
}

// number is the number of the second that a time lies in, or that it ends.
func number(at time.Duration) int64 { return int64((at + time.Second - 1) / time.Second) }

// second gives a second to add to; one that was handed on already, which only
// an end in the middle of it can ask for, becomes part of the next.
func (m *merger) second(k int64) *merged {
	k = max(k, m.next)
	s := m.seconds[k]
	if s == nil {
		s = &merged{loads: map[string]*journal.LoadCounts{}}
		m.seconds[k] = s
	}
	return s
}

func (s *merged) load(name string) *journal.LoadCounts {
	l := s.loads[name]
	if l == nil {
		l = &journal.LoadCounts{Failed: map[string]int64{}, Status: map[string]int64{}}
		s.loads[name] = l
	}
	return l
}

// add takes in what one worker did in the second that ends at a time.
func (m *merger) add(from *member, at time.Duration, b journal.Batch) {
	s := m.second(number(at))
	s.at = max(s.at, at)
	s.intervals = append(s.intervals, b.Intervals...)
	for _, e := range b.Events {
		switch {
		case e.Kind == journal.LoadSecond && e.Load != nil:
			offered := m.offered[e.Name]
			if offered == nil {
				continue // no load of this plan
			}
			offered[from.index] += e.Load.Offered
			s.load(e.Name).Merge(e.Load)
		case e.Kind == journal.LoadError:
			s.messages = append(s.messages, e)
		case e.Kind == journal.HealthSecond && e.Health != nil:
			if s.health == nil {
				h := *e.Health
				s.health, s.worst = &h, from.name
				continue
			}
			if e.Health.DispatchLag > s.health.DispatchLag {
				s.worst = from.name
			}
			h := s.health.Worse(*e.Health)
			s.health = &h
		}
	}
}

// lose counts a worker's arrivals from now on as lost.
func (m *merger) lose(from *member, slice engine.Slice) {
	byLoad := map[string]*missing{}
	for _, l := range m.plan.Loads {
		if l.Schedule != nil {
			byLoad[l.Name] = newMissing(l, slice, m.offered[l.Name][from.index])
		}
	}
	m.missing[from.index] = byLoad
}

// samplesEach is how many different messages of one class are kept for each
// step, of all workers: what a local run keeps.
const samplesEach = 5

// take makes the batch of second k and forgets it. No worker may have anything
// more to say of it. Arrivals of lost workers count up to due.
func (m *merger) take(k int64, due time.Duration, members []*member) (time.Duration, journal.Batch) {
	s := m.second(k)
	delete(m.seconds, k)
	m.next = k + 1
	if s.at == 0 {
		s.at = time.Duration(k) * time.Second
	}
	for _, from := range members {
		for name, missing := range m.missing[from.index] {
			n := missing.upTo(due)
			s.load(name).Offered += n
			s.load(name).Lost += n
			from.sum.Offered += n
			from.sum.Lost += n
		}
	}
	var b journal.Batch
	for _, l := range m.plan.Loads {
		b.Events = append(b.Events, journal.Event{At: s.at, Kind: journal.LoadSecond, Name: l.Name, Load: s.load(l.Name)})
	}
	for _, e := range s.messages {
		key := fmt.Sprintf("%s\x00%s\x00%s", e.Name, e.Step, e.State)
		if text := key + "\x00" + e.Text; m.samples[key] < samplesEach && !m.told[text] {
			m.samples[key]++
			m.told[text] = true
			b.Events = append(b.Events, e)
		}
	}
	if s.health != nil {
		b.Events = append(b.Events, journal.Event{At: s.at, Kind: journal.HealthSecond, Name: s.worst, Health: s.health})
	}
	b.Intervals = journal.MergeIntervals(s.intervals)
	return s.at, b
}

// last is the number of the last second that anything is known of; 0 when there
// is none that was not handed on.
func (m *merger) last() int64 {
	var k int64
	for n := range m.seconds {
		k = max(k, n)
	}
	return k
}

// close lets go of what counts the missing arrivals.
func (m *merger) close() {
	for _, byLoad := range m.missing {
		for _, missing := range byLoad {
			missing.stop()
		}
	}
}

// everyoneSaid reports whether no worker has anything more to say of second k.
func everyoneSaid(members []*member, k int64) bool {
	return !slices.ContainsFunc(members, func(m *member) bool {
		return !m.done && !m.lost && m.reached < time.Duration(k)*time.Second
	})
}
