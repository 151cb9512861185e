package objective

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/journal/journaltest"
)

var update = flag.Bool("update", false, "write what is found into testdata/*.test")

// TestScripts plays testdata/*.test: a journal in words, then statements, each
// with the finding expected under it. A line is one of
//
//	clear                                             forget everything
//	phase NAME FROM..TO [exclude]
//	load NAME [steps=a,b] [timeout=5s] [patience=1s] [model=closed] [plan=FROM..TO:RATE]…
//	probe NAME [UNIT]
//	autoscaler NAME [per_replica=RATE]                 a probe with series
//	fault NAME PHASE AT FOR [oneshot]
//	objective LINE PHASE|- SOURCE                      as kept in the plan
//	ops FROM..TO LOAD.STEP OUTCOME N×LATENCY…          each second; N operations fell due, and took that long
//	measure MEASURE FROM..TO LOAD.STEP OUTCOME N×LATENCY…
//	status FROM..TO LOAD CODE N                        each second
//	event AT FAULT STATE
//	reading AT PROBE VALUE
//	readings FROM..TO every DUR PROBE VALUE
//	series FROM..TO every DUR PROBE NAME=VALUE…        the readings from FROM on, over those before
//	object AT±WITHIN PROBE OBJECT WHAT [FROM->TO] [TEXT]
//	lookfailed AT PROBE
//	crash AT PROBE TEXT
//	end AT STATE                                       the run ended
//	judge SOURCE
//	abort AT SOURCE                                    Breached, at that time of the run
//	live AT SOURCE                                     BreachedExpectation, at that time of the run
//
// and every load has a LoadSecond event for every second up to the end.
func TestScripts(t *testing.T) {
	journaltest.Play(t, *update, func() journaltest.World { return newWorld() })
}

// A world is a journal in the making. Things are kept by when they become
// known, so that the journal can be had as it was at any time of the run.
type world struct {
	plan   journal.Plan
	known  map[time.Duration]*journal.Batch
	counts map[string]map[int64]*journal.LoadCounts // load, second
	end    time.Duration
	state  string
}

func newWorld() *world {
	return &world{known: map[time.Duration]*journal.Batch{}, counts: map[string]map[int64]*journal.LoadCounts{}}
}

func (w *world) batch(at time.Duration) *journal.Batch {
	if w.known[at] == nil {
		w.known[at] = &journal.Batch{}
	}
	return w.known[at]
}

func (w *world) event(e journal.Event) { b := w.batch(e.At); b.Events = append(b.Events, e) }

func (w *world) second(load string, s int64) *journal.LoadCounts {
	if w.counts[load] == nil {
		w.counts[load] = map[int64]*journal.LoadCounts{}
	}
	if w.counts[load][s] == nil {
		w.counts[load][s] = &journal.LoadCounts{Failed: map[string]int64{}, Status: map[string]int64{}}
	}
	return w.counts[load][s]
}

// journal is what was known at a time; after the end, all of it.
func (w *world) journal(at time.Duration) *journal.Journal {
	j := journal.New(w.plan)
	add := func(b journal.Batch) { _ = j.Append(b) }
	var times []time.Duration
	for t := range w.known {
		times = append(times, t)
	}
	slices.Sort(times)
	for _, t := range times {
		if t <= at {
			add(*w.known[t])
		}
	}
	for _, l := range w.plan.Loads {
		last := int64(min(at, w.end) / time.Second)
		for s := range w.counts[l.Name] {
			if s > last && at > w.end {
				last = s // the drain
			}
		}
		for s := int64(1); s <= last; s++ {
			// Stamped a little late, as the engine does.
			add(journal.Batch{Events: []journal.Event{{At: time.Duration(s)*time.Second + 300*time.Microsecond, Kind: journal.LoadSecond, Name: l.Name, Load: w.second(l.Name, s)}}})
		}
	}
	if w.state != "" && at > w.end {
		add(journal.Batch{Events: []journal.Event{{At: w.end, Kind: journal.RunEnded, State: w.state}}})
	}
	return j
}

