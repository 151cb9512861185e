package http

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// A think is a distribution of pauses.
type think func(*rand.Rand) time.Duration

// maxThink bounds a draw: the tails of two distributions have no end.
const maxThink = time.Hour

// z95 is the 95th percentile of the standard normal distribution.
const z95 = 1.6448536269514722

// parseThink reads a duration or a distribution of durations.
func parseThink(src string) (think, error) {
	src = strings.TrimSpace(src)
	name, args, call := strings.Cut(src, "(")
	if !call {
		d, err := parsePause(src)
		if err != nil {
			return nil, err
		}
		return func(*rand.Rand) time.Duration { return d }, nil
	}
	args, closed := strings.CutSuffix(strings.TrimSpace(args), ")")
	if !closed {
		return nil, fmt.Errorf("%q has no closing bracket", src)
	}
	switch strings.TrimSpace(name) {
	case "lognormal":
		v, err := pauses(args, "p50", "p95")
		if err != nil {
			return nil, err
		}
		if v[0] <= 0 || v[1] < v[0] {
			return nil, fmt.Errorf("lognormal needs 0 < p50 <= p95, not p50=%v, p95=%v", v[0], v[1])
		}
		mu := math.Log(float64(v[0]))
		sigma := (math.Log(float64(v[1])) - mu) / z95
		return func(r *rand.Rand) time.Duration { return clampThink(math.Exp(mu + sigma*r.NormFloat64())) }, nil
	case "exponential":
		v, err := pauses(args, "mean")
		if err != nil {
			return nil, err
		}
		mean := float64(v[0])
		return func(r *rand.Rand) time.Duration { return clampThink(mean * r.ExpFloat64()) }, nil
	case "uniform":
		v, err := pauses(args, "min", "max")
		if err != nil {
			return nil, err
		}
		if v[1] < v[0] {
			return nil, fmt.Errorf("uniform needs min <= max, not %v, %v", v[0], v[1])
		}
		from, width := v[0], int64(v[1]-v[0])
		return func(r *rand.Rand) time.Duration { return from + time.Duration(r.Int64N(width+1)) }, nil
	}
	return nil, fmt.Errorf("there is no distribution %q: use lognormal, exponential or uniform", strings.TrimSpace(name))
}

// pauses reads the arguments of a distribution, by position or by name.
func pauses(args string, names ...string) ([]time.Duration, error) {
	parts := strings.Split(args, ",")
	if len(parts) != len(names) {
		return nil, fmt.Errorf("want %d arguments (%s), have %q", len(names), strings.Join(names, ", "), args)
	}
	values := make([]time.Duration, len(names))
	set := make([]bool, len(names))
	for i, part := range parts {
		name, value, named := strings.Cut(part, "=")
		at := i
		if named {
			at = -1
			for j, n := range names {
				if n == strings.TrimSpace(name) {
					at = j
				}
			}
			if at < 0 {
				return nil, fmt.Errorf("there is no argument %q: want %s", strings.TrimSpace(name), strings.Join(names, ", "))
			}
		} else {
			value = part
		}
		if set[at] {
			return nil, fmt.Errorf("%s is given twice", names[at])
		}
		d, err := parsePause(value)
		if err != nil {
			return nil, err
		}
		values[at], set[at] = d, true
	}
	return values, nil
}

// parsePause reads one duration between 0 and maxThink.
func parsePause(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 2s", s)
	}
	if d < 0 || d > maxThink {
		return 0, fmt.Errorf("%q is not between 0 and %v", s, maxThink)
	}
	return d, nil
}

// clampThink turns a draw into a duration between 0 and maxThink.
func clampThink(ns float64) time.Duration {
	if !(ns > 0) {
		return 0
	}
	return time.Duration(min(ns, float64(maxThink)))
}
