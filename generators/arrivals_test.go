package generators

import (
	"fmt"
	"iter"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const second = time.Second

func mustSchedule(t testing.TB, pieces ...Piece) Schedule {
	t.Helper()
	s, err := NewSchedule(pieces)
	if err != nil {
		t.Fatalf("NewSchedule: %v", err)
	}
	return s
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func collect(t testing.TB, seed uint64, pieces ...Piece) []time.Duration {
	t.Helper()
	return slices.Collect(mustSchedule(t, pieces...).Arrivals(newRand(seed)))
}

func TestConstantArrivalsAreCountedExactly(t *testing.T) {
	tests := []struct {
		name   string
		pieces []Piece
		want   int
		last   time.Duration // due time of the last arrival
	}{
		// The plain case: slot 0 at the start, none at the end.
		{"flat", []Piece{{End: 30 * second, From: 500, To: 500}}, 15000, 30*second - 2*time.Millisecond},
		// The area of a triangle. The last slot is 1 arrival short of it.
		{"ramp up from 0", []Piece{{End: 120 * second, To: 500}}, 30000, time.Duration(math.Round(math.Sqrt(2*29999/(500.0/120)) * 1e9))},
		// The same from its end: the last slot is where 1 arrival is left.
		{"ramp down to 0", []Piece{{End: 120 * second, From: 500}}, 30000, 120*second - time.Duration(math.Round(math.Sqrt(2/(500.0/120))*1e9))},
		// No float64 holds 333.3; 333.3 × 3600 is 1199880 all the same.
		{"decimal rate", []Piece{{End: time.Hour, From: 333.3, To: 333.3}}, 1199880, time.Hour - 3000300},
		// 0.1 ten times over is not 1 in binary.
		{"decimal rate in small pieces", pieceRun(10, second, 0.1), 1, 0},
		// 2.5 and 2.5: slot 2 is due in the first, slot 3 half a slot into the second.
		{"fraction carried", pieceRun(2, second, 2.5), 5, 1600 * time.Millisecond},
		// A whole count at the end of a piece belongs to the next, at its start.
		{"whole count at a boundary", []Piece{{End: second, From: 1, To: 1}, {Start: second, End: 2 * second, From: 1, To: 1}}, 2, second},
		// And where nothing comes after, slot 1 never falls due.
		{"whole count at the end", []Piece{{End: second, From: 1, To: 1}, {Start: second, End: 2 * second}}, 1, 0},
		// Nothing is due while the rate is 0, nor in a gap; the count goes on behind.
		{"pause and gap", []Piece{{End: second, From: 1.5, To: 1.5}, {Start: second, End: 2 * second}, {Start: 5 * second, End: 6 * second, From: 1.5, To: 1.5}}, 3, 5*second + second/3},
		// Less than one arrival still has slot 0, where its integral begins.
		{"less than one", []Piece{{Start: second, End: 2 * second, From: 0.25, To: 0.25}}, 1, second},
		// Nothing lasts no time.
		{"empty piece", []Piece{{Start: second, End: second, From: 100, To: 100}}, 0, 0},
		// No pieces, no arrivals.
		{"none", nil, 0, 0},
		// A gentle slope: the textbook root would lose it to cancellation.
		{"slope near 0", []Piece{{End: 100 * second, From: 10, To: 10 - 1e-12}}, 1000, 99900 * time.Millisecond},
		// A whole wave adds nothing to the count.
		{"sine", []Piece{{End: 60 * second, From: 100, To: 100, Sine: &Sine{Amplitude: 50, Period: 60 * second}}}, 6000, 59989997381},
		// Clipped to a half wave: 100 × 10/π arrivals.
		{"sine clipped", []Piece{{End: 10 * second, Sine: &Sine{Amplitude: 100, Period: 10 * second}}}, 319, 0},
		// More arrivals than nanoseconds: they share them, in order.
		{"above 1 a nanosecond", []Piece{{End: 100, From: 4e9, To: 4e9}}, 400, 99},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := collect(t, 1, tt.pieces...)
			if len(got) != tt.want {
				t.Fatalf("%d arrivals, want %d", len(got), tt.want)
			}
			if tt.want > 0 && tt.last > 0 && !within(got[len(got)-1], tt.last, 1) {
				t.Errorf("last is due at %v, want %v", got[len(got)-1], tt.last)
			}
			if e := Expected(tt.pieces); e != float64(tt.want) {
				t.Errorf("Expected is %v, want %d", e, tt.want)
			}
		})
	}
}

