package journal

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// maxSeries and maxText bound what one event of a probe carries.
const (
	maxSeries = 100
	maxText   = 4 << 10
)

// writable returns e as it can be written and read back: JSON has no number
// for infinity or for what is not one. A reading that is neither measured
// nothing, and so is a failed look. The live journal sees the same event as
// the one on disk.
func writable(e Event) Event {
	if e.Value != nil && (math.IsNaN(*e.Value) || math.IsInf(*e.Value, 0)) {
		if e.Kind == ProbeReading {
			e.Kind = ProbeFailed
		}
		text := fmt.Sprintf("the reading was %v", *e.Value)
		if e.Text != "" {
			text += ": " + e.Text
		}
		e.Text, e.Value = text, nil
	}
	e.Series = finite(e.Series)
	if e.Object != nil {
		o := *e.Object
		o.From, o.To = finitePointer(o.From), finitePointer(o.To)
		o.Text = o.Text[:min(len(o.Text), maxText)]
		e.Object = &o
	}
	return e
}

// finite leaves out what JSON has no number for, and all past a bound.
func finite(series map[string]float64) map[string]float64 {
	good := len(series) <= maxSeries
	for _, v := range series {
		good = good && !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	if good {
		return series
	}
	out := make(map[string]float64)
	for _, name := range slices.Sorted(maps.Keys(series)) {
		if v := series[name]; !math.IsNaN(v) && !math.IsInf(v, 0) && len(out) < maxSeries {
			out[name] = v
		}
	}
	return out
}

func finitePointer(v *float64) *float64 {
	if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
		return nil
	}
	return v
}
