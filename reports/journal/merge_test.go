package journal

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Samples dealt out to any number of workers, each with a recorder of its own,
// sent as text and merged again, are those of one recorder, to the count.
func TestMergeIsTheUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := []string{"list", "cart"}
		n := rapid.IntRange(1, 7).Draw(t, "workers")
		whole := NewRecorder("web", steps, 3)
		parts := make([]*Recorder, n)
		for i := range parts {
			parts[i] = NewRecorder("web", steps, 3)
		}
		for i := range rapid.IntRange(0, 200).Draw(t, "samples") {
			due := time.Duration(rapid.Int64Range(0, int64(4*time.Second)).Draw(t, "due"))
			s := Sample{
				Step: rapid.IntRange(0, 1).Draw(t, "step"), Outcome: rapid.SampledFrom([]string{"ok", "timeout", "dropped"}).Draw(t, "outcome"),
				Due: due, Started: due + time.Duration(rapid.Int64Range(-1, int64(time.Second)).Draw(t, "wait")),
			}
			s.Ended = due + time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "response"))
			whole.Record(i, s)
			parts[rapid.IntRange(0, n-1).Draw(t, "worker")].Record(i, s)
		}
		var sent []Interval
		var decoder Decoder
		for _, p := range parts {
			events, latency, err := NewEncoder().Encode(Batch{Intervals: p.Flush()})
			if err != nil {
				t.Fatal(err)
			}
			b, err := decoder.Decode(events, latency)
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, b.Intervals...)
		}
		if diff := cmp.Diff(countsOf(whole.Flush()), countsOf(MergeIntervals(sent))); diff != "" {
			t.Fatalf("merged is not the union (-union +merged):\n%s", diff)
		}
	})
}

// countsOf is every bucket of every interval; it fails on two intervals of
// one key, which a merge must not leave.
func countsOf(intervals []Interval) map[string]map[int64]int64 {
	out := make(map[string]map[int64]int64)
	for _, iv := range intervals {
		key := fmt.Sprint(iv.Load, iv.Step, iv.Outcome, iv.Measure, iv.Start, iv.Length)
		if out[key] != nil {
			key += " again"
		}
		out[key] = make(map[int64]int64)
		for v, n := range iv.Hist.ForEachBucket {
			if n > 0 {
				out[key][v] += n
			}
		}
	}
	return out
}

func TestEncodedEventsAreTheSame(t *testing.T) {
	value := 1.5
	b := Batch{Events: []Event{
		{At: time.Second, Kind: LoadSecond, Name: "web", Load: &LoadCounts{Offered: 3, Lost: 2, Failed: map[string]int64{"timeout": 1}}},
		{At: 2 * time.Second, Kind: ProbeReading, Name: "replicas", Value: &value, Text: "a <b>\nline"},
		{At: 3 * time.Second, Kind: WorkerState, Name: "worker-2", State: WorkerLost, Worker: &Worker{Where: "process 7", ClockOffset: -3}},
	}}
	events, latency, err := NewEncoder().Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := new(Decoder).Decode(events, latency)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefusesWhatIsDamaged(t *testing.T) {
	for name, in := range map[string]struct{ events, latency string }{
		"an event cut short":    {events: `{"t_ns":1,"event":"lo`},
		"an event of no kind":   {events: "{}\n"},
		"a histogram cut short": {latency: "Tag=a/b/ok/response,0.000,1.000,0.001,HISTFAAA\n"},
		"no interval":           {latency: "nonsense\n"},
	} {
		if _, err := new(Decoder).Decode([]byte(in.events), []byte(in.latency)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestCountsOfWorkersAddUp(t *testing.T) {
	sum := LoadCounts{Failed: map[string]int64{}, Status: map[string]int64{}}
	sum.Merge(&LoadCounts{Offered: 5, Sent: 4, InFlight: 1, Waiting: 1, Sessions: 3, Planned: 10, Failed: map[string]int64{"timeout": 1}, Status: map[string]int64{"200": 3}})
	sum.Merge(&LoadCounts{Offered: 5, Sent: 5, Lost: 2, InFlight: 2, Sessions: 4, Planned: 10, Status: map[string]int64{"200": 5}})
	want := LoadCounts{Offered: 10, Sent: 9, Lost: 2, InFlight: 3, Waiting: 1, Sessions: 7, Planned: 10, Failed: map[string]int64{"timeout": 1}, Status: map[string]int64{"200": 8}}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Error(diff)
	}
}

func TestTheWorstWorkerCounts(t *testing.T) {
	busy := Health{CPU: 1.9, Cores: 2, DispatchLag: time.Millisecond, Files: 10, FileLimit: 1024,
		MachineCPU: 3.9, MachineCores: 4, Ports: 900, PortLimit: 1000, PortsTo: "a", Retransmits: 5, ThreadCPU: 0.9}
	late := Health{CPU: 4, Cores: 32, DispatchLag: time.Second, Files: 60, FileLimit: 64, GCPause: 3,
		MachineCPU: 6, MachineCores: 32, Ports: 1000, PortLimit: 28000, PortsTo: "b", Retransmits: 2, SynRetransmits: 1, ListenOverflows: 4, GCCPU: 0.2}
	for _, got := range []Health{busy.Worse(late), late.Worse(busy)} {
		want := Health{CPU: 1.9, Cores: 2, DispatchLag: time.Second, Files: 60, FileLimit: 64, GCPause: 3,
			MachineCPU: 3.9, MachineCores: 4, Ports: 900, PortLimit: 1000, PortsTo: "a", Retransmits: 5, SynRetransmits: 1, ListenOverflows: 4, ThreadCPU: 0.9, GCCPU: 0.2}
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