// pieceRun is n pieces of one length and rate, without gaps.
func pieceRun(n int, length time.Duration, rate float64) []Piece {
	var pieces []Piece
	for i := range time.Duration(n) {
		pieces = append(pieces, Piece{Start: i * length, End: (i + 1) * length, From: rate, To: rate})
	}
	return pieces
}

func within(a, b, by time.Duration) bool { return a-b <= by && b-a <= by }

// TestNoDrift compares every due time with exact arithmetic on the decimal
// rate that the user wrote.
func TestNoDrift(t *testing.T) {
	tests := []struct {
		name   string
		pieces []Piece
		rate   *big.Rat
		want   int
	}{
		// An hour in one piece.
		{"one piece", pieceRun(1, time.Hour, 333.3), big.NewRat(3333, 10), 1199880},
		// The same hour second by second: 3600 fractions are carried.
		{"a piece a second", pieceRun(3600, second, 333.3), big.NewRat(3333, 10), 1199880},
		// Pieces whose length is no round number of seconds.
		{"odd pieces", pieceRun(7000, 514285714, 333.3), big.NewRat(3333, 10), 1199880},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := 0
			// due = k / rate, as a fraction of whole numbers of nanoseconds
			num := new(big.Int).Mul(tt.rate.Denom(), big.NewInt(1e9))
			due, worst := new(big.Int), time.Duration(0)
			for got := range mustSchedule(t, tt.pieces...).Arrivals(nil) {
				due.Mul(num, big.NewInt(int64(k)))
				due.Div(due, tt.rate.Num()) // rounds down: at most 1 ns off
				worst = max(worst, (got - time.Duration(due.Int64())).Abs())
				k++
			}
			if k != tt.want {
				t.Errorf("%d arrivals, want %d", k, tt.want)
			}
			if worst > 1 {
				t.Errorf("a due time is off by %v, want at most 1ns", worst)
			}
		})
	}
}

// TestRampsHitTheirIntegral puts each due time back into the integral, in 200
// bits: what it says must be the slot's number, to within 1 ns at that rate.
func TestRampsHitTheirIntegral(t *testing.T) {
	tests := []struct {
		name     string
		from, to float64
		length   time.Duration
	}{
		// From nothing, where the inverse has a vertical tangent.
		{"up from 0", 0, 500, 120 * second},
		// To nothing, the same at the other end.
		{"down to 0", 500, 0, 120 * second},
		// A rate that hardly changes.
		{"almost flat", 500, 500.0000001, 60 * second},
		{"almost flat, down", 500, 499.9999999, 60 * second},
		// From next to nothing to a lot.
		{"steep", 1e-6, 20000, 10 * second},
		// A long and slow one.
		{"eight hours", 3, 11, 8 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			real := func(x float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(x) }
			length := real(float64(tt.length))
			k := 0
			for due := range mustSchedule(t, Piece{End: tt.length, From: tt.from, To: tt.to}).Arrivals(nil) {
				x := real(float64(due))
				// (from·x + (to−from)·x²/(2·length)) / 10⁹
				sum := new(big.Float).Mul(real(tt.from), x)
				square := new(big.Float).Mul(x, x)
				square.Mul(square, new(big.Float).Sub(real(tt.to), real(tt.from)))
				square.Quo(square, length)
				sum.Add(sum, square.Quo(square, real(2)))
				sum.Quo(sum, real(1e9))
				miss, _ := sum.Sub(sum, real(float64(k))).Float64()
				rate := tt.from + (tt.to-tt.from)*float64(due)/float64(tt.length)
				// Half a nanosecond of rounding lets the integral miss by half
				// a nanosecond's arrivals, and by what the rate grows in it.
				if slack := (rate+1e-5)*1e-9 + 1e-10; math.Abs(miss) > slack {
					t.Fatalf("slot %d is due at %v, where the integral is off by %g (more than %g)", k, due, miss, slack)
				}
				k++
			}
			if want := math.Ceil((tt.from + tt.to) / 2 * tt.length.Seconds()); float64(k) != want {
				t.Errorf("%d arrivals, want %v", k, want)
			}
		})
	}
}

