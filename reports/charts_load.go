package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/reports/objective"
)

// A drawing makes the charts of a report on one time axis.
type drawing struct {
	r     *Report
	axis  axis
	bands []shape
	ids   int
}

func newDrawing(r *Report) *drawing {
	d := &drawing{r: r, axis: axis{end: max(r.Timeline.Step*time.Duration(r.Timeline.Columns), time.Second)}}
	for _, p := range r.Phases {
		if p.Exclude && p.Reached {
			d.bands = append(d.bands, d.band("excluded", p.Start, p.End, "phase "+p.Name+": recorded, not judged"))
		}
	}
	for _, f := range r.Faults {
		if f.to > f.from {
			class := "fault"
			if f.OneShot {
				class = "fault shot"
			}
			d.bands = append(d.bands, d.band(class, f.from, f.to, "fault "+f.Label()+", "+between(f.from, f.to)))
		}
	}
	for _, p := range r.Phases[min(1, len(r.Phases)):] {
		if p.Reached {
			d.bands = append(d.bands, shape{Class: "phase", X: roundTo(d.axis.x(p.Start), 1)})
		}
	}
	return d
}

func (d *drawing) band(class string, from, to time.Duration, title string) shape {
	x := roundTo(d.axis.x(from), 1)
	return shape{Class: class, X: x, W: max(roundTo(d.axis.x(to)-x, 1), 1), Title: title}
}

// chart starts one with everything that all have in common.
func (d *drawing) chart(title, note string, height int) chart {
	d.ids++
	return chart{ID: "c" + strconv.Itoa(d.ids), Title: title, Note: note, Height: height, X: d.axis.ticks(), Bands: d.bands}
}

// column maps a column of the timeline, or a part of one, across the plot.
func (d *drawing) column(step time.Duration) func(float64) float64 {
	return func(i float64) float64 { return d.axis.x(time.Duration(i * float64(step))) }
}

func (d *drawing) when(i int, step time.Duration) string { return moment(time.Duration(i) * step) }

// rates draws what was offered and what was completed.
func (d *drawing) rates(l *LoadLine) chart {
	c := d.chart("Rate", "arrivals a second", 140)
	high := 0.0
	for i := range l.Offered {
		high = max(high, l.Offered[i], l.Completed[i])
	}
	s, ticks := linearScale(0, high, 140, rate)
	x := d.column(d.r.Timeline.Step)
	c.Y = ticks
	c.Shapes = []shape{
		{Class: "area", D: under(l.Completed, x, s)},
		{Class: "line offered", D: curve(l.Offered, x, s)},
		{Class: "line completed", D: curve(l.Completed, x, s)},
	}
	c.Legend = []legend{{"offered", "offered"}, {"completed", "completed"}}
	c.Table.Head = []string{"from", "offered", "completed"}
	for i := range l.Offered {
		c.Table.Rows = append(c.Table.Rows, []string{d.when(i, d.r.Timeline.Step), rate(l.Offered[i]), rate(l.Completed[i])})
	}
	return c
}

// latencies draws percentiles over time, and the limits that were judged.
func (d *drawing) latencies(name string, l *LoadLine) chart {
	c := d.chart("Response time", "of operations by when they fell due, log scale", 200)
	low, high := math.MaxFloat64, 0.0
	for i := range l.P50 {
		if l.P50[i] >= 0 {
			low, high = min(low, float64(l.P50[i])), max(high, float64(l.Max[i]))
		}
	}
	if high == 0 {
		return c
	}
	judged := d.judged(name)
	for _, o := range judged {
		// A limit not too far above is shown with the room there is below it.
		if limit, _ := latencyLimit(o.Finding); float64(limit) <= 10*high {
			high = max(high, float64(limit))
		}
	}
	s := logScale(low, high, 200)
	c.Y = s.durations()
	x := d.column(d.r.Timeline.Step)
	c.Shapes = []shape{
		{Class: "line max", D: curve(floats(l.Max), x, s)},
		{Class: "line p99", D: curve(floats(l.P99), x, s)},
		{Class: "line p90", D: curve(floats(l.P90), x, s)},
		{Class: "line p50", D: curve(floats(l.P50), x, s)},
	}
	c.Legend = []legend{{"p50", "p50"}, {"p90", "p90"}, {"p99", "p99"}, {"max", "max"}}
	if limits := d.limits(judged, s); len(limits) > 0 {
		c.Shapes = append(c.Shapes, limits...)
		c.Legend = append(c.Legend, legend{"limit", "limit judged"})
	}
	c.Table.Head = []string{"from", "p50", "p90", "p99", "max"}
	for i := range l.P50 {
		c.Table.Rows = append(c.Table.Rows, []string{d.when(i, d.r.Timeline.Step), nanos(l.P50[i]), nanos(l.P90[i]), nanos(l.P99[i]), nanos(l.Max[i])})
	}
	return c
}

func nanos(v int64) string {
	if v < 0 {
		return "-"
	}
	return duration(time.Duration(v))
}

