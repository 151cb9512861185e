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

// What a report says of a value is at most 0.1 % above it, and never below:
// three significant digits, over the whole range.
func TestErrorIsAtMostAThousandth(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	values := []int64{1, 999, 1000, 2047, 2048, 2049, int64(time.Millisecond), int64(time.Second), highestValue}
	for range 300 {
		values = append(values, clamp(rng.Int64N(1<<(1+rng.IntN(42)))))
	}
	for _, v := range values {
		recorder := NewRecorder("shop", []string{"list"}, 1)
		recorder.Record(0, Sample{Outcome: OutcomeOK, Ended: time.Duration(v)})
		j := New(Plan{})
		if err := j.Append(Batch{Intervals: recorder.Flush()}); err != nil {
			t.Fatal(err)
		}
		w := j.Window("shop", "", 0, time.Second)
		for _, percentile := range []float64{50, 99, 100} {
			said, known := w.Quantile(Response, All, percentile)
			if off := int64(said) - v; !known || off < 0 || float64(off) > float64(v)/1000 {
				t.Errorf("p%g of %d ns is said to be %d ns, which is %.4f %% off", percentile, v, said, 100*float64(off)/float64(v))
			}
		}
	}
}
