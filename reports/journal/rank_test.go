package journal

import (
	"testing"
	"time"
)

func TestCountUpTo(t *testing.T) {
	j := New(Plan{})
	rec := NewRecorder("a", []string{"x"}, 1)
	for _, v := range []time.Duration{1, 1, 100, 2047, 2048, time.Millisecond, time.Second, 2 * time.Hour} {
		rec.Record(0, Sample{Outcome: "ok", Ended: v})
	}
	rec.Record(0, Sample{Outcome: "timeout", Ended: 3 * time.Second})
	if err := j.Append(Batch{Intervals: rec.Flush()}); err != nil {
		t.Fatal(err)
	}
	r := NewRolling(All)
	for _, s := range j.Seconds("a", "", Response, 0, time.Second) {
		r.Add(s)
	}
	tests := []struct {
		v    time.Duration
		want int64
	}{
		{-1, 0},
		{0, 0},
		{1, 2},
		{99, 2},
		{100, 3},
		{2047, 4},
		// 2048 and 2049 share a slot.
		{2048, 4},
		{2049, 5},
		{time.Millisecond - 2*time.Microsecond, 5},
		{time.Millisecond + 2*time.Microsecond, 6},
		// Failures count as well.
		{4 * time.Second, 8},
		// What is past the range is counted at its end.
		{time.Hour, 9},
		{24 * time.Hour, 9},
	}
	for _, tt := range tests {
		if got := r.CountUpTo(tt.v); got != tt.want {
			t.Errorf("CountUpTo(%s) = %d, want %d", tt.v, got, tt.want)
		}
	}
}
