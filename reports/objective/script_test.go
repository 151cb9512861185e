package objective

import (
	"bufio"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/reports/journal"
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
	files, err := filepath.Glob("testdata/*.test")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".test"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	w := newWorld()
	scan := bufio.NewScanner(strings.NewReader(string(src)))
	for n := 1; scan.Scan(); n++ {
		line := scan.Text()
		if strings.HasPrefix(line, "\t") {
			continue // what was found before
		}
		fmt.Fprintln(&got, line)
		out, err := w.do(line)
		if err != nil {
			t.Fatalf("%s:%d: %s: %v", file, n, line, err)
		}
		for _, l := range out {
			fmt.Fprintf(&got, "\t%s\n", l)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(src), got.String()); diff != "" {
		t.Errorf("%s (run with -update to accept)\n%s", file, diff)
	}
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

func (w *world) do(line string) (out []string, err error) {
	line, _, _ = strings.Cut(line, "#")
	f := strings.Fields(line)
	if len(f) == 0 {
		return nil, nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot read: %v", r)
		}
	}()
	rest := func(n int) string { return strings.Join(f[n:], " ") }
	switch f[0] {
	case "clear":
		*w = *newWorld()
	case "phase":
		from, to := parseSpan(f[2])
		w.plan.Phases = append(w.plan.Phases, journal.PhasePlan{Name: f[1], Start: from, End: to, Exclude: len(f) > 3})
		w.plan.Duration = max(w.plan.Duration, to)
		w.end = max(w.end, to)
	case "load":
		w.addLoad(f[1], f[2:])
	case "probe":
		w.plan.Probes = append(w.plan.Probes, journal.ProbePlan{Name: f[1], Unit: strings.Join(f[2:], "")})
	case "fault":
		w.plan.Faults = append(w.plan.Faults, journal.FaultPlan{Name: f[1], Phase: f[2], At: dur(f[3]), For: dur(f[4]), OneShot: len(f) > 5})
	case "objective":
		line, _ := strconv.Atoi(f[1])
		w.plan.Objectives = append(w.plan.Objectives, journal.ObjectivePlan{Line: line, Phase: strings.Trim(f[2], "-"), Source: rest(3)})
	case "ops":
		w.ops(journal.Response, f[1], f[2], f[3], f[4:])
	case "measure":
		w.ops(journal.Measure(f[1]), f[2], f[3], f[4], f[5:])
	case "status":
		from, to := parseSpan(f[1])
		for ; from < to; from += time.Second {
			w.second(f[2], int64(from/time.Second)+1).Status[f[3]] += int64(num(f[4]))
		}
	case "event":
		w.event(journal.Event{At: dur(f[1]), Kind: journal.FaultState, Name: f[2], State: f[3]})
	case "reading":
		w.reading(dur(f[1]), f[2], num(f[3]))
	case "readings":
		from, to := parseSpan(f[1])
		for ; from < to; from += dur(f[3]) {
			w.reading(from, f[4], num(f[5]))
		}
	case "autoscaler":
		p := journal.ProbePlan{Name: f[1], Series: []string{"ready", "replicas", "desired", "pods", "metric"}, Scaling: &journal.ScalingPlan{}}
		if len(f) > 2 {
			p.Scaling.PerReplica = num(strings.TrimPrefix(f[2], "per_replica="))
		}
		w.plan.Probes = append(w.plan.Probes, p)
	case "series":
		from, to := parseSpan(f[1])
		w.series(from, to, dur(f[3]), f[4], f[5:])
	case "object":
		w.object(f)
	case "lookfailed":
		w.event(journal.Event{At: dur(f[1]), Kind: journal.ProbeFailed, Name: f[2], Text: "connection refused"})
	case "crash":
		w.event(journal.Event{At: dur(f[1]), Kind: journal.ProbeFailed, Name: f[2], State: "crashed", Text: rest(3)})
	case "end":
		w.end, w.state = dur(f[1]), f[2]
	case "judge":
		return w.judge(rest(1)), nil
	case "abort":
		o, err := Compile(rest(2))
		if err != nil {
			return nil, err
		}
		return tellBreach(o.Breached(w.journal(dur(f[1])), dur(f[1])+400*time.Microsecond)), nil
	case "live":
		o, err := Compile(rest(2))
		if err != nil {
			return nil, err
		}
		return tellBreach(o.BreachedExpectation(w.journal(dur(f[1])), dur(f[1])+400*time.Microsecond)), nil
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
			l.Timeout = dur(v)
		case "patience":
			l.Patience = dur(v)
		case "model":
			l.Model = v
		case "plan":
			at, rate, _ := strings.Cut(v, ":")
			from, to := parseSpan(at)
			l.Segments = append(l.Segments, journal.Segment{Start: from, End: to, From: num(rate), To: num(rate)})
		default:
			panic("option " + key)
		}
	}
	w.plan.Loads = append(w.plan.Loads, l)
}

// ops makes operations for every second of a span.
func (w *world) ops(m journal.Measure, at, what, outcome string, groups []string) {
	load, step, _ := strings.Cut(what, ".")
	from, to := parseSpan(at)
	for ; from < to; from += time.Second {
		for _, g := range groups {
			count, latency, _ := strings.Cut(g, "×")
			n, d := int64(num(count)), dur(latency)
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
		all[name] = num(v)
	}
	for at := from; at < to; at = at.Truncate(every) + every {
		b := w.batch(at)
		b.Events = slices.DeleteFunc(b.Events, func(e journal.Event) bool { return e.Kind == journal.ProbeReading && e.Name == probe })
		ready := all["ready"]
		b.Events = append(b.Events, journal.Event{At: at, Kind: journal.ProbeReading, Name: probe, Value: &ready, Series: maps.Clone(all)})
	}
}

func (w *world) object(f []string) {
	at, within, _ := strings.Cut(f[1], "±")
	o := &journal.Object{At: dur(at), Within: dur(within), Object: f[3], What: f[4]}
	rest := f[5:]
	if len(rest) > 0 {
		if a, b, ok := strings.Cut(rest[0], "->"); ok {
			x, y := num(a), num(b)
			o.From, o.To, rest = &x, &y, rest[1:]
		}
	}
	o.Text = strings.Join(rest, " ")
	w.event(journal.Event{At: o.At + o.Within, Kind: journal.ObjectEvent, Name: f[2], Object: o})
}

func parseSpan(s string) (from, to time.Duration) {
	a, b, _ := strings.Cut(s, "..")
	return dur(a), dur(b)
}

func dur(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return d
}

func num(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return v
}
