package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// kernelThread is PF_KTHREAD in the flags of /proc/PID/stat.
const kernelThread = 0x00200000

// ticksPerSecond is USER_HZ, the unit of times in /proc, which is 100 on every
// architecture that Go runs on.
const ticksPerSecond = 100

// A stat is what of /proc/PID/stat matters here.
type stat struct {
	name   string
	state  byte
	parent int
	flags  uint64
	start  uint64 // ticks since boot
	nice   int
}

// parseStat reads the text of a stat file. The name stands in parentheses and
// may itself hold spaces and parentheses.
func parseStat(text []byte) (stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, errors.New("read stat: no name in it")
	}
	fields := strings.Fields(string(text[end+1:])) // from field 3, the state
	if len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("read stat: %d fields after the name", len(fields))
	}
	s := stat{name: string(text[open+1 : end]), state: fields[0][0]}
	var errs [4]error
	s.parent, errs[0] = strconv.Atoi(fields[1])
	s.flags, errs[1] = strconv.ParseUint(fields[6], 10, 64)
	s.nice, errs[3] = strconv.Atoi(fields[16])
	s.start, errs[2] = strconv.ParseUint(fields[19], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return stat{}, fmt.Errorf("read stat: %w", err)
	}
	return s, nil
}

// readStat reads a stat file; errGone when there is no such process.
func readStat(path string) (stat, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return stat{}, errGone
	}
	if err != nil {
		return stat{}, fmt.Errorf("read stat: %w", err)
	}
	return parseStat(text)
}

func procPath(pid int, rest string) string { return "/proc/" + strconv.Itoa(pid) + rest }

// identify says which process has the pid now.
func identify(pid int) (identity, error) {
	s, err := readStat(procPath(pid, "/stat"))
	if err != nil {
		return identity{}, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return identity{Pid: pid, Start: s.start, Name: s.name}, nil
}

// look says what the process is doing. Its first thread may have ended, or be
// stuck in the kernel, while others run, so every thread counts.
func (id identity) look() (condition, error) {
	leader, err := readStat(procPath(id.Pid, "/stat"))
	if errors.Is(err, errGone) || err == nil && leader.start != id.Start {
		return gone, nil
	}
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(procPath(id.Pid, "/task"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return gone, nil
	}
	if err != nil {
		return "", fmt.Errorf("list threads of %s: %w", id, err)
	}
	going, halted := false, false
	for _, entry := range entries {
		s, err := readStat(procPath(id.Pid, "/task/"+entry.Name()+"/stat"))
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return "", err
		}
		switch s.state {
		case 'Z', 'X', 'x':
		case 'T':
			halted = true
		case 't':
			return traced, nil
		default:
			going = true
		}
	}
	switch {
	case going && halted:
		return halting, nil
	case going:
		return running, nil
	case halted:
		return stopped, nil
	default:
		return gone, nil
	}
}

// bootID names the present boot of this machine.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// sameBoot says whether the machine has been up since the receipt was made.
// Where it cannot tell it says yes: identities are checked all the same.
func sameBoot(boot string) bool {
	now, err := bootID()
	return err != nil || now == boot
}

// startedAt is when the process started, in civil time.
func (id identity) startedAt() (time.Time, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	_, rest, ok := strings.Cut(string(text), "\nbtime ")
	seconds, _, _ := strings.Cut(rest, "\n")
	boot, err := strconv.ParseInt(seconds, 10, 64)
	if !ok || err != nil {
		return time.Time{}, errors.New("read boot time: not found in /proc/stat")
	}
	return time.Unix(boot, 0).Add(time.Duration(id.Start) * time.Second / ticksPerSecond), nil
}