// judged gives the objectives about the response time of a whole load.
func (d *drawing) judged(load string) []Objective {
	var out []Objective
	for _, o := range d.r.Objectives {
		compiled, err := objective.Compile(o.Source)
		if _, ok := latencyLimit(o.Finding); err != nil || !ok || o.To <= o.From {
			continue
		}
		of, step, measure := compiled.Metric()
		if of == load && step == "" && !isOther(measure) {
			out = append(out, o)
		}
	}
	return out
}

// limits draws limits, each over the window that decided.
func (d *drawing) limits(objectives []Objective, s scale) []shape {
	var out []shape
	for _, o := range objectives {
		limit, _ := latencyLimit(o.Finding)
		if l := math.Log10(float64(limit)); l < s.low || l > s.high {
			continue
		}
		var p path
		p.to('M', d.axis.x(o.From), s.y(float64(limit)))
		p.to('L', d.axis.x(o.To), s.y(float64(limit)))
		out = append(out, shape{Class: "line limit " + string(o.State), D: string(p), Title: o.Source + ": " + orDash(o.Observed)})
	}
	return out
}

// isOther reports whether a metric is of another measure than the response
// time, or of part of the operations.
func isOther(measure string) bool {
	first, _, more := strings.Cut(measure, ".")
	return more && slices.Contains([]string{"service", "wait", "dns", "connect", "tls", "first_byte", "ok", "failed"}, first)
}

// heatLevels is how many shades a heatmap has.
const heatLevels = 7

// heat draws how many operations took how long, with the median and the p99.
func (d *drawing) heat(l *LoadLine) chart {
	c := d.chart("Heatmap", "how many operations took how long; the stronger the colour, the more", 200)
	h := l.Heatmap
	ratio := math.Pow(10, 1.0/bandsPerDecade)
	s := scale{low: math.Log10(float64(h.Bounds[0]) / ratio), high: math.Log10(float64(h.Bounds[len(h.Bounds)-1])), height: 200, log: true}
	c.Y = s.durations()
	most := int64(1)
	for _, column := range h.Counts {
		most = max(most, slices.Max(column))
	}
	levels := make([]path, heatLevels)
	x := d.column(h.Step)
	for i, column := range h.Counts {
		for k, n := range column {
			if n == 0 {
				continue
			}
			level := heatLevel(n, most)
			left, top := x(float64(i)), s.y(float64(h.Bounds[k]))
			bottom := s.height
			if k > 0 {
				bottom = s.y(float64(h.Bounds[k-1]))
			}
			p := &levels[level]
			p.to('M', left, top)
			p.to('H', x(float64(i+1)))
			p.to('V', bottom)
			p.to('H', left)
			*p = append(*p, 'Z')
		}
	}
	for i, p := range levels {
		if len(p) > 0 {
			c.Shapes = append(c.Shapes, shape{Class: "heat h" + strconv.Itoa(i+1), D: string(p)})
		}
	}
	fine := d.column(d.r.Timeline.Step)
	c.Shapes = append(c.Shapes,
		shape{Class: "line over p50", D: curve(floats(l.P50), fine, s)},
		shape{Class: "line over p99", D: curve(floats(l.P99), fine, s)})
	c.Legend = []legend{{"ramp", "1 to " + count(most) + " operations"}, {"over p50", "p50"}, {"over p99", "p99"}}
	c.Table = h.sheet()
	return c
}

// heatLevel is the shade of a count, by its logarithm: a tail of single
// operations must stay visible beside thousands.
func heatLevel(n, most int64) int {
	if most <= 1 {
		return heatLevels - 1
	}
	return min(int(math.Log(float64(n))/math.Log(float64(most))*(heatLevels-1)+0.5), heatLevels-1)
}

// maxHeatRows is how many rows the table of a heatmap has; its columns are
// added up to that.
const maxHeatRows = 60

