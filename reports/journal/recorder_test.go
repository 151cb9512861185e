package journal_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/brunt-dev/brunt/reports/journal"
)

// ok returns a sample of an operation that succeeded.
func ok(due, started, ended time.Duration) journal.Sample {
	return journal.Sample{Outcome: journal.OutcomeOK, Due: due, Started: started, Ended: ended}
}

// describe lists intervals as "start+length load/step/outcome/measure ×count
// max", the largest value in seconds to two digits.
func describe(ivs []journal.Interval) []string {
	var out []string
	for _, iv := range ivs {
		out = append(out, fmt.Sprintf("%v+%v %s/%s/%s/%s ×%d %.2g", iv.Start, iv.Length, iv.Load, iv.Step, iv.Outcome, iv.Measure,
			iv.Hist.TotalCount(), time.Duration(iv.Hist.Max()).Seconds()))
	}
	return out
}

const ms = time.Millisecond

func TestRecorder(t *testing.T) {
	tests := []struct {
		name    string
		samples []journal.Sample
		want    []string
	}{
		{"nothing recorded, nothing flushed", nil, nil},
		{
			// Due at 0.9 s, ended at 12 s: the second is that in which it was due.
			"attributed to the due second",
			[]journal.Sample{ok(900*ms, 1000*ms, 12*time.Second)},
			[]string{
				"0s+1s shop/list/ok/response ×1 11",
				"0s+1s shop/list/ok/service ×1 11",
				"0s+1s shop/list/ok/wait ×1 0.1",
			},
		},
		{
			// Exactly on the second belongs to the second that begins.
			"a second begins with its first nanosecond",
			[]journal.Sample{ok(2*time.Second-1, 2*time.Second, 2010*ms), ok(2*time.Second, 2*time.Second, 2010*ms)},
			[]string{
				"1s+1s shop/list/ok/response ×1 0.01", "1s+1s shop/list/ok/service ×1 0.01", "1s+1s shop/list/ok/wait ×1 1e-09",
				"2s+1s shop/list/ok/response ×1 0.01", "2s+1s shop/list/ok/service ×1 0.01", "2s+1s shop/list/ok/wait ×1 1e-09",
			},
		},
		{
			// It waited 3 s and was given up: no service time.
			"a dropped arrival",
			[]journal.Sample{{Outcome: journal.OutcomeDropped, Due: 1500 * ms, Started: -1, Ended: 4500 * ms}},
			[]string{"1s+1s shop/list/dropped/response ×1 3", "1s+1s shop/list/dropped/wait ×1 3"},
		},
		{
			// Stages only when they happened.
			"stages",
			[]journal.Sample{{Step: 1, Outcome: "status", Due: 0, Started: 0, Ended: 50 * ms, DNS: 5 * ms, Connect: 6 * ms, TLS: 7 * ms, FirstByte: 40 * ms}},
			[]string{
				"0s+1s shop/buy/status/response ×1 0.05", "0s+1s shop/buy/status/service ×1 0.05", "0s+1s shop/buy/status/wait ×1 1e-09",
				"0s+1s shop/buy/status/dns ×1 0.005", "0s+1s shop/buy/status/connect ×1 0.006", "0s+1s shop/buy/status/tls ×1 0.007", "0s+1s shop/buy/status/first_byte ×1 0.04",
			},
		},
		{
			// Cut short by the end of the run: neither well nor badly.
			"canceled",
			[]journal.Sample{{Outcome: journal.OutcomeCanceled, Ended: 50 * ms}},
			nil,
		},
		{
			// By second, step, outcome, measure, whatever the order they came in.
			"order",
			[]journal.Sample{
				{Step: 1, Outcome: "timeout", Due: 3 * time.Second, Started: -1, Ended: 4 * time.Second},
				{Step: 1, Outcome: "ok", Due: 3 * time.Second, Started: -1, Ended: 4 * time.Second},
				{Step: 0, Outcome: "timeout", Due: 3 * time.Second, Started: -1, Ended: 4 * time.Second},
				{Step: 1, Outcome: "ok", Due: 2 * time.Second, Started: -1, Ended: 4 * time.Second},
			},
			[]string{
				"2s+1s shop/buy/ok/response ×1 2", "2s+1s shop/buy/ok/wait ×1 2",
				"3s+1s shop/list/timeout/response ×1 1", "3s+1s shop/list/timeout/wait ×1 1",
				"3s+1s shop/buy/ok/response ×1 1", "3s+1s shop/buy/ok/wait ×1 1",
				"3s+1s shop/buy/timeout/response ×1 1", "3s+1s shop/buy/timeout/wait ×1 1",
			},
		},
		{
			// Past the hour counts as an hour; before the origin as the first second.
			"out of range",
			[]journal.Sample{ok(-5, -3, 3*time.Hour)},
			[]string{"0s+1s shop/list/ok/response ×1 3.6e+03", "0s+1s shop/list/ok/wait ×1 3.6e+03"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := journal.NewRecorder("shop", []string{"list", "buy"}, 4)
			for i, s := range tt.samples {
				r.Record(i-1, s) // any shard, a negative one too
			}
			if diff := cmp.Diff(tt.want, describe(r.Flush())); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if again := r.Flush(); again != nil {
				t.Errorf("flushed again: %v", describe(again))
			}
		})
	}
}

