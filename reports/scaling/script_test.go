package scaling

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/journal/journaltest"
)

var update = flag.Bool("update", false, "write what is found into testdata/*.test")

// TestScripts plays testdata/*.test: a run in words, then questions, each with
// the answer expected under it. The comments work the answers out by hand. A
// line is one of
//
//	phase NAME FROM..TO [exclude]
//	load NAME FROM..TO:RATE[->RATE]…
//	users NAME FROM..TO:USERS[->USERS]…                 the same, of a closed model
//	probe NAME [per_replica=RATE] [price=NUMBER]
//	from AT PROBE NAME=VALUE…                           a reading at AT, and one every second from then on
//	from AT PROBE VALUE                                 the same of a probe without series
//	blind FROM..TO PROBE                                looks fail instead, every second
//	object AT±WITHIN PROBE OBJECT WHAT [FROM->TO] [on=NODE] [TEXT]
//	ops FROM..TO LOAD ok|OUTCOME N                      each second, N operations fall due
//	served FROM..TO LOAD WHO N                          each second
//	end AT STATE
//	recorded NAME                                       instead of all these, a real run: testdata/recorded/NAME
//	steps PROBE
//	measure PROBE [FROM..TO]
//	back PROBE N AT
func TestScripts(t *testing.T) {
	journaltest.Play(t, *update, func() journaltest.World { return newWorld() })
}

// A world is a run in the making.
type world struct {
	plan     journal.Plan
	events   []journal.Event
	hists    []journal.Interval
	settings map[string][]setting // by probe, in the script's order
	blind    map[string][]Span
	counts   map[string]map[int64]*journal.LoadCounts
	end      time.Duration
	state    string
	played   *journal.Journal // a recording, in the place of all this
}

type setting struct {
	at     time.Duration
	value  float64
	series map[string]float64
}

func newWorld() *world {
	return &world{settings: map[string][]setting{}, blind: map[string][]Span{}, counts: map[string]map[int64]*journal.LoadCounts{}}
}

func (w *world) journal() *journal.Journal {
	if w.played != nil {
		return w.played
	}
	events := slices.Clone(w.events)
	for probe, settings := range w.settings {
		events = append(events, w.readings(probe, settings)...)
	}
	for name, seconds := range w.counts {
		for s, c := range seconds {
			events = append(events, journal.Event{At: time.Duration(s)*time.Second + 300*time.Microsecond, Kind: journal.LoadSecond, Name: name, Load: c})
		}
	}
	if w.state != "" {
		events = append(events, journal.Event{At: w.end, Kind: journal.RunEnded, State: w.state})
	}
	slices.SortStableFunc(events, func(a, b journal.Event) int { return int(a.At - b.At) })
	j := journal.New(w.plan)
	_ = j.Append(journal.Batch{Events: events, Intervals: w.hists})
	return j
}

// readings are one at each setting, and one at every whole second.
func (w *world) readings(probe string, settings []setting) []journal.Event {
	var out []journal.Event
	inBlind := func(at time.Duration) bool {
		return slices.ContainsFunc(w.blind[probe], func(s Span) bool { return s.From <= at && at < s.To })
	}
	add := func(at time.Duration, s setting) {
		if inBlind(at) {
			out = append(out, journal.Event{At: at, Kind: journal.ProbeFailed, Name: probe, Text: "connection refused"})
			return
		}
		out = append(out, journal.Event{At: at, Kind: journal.ProbeReading, Name: probe, Value: &s.value, Series: s.series})
	}
	for i, s := range settings {
		until := w.end
		if i+1 < len(settings) {
			until = settings[i+1].at
		}
		add(s.at, s)
		for at := s.at.Truncate(time.Second) + time.Second; at < until; at += time.Second {
			add(at, s)
		}
	}
	return out
}

// Do takes one line of a script.
func (w *world) Do(f []string) ([]string, error) {
	switch f[0] {
	case "phase":
		from, to := journaltest.Span(f[2])
		w.plan.Phases = append(w.plan.Phases, journal.PhasePlan{Name: f[1], Start: from, End: to, Exclude: len(f) > 3})
		w.plan.Duration, w.end = max(w.plan.Duration, to), max(w.end, to)
	case "load", "users":
		w.load(f)
	case "probe":
		p := journal.ProbePlan{Name: f[1]}
		for _, o := range f[2:] {
			key, v, _ := strings.Cut(o, "=")
			if p.Scaling == nil {
				p.Scaling = &journal.ScalingPlan{}
			}
			switch key {
			case "per_replica":
				p.Scaling.PerReplica = journaltest.Number(v)
			case "price":
				p.Scaling.Price = journaltest.Number(v)
			default:
				panic("option " + key)
			}
		}
		w.plan.Probes = append(w.plan.Probes, p)
	case "from":
		w.from(f)
	case "blind":
		from, to := journaltest.Span(f[1])
		w.blind[f[2]] = append(w.blind[f[2]], Span{from, to})
	case "object":
		w.events = append(w.events, journaltest.Object(f[1:]))
	case "ops":
		w.ops(f)
	case "served":
		from, to := journaltest.Span(f[1])
		for ; from < to; from += time.Second {
			c := w.second(f[2], from)
			if c.Served == nil {
				c.Served = map[string]int64{}
			}
			c.Served[f[3]] += int64(journaltest.Number(f[4]))
		}
	case "end":
		w.end, w.state = journaltest.Duration(f[1]), f[2]
	case "recorded":
		j, _, err := recorded(f[1])
		w.played = j
		return nil, err
	case "steps":
		return tellSteps(Analyse(w.journal(), f[1])), nil
	case "measure":
		a := Analyse(w.journal(), f[1])
		spans := a.Judged
		if len(f) > 2 {
			from, to := journaltest.Span(f[2])
			spans = []Span{{from, to}}
		}
		return tellMeasures(a.Measure(spans)), nil
	case "back":
		_, st := Analyse(w.journal(), f[1]).Back(journaltest.Number(f[2]), journaltest.Duration(f[3]))
		return []string{tellStage(st)}, nil
	default:
		return nil, fmt.Errorf("unknown word %q", f[0])
	}
	return nil, nil
}

