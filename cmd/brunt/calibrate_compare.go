package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/examples/truth"
	"github.com/brunt-dev/brunt/generators"
	"github.com/brunt-dev/brunt/reports/journal"
)

// quantiles are what of a distribution is compared.
type quantiles struct {
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
}

func quantilesOf(d truth.Distribution) quantiles { return quantiles{d.P50, d.P90, d.P99, d.Max} }

func (q quantiles) minus(other quantiles) quantiles {
	return quantiles{q.P50 - other.P50, q.P90 - other.P90, q.P99 - other.P99, q.Max - other.Max}
}

// A comparison is how well brunt found what was planted.
type comparison struct {
	Planted  string    `json:"planted"`
	Path     string    `json:"path"`
	Rate     int       `json:"rate"` // arrivals a second
	Tries    int       `json:"tries"`
	Truth    quantiles `json:"truth"`       // by the server's own account
	Measured quantiles `json:"measured"`    // brunt's response times
	Bare     quantiles `json:"bare_beyond"` // what the least of clients measured beyond the truth
	Planned  int64     `json:"planned"`     // arrivals in the schedule
	Off      string    `json:"off,omitempty"`

	truth   truth.Path
	counts  journal.LoadCounts
	poisson bool
}

// noisy is what a bare client's p99 may be beyond the truth on a quiet
// machine. Above it a planting that is ok says little.
const noisy = time.Millisecond

// take reads what brunt measured. Failed operations are left to the counts:
// the server's delays are those of its answers.
func (r *comparison) take(j *journal.Journal) {
	end := j.End() + time.Second
	w := j.Window("truth", "", 0, end)
	q := func(percentile float64) time.Duration {
		d, _ := w.Quantile(journal.Response, journal.OnlyOK, percentile)
		return d // 0 when there is none, which is below the truth
	}
	r.Measured = quantiles{q(50), q(90), q(99), q(100)}
	r.counts = j.Counts("truth", 0, end)
}

// judge says what is off, or nothing.
func (r *comparison) judge() string {
	var off []string
	say := func(format string, args ...any) { off = append(off, fmt.Sprintf(format, args...)) }
	// What is planned of a Poisson process is its mean; it is off by more than
	// five standard deviations once in a million runs.
	if slack := int64(5 * math.Sqrt(float64(r.Planned))); !r.poisson && r.counts.Offered != r.Planned || (r.counts.Offered-r.Planned) > slack || (r.Planned-r.counts.Offered) > slack {
		say("%d arrivals were offered, and %d were planned", r.counts.Offered, r.Planned)
	}
	for _, count := range []struct {
		what        string
		brunt, real int64
	}{
		{"requests", r.counts.Completed, r.truth.Requests},
		{"errors", r.counts.Failed[string(generators.Status)], r.truth.Errors},
		{"resets", r.counts.Failed[string(generators.Reset)], r.truth.Resets},
		{"hangs", r.counts.Failed[string(generators.Timeout)], r.truth.Hangs},
		{"operations", r.counts.Ops, r.counts.Offered},
	} {
		if count.brunt != count.real {
			say("brunt counted %d %s, and there were %d", count.brunt, count.what, count.real)
		}
	}
	limit := allowed[r.Path]
	for _, at := range []struct {
		what                    string
		truth, measured, beyond time.Duration
		allowed                 time.Duration // 0: only the lower bound is judged
	}{
		{"p50", r.Truth.P50, r.Measured.P50, r.Bare.P50, limit.p50},
		{"p90", r.Truth.P90, r.Measured.P90, 0, 0},
		{"p99", r.Truth.P99, r.Measured.P99, r.Bare.P99, limit.p99},
		{"max", r.Truth.Max, r.Measured.Max, 0, 0},
	} {
		slack := time.Duration(digits*float64(at.truth)) + time.Microsecond
		own := at.measured - at.truth - at.beyond
		switch {
		case at.measured < at.truth-slack:
			say("%s is below the truth", at.what)
		case at.allowed > 0 && own > at.allowed+slack:
			say("%s is %s beyond a bare client's, more than %s", at.what, millis(own), millis(at.allowed))
		}
	}
	return strings.Join(off, "; ")
}

func (r *comparison) print(w io.Writer) {
	verdict := "ok"
	if r.Off != "" {
		verdict = "off: " + r.Off
	}
	if r.Bare.P99 > noisy {
		verdict += ", on a machine that is not quiet"
	}
	if r.Tries > 1 {
		verdict += fmt.Sprintf(" (in %d tries)", r.Tries)
	}
	fmt.Fprintf(w, "%s, %d/s, %s: %s\n", r.Planted, r.Rate, r.Path, verdict)
	fmt.Fprintf(w, "  %-24s %11s %11s %11s %11s\n", counted(r.truth), "p50", "p90", "p99", "max")
	for _, row := range []struct {
		name string
		q    quantiles
		sign string
	}{
		{"the server's own truth", r.Truth, ""},
		{"brunt measured", r.Measured, ""},
		{"difference", r.Measured.minus(r.Truth), "+"},
		{"a bare client's", r.Bare, "+"},
	} {
		fmt.Fprintf(w, "  %-24s", row.name)
		for _, d := range []time.Duration{row.q.P50, row.q.P90, row.q.P99, row.q.Max} {
			text := millis(d)
			if row.sign != "" && d >= 0 {
				text = row.sign + text
			}
			fmt.Fprintf(w, " %11s", text)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

// counted says how many there were of what.
func counted(p truth.Path) string {
	text := fmt.Sprintf("%d requests", p.Requests)
	for _, n := range []struct {
		count int64
		what  string
	}{{p.Errors, "errors"}, {p.Resets, "resets"}, {p.Hangs, "hangs"}} {
		if n.count > 0 {
			text += fmt.Sprintf(", %d %s", n.count, n.what)
		}
	}
	return text
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3fms", float64(d)/1e6) }
