package reports

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// textWidth is how many columns of a terminal the text takes.
const textWidth = 98

// Text prints a report for a terminal, without colour, in about a screen: the
// verdict and its cause, why, what had to hold, what was broken, what was
// watched, what was offered and how it went.
func Text(w io.Writer, r *Report) error {
	t := &text{r: r}
	t.head()
	t.why()
	t.objectives()
	t.faults()
	t.autoscalers()
	t.probes()
	t.loads()
	t.latencies()
	t.errors()
	t.generator()
	t.workers()
	t.warnings()
	t.foot()
	for i, line := range t.lines {
		t.lines[i] = printable(line)
	}
	_, err := io.WriteString(w, strings.Join(t.lines, "\n")+"\n")
	return err
}

// printable takes out what would steer a terminal: messages come from targets.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == unicode.ReplacementChar || unicode.Is(unicode.Cf, c) {
			return '?'
		}
		return c
	}, s)
}

// A text is a report in the making.
type text struct {
	r     *Report
	lines []string
}

func (t *text) line(format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

func (t *text) section(title string) {
	t.lines = append(t.lines, "", title)
}

func (t *text) table(tb *table) { t.lines = append(t.lines, tb.lines("  ")...) }

func (t *text) head() {
	r := t.r
	t.line("%s  %s", strings.ToUpper(string(r.Verdict)), r.Name)
	t.lines = append(t.lines, wrap(r.Cause, "  ", "  ")...)
}

func (t *text) why() {
	if len(t.r.Why) == 0 {
		return
	}
	t.section("Why")
	for _, s := range t.r.Why {
		t.lines = append(t.lines, wrap(s, "  - ", "    ")...)
	}
}

// mark is a state as the first word of a row.
func mark(s objective.State) string {
	if s == objective.Fail {
		return "FAIL"
	}
	return string(s)
}

// maxSource is how long a statement may be to stand in a row with the rest.
const maxSource = 46

func (t *text) objectives() {
	if len(t.r.Objectives) == 0 {
		return
	}
	held := 0
	tb := &table{right: []bool{false, false, true}}
	tb.add("", "", "observed", "margin", "window", "line")
	for _, o := range t.r.Objectives {
		if o.State == objective.Pass {
			held++
		}
		source := o.Source
		if len([]rune(source)) > maxSource {
			source = string([]rune(source)[:maxSource-1]) + "…"
		}
		window := "-"
		if o.To > o.From {
			window = moment(o.From) + "–" + moment(o.To)
		}
		tb.add(mark(o.State), source, orDash(o.Observed), orDash(shortMargin(o.Margin)), window, lineOf(o.Line))
	}
	t.section(fmt.Sprintf("Objectives: %d of %d held", held, len(t.r.Objectives)))
	t.table(tb)
}

// shortMargin leaves out of a margin what the column's head says.
func shortMargin(margin string) string {
	if s, ok := strings.CutSuffix(margin, " the limit"); ok && (strings.HasSuffix(s, " below") || strings.HasSuffix(s, " above")) {
		return s
	}
	return margin
}

func lineOf(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (t *text) faults() {
	if len(t.r.Faults) == 0 {
		return
	}
	t.section("Faults")
	tb := &table{}
	tb.add("", "", "requested", "injected", "effective", "undone", "gone")
	for _, f := range t.r.Faults {
		name := f.Label()
		if f.What != "" {
			name += ": " + f.What
		}
		undone, gone := at(f.Undone), at(f.Gone)
		if f.OneShot {
			undone, gone = "one-shot", ""
		}
		tb.add(f.Truth.words(), shorten(name, 36), at(f.Requested), at(f.Injected), at(f.Effective), undone, gone)
	}
	t.table(tb)
}

// words says a truth in a word or two.
func (t Truth) words() string {
	switch t {
	case FaultIneffective:
		return "no effect"
	case FaultNotInjected:
		return "not injected"
	case FaultNotGone:
		return "NOT GONE"
	}
	return string(t)
}

func shorten(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}

func at(d *time.Duration) string {
	if d == nil {
		return "-"
	}
	return moment(*d)
}

func (t *text) probes() {
	if len(t.r.probes) == 0 {
		return
	}
	t.section("Watched")
	tb := &table{right: []bool{false, true, true, true, true, true, true, true}}
	tb.add("", "first", "min", "mean", "max", "last", "readings", "failed")
	for _, name := range t.r.probes {
		p := t.r.Probes[name]
		v := func(x *float64) string {
			if x == nil {
				return "-"
			}
			return value(*x, p.Unit)
		}
		tb.add(name, v(p.First), v(p.Min), v(p.Mean), v(p.Max), v(p.Last), count(p.Readings), count(p.Failures))
	}
	t.table(tb)
}

func (t *text) loads() {
	if len(t.r.loads) == 0 {
		return
	}
	t.section("Load")
	var notes []string
	tb := &table{right: []bool{false, true, true, true, true, true, true, true}}
	tb.add("", "offered", "sent", "completed", "dropped", "operations", "rate", "errors")
	for _, name := range t.r.loads {
		l := t.r.Loads[name]
		tb.add(name, count(l.Offered), count(l.Sent), count(l.Completed), count(l.Dropped), count(l.Operations), rate(l.Rate), errorRatio(l.ErrorRatio))
		for _, note := range l.notes() {
			notes = append(notes, wrap(name+": "+note, "  ", "    ")...)
		}
	}
	t.table(tb)
	t.lines = append(t.lines, notes...)
}

func errorRatio(r *float64) string {
	if r == nil {
		return "-"
	}
	return percent(*r)
}

// With more loads, or steps, than these a terminal shows only sums; the other
// formats have them all.
const (
	detailedLoads = 3
	detailedSteps = 6
)

func (t *text) latencies() {
	tb := &table{right: []bool{false, true, true, true, true, true, true, true}}
	tb.add("", "p50", "p90", "p95", "p99", "p99.9", "max", "mean")
	for _, name := range t.r.loads {
		l := t.r.Loads[name]
		latencyRow(tb, name, l.Response)
		if len(t.r.loads) > detailedLoads {
			continue
		}
		if n := len(l.steps); n > 1 && n <= detailedSteps {
			for _, step := range l.steps {
				latencyRow(tb, "  step "+step, l.Steps[step].Response)
			}
		}
		if waitMatters(l) {
			latencyRow(tb, "  service time", l.Service)
			latencyRow(tb, "  wait", l.Wait)
		}
	}
	if len(tb.rows) == 1 {
		return
	}
	t.section("Response time (from when it was due)")
	t.table(tb)
}

// waitMatters reports whether response and service time differ enough for a
// terminal to show both: the wait's p99 is a tenth of the response time's.
func waitMatters(l *Load) bool {
	return l.Wait != nil && l.Response != nil && 10*l.Wait.P99 >= l.Response.P99
}

func latencyRow(tb *table, name string, l *Latency) {
	if l == nil {
		return
	}
	tb.add(name, duration(l.P50), duration(l.P90), duration(l.P95), duration(l.P99), duration(l.P99_9), duration(l.Max), duration(l.Mean))
}

func (t *text) errors() {
	tb := &table{right: []bool{false, false, true}}
	for _, name := range t.r.loads {
		l := t.r.Loads[name]
		for _, class := range byCount(l.Errors) {
			sample := ""
			for _, s := range l.Samples {
				if s.Class == class {
					sample = s.Text
					break
				}
			}
			tb.add(name, class, count(l.Errors[class]), shorten(strings.Join(strings.Fields(sample), " "), 60))
		}
	}
	if len(tb.rows) == 0 {
		return
	}
	t.section("Errors")
	t.table(tb)
}

// byCount gives the keys, those of the largest counts first.
func byCount(m map[string]int64) []string {
	keys := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(keys, func(a, b string) int { return int(min(max(m[b]-m[a], -1), 1)) })
	return keys
}

func (t *text) generator() {
	tr := t.r.Trust
	t.section("Generator: " + tr.state())
	w := tr.Worst
	if tr.Judged > 0 {
		t.line("  worst dispatch lag %s (p99 of a second) · CPU %s of %s · GC pause %s · %s",
			duration(w.DispatchLag), percent(w.CPU), plural(int64(w.Cores), "core"), duration(w.GCPause), filesShort(w))
		t.line("  busiest thread %s of a core · steal %s · ports %s · %s",
			percent(w.ThreadCPU), machineCores(w, w.Steal), portsShort(w), retransmits(w))
	}
	for _, p := range tr.Problems {
		t.lines = append(t.lines, wrap(upper(p), "  - ", "    ")...)
	}
}

// notKnown is what is said in place of a figure that this machine does not tell.
const notKnown = "not known"

func filesShort(w Worst) string {
	if w.Files < 0 {
		return "files " + notKnown
	}
	return count(int64(w.Files)) + " files"
}

func retransmits(w Worst) string {
	if w.Retransmits < 0 {
		return "retransmits " + notKnown
	}
	return plural(w.Retransmits, "retransmit")
}

// machineCores says how many cores something took of the machine.
func machineCores(w Worst, cores float64) string {
	if w.MachineCores == 0 {
		return notKnown
	}
	return significant(cores) + " cores"
}

// portsShort is how many of the local ports were taken towards one address.
func portsShort(w Worst) string {
	if w.PortLimit == 0 {
		return notKnown
	}
	return count(int64(w.Ports)) + " of " + count(int64(w.PortLimit))
}

// most workers that a terminal shows; the lost ones come in any case.
const detailedWorkers = 20

func (t *text) workers() {
	rows := t.r.workerTable()
	if rows == nil {
		return
	}
	tb := &table{right: []bool{false, true, true, true, true, true}}
	left := 0
	for i, row := range rows {
		if i > detailedWorkers && t.r.Workers[i-1].State != journal.WorkerLost {
			left++
			continue
		}
		tb.add(row...)
	}
	t.section("Workers")
	t.table(tb)
	if left > 0 {
		t.line("  and %d more, in report.json", left)
	}
}

// state says in a few words whether the generator is to be trusted.
func (t Trust) state() string {
	switch {
	case t.Bottleneck:
		return "it was the bottleneck"
	case t.Unwatched, t.Judged == 0:
		return notKnown
	case t.Hiccup:
		return "healthy but for a hiccup"
	case t.Strained > 0:
		return fmt.Sprintf("healthy but for %d of %s", t.Strained, plural(t.Judged, "second"))
	}
	return "healthy in every second"
}

func (t *text) warnings() {
	all := slices.Concat(t.r.Warnings, t.r.Damage)
	for _, o := range t.r.Objectives {
		for _, w := range o.Warnings {
			all = append(all, o.Source+": "+lower(w))
		}
	}
	if len(all) == 0 {
		return
	}
	t.section("Warnings")
	const most = 6
	for i, w := range all {
		if i == most {
			t.line("  - and %d more, in report.json", len(all)-i)
			break
		}
		t.lines = append(t.lines, wrap(w, "  - ", "    ")...)
	}
}

func (t *text) foot() {
	r := t.r
	parts := []string{moment(r.Run.Ended) + " played"}
	if r.Run.Started != nil {
		parts[0] += " from " + r.Run.Started.Format("2006-01-02 15:04:05 UTC")
	}
	parts = append(parts, fmt.Sprintf("seed %d", r.Seed))
	for _, k := range []string{"brunt", "go", "os"} {
		if v := r.Environment[k]; v != "" {
			if k == "brunt" {
				v = "brunt " + v
			}
			parts = append(parts, v)
		}
	}
	t.lines = append(t.lines, "")
	t.lines = append(t.lines, wrap(strings.Join(parts, " · "), "", "")...)
	if v := r.Environment["calibration"]; v != "" {
		t.lines = append(t.lines, wrap("calibration: "+v, "", "  ")...)
	}
}
