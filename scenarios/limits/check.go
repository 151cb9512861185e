package limits

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A State says what to make of a check.
type State string

const (
	OK      State = "ok"
	Tight   State = "tight"   // it works, and measurements or reserves suffer
	Short   State = "short"   // it would run out
	Unknown State = "unknown" // the machine does not say
)

// A Check is one thing looked at.
type Check struct {
	Name  string
	State State
	Says  string // a plain sentence
	Mend  string // what to do about it; empty when there is nothing to do
}

// Checks looks at the machine alone: how much it could bear, and what makes it
// measure badly.
func (m Machine) Checks() []Check {
	return []Check{
		m.files(nil), m.ports(nil), m.memory(nil), m.conntrack(nil), m.cores(nil),
		m.steal(), m.clock(), m.slack(), m.governor(),
	}
}

// What other things on the machine may take before measurements suffer.
const (
	stealShare = 0.01 // a hundredth of all time is a p99 gone
	busyShare  = 0.25
)

func (m Machine) steal() Check {
	switch {
	case m.Steal < 0:
		return notKnown("steal", "how much of the processors' time others take")
	case m.Steal > stealShare:
		return Check{"steal", Tight, fmt.Sprintf("The hypervisor took %s of the processors' time just now. What it takes shows as latency that the target did not cause.", percent(m.Steal)),
			"Measure on a machine with processors of its own."}
	case m.Busy > busyShare:
		return Check{"steal", Tight, fmt.Sprintf("Other work kept the processors %s busy just now.", percent(m.Busy)),
			"End what else runs here before you measure."}
	}
	return Check{"steal", OK, fmt.Sprintf("The processors were %s busy just now, and the hypervisor took %s of their time.", percent(m.Busy), percent(m.Steal)), ""}
}

// Clocks that are read without a system call.
var fastClocks = []string{"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "riscv_clocksource"}

func (m Machine) clock() Check {
	switch {
	case m.ClockSource == "":
		return notKnown("clock", "which clock the kernel reads")
	case !slices.Contains(fastClocks, m.ClockSource):
		return Check{"clock", Tight, fmt.Sprintf("The kernel's clock is %s: every look at it is a system call, of which brunt makes several for each request.", m.ClockSource),
			"Boot with clocksource=tsc, or take a machine with a stable TSC."}
	}
	return Check{"clock", OK, fmt.Sprintf("The kernel's clock is %s, which is read without a system call.", m.ClockSource), ""}
}

// usualSlack is what Linux gives to every process that does not ask.
const usualSlack = 50 * time.Microsecond

func (m Machine) slack() Check {
	switch {
	case m.TimerSlack < 0:
		return notKnown("timers", "how late timers may be")
	case m.TimerSlack > usualSlack:
		return Check{"timers", Tight, fmt.Sprintf("Timers may be up to %s late. brunt sets that to 1ns for the threads that dispatch; think times and answers on the goroutine path still feel it.", m.TimerSlack),
			"Start brunt from a shell or service without a timer slack of its own (TimerSlackNSec= in systemd)."}
	}
	return Check{"timers", OK, fmt.Sprintf("Timers may be up to %s late, and brunt sets that to 1ns for the threads that dispatch.", m.TimerSlack), ""}
}

func (m Machine) governor() Check {
	switch m.Governor {
	case "":
		return Check{"governor", OK, "Nothing changes the processors' clock rate that this machine knows of.", ""}
	case "performance":
		return Check{"governor", OK, "The processors run at full clock rate.", ""}
	}
	return Check{"governor", Tight, fmt.Sprintf("The CPU governor is %s: at low rates processors slow down, and latencies look longer than at high ones.", m.Governor),
		"cpupower frequency-set -g performance"}
}

func notKnown(name, what string) Check {
	return Check{name, Unknown, "This machine does not say " + what + ".", ""}
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + "%" }

// thousands writes a number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes bytes in the largest unit that leaves a number above one.
func size(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(bytes), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return strconv.FormatFloat(f, 'f', min(i, 1), 64) + " " + units[i]
}
