package journal

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The layout is written out in geometry.go for speed; the library's is the
// one that counts.
func TestGeometryIsTheLibrarys(t *testing.T) {
	values := []int64{1, 2, 1023, 1024, 2047, 2048, 2049, 4095, 4096, 1e6, 1e9, highestValue - 1, highestValue}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		values = append(values, clamp(rng.Int64N(1<<(1+rng.IntN(42)))))
	}
	h := hdrhistogram.New(lowestValue, highestValue, significantDigits)
	if got := len(h.Export().Counts); got != countsLen {
		t.Fatalf("the library has %d counts, we have %d", got, countsLen)
	}
	for _, v := range values {
		h.Reset()
		if err := h.RecordValue(v); err != nil {
			t.Fatalf("record %d: %v", v, err)
		}
		i := indexOf(v)
		if h.Export().Counts[i] != 1 {
			t.Errorf("%d is not counted at %d", v, i)
		}
		if got, want := lowestAt(i), h.Min(); got != want {
			t.Errorf("lowest value counted with %d: %d, want %d", v, got, want)
		}
		if got, want := highestAt(i), min(h.Max(), highestValue); got != want {
			t.Errorf("highest value counted with %d: %d, want %d", v, got, want)
		}
	}
}

func TestClamp(t *testing.T) {
	tests := []struct{ in, want int64 }{
		{-5, 1}, // a clock that went wrong
		{0, 1},  // no wait at all
		{1, 1},
		{int64(time.Hour), int64(time.Hour)},
		{int64(time.Hour) + 1, int64(time.Hour)},
		{1<<63 - 1, int64(time.Hour)},
	}
	for _, tt := range tests {
		if got := clamp(tt.in); got != tt.want {
			t.Errorf("clamp(%d) = %d, want %d", tt.in, got, tt.want)
		}
	}
}