func (h *Heatmap) sheet() sheet {
	merge := (len(h.Counts) + maxHeatRows - 1) / maxHeatRows
	t := sheet{Head: []string{"from"}}
	for _, b := range h.Bounds {
		t.Head = append(t.Head, "≤ "+duration(time.Duration(b)))
	}
	for i := 0; i < len(h.Counts); i += merge {
		sum := make([]int64, len(h.Bounds))
		for _, column := range h.Counts[i:min(i+merge, len(h.Counts))] {
			for k, n := range column {
				sum[k] += n
			}
		}
		row := []string{moment(time.Duration(i) * h.Step)}
		for _, n := range sum {
			if n == 0 {
				row = append(row, "")
			} else {
				row = append(row, count(n))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// errors draws failed operations by class, one upon the other.
func (d *drawing) errors(l *LoadLine) chart {
	c := d.chart("Errors", "failed operations a second by class, when they ended", 110)
	totals := make(map[string]int64)
	high := 0.0
	step := d.r.Timeline.Step
	for i := range d.r.Timeline.Columns {
		sum := int64(0)
		for class, counts := range l.Errors {
			totals[class] += counts[i]
			sum += counts[i]
		}
		high = max(high, float64(sum)/step.Seconds())
	}
	s, ticks := linearScale(0, high, 110, rate)
	c.Y = ticks
	x := d.column(step)
	classes := byCount(totals)
	floor := make([]float64, d.r.Timeline.Columns)
	for n, class := range classes {
		var p path
		for i, k := range l.Errors[class] {
			if k == 0 {
				continue
			}
			bottom := floor[i]
			floor[i] += float64(k) / step.Seconds()
			p.to('M', x(float64(i)), s.y(bottom))
			p.to('V', s.y(floor[i]))
			p.to('H', x(float64(i)+0.92))
			p.to('V', s.y(bottom))
			p = append(p, 'Z')
		}
		kind := "class k" + strconv.Itoa(min(n+1, maxClassColours))
		c.Shapes = append(c.Shapes, shape{Class: kind, D: string(p), Title: fmt.Sprintf("%s: %s", class, count(totals[class]))})
		c.Legend = append(c.Legend, legend{kind, class})
	}
	c.Table.Head = append([]string{"from"}, classes...)
	c.Table.Note = "Times with no failure are left out."
	for i := range floor {
		if floor[i] == 0 {
			continue
		}
		row := []string{d.when(i, step)}
		for _, class := range classes {
			row = append(row, count(l.Errors[class][i]))
		}
		c.Table.Rows = append(c.Table.Rows, row)
	}
	return c
}

// maxClassColours is how many classes have a colour of their own; the rest
// share the last.
const maxClassColours = 8

// anyErrors reports whether there is something for errors to draw.
func (l *LoadLine) anyErrors() bool {
	for _, counts := range l.Errors {
		if slices.ContainsFunc(counts, func(n int64) bool { return n > 0 }) {
			return true
		}
	}
	return false
}

// probe draws readings as steps: what was read holds until the next look.
func (d *drawing) probe(name string, p *Probe, l *ProbeLine) chart {
	c := d.chart(name, p.What, 100)
	label := func(v float64) string { return value(v, p.Unit) }
	if len(l.Values) == 0 {
		return c
	}
	s, ticks := linearScale(slices.Min(l.Values), slices.Max(l.Values), 100, label)
	c.Y = ticks
	var line path
	for i, v := range l.Values {
		at := d.axis.x(time.Duration(l.At[i]))
		if i == 0 {
			line.to('M', at, s.y(v))
			continue
		}
		line.to('H', at)
		line.to('V', s.y(v))
	}
	if p.Crashed == "" {
		line.to('H', d.axis.x(d.r.Run.Ended))
	}
	c.Shapes = []shape{{Class: "line reading", D: string(line)}}
	c.Table = sheet{Head: []string{"at", "reading"}, Note: "A row for each change."}
	for i, v := range l.Values {
		c.Table.Rows = append(c.Table.Rows, []string{moment(time.Duration(l.At[i])), label(v)})
	}
	return c
}

// spectrum draws the response and service time at growing percentiles.
func (d *drawing) spectrum(name string, l *Load) chart {
	d.ids++
	c := chart{ID: "c" + strconv.Itoa(d.ids), Title: name, Note: "by percentile, both scales logarithmic", Height: 220}
	sp := l.Spectrum
	n := len(sp.Percent)
	low := min(sp.Response[0], sp.Service[0])
	high := max(sp.Response[n-1], sp.Service[n-1])
	s := logScale(float64(low), float64(high), 220)
	c.Y = s.durations()
	last := float64(n-2)/spectrumSteps + 0.5/spectrumSteps // nines; the maximum has the rest
	at := func(i int) float64 {
		if i == n-1 {
			return plotWidth
		}
		return plotWidth * (float64(i) / spectrumSteps) / last
	}
	var response, service path
	command := byte('M')
	for i := range n {
		response.to(command, at(i), s.y(float64(sp.Response[i])))
		service.to(command, at(i), s.y(float64(sp.Service[i])))
		command = 'L'
	}
	c.Shapes = []shape{{Class: "line service", D: string(service)}, {Class: "line response", D: string(response)}}
	c.Legend = []legend{{"response", "response (from due)"}, {"service", "service (from sent)"}}
	tick := func(nines float64, label string) {
		if x := nines / last; x <= 1 {
			t := tick{At: roundTo(x*100, 3), Line: roundTo(x*plotWidth, 1), Label: label}
			if t.At > 97 {
				t.Edge = "last"
			}
			c.X = append(c.X, t)
		}
	}
	tick(math.Log10(2), "50%")
	for k := 1; k < 9; k++ {
		tick(float64(k), nines(k))
	}
	c.Table.Head = []string{"percentile", "response", "service"}
	for i, q := range sp.Percent {
		c.Table.Rows = append(c.Table.Rows, []string{strconv.FormatFloat(q, 'f', -1, 64) + "%", nanos(sp.Response[i]), nanos(sp.Service[i])})
	}
	return c
}

// nines writes the percentile of that many: 90%, 99%, 99.9%.
func nines(k int) string {
	if k == 1 {
		return "90%"
	}
	s := "99"
	if k > 2 {
		s += "." + strings.Repeat("9", k-2)
	}
	return s + "%"
}
