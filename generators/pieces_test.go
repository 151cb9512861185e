package generators

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestNewScheduleRefuses(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	ok := Piece{End: second, From: 1, To: 1}
	tests := []struct {
		name   string
		pieces []Piece
		want   string
	}{
		// Time runs forward from the run's start.
		{"before the run", []Piece{{Start: -1, End: second}}, "piece 1 (-1ns to 1s): starts before the run"},
		{"backwards", []Piece{{Start: 2, End: 1}}, "piece 1 (2ns to 1ns): ends before it starts"},
		// One nanosecond shared is an overlap; the message counts from 1.
		{"overlap", []Piece{ok, {Start: second - 1, End: 2 * second}}, "piece 2 (999.999999ms to 2s): starts before piece 1 ends, at 1s"},
		{"out of order", []Piece{{Start: 5 * second, End: 6 * second}, ok}, "piece 2 (0s to 1s): starts before piece 1 ends, at 6s"},
		// Rates that are no rates.
		{"NaN from", []Piece{{End: second, From: nan}}, "the rate at its start is not a number (NaN)"},
		{"infinite to", []Piece{{End: second, To: inf}}, "the rate at its end is not a number (+Inf)"},
		{"negative from", []Piece{{End: second, From: -1}}, "the rate at its start is -1, below 0"},
		{"negative to", []Piece{{End: second, From: 1, To: -0.5}}, "the rate at its end is -0.5, below 0"},
		{"denormal", []Piece{{End: second, From: 1, To: 5e-324}}, "the rate at its end is 5e-324, too small to tell from 0"},
		// Counts that a float64 could not tell apart, in one piece or all together.
		{"too many", []Piece{{End: 10 * second, From: 1e12, To: 1e12}}, "more than 1e+12 arrivals up to here, too many to count"},
		{"too many together", []Piece{{End: second, From: 6e11, To: 6e11}, {Start: second, End: 2 * second, To: 1e12}}, "piece 2 (1s to 2s): more than 1e+12 arrivals"},
		{"overflow", []Piece{{End: second, From: math.MaxFloat64, To: math.MaxFloat64}}, "too many to count"},
		// A process that nobody knows.
		{"process", []Piece{{End: second, Process: "weibull"}}, `process "weibull" is not constant or poisson`},
		// Sines that are no sines.
		{"NaN amplitude", []Piece{{End: second, Sine: &Sine{Amplitude: nan, Period: 1}}}, "the sine's amplitude is not a number (NaN)"},
		{"negative amplitude", []Piece{{End: second, Sine: &Sine{Amplitude: -1, Period: 1}}}, "the sine's amplitude is -1, below 0"},
		{"no period", []Piece{{End: second, Sine: &Sine{Amplitude: 1}}}, "the sine's period is 0s, not above 0"},
		{"too many waves", []Piece{{End: time.Hour, Sine: &Sine{Amplitude: 1, Period: time.Millisecond}}}, "the sine's period of 1ms is too short: 3600000 waves, at most 100000 will do"},
		// Traces: in order, from their start on, and nothing but the trace.
		{"trace before its start", []Piece{{End: second, Trace: []time.Duration{-1}}}, "offset 1 of the trace, -1ns, is before its start"},
		{"trace out of order", []Piece{{End: second, Trace: []time.Duration{2, 1}}}, "offset 2 of the trace, 1ns, is before the one ahead of it, 2ns"},
		{"trace and process", []Piece{{End: second, Trace: []time.Duration{1}, Process: Poisson}}, "a trace is played as given: it has no process and no sine"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := NewSchedule(tt.pieces)
			if err == nil {
				t.Fatalf("NewSchedule took it: %v", s)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %q, want %q in it", err, tt.want)
			}
		})
	}
}

