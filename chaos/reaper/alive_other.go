//go:build !linux

package reaper

import (
	"os"
	"syscall"
)

// A Process is one very process, as far as this system tells.
type Process struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start_ticks,omitempty"`
}

func identify(pid int) Process { return Process{Pid: pid} }

// What a process is doing.
const (
	processRuns    = "running"
	processStopped = "stopped"
	processGone    = "gone"
)

func (p Process) look() string {
	found, err := os.FindProcess(p.Pid)
	if err != nil {
		return processGone
	}
	defer found.Release()
	if err := found.Signal(syscall.Signal(0)); err != nil {
		return processGone
	}
	return processRuns
}
