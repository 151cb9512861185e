package generators

import (
	"math"
	"slices"
	"testing"
	"time"
)

// The Kolmogorov–Smirnov test at 5% is run for two hundred fixed seeds. If the
// arrivals are what they claim to be, it rejects 10 of them, give or take 3.1:
// more than 20 happens once in a thousand such sets, and none at all once in
// thirty thousand (arrivals that are too good are wrong, too).
const (
	ksSeeds   = 200
	ksMost    = 20
	ksAt5     = 1.358 // limit of the adjusted statistic, Stephens 1974
	ksPerSeed = 1000  // arrivals, about
)

// ksRejects says whether values, each of which should be uniform in [0, 1),
// are not. It sorts them.
func ksRejects(values []float64) bool {
	slices.Sort(values)
	n := float64(len(values))
	var d float64
	for i, v := range values {
		d = max(d, v-float64(i)/n, float64(i+1)/n-v)
	}
	return d*(math.Sqrt(n)+0.12+0.11/math.Sqrt(n)) > ksAt5
}

func rejections(t *testing.T, values func(due []time.Duration) []float64, pieces ...Piece) int {
	t.Helper()
	n := 0
	for seed := range uint64(ksSeeds) {
		due := collect(t, seed, pieces...)
		if math.Abs(float64(len(due))-ksPerSeed) > 6*math.Sqrt(ksPerSeed) {
			t.Fatalf("seed %d gives %d arrivals, want about %d", seed, len(due), ksPerSeed)
		}
		if ksRejects(values(due)) {
			n++
		}
	}
	return n
}

func TestPoissonIsPoisson(t *testing.T) {
	// gaps are uniform after the exponential's distribution function.
	gaps := func(rate float64) func([]time.Duration) []float64 {
		return func(due []time.Duration) []float64 {
			values := make([]float64, len(due))
			last := time.Duration(0)
			for i, d := range due {
				values[i] = -math.Expm1(-rate * (d - last).Seconds())
				last = d
			}
			return values
		}
	}
	// Given their number, arrivals are uniform in the integral of the rate.
	rescaled := func(share func(x float64) float64, length time.Duration) func([]time.Duration) []float64 {
		return func(due []time.Duration) []float64 {
			values := make([]float64, len(due))
			for i, d := range due {
				values[i] = share(float64(d) / float64(length))
			}
			return values
		}
	}
	const minute = 60 * second
	tests := []struct {
		name   string
		pieces []Piece
		values func([]time.Duration) []float64
	}{
		// Exponential gaps.
		{"gaps", []Piece{{End: 10 * second, From: 100, To: 100, Process: Poisson}}, gaps(100)},
		// The same through sixty pieces: none of the seams shows.
		{"gaps over pieces", poissonRun(60, minute/60, ksPerSeed/60.0), gaps(ksPerSeed / 60.0)},
		// A ramp from 0: the share of arrivals up to x is x².
		{"ramp up", []Piece{{End: minute, To: 2 * ksPerSeed / 60.0, Process: Poisson}},
			rescaled(func(x float64) float64 { return x * x }, minute)},
		// And to 0: 1 − (1 − x)².
		{"ramp down", []Piece{{End: minute, From: 2 * ksPerSeed / 60.0, Process: Poisson}},
			rescaled(func(x float64) float64 { return x * (2 - x) }, minute)},
		// Ten waves on a flat rate, down to 0 in each trough.
		{"sine", []Piece{{End: minute, From: ksPerSeed / 60.0, To: ksPerSeed / 60.0, Sine: &Sine{Amplitude: ksPerSeed / 60.0, Period: minute / 10}, Process: Poisson}},
			rescaled(func(x float64) float64 { return x + (1-math.Cos(20*math.Pi*x))/(20*math.Pi) }, minute)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if n := rejections(t, tt.values, tt.pieces...); n == 0 || n > ksMost {
				t.Errorf("rejected for %d of %d seeds, want about %d", n, ksSeeds, ksSeeds/20)
			}
		})
	}

	// The test itself can tell: evenly spaced arrivals, and a ramp taken for flat.
	if n := rejections(t, gaps(100), Piece{End: 10 * second, From: 100, To: 100}); n != ksSeeds {
		t.Errorf("constant arrivals pass for Poisson with %d of %d seeds", ksSeeds-n, ksSeeds)
	}
	flat := rescaled(func(x float64) float64 { return x }, minute)
	if n := rejections(t, flat, Piece{End: minute, From: 0.75 * ksPerSeed / 60.0, To: 1.25 * ksPerSeed / 60.0, Process: Poisson}); n < ksSeeds*9/10 {
		t.Errorf("a ramp passes for flat with %d of %d seeds", ksSeeds-n, ksSeeds)
	}
}

// poissonRun is pieceRun with Poisson arrivals.
func poissonRun(n int, length time.Duration, rate float64) []Piece {
	pieces := pieceRun(n, length, rate)
	for i := range pieces {
		pieces[i].Process = Poisson
	}
	return pieces
}
