package reports

import (
	"bytes"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// Eight hours of two loads make a page of less than 3 MB, in which nothing was
// left out to make it small.
func TestBounded(t *testing.T) {
	p := play{scale: 443, thin: 40}
	j := p.live(t)
	r := Build(j)
	if h := r.Run.Ended.Hours(); h < 7.9 || h > 8.1 {
		t.Fatalf("the run took %.2f hours", h)
	}
	tl := r.Timeline
	if tl.Columns > maxColumns || tl.Columns < maxColumns/2 {
		t.Errorf("there are %d columns", tl.Columns)
	}
	for name, line := range tl.Loads {
		offered, heat := 0.0, int64(0)
		for _, v := range line.Offered {
			offered += v * tl.Step.Seconds()
		}
		for _, column := range line.Heatmap.Counts {
			for _, n := range column {
				heat += n
			}
		}
		l := r.Loads[name]
		// Rates are rounded to a thousandth a second.
		if d := offered - float64(l.Offered); d > 30 || d < -30 {
			t.Errorf("%s: %f arrivals are on the timeline, of %d", name, offered, l.Offered)
		}
		if heat != l.Operations {
			t.Errorf("%s: %d operations are in the heatmap, of %d", name, heat, l.Operations)
		}
		high, _ := j.Window(name, "", 0, forever).Max(journal.Response, journal.All)
		seen := int64(0)
		for _, v := range line.Max {
			seen = max(seen, v)
		}
		if seen != int64(high) {
			t.Errorf("%s: the highest maximum of a column is %d, of the run %d", name, seen, high)
		}
		for class, counts := range line.Errors {
			sum := int64(0)
			for _, n := range counts {
				sum += n
			}
			if sum != l.Errors[class] {
				t.Errorf("%s: %d errors of class %s are on the timeline, of %d", name, sum, class, l.Errors[class])
			}
		}
	}
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 3<<20 {
		t.Errorf("the page has %d bytes", b.Len())
	}
}

// So do twelve loads.
func TestBoundedLoads(t *testing.T) {
	p := play{scale: 10, thin: 10, loads: []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "k"}}
	var b bytes.Buffer
	if err := HTML(&b, Build(p.live(t))); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 3<<20 {
		t.Errorf("the page has %d bytes", b.Len())
	}
}

func TestColumnStep(t *testing.T) {
	for _, tt := range []struct {
		end  time.Duration
		want time.Duration
	}{
		{time.Second, time.Second},
		{10 * time.Minute, time.Second},
		{10*time.Minute + 1, 2 * time.Second},
		{8 * time.Hour, time.Minute},
		{30 * 24 * time.Hour, 2 * time.Hour},
		// A journal damaged beyond sense still ends.
		{longest, 147 * time.Hour},
	} {
		got := columnStep(tt.end, 600)
		if got != tt.want {
			t.Errorf("columnStep(%s) = %s, want %s", tt.end, got, tt.want)
		}
		if n := tt.end / got; n > 600 {
			t.Errorf("columnStep(%s) makes %d columns", tt.end, n)
		}
	}
}

// Of readings that never rest, each stretch keeps its extremes.
func TestProbeLine(t *testing.T) {
	var events []journal.Event
	for i := range 100_000 {
		v := float64(i % 7)
		if i == 54_321 {
			v = 1000
		}
		events = append(events, journal.Event{At: time.Duration(i) * 100 * time.Millisecond, Kind: journal.ProbeReading, Value: &v})
	}
	line := drawProbe(events, 10_000*time.Second, maxColumns)
	if n := len(line.Values); n > maxColumns+3 || n < maxColumns/4 {
		t.Errorf("there are %d points", n)
	}
	found := false
	for i, v := range line.Values {
		found = found || v == 1000
		if i > 0 && line.At[i] <= line.At[i-1] {
			t.Fatalf("point %d is at %d, after %d", i, line.At[i], line.At[i-1])
		}
	}
	if !found {
		t.Error("the one peak is lost")
	}
}