func TestAt(t *testing.T) {
	pieces := []Piece{
		{End: 10 * second, To: 500},
		{Start: 10 * second, End: 20 * second, From: 500, To: 500},
		{Start: 30 * second, End: 40 * second, From: 100, To: 50},
		{Start: 40 * second, End: 80 * second, From: 10, To: 10, Sine: &Sine{Amplitude: 20, Period: 40 * second}},
		{Start: 80 * second, End: 90 * second, Trace: []time.Duration{0, second / 2, second, 5 * second}, From: 7, To: 7},
	}
	tests := []struct {
		name string
		t    time.Duration
		want float64
	}{
		{"before the run", -1, 0},
		{"start of a ramp", 0, 0},
		{"middle of a ramp", 5 * second, 250},
		{"a boundary belongs to the later piece", 10 * second, 500},
		{"end of a piece before a gap", 20 * second, 0},
		{"in a gap", 25 * second, 0},
		{"falling", 35 * second, 75},
		{"a wave's start", 40 * second, 10},
		{"a wave's peak", 50 * second, 30},
		{"a wave's trough, clipped", 70 * second, 0},
		{"a trace's first arrival", 80 * second, 1},
		{"a trace's first second, its start not in it", 81 * second, 2},
		{"a trace's silence", 84 * second, 0},
		{"a trace later on", 85500 * time.Millisecond, 1},
		{"after the end", 90 * second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := At(pieces, tt.t); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("At(%v) is %v, want %v", tt.t, got, tt.want)
			}
		})
	}
	if got := At(nil, 0); got != 0 {
		t.Errorf("At of nothing is %v, want 0", got)
	}
}

// FuzzNewSchedule plays what NewSchedule takes: it must stay in order and in
// its pieces, and end.
func FuzzNewSchedule(f *testing.F) {
	f.Add(int64(0), int64(second), 500.0, 0.0, 0.0, int64(0), int64(0), int64(second), 0.0, 500.0, 100.0, int64(second), false, uint64(1))
	f.Add(int64(-1), int64(1), math.NaN(), math.Inf(1), -1.0, int64(1), int64(-1), int64(0), 0.0, 0.0, 0.0, int64(0), true, uint64(2))
	f.Add(int64(5), int64(48), 4.6e-162, 0.0, 1e300, int64(3), int64(9), int64(1)<<62, 1e-9, 0.0, 3.0, int64(1)<<60, true, uint64(3))
	f.Fuzz(func(t *testing.T, start1, end1 int64, from1, to1, amplitude1 float64, period1, start2, end2 int64, from2, to2, amplitude2 float64, period2 int64, poisson bool, seed uint64) {
		pieces := []Piece{
			{Start: time.Duration(start1), End: time.Duration(end1), From: from1, To: to1},
			{Start: time.Duration(start2), End: time.Duration(end2), From: from2, To: to2},
		}
		if amplitude1 != 0 {
			pieces[0].Sine = &Sine{Amplitude: amplitude1, Period: time.Duration(period1)}
		}
		if amplitude2 != 0 {
			pieces[1].Sine = &Sine{Amplitude: amplitude2, Period: time.Duration(period2)}
		}
		if poisson {
			pieces[1].Process = Poisson
		}
		s, err := NewSchedule(pieces)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "piece ") {
				t.Fatalf("error %q does not name a piece", err)
			}
			return
		}
		if e := Expected(pieces); math.IsNaN(e) || e < 0 || e > 1.1*maxArrivals {
			t.Fatalf("Expected is %v", e)
		}
		n, last := 0, time.Duration(0)
		for due := range s.Arrivals(newRand(seed)) {
			if due < last {
				t.Fatalf("due at %v after %v", due, last)
			}
			in1 := due >= pieces[0].Start && due < pieces[0].End
			in2 := due >= pieces[1].Start && due < pieces[1].End
			if !in1 && !in2 {
				t.Fatalf("due at %v, outside both pieces", due)
			}
			if rate := At(pieces, due); math.IsNaN(rate) || rate < 0 {
				t.Fatalf("At(%v) is %v", due, rate)
			}
			if last = due; n == 2000 {
				break
			}
			n++
		}
	})
}