// TestSineFollowsItsRate compares the count up to each due time with an
// integral taken by other means: Simpson's rule on the clipped rate.
func TestSineFollowsItsRate(t *testing.T) {
	tests := []struct {
		name  string
		piece Piece
	}{
		// Never clipped: one swell.
		{"above 0", Piece{End: 60 * second, From: 100, To: 100, Sine: &Sine{Amplitude: 60, Period: 20 * second}}},
		// Touches 0 at every trough, where Newton's method is slow.
		{"touching 0", Piece{End: 60 * second, From: 100, To: 100, Sine: &Sine{Amplitude: 100, Period: 20 * second}}},
		// Clipped in the middle of the piece.
		{"clipped", Piece{End: 60 * second, From: 30, To: 30, Sine: &Sine{Amplitude: 100, Period: 20 * second}}},
		// Clipped at first, and no more as the ramp rises.
		{"on a rising ramp", Piece{End: 60 * second, To: 300, Sine: &Sine{Amplitude: 100, Period: 7 * second}}},
		// The other way round, in a piece that does not start with the run.
		{"on a falling ramp", Piece{Start: 9 * second, End: 69 * second, From: 300, Sine: &Sine{Amplitude: 100, Period: 7 * second}}},
		// A ramp steeper than the sine: it has no turns at all.
		{"hardly a wave", Piece{End: 10 * second, To: 1000, Sine: &Sine{Amplitude: 5, Period: 100 * second}}},
		// Begins at a falling zero: clipped from the start.
		{"negative first", Piece{End: 100 * second, From: 0, To: 1, Sine: &Sine{Amplitude: 3, Period: 100 * second}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.piece
			rate := func(offset float64) float64 { // in seconds
				x := offset / (p.End - p.Start).Seconds()
				return max(0, p.From+(p.To-p.From)*x+p.Sine.Amplitude*math.Sin(2*math.Pi*offset/p.Sine.Period.Seconds()))
			}
			var at, sum float64
			advance := func(to float64) {
				steps := math.Ceil((to-at)/1e-3) + 1
				for h := (to - at) / steps; at < to-h/2; at += h {
					sum += h / 6 * (rate(at) + 4*rate(at+h/2) + rate(at+h))
				}
				at = to
			}
			k := 0
			for due := range mustSchedule(t, p).Arrivals(nil) {
				advance((due - p.Start).Seconds())
				if math.Abs(sum-float64(k)) > 2e-5 {
					t.Fatalf("slot %d is due at %v, where the integral is %v", k, due, sum)
				}
				k++
			}
			advance((p.End - p.Start).Seconds())
			if math.Abs(math.Ceil(sum-1e-3)-float64(k)) > 0 {
				t.Errorf("%d arrivals, the integral is %v", k, sum)
			}
		})
	}
}

func TestSineIsPreciseToTheNanosecond(t *testing.T) {
	// Unclipped, from a whole wave on: the integral is 100·t + 1000/π·(1−cos),
	// so slot k is known in closed form wherever the sine is back at 0.
	p := Piece{End: 100 * second, From: 100, To: 100, Sine: &Sine{Amplitude: 50, Period: 10 * second}}
	got := collect(t, 1, p)
	for wave := range 10 {
		if due, want := got[wave*1000], time.Duration(wave)*10*second; !within(due, want, 1) {
			t.Errorf("slot %d is due at %v, want %v", wave*1000, due, want)
		}
	}
}

func TestTraceIsPlayedAsGiven(t *testing.T) {
	trace := []time.Duration{0, 3, 3, 700 * time.Millisecond, second, 2 * second}
	got := collect(t, 1,
		Piece{End: second, From: 2, To: 2},
		// What lies at or behind the end of its piece is not played.
		Piece{Start: 5 * second, End: 6 * second, Trace: trace, From: math.NaN()},
		// Nothing in it is nothing played.
		Piece{Start: 6 * second, End: 7 * second, Trace: []time.Duration{}},
		// The count of a constant process goes on behind a trace.
		Piece{Start: 10 * second, End: 11 * second, From: 2, To: 2},
	)
	want := []time.Duration{0, second / 2, 5 * second, 5*second + 3, 5*second + 3, 5*second + 700*time.Millisecond, 10 * second, 10*second + second/2}
	if !slices.Equal(got, want) {
		t.Errorf("arrivals %v, want %v", got, want)
	}
}

