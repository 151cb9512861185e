package tui

import (
	"testing"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
	"github.com/brunt-dev/brunt/reports/objective"
)

// How objectives stand as the scripted run goes on.
func TestStandings(t *testing.T) {
	tests := []struct {
		second int
		source string
		word   string
	}{
		{0, "browse.p95 < 150ms in steady", standingNotYet},
		{3, "browse.p95 < 150ms in steady", standingNotYet},
		{10, "browse.p95 < 150ms in steady", standingHolding},
		{16, "browse.p95 < 150ms in steady", standingHolding}, // operations that fell due in it may not have ended
		{25, "browse.p95 < 150ms in steady", standingHeld},
		{20, "browse.p99 < 200ms in surge after 15s", standingNotYet},
		{24, "replicas.max >= 4 in surge", standingAtRisk}, // three so far
		{32, "replicas.max >= 4 in surge", standingHolding},
		{40, "replicas.max >= 4 in surge", standingHeld},
		{44, "checkout.p95 < 150ms in storm while slow_payments", standingNotYet}, // no fault yet
		{48, "checkout.p95 < 150ms in storm while slow_payments", standingAtRisk}, // a p95 can still come down
		{54, "checkout.p95 < 150ms in storm while slow_payments", standingBroken}, // the fault is gone
		{60, "replicas.last <= 4 in recovery", standingAtRisk},
		{71, "replicas.last <= 4 in recovery", standingBroken},
		{71, "replicas >= 2 in recovery", standingHeld},
	}
	for _, test := range tests {
		f := played(test.second)
		for _, o := range f.now.objectives {
			if o.source == test.source && o.word != test.word {
				t.Errorf("%s after %d s: %s (%s, %s), want %s", o.source, test.second, o.word, o.observed, o.reason, test.word)
			}
		}
	}
}

// What has been judged for good is neither judged nor remembered any more.
func TestJudgeForgets(t *testing.T) {
	f := played(50)
	if got := f.judge.journal.Window("browse", "", 0, 30*time.Second).Ops(); got != 0 {
		t.Errorf("%d operations of judged phases are remembered", got)
	}
	if got := f.judge.journal.Window("browse", "", 36*time.Second, 50*time.Second).Ops(); got == 0 {
		t.Error("operations of the phase being judged are forgotten")
	}
	// An objective over the whole run keeps all of it.
	plan := scriptedPlan()
	plan.Objectives = append(plan.Objectives, journal.ObjectivePlan{Source: "browse.p99 < 1s"})
	f = newFollower(plan)
	for i := range 50 {
		for _, b := range scripted(plan, i) {
			f.take(b, epoch)
		}
		f.now.objectives = f.judge.pass(f.last, false)
	}
	if got := f.judge.journal.Window("browse", "", 5*time.Second, 15*time.Second).Ops(); got == 0 {
		t.Error("an open objective's operations are forgotten")
	}
}

// A plan of another version may hold what this one cannot read.
func TestJudgeOddPlan(t *testing.T) {
	f := newFollower(journal.Plan{Duration: time.Second, Objectives: []journal.ObjectivePlan{{Source: "browse ~ 12"}, {Source: "nobody.p99 < 1s"}}})
	for i, s := range f.judge.pass(2*time.Second, true) {
		if s.word != standingUnknown || s.reason == "" {
			t.Errorf("%d: %+v", i, s)
		}
	}
}

func TestHolds(t *testing.T) {
	tests := []struct {
		limit, observed, margin string
		holds, near             bool
	}{
		{"< 300ms", "200ms", "33% below the limit", true, false},
		{"< 300ms", "290ms", "3.3% below the limit", true, true},
		{"< 300ms", "300ms", "at the limit", false, true},
		{"<= 300ms", "300ms", "at the limit", true, true},
		{"< 300ms", "4s", "13 times the limit", false, false},
		{"> 500/s", "510/s", "2% above the limit", true, true},
		{"> 500/s", "500/s", "at the limit", false, true},
		{">= 4", "6", "50% above the limit", true, false},
		{"6..20", "7", "inside the range", true, false},
		{"6..20", "5", "1 below the range", false, false},
		{"== 200", "200", "", true, false},
		{"!= 200", "200", "", false, false},
		{"< 0.1%", "0%", "100% below the limit", true, false},
	}
	for _, test := range tests {
		f := objective.Finding{Limit: test.limit, Observed: test.observed, Margin: test.margin, Unit: "ns"}
		if holds(f) != test.holds || nearLimit(f) != test.near {
			t.Errorf("%+v: holds %v, near %v", test, holds(f), nearLimit(f))
		}
	}
}

func TestCanMend(t *testing.T) {
	tests := []struct {
		source string
		want   bool
	}{
		{"browse.p99 < 300ms", true},
		{"browse.list.service.p99.9 < 300ms", true},
		{"browse.mean < 300ms", true},
		{"browse.errors < 1%", true},
		{"browse.rate > 10/s", true},
		{"browse.p99 < 300ms within 30s", false}, // the window that failed stays failed
		{"browse.max < 300ms", false},
		{"browse.errors < 5", false}, // a count never shrinks
		{"browse.dropped == 0", false},
		{"replicas 6..20", false},
		{"replicas.max >= 4", false},
	}
	for _, test := range tests {
		o, err := objective.Compile(test.source)
		if err != nil {
			t.Fatal(err)
		}
		_, _, measure := o.Metric()
		if got := canMend(o.Source(), measure); got != test.want {
			t.Errorf("%s (%s): %v", test.source, measure, got)
		}
	}
}

func TestBrief(t *testing.T) {
	for margin, want := range map[string]string{
		"31% below the limit":      "31% below",
		"over 99% below the limit": ">99% below",
		"inside the range":         "inside",
		"3 above the range":        "3 above",
		"13 times the limit":       "13 times",
		"at the limit":             "at limit",
		"":                         "",
	} {
		if got := brief(margin); got != want {
			t.Errorf("%q: %q, want %q", margin, got, want)
		}
	}
}