const forever = time.Duration(1 << 62)

// Do takes one line of a script.
func (w *world) Do(f []string) ([]string, error) {
	rest := func(n int) string { return strings.Join(f[n:], " ") }
	switch f[0] {
	case "clear":
		*w = *newWorld()
	case "phase":
		from, to := journaltest.Span(f[2])
		w.plan.Phases = append(w.plan.Phases, journal.PhasePlan{Name: f[1], Start: from, End: to, Exclude: len(f) > 3})
		w.plan.Duration = max(w.plan.Duration, to)
		w.end = max(w.end, to)
	case "load":
		w.addLoad(f[1], f[2:])
	case "probe":
		w.plan.Probes = append(w.plan.Probes, journal.ProbePlan{Name: f[1], Unit: strings.Join(f[2:], "")})
	case "fault":
		w.plan.Faults = append(w.plan.Faults, journal.FaultPlan{Name: f[1], Phase: f[2], At: journaltest.Duration(f[3]), For: journaltest.Duration(f[4]), OneShot: len(f) > 5})
	case "objective":
		line, _ := strconv.Atoi(f[1])
		w.plan.Objectives = append(w.plan.Objectives, journal.ObjectivePlan{Line: line, Phase: strings.Trim(f[2], "-"), Source: rest(3)})
	case "ops":
		w.ops(journal.Response, f[1], f[2], f[3], f[4:])
	case "measure":
		w.ops(journal.Measure(f[1]), f[2], f[3], f[4], f[5:])
	case "status":
		from, to := journaltest.Span(f[1])
		for ; from < to; from += time.Second {
			w.second(f[2], int64(from/time.Second)+1).Status[f[3]] += int64(journaltest.Number(f[4]))
		}
	case "event":
		w.event(journal.Event{At: journaltest.Duration(f[1]), Kind: journal.FaultState, Name: f[2], State: f[3]})
	case "reading":
		w.reading(journaltest.Duration(f[1]), f[2], journaltest.Number(f[3]))
	case "readings":
		from, to := journaltest.Span(f[1])
		for ; from < to; from += journaltest.Duration(f[3]) {
			w.reading(from, f[4], journaltest.Number(f[5]))
		}
	case "autoscaler":
		p := journal.ProbePlan{Name: f[1], Series: []string{"ready", "replicas", "desired", "pods", "metric"}, Scaling: &journal.ScalingPlan{}}
		if len(f) > 2 {
			p.Scaling.PerReplica = journaltest.Number(strings.TrimPrefix(f[2], "per_replica="))
		}
		w.plan.Probes = append(w.plan.Probes, p)
	case "series":
		from, to := journaltest.Span(f[1])
		w.series(from, to, journaltest.Duration(f[3]), f[4], f[5:])
	case "object":
		w.event(journaltest.Object(f[1:]))
	case "lookfailed":
		w.event(journal.Event{At: journaltest.Duration(f[1]), Kind: journal.ProbeFailed, Name: f[2], Text: "connection refused"})
	case "crash":
		w.event(journal.Event{At: journaltest.Duration(f[1]), Kind: journal.ProbeFailed, Name: f[2], State: "crashed", Text: rest(3)})
	case "end":
		w.end, w.state = journaltest.Duration(f[1]), f[2]
	case "judge":
		return w.judge(rest(1)), nil
	case "abort":
		o, err := Compile(rest(2))
		if err != nil {
			return nil, err
		}
		return tellBreach(o.Breached(w.journal(journaltest.Duration(f[1])), journaltest.Duration(f[1])+400*time.Microsecond)), nil
	case "live":
		o, err := Compile(rest(2))
		if err != nil {
			return nil, err
		}
		return tellBreach(o.BreachedExpectation(w.journal(journaltest.Duration(f[1])), journaltest.Duration(f[1])+400*time.Microsecond)), nil
	default:
		return nil, fmt.Errorf("unknown word %q", f[0])
	}
	return nil, nil
}