func TestMixedProcessesKeepToTheirPieces(t *testing.T) {
	pieces := []Piece{
		{End: 10 * second, From: 100, To: 100},
		{Start: 10 * second, End: 20 * second, From: 100, To: 100, Process: Poisson},
		{Start: 20 * second, End: 30 * second, Trace: []time.Duration{second}},
		{Start: 30 * second, End: 40 * second, To: 200, Process: Poisson, Sine: &Sine{Amplitude: 50, Period: second}},
		{Start: 40 * second, End: 50 * second, From: 100.05, To: 100},
	}
	var counts [5]int
	for due := range mustSchedule(t, pieces...).Arrivals(newRand(3)) {
		counts[due/(10*second)]++
	}
	if counts[0] != 1000 || counts[2] != 1 || counts[4] != 1001 {
		t.Errorf("counts are %v, want 1000 in the first, 1 in the third, 1001 in the fifth", counts)
	}
	for _, i := range []int{1, 3} { // five standard deviations
		if math.Abs(float64(counts[i]-1000)) > 5*math.Sqrt(1010) {
			t.Errorf("counts are %v, want about 1000 in the Poisson pieces", counts)
		}
	}
}

func TestSameSeedSameArrivals(t *testing.T) {
	pieces := []Piece{
		{End: 5 * second, From: 100, To: 400, Process: Poisson},
		{Start: 5 * second, End: 10 * second, From: 50, To: 50},
		{Start: 10 * second, End: 20 * second, From: 100, To: 100, Process: Poisson, Sine: &Sine{Amplitude: 200, Period: 3 * second}},
	}
	first := collect(t, 7, pieces...)
	if again := collect(t, 7, pieces...); !slices.Equal(first, again) {
		t.Error("the same seed gave other arrivals")
	}
	if other := collect(t, 8, pieces...); slices.Equal(first, other) {
		t.Error("another seed gave the same arrivals")
	}
}

// TestArrivalsAreStable pins some arrivals: a change of them changes every
// scenario's run, and must be on purpose.
func TestArrivalsAreStable(t *testing.T) {
	got := collect(t, 42, Piece{End: second, From: 0, To: 10, Process: Poisson}, Piece{Start: second, End: 2 * second, From: 3, To: 3})
	want := []time.Duration{437319881, 637938928, 654457791, 735510147, 797846995, 859632666, 1000000000, 1333333333, 1666666667}
	if !slices.Equal(got, want) {
		t.Errorf("arrivals are %d, want %d", got, want)
	}
}

func TestPoissonDoesNotDependOnCuts(t *testing.T) {
	whole := collect(t, 5, Piece{End: 60 * second, From: 50, To: 50, Process: Poisson})
	got := collect(t, 5, poissonRun(60, second, 50)...)
	if len(got) != len(whole) {
		t.Fatalf("%d arrivals in one piece, %d in sixty", len(whole), len(got))
	}
	for i := range got {
		if !within(got[i], whole[i], 1) {
			t.Fatalf("arrival %d is due at %v in one piece, at %v in sixty", i, whole[i], got[i])
		}
	}
}

func TestBreakingOffAndGoingOn(t *testing.T) {
	pieces := []Piece{
		{End: second, From: 10, To: 10},
		{Start: second, End: 2 * second, From: 5, To: 50, Process: Poisson},
		{Start: 2 * second, End: 3 * second, Trace: []time.Duration{1, 2, 3}},
		{Start: 3 * second, End: 4 * second, From: 5, To: 50},
	}
	want := collect(t, 9, pieces...)
	for _, batch := range []int{1, 2, 7, 1000} {
		t.Run(fmt.Sprint("batches of ", batch), func(t *testing.T) {
			seq := mustSchedule(t, pieces...).Arrivals(newRand(9))
			var got []time.Duration
			for {
				taken := takeBatch(seq, batch)
				got = append(got, taken...)
				if len(taken) < batch {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d arrivals in batches, want the same %d", len(got), len(want))
			}
			for due := range seq {
				t.Fatalf("an iterator at its end yielded %v", due)
			}
		})
	}
}

func takeBatch(seq iter.Seq[time.Duration], n int) []time.Duration {
	var batch []time.Duration
	for due := range seq {
		if batch = append(batch, due); len(batch) == n {
			break
		}
	}
	return batch
}

// anyPieces draws valid pieces of any kind, in order.
func anyPieces(t *rapid.T) []Piece {
	var pieces []Piece
	var at time.Duration
	rate := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(minRate, 3000), rapid.Float64Range(minRate, 1))
	for range rapid.IntRange(0, 5).Draw(t, "pieces") {
		at += time.Duration(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, int64(second))).Draw(t, "gap"))
		p := Piece{Start: at, From: rate.Draw(t, "from"), To: rate.Draw(t, "to")}
		at += time.Duration(rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, int64(2*second))).Draw(t, "length"))
		p.End = at
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			p.Process = Poisson
		case 1:
			p.Trace = []time.Duration{}
			var offset time.Duration
			for range rapid.IntRange(0, 20).Draw(t, "trace") {
				offset += time.Duration(rapid.Int64Range(0, int64(second/4)).Draw(t, "offset"))
				p.Trace = append(p.Trace, offset)
			}
		case 2, 3:
			p.Sine = &Sine{Amplitude: rate.Draw(t, "amplitude"), Period: time.Duration(rapid.Int64Range(int64(10*time.Millisecond), int64(4*second)).Draw(t, "period"))}
			p.Process = rapid.SampledFrom([]Process{"", Constant, Poisson}).Draw(t, "process")
		}
		pieces = append(pieces, p)
	}
	return pieces
}

