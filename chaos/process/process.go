// Package process breaks processes on this machine: kill and terminate, which
// are one-shots, pause, which undo resumes, and limit, which gives each process
// less of the machine until undo restores what was before. It finds its target by a name
// within the stack, a pid, a pid file or a listening port.
//
// A process is its pid, its start time and the boot it lives in, never the pid
// alone: a pid that the kernel has handed to another process is not touched.
// Signals go through a pidfd where the kernel has them, checked after it was
// opened, so that nothing can slip in between the check and the signal. Verify
// reads /proc, another path than the signal's.
//
// CPU time and memory are limited through a control group that the fault makes
// for each process, in the older hierarchies and in the unified one, and whose
// name begins with brunt-limit-: nothing else is in it, and what the process was
// limited by before stays in force. Undo takes the process, and children that it
// has had meanwhile, back to where it came from. Memory that a process has
// already stays counted where it was. The limit of open files is the soft one;
// nice is that of every thread.
//
// It works on Linux. Elsewhere Prepare refuses, so that nothing is broken that
// could not be proven mended.
package process

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "process"

// Config is one fault on processes: exactly one of its actions.
type Config struct {
	Kill      *Target `yaml:"kill" doc:"End the process at once with SIGKILL; it stays dead." example:"shop-2"`
	Terminate *Target `yaml:"terminate" doc:"Ask the process to end with SIGTERM; it stays dead." example:"{ port: 8080 }"`
	Pause     *Target `yaml:"pause" doc:"Freeze the process with SIGSTOP; the undo lets it run again." example:"shop-1"`
	Limit     *Target `yaml:"limit" doc:"Give the process less of the machine: cpus, memory, files or nice; the undo restores what was before." example:"shop-1"`
	CPUs      float64 `yaml:"cpus" doc:"With limit: how many CPUs each process may use, through a control group of its own." min:"0.01" example:"0.2"`
	Memory    int64   `yaml:"memory" unit:"bytes" doc:"With limit: how much memory each process may take from now on, through a control group of its own; past it, it is reclaimed or killed." min:"1MiB" example:"64MiB"`
	Files     int     `yaml:"files" doc:"With limit: how many files each process may have open; those open already stay." min:"1" example:"20"`
	Nice      int     `yaml:"nice" doc:"With limit: the nice value of each process, from -20 (served first) to 19 (served last)." min:"-20" max:"19" example:"15"`
}

// A Target says which processes are meant, in exactly one way.
type Target struct {
	Name    string `yaml:"name" scalar:"true" doc:"A process of the stack, by its name or a pattern of names." example:"shop-2"`
	Pid     int    `yaml:"pid" doc:"A process id." min:"2"`
	PidFile string `yaml:"pid_file" doc:"A file that holds the process id." example:"/run/app.pid"`
	Port    int    `yaml:"port" doc:"The process that listens on this TCP port on loopback or on all addresses." min:"1" max:"65535"`
	Program string `yaml:"program" doc:"The processes that run this program, by the name of its file." example:"nginx"`
	Unit    string `yaml:"unit" doc:"The processes of a systemd unit." example:"nginx.service"`
	Pick    string `yaml:"pick" doc:"Which of several processes; without it that is refused." enum:"oldest,newest,all"`
}

// Validate reports what no process can be found by, or more than one way to
// find it.
func (c Config) Validate(report func(field, message, hint string)) {
	const hint = "say kill, terminate, pause or limit, and which process: `kill: shop-2` or `pause: { port: 8080 }`"
	actions := c.actions()
	if len(actions) != 1 {
		report("", fmt.Sprintf("exactly one of kill, terminate, pause and limit is needed, and there are %d", len(actions)), hint)
		return
	}
	for name, target := range actions {
		if target.ways() != 1 {
			report(name, fmt.Sprintf("exactly one of name, pid, pid_file, port, program and unit is needed, and there are %d", target.ways()), hint)
		}
		if target.Pick != "" && !target.several() {
			report(name+".pick", "pick chooses among several processes, and "+target.String()+" is one", "remove pick")
		}
		switch l := c.limits(); {
		case name == "limit" && l.none():
			report(name, "no limit is given", "give cpus, memory, files or nice, one or more of them")
		case name != "limit" && !l.none():
			report(l.parts()[0], l.parts()[0]+" belongs to limit, and the action is "+name, "remove it, or say limit")
		}
		if _, err := path.Match(target.Name, ""); err != nil {
			report(name+".name", fmt.Sprintf("%q is no pattern of names: a bracket is not closed", target.Name), "")
		}
	}
}

// actions are those set, by name.
func (c Config) actions() map[string]*Target {
	actions := map[string]*Target{"kill": c.Kill, "terminate": c.Terminate, "pause": c.Pause, "limit": c.Limit}
	maps.DeleteFunc(actions, func(_ string, target *Target) bool { return target == nil })
	return actions
}

// only returns the one action set; Validate or New has made sure of it.
func (c Config) only() (action string, target *Target) {
	for action, target = range c.actions() {
		break
	}
	return action, target
}

func (c Config) limits() limits {
	return limits{CPUs: c.CPUs, Memory: c.Memory, Files: uint64(max(0, c.Files)), Nice: c.Nice}
}

// ways counts the ways in which the target is named.
func (t Target) ways() int {
	ways := 0
	for _, set := range []bool{t.Name != "", t.Pid != 0, t.PidFile != "", t.Port != 0, t.Program != "", t.Unit != ""} {
		if set {
			ways++
		}
	}
	return ways
}

// pattern says whether the name stands for any number of names.
func (t Target) pattern() bool { return strings.ContainsAny(t.Name, "*?[") }

// several says whether the target may be more than one process.
func (t Target) several() bool {
	return t.pattern() || t.Port != 0 || t.Program != "" || t.Unit != ""
}

func (t Target) String() string {
	what := "process"
	if t.Pick == "all" {
		what = "processes"
	} else if t.Pick != "" {
		what = t.Pick + " process"
	}
	switch {
	case t.pattern() && t.Pick != "":
		return t.Pick + " of " + t.Name
	case t.Name != "":
		return t.Name
	case t.Pid != 0:
		return "process " + strconv.Itoa(t.Pid)
	case t.PidFile != "":
		return "the process of " + t.PidFile
	case t.Program != "":
		return "the " + what + " of " + t.Program
	case t.Unit != "":
		return "the " + what + " of unit " + t.Unit
	default:
		return "the " + what + " on port " + strconv.Itoa(t.Port)
	}
}

// What says what the fault does: "kill shop-2".
func What(c Config) string {
	action, target := c.only()
	if target == nil {
		return "nothing"
	}
	what := action + " " + target.String()
	if action == "limit" {
		what += " to " + c.limits().String()
	}
	return what
}

// OneShot is true for kill and terminate.
func OneShot(c Config) bool {
	action, _ := c.only()
	return action == "kill" || action == "terminate"
}

// New makes the fault; it touches nothing. A name is checked against the
// stack's processes where those are known already.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	action, target := c.only()
	if target.Name != "" && env.Processes != nil && len(target.named(env.Processes)) == 0 {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, unknownName(target.Name, env.Processes))
	}
	return &fault{name: env.Fault, action: action, target: *target, limits: c.limits(), processes: env.Processes, protect: env.Protect}, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{} }

func unknownName(name string, processes map[string]string) error {
	if len(processes) == 0 {
		return fmt.Errorf("no process is called %s: the target has no stack", name)
	}
	return fmt.Errorf("no process of the stack is called %s; there are %s", name, strings.Join(slices.Sorted(maps.Keys(processes)), ", "))
}
