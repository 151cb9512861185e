package reports

import (
	"strings"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// ceiling is what the generator of a ramp can send a second.
const ceiling = 60_000

// A ramp is a run of one open load whose plan grows by 10,000/s every second,
// from 10,000/s, at a generator that can send no more than ceiling.
type ramp struct {
	health func(over bool, h *journal.Health)     // what the generator says of itself
	load   func(over bool, c *journal.LoadCounts) // and what became of the load
}

func (p ramp) play(t *testing.T, objectives ...string) *Report {
	t.Helper()
	plan := journal.Plan{Duration: 20 * time.Second, Loads: []journal.LoadPlan{{Name: "a", Model: "open", Steps: []string{"x"}, Path: "lane"}}}
	for _, o := range objectives {
		plan.Objectives = append(plan.Objectives, journal.ObjectivePlan{Source: o})
	}
	j := journal.New(plan)
	rec := journal.NewRecorder("a", []string{"x"}, 1)
	for sec := range 20 {
		rate := int64(sec+1) * 10_000
		over := rate > ceiling
		c := &journal.LoadCounts{Offered: rate, Sent: min(rate, ceiling), Planned: float64(rate), Failed: map[string]int64{}}
		h := &journal.Health{Cores: 2, CPU: 0.5, ThreadCPU: 0.4, MachineCores: 2, MachineCPU: 1.2, FileLimit: 1000, Files: 100, PortLimit: 28_232, Ports: 64,
			PortsTo: "10.0.0.1:80", DispatchLag: 100 * time.Microsecond}
		if p.health != nil {
			p.health(over, h)
		}
		if p.load != nil {
			p.load(over, c)
		}
		c.Completed, c.Ops = c.Sent, c.Sent+c.Dropped
		for i := range 50 {
			due := time.Duration(sec)*time.Second + time.Duration(i)*20*time.Millisecond
			started := due + h.DispatchLag
			outcome := "ok"
			if c.Dropped > 0 && i < 40 {
				outcome, started = journal.OutcomeDropped, -1
			}
			rec.Record(0, journal.Sample{Outcome: outcome, Due: due, Started: started, Ended: due + h.DispatchLag + time.Millisecond})
		}
		at := time.Duration(sec+1) * time.Second
		err := j.Append(journal.Batch{Intervals: rec.Flush(), Events: []journal.Event{
			{At: at, Kind: journal.LoadSecond, Name: "a", Load: c},
			{At: at, Kind: journal.HealthSecond, Health: h},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(journal.Batch{Events: []journal.Event{{At: 20 * time.Second, Kind: journal.RunEnded, State: "completed"}}}); err != nil {
		t.Fatal(err)
	}
	return Build(j)
}

func TestHeldBack(t *testing.T) {
	late := func(h *journal.Health) { h.DispatchLag = 3 * time.Second }
	drop := func(over bool, c *journal.LoadCounts) {
		if over {
			c.Dropped = c.Offered - c.Sent
			c.Failed["dropped"] = c.Dropped
		}
	}
	fail := func(class string) func(bool, *journal.LoadCounts) {
		return func(over bool, c *journal.LoadCounts) {
			if over {
				c.Failed[class] = c.Offered - ceiling
				if class == "local" {
					c.Sent = c.Offered // it was tried
				}
			}
		}
	}
	when := func(change func(*journal.Health)) func(bool, *journal.Health) {
		return func(over bool, h *journal.Health) {
			if over {
				change(h)
			}
		}
	}
	tests := []struct {
		name string
		ramp ramp
		by   string // "" for nothing
		own  bool
		text string // a part of it
	}{
		{"nothing", ramp{}, "", false, ""},
		{"its cores", ramp{health: when(func(h *journal.Health) { late(h); h.CPU, h.ThreadCPU = 1.97, 0.99 }), load: drop}, "cpu", true, "brunt used 98.5% of its 2 cores"},
		// One lane is one thread: the other core cannot help it.
		{"one thread", ramp{health: when(func(h *journal.Health) { late(h); h.CPU, h.ThreadCPU = 1.05, 0.99 }), load: drop}, "cpu", true, "one of brunt's threads used 99% of a core"},
		{"what is ready to run", ramp{health: when(func(h *journal.Health) { late(h); h.SchedLatency = 2 * time.Second }), load: drop}, "cpu", true, "what was ready to run in brunt waited up to 2s for its 2 cores"},
		{"other processes", ramp{health: when(func(h *journal.Health) { late(h); h.ThreadCPU, h.MachineCPU = 0.6, 1.99 }), load: drop}, "machine", true, "used 1.99 of its 2 cores"},
		{"the hypervisor", ramp{health: when(func(h *journal.Health) { late(h); h.MachineCPU, h.Steal = 1.3, 0.65 }), load: drop}, "machine", true, "the hypervisor"},
		{"garbage", ramp{health: when(func(h *journal.Health) { late(h); h.CPU, h.GCCPU, h.GCPause = 1.99, 0.9, 30*time.Millisecond }), load: drop}, "gc", true, "garbage collection"},
		{"ports", ramp{health: when(func(h *journal.Health) { h.Ports = 28_232 }), load: fail("local")}, "ports", true, "28,232 of 28,232 in use to 10.0.0.1:80"},
		{"files", ramp{health: when(func(h *journal.Health) { h.Files = 999 }), load: fail("local")}, "files", true, "999 open of the 1,000"},
		{"nobody knows", ramp{health: when(late), load: drop}, "unknown", true, "nothing that it watches says why"},
		// The target's doing: the generator is not to blame.
		{"accept queue here", ramp{health: when(func(h *journal.Health) { h.SynRetransmits, h.ListenOverflows = 4000, 5000 }), load: drop}, "accept_queue", false, "5,000 connections turned away"},
		{"accept queue elsewhere", ramp{health: when(func(h *journal.Health) { h.SynRetransmits = 4000 }), load: fail("timeout")}, "accept_queue", false, "4,000 requests for a connection had to be repeated"},
		{"stray losses", ramp{health: when(func(h *journal.Health) { h.SynRetransmits = 3 }), load: fail("timeout")}, "", false, ""},
		{"all sessions taken", ramp{load: drop}, "sessions", false, "every session was taken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.ramp.play(t, "a.p99 < 50ms")
			h := r.Trust.HeldBack
			if tt.by == "" {
				if h != nil {
					t.Fatalf("held back by %s: %s", h.By, h.Text)
				}
				return
			}
			if h == nil {
				t.Fatalf("nothing held it back; problems %q", r.Trust.Problems)
			}
			if h.By != tt.by || h.Own != tt.own || !strings.Contains(h.Text, tt.text) {
				t.Errorf("held back by %s (own: %v): %s", h.By, h.Own, h.Text)
			}
			if h.Trusted == nil || *h.Trusted != ceiling || h.Limit != ceiling {
				t.Errorf("trusted %v, limit %g; want %d for both: %s", h.Trusted, h.Limit, ceiling, h.Text)
			}
			if told := strings.Join(append(r.Why, r.Trust.Problems...), "\n"); !strings.Contains(told, h.Text) {
				t.Errorf("the report does not tell it: %s", told)
			}
			if tt.own && r.Verdict == Pass {
				t.Error("the verdict is pass")
			}
		})
	}
}

// Fallen behind, brunt judges neither latencies nor the drops that it made
// itself, whether they held or not.
func TestFallenBehind(t *testing.T) {
	behind := ramp{
		health: func(over bool, h *journal.Health) {
			if over {
				h.DispatchLag, h.CPU = 3*time.Second, 1.98
			}
		},
		load: func(over bool, c *journal.LoadCounts) {
			if over {
				c.Dropped = c.Offered - c.Sent
			}
		},
	}
	r := behind.play(t, "a.p99 < 50ms", "a.p99 < 1h", "a.errors < 1%")
	for _, o := range r.Objectives {
		if o.State != objective.Unknown {
			t.Errorf("%s is %s, want unknown: %s", o.Source, o.State, o.Reason)
		}
	}
	if r.Verdict != Inconclusive || !strings.Contains(r.Cause, "CPU held brunt back") {
		t.Errorf("%s: %s", r.Verdict, r.Cause)
	}
	// Where every second was past the ceiling no rate is called trusted.
	always := ramp{health: func(_ bool, h *journal.Health) { h.DispatchLag, h.CPU = time.Second, 2 }}
	if h := always.play(t).Trust.HeldBack; h == nil || h.Trusted != nil || !strings.Contains(h.Text, "no second was sound") {
		t.Errorf("held back: %+v", h)
	}
}

// The target kept up with no rate whose arrivals it left unanswered, though
// their timeouts came seconds later; of brunt's own part that says nothing. What
// was sent in bursts was sent at their average.
func TestUnansweredIsNotKeptUp(t *testing.T) {
	var all []*playedSecond
	for i := range 10 {
		s := &playedSecond{at: time.Duration(i) * time.Second, planned: 100, offered: 100, sent: 100, health: &journal.Health{}}
		switch {
		case i < 2:
			s.planned, s.offered, s.sent = 50, 50, 50
		case i < 4:
			s.unserved = 30
		default:
			s.unserved, s.dropped = 80, 80
			s.sent = float64(40 * (i % 2))
		}
		all = append(all, s)
	}
	for _, b := range brakes {
		if b.by != "sessions" && b.by != "cpu" {
			continue
		}
		want := 50.0
		if b.own {
			want = 100
		}
		if h := b.tell(all[4:], all); h.Trusted == nil || *h.Trusted != want || h.Limit != 20 {
			t.Errorf("%s: %+v", b.by, h)
		}
	}
}