func (w *world) load(f []string) {
	l := journal.LoadPlan{Name: f[1], Model: map[string]string{"load": "open", "users": "closed"}[f[0]], Steps: []string{"get"}}
	for _, piece := range f[2:] {
		at, rates, _ := strings.Cut(piece, ":")
		from, to := journaltest.Span(at)
		a, b, ramp := strings.Cut(rates, "->")
		if !ramp {
			b = a
		}
		l.Segments = append(l.Segments, journal.Segment{Start: from, End: to, From: journaltest.Number(a), To: journaltest.Number(b)})
		w.plan.Duration, w.end = max(w.plan.Duration, to), max(w.end, to)
	}
	w.plan.Loads = append(w.plan.Loads, l)
}

func (w *world) from(f []string) {
	s := setting{at: journaltest.Duration(f[1])}
	for _, v := range f[3:] {
		name, number, series := strings.Cut(v, "=")
		if !series {
			s.value = journaltest.Number(name)
			continue
		}
		if s.series == nil {
			s.series = map[string]float64{}
		}
		s.series[name] = journaltest.Number(number)
	}
	// What is not named stays as it was.
	if before := w.settings[f[2]]; len(before) > 0 && s.series != nil {
		all := maps.Clone(before[len(before)-1].series)
		maps.Copy(all, s.series)
		s.series = all
	}
	if s.series != nil {
		s.value = s.series["ready"]
	}
	w.settings[f[2]] = append(w.settings[f[2]], s)
}

func (w *world) second(load string, from time.Duration) *journal.LoadCounts {
	if w.counts[load] == nil {
		w.counts[load] = map[int64]*journal.LoadCounts{}
	}
	s := int64(from/time.Second) + 1
	if w.counts[load][s] == nil {
		w.counts[load][s] = &journal.LoadCounts{Failed: map[string]int64{}, Status: map[string]int64{}}
	}
	return w.counts[load][s]
}

func (w *world) ops(f []string) {
	from, to := journaltest.Span(f[1])
	n := int64(journaltest.Number(f[4]))
	for ; from < to; from += time.Second {
		h := journal.NewHistogram()
		if err := h.RecordValues(int64(10*time.Millisecond), n); err != nil {
			panic(err)
		}
		w.hists = append(w.hists, journal.Interval{Load: f[2], Step: "get", Outcome: f[3], Measure: journal.Response, Start: from, Length: time.Second, Hist: h})
		w.second(f[2], from).Ops += n
	}
}

func tellSteps(a *Analysis) []string {
	out := []string{a.Basis}
	for _, s := range a.Steps {
		direction := "down"
		if s.Up {
			direction = "up"
		}
		line := fmt.Sprintf("%s %s→%s %s, %s..%s..%s", direction, number(s.From), number(s.To), a.Unit, clock(s.Start), clock(s.Full), clock(s.End))
		if s.Before != nil {
			line += ", ready before " + number(*s.Before)
		}
		if s.Wanted != nil {
			line += ", wanted " + number(*s.Wanted)
		}
		if s.Absorbed {
			line += ", absorbed"
		}
		if s.Cut {
			line += ", cut"
		}
		out = append(out, line)
		for _, st := range s.Stages {
			out = append(out, "  "+tellStage(st))
		}
		if p := s.Pinning; p != nil {
			out = append(out, fmt.Sprintf("  pinning %v: %d new, %d idle, share %s of fair %s", p.Pinned, p.New, p.Idle, percent(p.Share), percent(p.Fair)))
		}
		for _, n := range s.Notes {
			out = append(out, "  note: "+n)
		}
	}
	return out
}

func tellStage(st Stage) string {
	line := st.Name + " "
	switch st.State {
	case Reached:
		line += clock(st.After)
		if st.Within > 0 {
			line += "±" + st.Within.String()
		}
	case Not:
		line += "≥" + clock(st.After)
	default:
		line += string(st.State)
	}
	if st.Object != "" {
		line += " " + st.Object
	}
	if st.Text != "" {
		line += " (" + st.Text + ")"
	}
	if st.Due > 0 {
		line += fmt.Sprintf(", %d of %d unserved", st.Unserved, st.Due)
	}
	return line
}

func tellMeasures(m Measures) []string {
	v := func(name string, p *float64, show func(float64) string) string {
		if p == nil {
			return name + " unknown"
		}
		return name + " " + show(*p)
	}
	count := func(p *int64) *float64 {
		if p == nil {
			return nil
		}
		return ptr(float64(*p))
	}
	lines := []string{
		fmt.Sprintf("%s..%s, blind %s", clock(m.From), clock(m.To), clock(m.Blind)),
		strings.Join([]string{v("most", m.Most, number), v("least", m.Least, number), v("flaps", count(m.Flaps), number), v("overshoot", m.Overshoot, percent)}, ", "),
		strings.Join([]string{v("accuracy_U", m.Under, percent), v("accuracy_O", m.Over, percent), v("timeshare_U", m.UnderTime, percent), v("timeshare_O", m.OverTime, percent), v("instability", m.Instability, percent)}, ", "),
		strings.Join([]string{v("short", m.Short, number), v("wasted", m.Wasted, number), v("used", m.Used, number)}, ", "),
	}
	if m.Cost != nil {
		lines = append(lines, "cost "+number(*m.Cost))
	}
	return lines
}
