package reports

import (
	"math"
	"strconv"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A Timeline is the run over time, in columns of equal length: column i covers
// [i·step, (i+1)·step). A long run has longer columns, not more of them; what
// falls into one is merged (histograms added, rates averaged, the worst kept),
// never left out.
type Timeline struct {
	Step    time.Duration         `json:"step_ns"`
	Columns int                   `json:"columns"`
	Loads   map[string]*LoadLine  `json:"loads"`
	Probes  map[string]*ProbeLine `json:"probes"`
}

// A LoadLine is one load over time, a value a column.
type LoadLine struct {
	Offered   []float64          `json:"offered_per_second"`   // arrivals that fell due
	Completed []float64          `json:"completed_per_second"` // arrivals that ended after being sent
	P50       Nanos              `json:"response_p50_ns"`      // of operations by when they fell due
	P90       Nanos              `json:"response_p90_ns"`
	P99       Nanos              `json:"response_p99_ns"`
	Max       Nanos              `json:"response_max_ns"`
	Errors    map[string][]int64 `json:"errors"` // failed operations by class, by when they ended
	Heatmap   *Heatmap           `json:"heatmap,omitempty"`
}

// Nanos are durations of which some are not known: negative ones, null in JSON.
type Nanos []int64

// MarshalJSON implements json.Marshaler.
func (n Nanos) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		if v < 0 {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendInt(b, v, 10)
		}
	}
	return append(b, ']'), nil
}

// A Heatmap counts operations by when they fell due and by response time.
// Counts[i][k] is of column i, and of response times in (Bounds[k-1],
// Bounds[k]]; those of the first band reach down to nothing.
type Heatmap struct {
	Step   time.Duration `json:"step_ns"`
	Bounds []int64       `json:"bounds_ns"`
	Counts [][]int64     `json:"counts"`
}

// A ProbeLine is the readings of a probe, a point wherever they changed. Of a
// probe that changes more often than there are columns, each column keeps its
// lowest, highest and last reading.
type ProbeLine struct {
	At     []int64   `json:"t_ns"`
	Values []float64 `json:"value"`
}

// longest is more than any run takes; what a damaged journal puts past it is
// drawn at its end.
const longest = 10 * 365 * 24 * time.Hour

// maxColumns is how many columns a timeline has at most: more than a screen
// has room for. What all loads have together is bounded too.
const (
	maxColumns  = 600
	allColumns  = 2400
	leastColumn = 60
)

func drawTimeline(j *journal.Journal, r *Report) Timeline {
	end := lastActivity(j, r)
	most := min(maxColumns, max(leastColumn, allColumns/max(len(r.loads), 1)))
	step := columnStep(end, most)
	t := Timeline{
		Step:    step,
		Columns: int((end-1)/step) + 1,
		Loads:   make(map[string]*LoadLine),
		Probes:  make(map[string]*ProbeLine),
	}
	for _, name := range r.loads {
		t.Loads[name] = t.drawLoad(j, name, len(r.loads))
	}
	for _, name := range r.probes {
		t.Probes[name] = drawProbe(j.Readings(name, 0, forever), end, most)
	}
	return t
}

// lastActivity is where the timeline ends: after the last second of the plan
// that was reached, and after the last second in which a load did anything.
func lastActivity(j *journal.Journal, r *Report) time.Duration {
	end := max(min(r.Run.Ended, r.Run.Planned), time.Second)
	for _, name := range r.loads {
		seconds := j.LoadSeconds(name, -1, forever)
		for i := len(seconds) - 1; i >= 0; i-- {
			if c := seconds[i].Load; c.Offered+c.Completed+c.Dropped+c.Ops > 0 {
				end = max(end, secondOf(seconds[i].At)+time.Second)
				break
			}
		}
	}
	return min(end, longest)
}

// columnStep is the shortest round length of which at most that many cover end.
func columnStep(end time.Duration, most int) time.Duration {
	for _, s := range []time.Duration{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800} {
		if (end-1)/(s*time.Second) < time.Duration(most) {
			return s * time.Second
		}
	}
	hours := end/time.Hour/time.Duration(most) + 1
	return hours * time.Hour
}

func (t *Timeline) column(at time.Duration) int {
	return min(max(int(at/t.Step), 0), t.Columns-1)
}

func (t *Timeline) drawLoad(j *journal.Journal, name string, loads int) *LoadLine {
	l := &LoadLine{
		Offered:   make([]float64, t.Columns),
		Completed: make([]float64, t.Columns),
		P50:       make(Nanos, t.Columns),
		P90:       make(Nanos, t.Columns),
		P99:       make(Nanos, t.Columns),
		Max:       make(Nanos, t.Columns),
		Errors:    make(map[string][]int64),
	}
	for _, e := range j.LoadSeconds(name, -1, forever) {
		i := t.column(secondOf(e.At))
		l.Offered[i] += float64(e.Load.Offered)
		l.Completed[i] += float64(e.Load.Completed)
		for class, n := range e.Load.Failed {
			if l.Errors[class] == nil {
				l.Errors[class] = make([]int64, t.Columns)
			}
			l.Errors[class][i] += n
		}
	}
	for i := range t.Columns {
		l.Offered[i] = roundTo(l.Offered[i]/t.Step.Seconds(), 3)
		l.Completed[i] = roundTo(l.Completed[i]/t.Step.Seconds(), 3)
	}
	t.drawLatency(j, name, l)
	l.Heatmap = t.drawHeatmap(j, name, loads)
	return l
}

