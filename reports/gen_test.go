package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A play is a run made up for tests: a small shop that takes a surge, loses a
// replica and pays slowly for a while. It depends on nothing but its fields.
type play struct {
	seed       uint64
	name       string
	scale      int           // lengthens every phase
	slow       float64       // multiplies response times in the surge
	patience   time.Duration // arrivals that would wait longer in the surge are dropped; 0: none
	loads      []string      // more loads of the second kind
	thin       float64       // divides every rate; 0: as it is
	objectives []string

	health func(sec int, h *journal.Health)
	events func(e journal.Event) []journal.Event // replaces an event
	note   string
}

var origin = time.Date(2026, 11, 22, 7, 35, 1, 250_000_000, time.UTC)

func (p play) seconds(s int) time.Duration {
	return time.Duration(s) * time.Duration(max(p.scale, 1)) * time.Second
}

func (p play) plan() journal.Plan {
	at := p.seconds
	name := p.name
	if name == "" {
		name = "hello"
	}
	plan := journal.Plan{
		Version: journal.PlanVersion, Name: name, File: "examples/hello.yaml", Seed: 42, Duration: at(65),
		Description: "A small shop takes a surge, loses a replica, and pays slowly for a while.",
		Target:      []string{"127.0.0.1:18080"},
		Phases: []journal.PhasePlan{
			{Name: "warmup", Start: 0, End: at(5), Exclude: true},
			{Name: "steady", Start: at(5), End: at(15)},
			{Name: "surge", Start: at(15), End: at(35)},
			{Name: "storm", Start: at(35), End: at(55)},
			{Name: "recovery", Start: at(55), End: at(65)},
		},
		Loads: []journal.LoadPlan{
			{Name: "browse", Kind: "http", Model: "open", Steps: []string{"list", "product"}, MaxInFlight: 1000, Patience: time.Second, Timeout: 2 * time.Second},
			{Name: "checkout", Kind: "http", Model: "open", Steps: []string{"cart"}, MaxInFlight: 1000, Patience: time.Second, Timeout: 2 * time.Second},
		},
		Faults: []journal.FaultPlan{
			{Name: "kill_replica", Kind: "process", Phase: "storm", At: at(37), OneShot: true, What: "kill shop-2"},
			{Name: "slow_payments", Kind: "proxy", Phase: "storm", At: at(45), For: at(6), What: "latency 80ms ±20ms on payments"},
		},
		Probes: []journal.ProbePlan{{Name: "replicas", Kind: "http", What: "$.ready of http://127.0.0.1:18090/status"}},
	}
	for _, l := range p.loads {
		plan.Loads = append(plan.Loads, journal.LoadPlan{Name: l, Kind: "http", Model: "open", Steps: []string{"cart"}})
	}
	sources := p.objectives
	if sources == nil {
		sources = []string{
			"browse.p99 < 150ms in steady",
			"checkout.p95 < 200ms in steady",
			"browse.errors < 0.1% in steady",
			"replicas.max >= 4 in surge",
			"browse.p99 < 200ms in surge after 15s",
			"browse.errors < 1% in surge",
			"browse.errors < 1% in storm",
			"checkout.p95 < 1s in storm while slow_payments",
			"replicas >= 2 in recovery",
			"browse.p99 < 150ms in recovery after 3s",
		}
	}
	for i, s := range sources {
		o := journal.ObjectivePlan{Source: s, Line: 47 + i}
		for _, ph := range plan.Phases {
			if contains(s, " in "+ph.Name) {
				o.Phase = ph.Name
			}
		}
		plan.Objectives = append(plan.Objectives, o)
	}
	return plan
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

// rate is what a load offers at a time, in the unscaled run.
func rateAt(load string, t float64) float64 {
	peak, low := 200.0, 60.0
	if load != "browse" {
		peak, low = 40, 20
	}
	switch {
	case t < 5:
		return low * t / 5
	case t < 15:
		return low
	case t < 25:
		return low + (peak-low)*(t-15)/10
	case t < 55:
		return peak
	}
	return low
}

// A sink takes a play's batches.
type sink interface{ Append(journal.Batch) error }

// perform plays into a sink.
func (p play) perform(t testing.TB, to sink) {
	t.Helper()
	rng := rand.New(rand.NewPCG(p.seed+1, 7))
	plan := p.plan()
	give := func(b journal.Batch) {
		if p.events != nil {
			var kept []journal.Event
			for _, e := range b.Events {
				kept = append(kept, p.events(e)...)
			}
			b.Events = kept
		}
		if err := to.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	wall := origin
	give(journal.Batch{Events: []journal.Event{{Kind: journal.RunStarted, Text: "devel 0123456789ab", Wall: &wall,
		Environment: map[string]string{"go": "go1.26.8", "os": "linux/amd64", "cores": "4", "host": "bench", "kernel": "6.12.9"}}}})
	type recording struct {
		rec    *journal.Recorder
		counts journal.LoadCounts
	}
	recs := make(map[string]*recording)
	for _, l := range plan.Loads {
		recs[l.Name] = &recording{rec: journal.NewRecorder(l.Name, l.Steps, 1)}
	}
	replicas := 2.0
	scale := float64(max(p.scale, 1))
	seconds := int(plan.Duration / time.Second)
	for sec := range seconds {
		x := float64(sec) / scale // where in the unscaled run
		var b journal.Batch
		for _, ph := range plan.Phases {
			if ph.Start == time.Duration(sec)*time.Second {
				b.Events = append(b.Events, journal.Event{At: ph.Start, Kind: journal.PhaseStarted, Name: ph.Name})
			}
		}
		switch {
		case x < 20:
			replicas = 2
		case x < 24:
			replicas = 3
		case x < 37:
			replicas = 5
		case x < 40:
			replicas = 4
		default:
			replicas = 5
		}
		r := replicas
		b.Events = append(b.Events, journal.Event{At: time.Duration(sec)*time.Second + 120*time.Millisecond, Kind: journal.ProbeReading, Name: "replicas", Value: &r, Text: "200 OK"})
		for _, l := range plan.Loads {
			rc := recs[l.Name]
			c := &rc.counts
			*c = journal.LoadCounts{Failed: map[string]int64{}, Status: map[string]int64{}}
			rate := rateAt(l.Name, x)
			if p.thin > 0 {
				rate /= p.thin
			}
			n := int(rate)
			if rng.Float64() < rate-float64(n) {
				n++
			}
			for k := range n {
				due := time.Duration(sec)*time.Second + time.Duration(float64(k)/float64(n)*1e9)
				p.arrive(rng, rc.rec, c, l, due, x, replicas)
			}
			c.Planned = rateAt(l.Name, x+1)
			if l.Name == "checkout" {
				c.FullHandshakes, c.ResumedHandshakes = 1, int64(n/10)
			}
			c.Sessions, c.InFlight = int64(n/10+1), int64(n/20)
			b.Intervals = append(b.Intervals, rc.rec.Flush()...)
			counts := *c
			b.Events = append(b.Events, journal.Event{At: time.Duration(sec+1)*time.Second + 400*time.Microsecond, Kind: journal.LoadSecond, Name: l.Name, Load: &counts})
			if c.Failed["status"] > 0 {
				b.Events = append(b.Events, journal.Event{At: time.Duration(sec+1) * time.Second, Kind: journal.LoadError, Name: l.Name, Step: l.Steps[0], State: "status",
					Text: fmt.Sprintf("GET http://127.0.0.1:18080/%s: 503 Service Unavailable", l.Steps[0])})
			}
		}
		h := &journal.Health{CPU: 0.31 + 0.1*rng.Float64(), Cores: 4, MachineCPU: 1.7, GCPause: 180 * time.Microsecond, SchedLatency: 90 * time.Microsecond,
			DispatchLag: time.Duration(60+rng.IntN(50)) * time.Microsecond, Goroutines: 240, RSS: 84 << 20, Files: 310, FileLimit: 20000,
			ThreadCPU: 0.22, MachineCores: 8, GCCPU: 0.01, Ports: 246, PortsTo: "127.0.0.1:18080", PortLimit: 28232, Retransmits: int64(sec % 3 / 2)}
		if p.health != nil {
			p.health(sec, h)
		}
		b.Events = append(b.Events, journal.Event{At: time.Duration(sec+1)*time.Second + 500*time.Microsecond, Kind: journal.HealthSecond, Health: h})
		b.Events = append(b.Events, p.faultEvents(sec, plan)...)
		for _, ph := range plan.Phases {
			if ph.End == time.Duration(sec+1)*time.Second {
				b.Events = append(b.Events, journal.Event{At: ph.End, Kind: journal.PhaseEnded, Name: ph.Name})
			}
		}
		give(b)
	}
	end := journal.Batch{}
	if p.note != "" {
		end.Events = append(end.Events, journal.Event{At: plan.Duration, Kind: journal.Note, State: "warning", Text: p.note})
	}
	end.Events = append(end.Events, journal.Event{At: plan.Duration + 210*time.Millisecond, Kind: journal.RunEnded, State: "completed"})
	give(end)
}

// arrive plays one arrival: every step of it in turn.
func (p play) arrive(rng *rand.Rand, rec *journal.Recorder, c *journal.LoadCounts, l journal.LoadPlan, due time.Duration, x, replicas float64) {
	c.Offered++
	overload := max(0, rateAt("browse", x)/(replicas*45)-0.8)
	factor := 1 + 2.2*overload
	if x >= 15 && x < 35 && p.slow > 0 {
		factor *= p.slow
	}
	wait := time.Duration(30+rng.IntN(60)) * time.Microsecond
	if p.patience > 0 && x >= 22 && x < 35 {
		queue := time.Duration(float64(p.patience) * (0.3 + rng.Float64()))
		if queue > p.patience {
			c.Dropped++
			c.Ops++
			c.Failed["dropped"]++
			rec.Record(0, journal.Sample{Outcome: "dropped", Due: due, Started: -1, Ended: due + p.patience})
			return
		}
		wait += queue
	}
	c.Sent++
	at := due
	started := due + wait
	for i := range l.Steps {
		base := 11.0
		if l.Name != "browse" {
			base = 24
			if x >= 45 && x < 51 {
				base += 80 + 20*(2*rng.Float64()-1)
			}
		} else if i == 1 {
			base = 7
		}
		ms := base * factor * math.Exp(rng.NormFloat64()*0.38)
		service := time.Duration(ms * 1e6)
		outcome, status := "ok", "200"
		switch {
		case x >= 37 && x < 38.2 && rng.Float64() < 0.05:
			outcome, status = "reset", ""
			service /= 8
		case x >= 37 && x < 39 && rng.Float64() < 0.01:
			outcome, status = "status", "503"
			service /= 6
		case service > 2*time.Second:
			outcome, status = "timeout", ""
			service = 2 * time.Second
		}
		c.Ops++
		if outcome != "ok" {
			c.Failed[outcome]++
		}
		if status != "" {
			c.Status[status]++
		}
		c.BytesOut += 180
		c.BytesIn += 2400
		s := journal.Sample{Step: i, Outcome: outcome, Due: at, Started: started, Ended: started + service, FirstByte: service * 8 / 10}
		if rng.IntN(50) == 0 {
			s.Connect = time.Duration(120+rng.IntN(200)) * time.Microsecond
		}
		rec.Record(0, s)
		at = s.Ended
		started = at
		if outcome != "ok" {
			break
		}
	}
	c.Completed++
}

func (p play) faultEvents(sec int, plan journal.Plan) []journal.Event {
	var out []journal.Event
	say := func(at time.Duration, name, state, text string, targets ...string) {
		if int(at/time.Second) == sec {
			out = append(out, journal.Event{At: at, Kind: journal.FaultState, Name: name, State: state, Text: text, Targets: targets})
		}
	}
	ms := time.Millisecond
	a := plan.Faults[0].At
	say(a, "kill_replica", journal.FaultRequested, "")
	say(a+3*ms, "kill_replica", journal.FaultInjected, "", "process 4711 (shop-2)")
	say(a+58*ms, "kill_replica", journal.FaultEffective, "", "process 4711 (shop-2)")
	say(plan.Phases[3].End-time.Millisecond, "kill_replica", journal.FaultGone, "one-shot: there is nothing to undo", "process 4711 (shop-2)")
	b, d := plan.Faults[1].At, plan.Faults[1].For
	say(b, "slow_payments", journal.FaultRequested, "")
	say(b+4*ms, "slow_payments", journal.FaultInjected, "", "proxy payments")
	say(b+312*ms, "slow_payments", journal.FaultEffective, "", "proxy payments")
	say(b+d+2*ms, "slow_payments", journal.FaultUndone, "", "proxy payments")
	say(b+d+9*ms, "slow_payments", journal.FaultGone, "", "proxy payments")
	return out
}

// record plays into a run directory and reads it back, as the command does.
func (p play) record(t testing.TB) *journal.Journal {
	t.Helper()
	dir := t.TempDir()
	w, err := journal.Create(dir, p.plan(), []byte("version: 1\nname: hello\n"))
	if err != nil {
		t.Fatal(err)
	}
	p.perform(t, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// live plays into memory, as a game day does.
func (p play) live(t testing.TB) *journal.Journal {
	t.Helper()
	j := journal.New(p.plan())
	p.perform(t, j)
	return j
}
