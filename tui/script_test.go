package tui

import (
	"fmt"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// epoch is our clock when a scripted run begins.
var epoch = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

// planned is a plan like that of examples/hello.yaml.
func scriptedPlan() journal.Plan {
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	phase := func(name string, from, to int) journal.PhasePlan {
		return journal.PhasePlan{Name: name, Start: seconds(from), End: seconds(to), Exclude: name == "warmup"}
	}
	load := func(name string, rates ...float64) journal.LoadPlan {
		l := journal.LoadPlan{Name: name, Kind: "http", Model: "open", Steps: []string{"list"}, MaxInFlight: 1000, Patience: time.Second, Timeout: seconds(2)}
		ends := []int{0, 5, 15, 25, 35, 55, 70}
		for i, r := range rates {
			from := r
			if i == 0 {
				from = 0
			} else if i == 2 {
				from = rates[1]
			}
			l.Segments = append(l.Segments, journal.Segment{Start: seconds(ends[i]), End: seconds(ends[i+1]), From: from, To: r})
		}
		return l
	}
	objectives := []journal.ObjectivePlan{}
	for _, o := range []string{
		"browse.p95 < 150ms in steady", "checkout.p95 < 200ms in steady", "browse.errors < 0.1% in steady",
		"replicas.max >= 4 in surge", "browse.p99 < 200ms in surge after 15s", "browse.errors < 1% in surge",
		"browse.errors < 1% in storm", "checkout.errors < 5% in storm", "checkout.p95 < 150ms in storm while slow_payments",
		"browse.p95 < 150ms in recovery after 3s", "replicas >= 2 in recovery", "replicas.last <= 4 in recovery",
	} {
		objectives = append(objectives, journal.ObjectivePlan{Source: o})
	}
	return journal.Plan{
		Version: journal.PlanVersion, Name: "hello", Seed: 42, Duration: seconds(70),
		Phases:     []journal.PhasePlan{phase("warmup", 0, 5), phase("steady", 5, 15), phase("surge", 15, 35), phase("storm", 35, 55), phase("recovery", 55, 70)},
		Loads:      []journal.LoadPlan{load("browse", 60, 60, 200, 200, 200, 60), load("checkout", 20, 20, 40, 40, 40, 20)},
		Faults:     []journal.FaultPlan{{Name: "kill_replica", Kind: "process", Phase: "storm", At: seconds(37), For: seconds(18), OneShot: true, What: "kill shop-2"}, {Name: "slow_payments", Kind: "proxy", Phase: "storm", At: seconds(45), For: seconds(6), What: "latency 80ms ±20ms on payments"}},
		Probes:     []journal.ProbePlan{{Name: "replicas", Kind: "http", What: "$.ready of http://127.0.0.1:40001/status"}},
		Objectives: objectives,
	}
}

// second is what happens in second k of the scripted run: a batch as the
// engine would publish it.
func scripted(plan journal.Plan, k int) []journal.Batch {
	at := time.Duration(k) * time.Second
	var batches []journal.Batch
	one := func(e journal.Event) { batches = append(batches, journal.Batch{Events: []journal.Event{e}}) }
	if k == 0 {
		one(journal.Event{Kind: journal.RunStarted, Text: "devel"})
	}
	for _, p := range plan.Phases {
		if p.End == at {
			one(journal.Event{At: at, Kind: journal.PhaseEnded, Name: p.Name})
		}
		if p.Start == at {
			one(journal.Event{At: at + time.Millisecond, Kind: journal.PhaseStarted, Name: p.Name})
		}
	}
	fault := func(name, state, text string, targets ...string) {
		one(journal.Event{At: at + 2*time.Millisecond, Kind: journal.FaultState, Name: name, State: state, Text: text, Targets: targets})
	}
	switch k {
	case 37:
		fault("kill_replica", journal.FaultRequested, "")
		fault("kill_replica", journal.FaultInjected, "", "shop-2 (process 4711)")
		fault("kill_replica", journal.FaultEffective, "", "shop-2 (process 4711)")
		one(journal.Event{At: at + 300*time.Millisecond, Kind: journal.LoadError, Name: "browse", Step: "list", State: "status", Text: "GET /products?page=7: 502 Bad Gateway"})
	case 45:
		fault("slow_payments", journal.FaultRequested, "")
		fault("slow_payments", journal.FaultInjected, "", "proxy payments")
	case 46:
		fault("slow_payments", journal.FaultEffective, "", "proxy payments")
	case 51:
		fault("slow_payments", journal.FaultUndone, "", "proxy payments")
		fault("slow_payments", journal.FaultGone, "", "proxy payments")
	case 55:
		fault("kill_replica", journal.FaultGone, "one-shot: there is nothing to undo", "shop-2 (process 4711)")
	case 70:
		one(journal.Event{At: at + 500*time.Millisecond, Kind: journal.RunEnded, State: "completed"})
		return batches
	}
	replicas := float64(min(max(2, (k-10)/4), 5))
	one(journal.Event{At: at + 400*time.Millisecond, Kind: journal.ProbeReading, Name: "replicas", Value: &replicas, Text: fmt.Sprint(replicas)})

	tick := journal.Batch{}
	end := at + time.Second + time.Millisecond
	for _, l := range plan.Loads {
		n := int64(planned(l, at+500*time.Millisecond))
		p50, p99 := 8*time.Millisecond, 40*time.Millisecond
		failed := int64(0)
		if k > 18 && k < 30 {
			p99 = time.Duration(40+(k-18)*9) * time.Millisecond
		}
		if l.Name == "checkout" {
			p50, p99 = 25*time.Millisecond, 70*time.Millisecond
			if k >= 45 && k < 51 {
				p50, p99 = 110*time.Millisecond, 190*time.Millisecond
			}
		} else if k == 37 || k == 38 {
			failed = 3
		}
		interval := func(outcome string, count int64, value func(i int64) time.Duration) {
			h := journal.NewHistogram()
			for i := range count {
				_ = h.RecordValue(int64(value(i)))
			}
			if count > 0 {
				tick.Intervals = append(tick.Intervals, journal.Interval{Load: l.Name, Step: "list", Outcome: outcome, Measure: journal.Response, Start: at, Length: time.Second, Hist: h})
			}
		}
		interval(journal.OutcomeOK, n-failed, func(i int64) time.Duration { return p50 + (p99-p50)*time.Duration(i)/time.Duration(max(n, 1)) })
		interval("status", failed, func(int64) time.Duration { return 2 * time.Millisecond })
		c := &journal.LoadCounts{Offered: n, Sent: n, Completed: n, Ops: n, InFlight: n / 20, Sessions: n / 10, Planned: planned(l, at+999*time.Millisecond)}
		if failed > 0 {
			c.Failed = map[string]int64{"status": failed}
		}
		tick.Events = append(tick.Events, journal.Event{At: end, Kind: journal.LoadSecond, Name: l.Name, Load: c})
	}
	tick.Events = append(tick.Events, journal.Event{At: end, Kind: journal.HealthSecond, Health: &journal.Health{}})
	return append(batches, tick)
}

// played is a follower that has seen the scripted run up to second k, and
// judged it every second.
func played(k int) *follower {
	plan := scriptedPlan()
	f := newFollower(plan)
	for i := range k {
		for _, b := range scripted(plan, i) {
			f.take(b, epoch.Add(time.Duration(i+1)*time.Second))
		}
		f.now.objectives = f.judge.pass(f.last, f.now.ended)
	}
	return f
}
