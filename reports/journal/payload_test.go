package journal

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/HdrHistogram/hdrhistogram-go"
)

type bucket struct {
	i int
	n int64
}

func bucketsOf(t *testing.T, payload []byte) []bucket {
	t.Helper()
	var out []bucket
	if err := eachCount(payload, func(i int, n int64) { out = append(out, bucket{i, n}) }); err != nil {
		t.Fatalf("read payload: %v", err)
	}
	return out
}

func TestZigZag(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 63, 64, -64, -65, 1 << 13, -(1 << 40), 1<<55 - 1, 1 << 55, 1 << 56, math.MaxInt64, math.MinInt64} {
		b := appendZigZag(nil, n)
		if got, size := zigZag(b); got != n || size != len(b) {
			t.Errorf("%d came back as %d (%d of %d bytes)", n, got, size, len(b))
		}
		for cut := range b {
			if _, size := zigZag(b[:cut]); size != 0 {
				t.Errorf("%d cut to %d bytes was read", n, cut)
			}
		}
	}
}

// The payload is what the library's own encoder makes.
func TestPayloadIsTheLibrarys(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var e encoder
	e.z = newEncoder().z
	for round := range 50 {
		ours := NewHistogram()
		theirs := hdrhistogram.New(lowestValue, highestValue, significantDigits)
		for range 1 + rng.IntN(300) {
			v, n := clamp(rng.Int64N(1<<(1+rng.IntN(42)))), 1+rng.Int64N(1<<rng.IntN(50))
			if err := ours.RecordValues(v, n); err != nil {
				t.Fatal(err)
			}
			if err := theirs.RecordValues(v, n); err != nil {
				t.Fatal(err)
			}
		}
		encoded, err := theirs.EncodeV2()
		if err != nil {
			t.Fatal(err)
		}
		var d decoder
		want, err := d.inflate(encoded)
		if err != nil {
			t.Fatalf("read the library's encoding: %v", err)
		}
		if got := appendPayload(nil, ours); !slices.Equal(got, want) {
			t.Fatalf("round %d: payloads differ", round)
		}
	}
}

// Other geometries are taken by value, which may bring buckets together.
func TestPayloadOfAnotherGeometry(t *testing.T) {
	tests := []struct {
		name   string
		h      *hdrhistogram.PackedHistogram
		values []int64
		want   []bucket
	}{
		{"nothing", NewHistogram(), nil, nil},
		{"coarser", hdrhistogram.NewPacked(1, 10e9, 1), []int64{5e6, 5e6, 9e9}, []bucket{{indexOf(4980736), 2}, {indexOf(8589934592), 1}}},
		{"finer", hdrhistogram.NewPacked(1, 10e9, 5), []int64{5000000, 5000001, 5000100, 9e9}, []bucket{{indexOf(5e6), 3}, {indexOf(9e9), 1}}},
		{"nothing at all, and next to nothing", NewHistogram(), []int64{0, 1, 2}, []bucket{{1, 2}, {2, 1}}},
		{"past the hour", hdrhistogram.NewPacked(1, 1<<60, 3), []int64{3.6e12, 1 << 50, 1 << 59}, []bucket{{indexOf(3.6e12), 3}}},
	}
	for _, tt := range tests {
		for _, v := range tt.values {
			if err := tt.h.RecordValue(v); err != nil {
				t.Fatal(err)
			}
		}
		if got := bucketsOf(t, appendPayload(nil, tt.h)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 0, 4})
	f.Add(appendZigZag([]byte{9, 2}, -countsLen))
	f.Add(appendZigZag([]byte{2}, math.MinInt64))
	f.Add(appendZigZag(appendZigZag(nil, math.MaxInt64), math.MaxInt64))
	f.Fuzz(func(t *testing.T, payload []byte) {
		want, err := total(payload)
		if err != nil {
			return
		}
		// What is accepted comes back: same buckets through a histogram.
		h := NewHistogram()
		buckets := bucketsOf(t, payload)
		for _, b := range buckets {
			if b.i == 0 || lowestAt(b.i) > highestValue {
				return // no value of the range: it would be clamped into the next one
			}
			if err := h.RecordValues(lowestAt(b.i), b.n); err != nil {
				t.Fatal(err)
			}
		}
		if h.TotalCount() != want {
			t.Fatalf("%d values, want %d", h.TotalCount(), want)
		}
		if got := bucketsOf(t, appendPayload(nil, h)); !slices.Equal(got, buckets) {
			t.Fatalf("came back as %v, want %v", got, buckets)
		}
	})
}

func TestPayloadOfRefuses(t *testing.T) {
	good := append(appendHeader(nil, 2), 0, 2)
	if _, err := payloadOf(good); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	tests := []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"nothing", func(b []byte) []byte { return nil }, "shorter than its header"},
		{"half a header", func(b []byte) []byte { return b[:headerLen-1] }, "shorter than its header"},
		{"another encoding", func(b []byte) []byte { b[3] = 1; return b }, "not a V2 histogram"},
		{"less than it says", func(b []byte) []byte { return b[:len(b)-1] }, "of 1 bytes where its header says 2"},
		{"more than it says", func(b []byte) []byte { return append(b, 0) }, "of 3 bytes where its header says 2"},
		{"another precision", func(b []byte) []byte { b[15] = 2; return b }, "with 2 digits, not the journal's"},
		{"another range", func(b []byte) []byte { b[31]++; return b }, "not the journal's"},
	}
	for _, tt := range tests {
		if _, err := payloadOf(tt.change(slices.Clone(good))); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestTotalRefuses(t *testing.T) {
	many := bytes.Repeat([]byte{2}, countsLen)
	tests := []struct {
		name    string
		payload []byte
		want    string
	}{
		{"half a number", []byte{0x80}, "cut short"},
		{"more counts than there are", append(slices.Clone(many), 2), "more than 33792 counts"},
		{"zeros past the end", append(slices.Clone(many), 3), "more than 33792 counts"},
		{"more zeros than counts", appendZigZag(nil, -countsLen-1), "a run of 33793 zeros"},
		{"zeros without end", appendZigZag(nil, math.MinInt64), "zeros"},
		{"more than any second holds", appendZigZag(appendZigZag(nil, maxTotal), 1), "values in one interval"},
	}
	for _, tt := range tests {
		if _, err := total(tt.payload); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if n, err := total(many); err != nil || n != countsLen {
		t.Errorf("one in each: %d, %v", n, err)
	}
}