func tellBreach(breached bool, why string) []string {
	if !breached {
		return []string{"no"}
	}
	return []string{"yes: " + why}
}

func (w *world) judge(src string) []string {
	o, err := Compile(src)
	if err != nil {
		return []string{"error: " + err.Error()}
	}
	f := o.Judge(w.journal(forever))
	head := string(f.State)
	if f.Observed != "" {
		head += " " + f.Observed
	}
	if f.Margin != "" {
		head += ", " + f.Margin
	}
	if f.Line != 0 {
		head += fmt.Sprintf(", line %d %s", f.Line, f.Phase)
	}
	out := []string{head, f.Reason}
	for _, warning := range f.Warnings {
		out = append(out, "warning: "+warning)
	}
	return out
}

func (w *world) addLoad(name string, options []string) {
	l := journal.LoadPlan{Name: name, Steps: []string{"get"}, Model: "open"}
	for _, o := range options {
		key, v, _ := strings.Cut(o, "=")
		switch key {
		case "steps":
			l.Steps = strings.Split(v, ",")
		case "timeout":
			l.Timeout = journaltest.Duration(v)
		case "patience":
			l.Patience = journaltest.Duration(v)
		case "model":
			l.Model = v
		case "plan":
			at, rate, _ := strings.Cut(v, ":")
			from, to := journaltest.Span(at)
			l.Segments = append(l.Segments, journal.Segment{Start: from, End: to, From: journaltest.Number(rate), To: journaltest.Number(rate)})
		default:
			panic("option " + key)
		}
	}
	w.plan.Loads = append(w.plan.Loads, l)
}

// ops makes operations for every second of a span.
func (w *world) ops(m journal.Measure, at, what, outcome string, groups []string) {
	load, step, _ := strings.Cut(what, ".")
	from, to := journaltest.Span(at)
	for ; from < to; from += time.Second {
		for _, g := range groups {
			count, latency, _ := strings.Cut(g, "×")
			n, d := int64(journaltest.Number(count)), journaltest.Duration(latency)
			h := journal.NewHistogram()
			if err := h.RecordValues(int64(d), n); err != nil {
				panic(err)
			}
			ended := (from + d).Truncate(time.Second) + time.Second
			b := w.batch(ended)
			b.Intervals = append(b.Intervals, journal.Interval{Load: load, Step: step, Outcome: outcome, Measure: m, Start: from, Length: time.Second, Hist: h})
			if m != journal.Response {
				continue
			}
			due, end := w.second(load, int64(from/time.Second)+1), w.second(load, int64(ended/time.Second))
			due.Offered += n
			end.Ops += n
			if outcome == "dropped" {
				end.Dropped += n
			} else {
				due.Sent += n
				end.Completed += n
			}
			if outcome != "ok" {
				end.Failed[outcome] += n
			}
		}
	}
}

func (w *world) reading(at time.Duration, probe string, v float64) {
	w.event(journal.Event{At: at, Kind: journal.ProbeReading, Name: probe, Value: &v})
}

// series sets some of a probe's series for all readings from a time on, and
// makes these readings where there are none.
func (w *world) series(from, to, every time.Duration, probe string, settings []string) {
	all := map[string]float64{}
	for _, at := range slices.Sorted(maps.Keys(w.known)) {
		for _, e := range w.known[at].Events {
			if e.Kind == journal.ProbeReading && e.Name == probe && at < from {
				maps.Copy(all, e.Series)
			}
		}
	}
	for _, s := range settings {
		name, v, _ := strings.Cut(s, "=")
		all[name] = journaltest.Number(v)
	}
	for at := from; at < to; at = at.Truncate(every) + every {
		b := w.batch(at)
		b.Events = slices.DeleteFunc(b.Events, func(e journal.Event) bool { return e.Kind == journal.ProbeReading && e.Name == probe })
		ready := all["ready"]
		b.Events = append(b.Events, journal.Event{At: at, Kind: journal.ProbeReading, Name: probe, Value: &ready, Series: maps.Clone(all)})
	}
}
