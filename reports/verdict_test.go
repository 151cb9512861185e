package reports

import (
	"testing"

	"github.com/brunt-dev/brunt/reports/objective"
)

func TestJudge(t *testing.T) {
	held, broke, unknown := objective.Pass, objective.Fail, objective.Unknown
	sound := facts{complete: true, measured: true}
	with := func(change func(*facts)) facts {
		f := sound
		change(&f)
		return f
	}
	tests := []struct {
		name string
		in   facts
		want Verdict
	}{
		// Everything is right, and something was asked.
		{"held", with(func(f *facts) { f.findings = []objective.State{held, held} }), Pass},
		// Nothing was asked, and something was measured.
		{"nothing asked", sound, Pass},
		// Nothing was asked, and nothing succeeded: not a pass.
		{"nothing measured", with(func(f *facts) { f.measured = false }), Inconclusive},
		// One objective decides.
		{"one broke", with(func(f *facts) { f.findings = []objective.State{held, broke, held} }), Fail},
		// What was not measured is not a pass.
		{"one unknown", with(func(f *facts) { f.findings = []objective.State{held, unknown} }), Inconclusive},
		// A failure is one, whatever else is unknown.
		{"broke and unknown", with(func(f *facts) { f.findings = []objective.State{unknown, broke} }), Fail},
		// Proven faults are in no one's way.
		{"fault proven", with(func(f *facts) { f.findings = []objective.State{held}; f.faults = []Truth{FaultProven} }), Pass},
		// A run that was to survive a fault did not have to.
		{"fault without effect", with(func(f *facts) {
			f.findings = []objective.State{held}
			f.faults = []Truth{FaultProven, FaultIneffective}
		}), Inconclusive},
		{"fault not injected", with(func(f *facts) { f.faults = []Truth{FaultNotInjected} }), Inconclusive},
		// No run passes unless every fault is verified gone.
		{"fault not gone", with(func(f *facts) { f.findings = []objective.State{held}; f.faults = []Truth{FaultNotGone} }), Inconclusive},
		{"fault not gone, and broke", with(func(f *facts) { f.findings = []objective.State{broke}; f.faults = []Truth{FaultNotGone} }), Fail},
		// The generator cannot be trusted, or nobody looked.
		{"bottleneck", with(func(f *facts) { f.findings = []objective.State{held}; f.bottleneck = true }), Inconclusive},
		{"unwatched", with(func(f *facts) { f.findings = []objective.State{held}; f.unwatched = true }), Inconclusive},
		// Findings that the bottleneck does not touch still fail the run.
		{"bottleneck, and broke", with(func(f *facts) { f.findings = []objective.State{broke}; f.bottleneck = true }), Fail},
		// Interrupted, aborted, crashed.
		{"cut short", with(func(f *facts) { f.findings = []objective.State{held}; f.complete = false }), Inconclusive},
		{"cut short after it broke", with(func(f *facts) { f.findings = []objective.State{broke}; f.complete = false }), Fail},
		// Part of the load was not offered.
		{"worker lost", with(func(f *facts) { f.findings = []objective.State{held}; f.shorthanded = true }), Inconclusive},
		// What cannot be read may have said otherwise.
		{"damaged", with(func(f *facts) { f.findings = []objective.State{held}; f.damaged = true }), Inconclusive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(tt.in); got != tt.want {
				t.Errorf("judge(%+v) = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	tests := []struct {
		name    string
		verdict Verdict
		truth   Truth
		want    int
	}{
		{"pass", Pass, FaultProven, 0},
		{"fail", Fail, FaultProven, 1},
		{"inconclusive", Inconclusive, FaultIneffective, 3},
		// What may still be broken outranks everything.
		{"fault left behind by a failed run", Fail, FaultNotGone, 4},
		{"fault left behind", Inconclusive, FaultNotGone, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &Report{Verdict: tt.verdict, Faults: []Fault{{Truth: FaultProven}, {Truth: tt.truth}}}
			if got := r.ExitCode(); got != tt.want {
				t.Errorf("ExitCode() = %d, want %d", got, tt.want)
			}
		})
	}
}
