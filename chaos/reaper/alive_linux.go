package reaper

import (
	"os"
	"strconv"
	"strings"
)

// A Process is one very process within one boot: its pid may be used again, its
// start time with it may not.
type Process struct {
	Pid   int    `json:"pid"`
	Start uint64 `json:"start_ticks,omitempty"` // since boot; 0 where that is not known
}

// identify says which process has the pid now.
func identify(pid int) Process {
	_, start := stat(pid)
	return Process{pid, start}
}

// What a process is doing.
const (
	processRuns    = "running"
	processStopped = "stopped"
	processGone    = "gone"
)

// look says what the process is doing.
func (p Process) look() string {
	state, start := stat(p.Pid)
	switch {
	case state == 0 || start != p.Start || strings.IndexByte("ZXx", state) >= 0:
		return processGone
	case state == 'T' || state == 't':
		return processStopped
	}
	return processRuns
}

// stat reads the state and the start time of a process; 0 when there is none.
func stat(pid int) (state byte, start uint64) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // from field 3
	if len(fields) < 20 {
		return 0, 0
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, 0
	}
	return fields[0][0], start
}