// drawLatency fills in the percentiles of each column.
func (t *Timeline) drawLatency(j *journal.Journal, name string, l *LoadLine) {
	rolling := journal.NewRolling(journal.All)
	seconds := j.Seconds(name, "", journal.Response, 0, forever)
	read := func(d time.Duration, ok bool) int64 {
		if !ok {
			return -1
		}
		return int64(d)
	}
	for i := range t.Columns {
		n := 0
		for n < len(seconds) && (t.column(seconds[n].Start) <= i) {
			rolling.Add(seconds[n])
			n++
		}
		l.P50[i] = read(rolling.Quantile(50))
		l.P90[i] = read(rolling.Quantile(90))
		l.P99[i] = read(rolling.Quantile(99))
		l.Max[i] = read(rolling.Max())
		for _, s := range seconds[:n] {
			rolling.Drop(s)
		}
		seconds = seconds[n:]
	}
}

// The heatmap has bandsPerDecade bands for every tenfold of response time, and
// no more columns than a screen shows apart.
const (
	bandsPerDecade = 8
	maxHeatColumns = 240
	allHeatColumns = 960
	maxBands       = 64
)

// drawHeatmap counts operations by time and response time; nil when there are
// none.
func (t *Timeline) drawHeatmap(j *journal.Journal, name string, loads int) *Heatmap {
	w := j.Window(name, "", 0, forever)
	high, ok := w.Max(journal.Response, journal.All)
	if !ok {
		return nil
	}
	low := high
	for _, o := range []journal.Outcomes{journal.OnlyOK, journal.OnlyFailed} {
		if v, ok := w.Min(journal.Response, o); ok {
			low = min(low, v)
		}
	}
	bottom := math.Floor(math.Log10(float64(max(low, 1))) * bandsPerDecade)
	top := math.Ceil(math.Log10(float64(max(high, 2))) * bandsPerDecade)
	bottom = max(bottom, top-maxBands)
	h := &Heatmap{Step: t.Step, Bounds: []int64{}, Counts: [][]int64{}}
	for k := bottom + 1; k <= max(top, bottom+1); k++ {
		h.Bounds = append(h.Bounds, int64(math.Ceil(math.Pow(10, k/bandsPerDecade))))
	}
	columns := min(maxHeatColumns, max(leastColumn, allHeatColumns/max(loads, 1)))
	for t.Step*time.Duration(t.Columns) > h.Step*time.Duration(columns) {
		h.Step += t.Step
	}
	seconds := j.Seconds(name, "", journal.Response, 0, forever)
	rolling := journal.NewRolling(journal.All)
	end := t.Step * time.Duration(t.Columns)
	for from := time.Duration(0); from < end; from += h.Step {
		n := 0
		for n < len(seconds) && (seconds[n].Start < from+h.Step || from+h.Step >= end) {
			rolling.Add(seconds[n])
			n++
		}
		h.Counts = append(h.Counts, h.count(rolling))
		for _, s := range seconds[:n] {
			rolling.Drop(s)
		}
		seconds = seconds[n:]
	}
	return h
}

// count sorts operations into bands.
func (h *Heatmap) count(r *journal.Rolling) []int64 {
	counts := make([]int64, len(h.Bounds))
	below := int64(0)
	for k, b := range h.Bounds {
		n := r.CountUpTo(time.Duration(b))
		if k == len(h.Bounds)-1 {
			n = r.Count()
		}
		counts[k], below = n-below, n
	}
	return counts
}

// drawProbe keeps the points at which readings changed, and the last.
func drawProbe(events []journal.Event, end time.Duration, most int) *ProbeLine {
	all := &ProbeLine{At: []int64{}, Values: []float64{}}
	var last *journal.Event
	for i, e := range events {
		if e.Kind != journal.ProbeReading || e.Value == nil {
			continue
		}
		if last == nil || *last.Value != *e.Value {
			all.add(e.At, *e.Value)
		}
		last = &events[i]
	}
	if last != nil && all.At[len(all.At)-1] != int64(last.At) {
		all.add(last.At, *last.Value)
	}
	if len(all.At) <= most {
		return all
	}
	return all.thin(max(end/time.Duration(most/3), 1))
}

func (p *ProbeLine) add(at time.Duration, v float64) {
	p.At = append(p.At, int64(at))
	p.Values = append(p.Values, v)
}

// thin keeps the lowest, the highest and the last point of each stretch of
// that length, in order of time.
func (p *ProbeLine) thin(step time.Duration) *ProbeLine {
	out := &ProbeLine{At: []int64{}, Values: []float64{}}
	for i := 0; i < len(p.At); {
		low, high, n := i, i, i
		for n < len(p.At) && p.At[n]/int64(step) == p.At[i]/int64(step) {
			if p.Values[n] < p.Values[low] {
				low = n
			}
			if p.Values[n] > p.Values[high] {
				high = n
			}
			n++
		}
		for k := i; k < n; k++ {
			if k == low || k == high || k == n-1 {
				out.add(time.Duration(p.At[k]), p.Values[k])
			}
		}
		i = n
	}
	return out
}
