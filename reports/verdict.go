package reports

import "github.com/brunt-dev/brunt/reports/objective"

// A Verdict is what a run comes to.
type Verdict string

const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive" // not enough is known to say either
)

// A Truth is what is known of a fault at the end.
type Truth string

const (
	FaultProven      Truth = "proven"       // its effect was seen, and so was its end
	FaultIneffective Truth = "ineffective"  // it was injected, and no effect was seen
	FaultNotInjected Truth = "not_injected" // it failed, or the run ended, before anything was touched
	FaultNotGone     Truth = "not_gone"     // it may still be there
)

// facts are all that the verdict hangs on.
type facts struct {
	findings    []objective.State
	faults      []Truth
	bottleneck  bool // the generator was
	unwatched   bool // nothing says how the generator was
	complete    bool // the run was played to its planned end
	damaged     bool // part of the journal could not be read
	shorthanded bool // more workers were lost than may be
	measured    bool // there is something to go by: an objective, or an operation that succeeded
}

// judge gives the verdict. A failure counts whatever else went wrong: what was
// seen to break a promise stays seen. Everything else has to be right for a
// pass.
func judge(f facts) Verdict {
	for _, s := range f.findings {
		if s == objective.Fail {
			return Fail
		}
	}
	if f.bottleneck || f.unwatched || !f.complete || f.damaged || f.shorthanded || !f.measured {
		return Inconclusive
	}
	for _, s := range f.findings {
		if s != objective.Pass {
			return Inconclusive
		}
	}
	for _, t := range f.faults {
		if t != FaultProven {
			return Inconclusive
		}
	}
	return Pass
}

// Exit codes of a verdict. The codes for bad usage, interruption and bugs are
// the command's own.
const (
	exitPass         = 0
	exitFail         = 1
	exitInconclusive = 3
	exitFaultLeft    = 4
)

// ExitCode returns 0 for a pass, 1 for a fail, 3 for an inconclusive run, and
// 4, whatever the verdict, when a fault is not verified gone.
func (r *Report) ExitCode() int {
	for _, f := range r.Faults {
		if f.Truth == FaultNotGone {
			return exitFaultLeft
		}
	}
	switch r.Verdict {
	case Pass:
		return exitPass
	case Fail:
		return exitFail
	}
	return exitInconclusive
}