func TestArrivalsAreOrderedAndInsideTheirPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := anyPieces(t)
		s, err := NewSchedule(pieces)
		if err != nil {
			t.Fatalf("NewSchedule: %v", err)
		}
		var last time.Duration
		n, i := 0, 0
		poisson := false
		for due := range s.Arrivals(newRand(rapid.Uint64().Draw(t, "seed"))) {
			if due < last {
				t.Fatalf("arrival %d is due at %v, before the one ahead of it at %v", n, due, last)
			}
			for i < len(pieces) && due >= pieces[i].End {
				i++
			}
			if i == len(pieces) || due < pieces[i].Start {
				t.Fatalf("arrival %d is due at %v, outside all pieces", n, due)
			}
			last = due
			n++
		}
		for _, p := range pieces {
			poisson = poisson || p.Process == Poisson
		}
		if e := Expected(pieces); !poisson && e != float64(n) {
			t.Fatalf("%d arrivals, Expected said %v", n, e)
		}
	})
}

func TestExpectedIsTheMeanOfPoisson(t *testing.T) {
	pieces := []Piece{
		{End: 10 * second, From: 0, To: 20, Process: Poisson},
		{Start: 10 * second, End: 11 * second, From: 2.5, To: 2.5},
		{Start: 11 * second, End: 12 * second, Trace: []time.Duration{1, 2, second}},
	}
	if got := Expected(pieces); got != 100+3+2 {
		t.Errorf("Expected is %v, want 105", got)
	}
}

func TestArrivalsDoNotAllocate(t *testing.T) {
	pieces := []Piece{
		{End: second, From: 100, To: 100},
		{Start: second, End: 2 * second, From: 100, To: 200},
		{Start: 2 * second, End: 3 * second, From: 100, To: 200, Process: Poisson},
		{Start: 3 * second, End: 4 * second, From: 100, To: 200, Sine: &Sine{Amplitude: 150, Period: second / 10}},
		{Start: 4 * second, End: 5 * second, Trace: make([]time.Duration, 100)},
	}
	s := mustSchedule(t, pieces...)
	rng := newRand(1)
	var sum time.Duration
	allocs := testing.AllocsPerRun(10, func() {
		for due := range s.Arrivals(rng) {
			sum += due
		}
	})
	if allocs > 5 { // the cursor, and what ranging over a function takes
		t.Errorf("%v allocations for one pass over some 700 arrivals, want a few for the pass", allocs)
	}
}

func BenchmarkArrivals(b *testing.B) {
	length := 50 * time.Hour
	kinds := []struct {
		name  string
		piece Piece
	}{
		{"constant", Piece{End: length, From: 1e6, To: 1e6}},
		{"ramp", Piece{End: length, From: 0, To: 2e6}},
		{"ramp down", Piece{End: length, From: 2e6, To: 0}},
		{"poisson", Piece{End: length, From: 1e6, To: 1e6, Process: Poisson}},
		{"sine", Piece{End: length, From: 1e6, To: 1e6, Sine: &Sine{Amplitude: 5e5, Period: time.Hour}}},
		{"sine clipped", Piece{End: length, From: 1e6, To: 1e6, Sine: &Sine{Amplitude: 2e6, Period: time.Hour}}},
	}
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for range mustSchedule(b, kind.piece).Arrivals(newRand(1)) {
				if n++; n > b.N {
					break
				}
			}
		})
	}
}