func TestRecorderPanicsOnAStepItDoesNotHave(t *testing.T) {
	r := journal.NewRecorder("shop", []string{"list"}, 1)
	for _, step := range []int{-1, 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("step %d was taken", step)
				}
			}()
			r.Record(0, journal.Sample{Step: step})
		}()
	}
	r.Record(0, ok(0, 0, ms)) // and the shard is not left locked
}

// Everything recorded comes out of exactly one Flush, whoever records while
// it runs.
func TestRecorderLosesNothing(t *testing.T) {
	const workers, each = 8, 5000
	r := journal.NewRecorder("shop", []string{"list", "buy"}, 3)
	outcomes := []string{"ok", "timeout", "status", "reset"}
	var recording sync.WaitGroup
	for w := range workers {
		recording.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			for i := range each {
				due := time.Duration(i) * ms
				r.Record(w, journal.Sample{Step: rng.IntN(2), Outcome: outcomes[rng.IntN(4)], Due: due, Started: due, Ended: due + time.Duration(rng.Int64N(int64(time.Second)))})
			}
		})
	}
	done := make(chan struct{})
	go func() { recording.Wait(); close(done) }()
	j := journal.New(journal.Plan{})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if err := j.Append(journal.Batch{Intervals: r.Flush()}); err != nil {
			t.Fatal(err)
		}
	}
	w := j.Window("shop", "", 0, time.Hour)
	if got := w.Ops(); got != workers*each {
		t.Errorf("%d operations, want %d", got, workers*each)
	}
	if got := j.Window("shop", "", 2*time.Second, 3*time.Second).Ops(); got != workers*1000 {
		t.Errorf("%d operations in one second, want %d", got, workers*1000)
	}
}

// Once it knows the shape of a load, Record allocates nothing.
func TestRecordDoesNotAllocate(t *testing.T) {
	r := journal.NewRecorder("shop", []string{"list", "buy"}, 1)
	round := func() {
		for i := range 2000 {
			due := time.Duration(i) * ms
			r.Record(0, journal.Sample{Step: i % 2, Outcome: "ok", Due: due, Started: due + ms/10, Ended: due + time.Duration(i%50)*ms})
		}
	}
	for range 4 {
		round()
		r.Flush()
	}
	if n := testing.AllocsPerRun(1, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	sample := func(i int) journal.Sample {
		due := time.Duration(i%100000) * ms / 100
		return journal.Sample{Step: i & 1, Outcome: "ok", Due: due, Started: due + 20*time.Microsecond, Ended: due + time.Duration(1+i&1023)*ms/64}
	}
	b.Run("one", func(b *testing.B) {
		r := journal.NewRecorder("shop", []string{"list", "buy"}, 1)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			r.Record(0, sample(i))
			i++
		}
	})
	b.Run("parallel", func(b *testing.B) {
		r := journal.NewRecorder("shop", []string{"list", "buy"}, 8)
		b.ReportAllocs()
		var mu sync.Mutex
		shard := 0
		b.RunParallel(func(pb *testing.PB) {
			mu.Lock()
			mine := shard
			shard++
			mu.Unlock()
			for i := 0; pb.Next(); i++ {
				r.Record(mine, sample(i))
			}
		})
	})
}

func BenchmarkFlush(b *testing.B) {
	r := journal.NewRecorder("shop", []string{"list", "buy"}, 2)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for i := range 5000 {
			due := time.Duration(i) * ms / 5
			r.Record(i, journal.Sample{Step: i & 1, Outcome: "ok", Due: due, Started: due + 20*time.Microsecond, Ended: due + time.Duration(1+i&1023)*ms/64})
		}
		b.StartTimer()
		r.Flush()
	}
}
