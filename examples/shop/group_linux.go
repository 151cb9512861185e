package shop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// A process is a living process of a stack.
type process struct {
	pid  int
	name string
}

func (p process) String() string { return fmt.Sprintf("%s (pid %d)", p.name, p.pid) }

// leadGroup makes a command lead a process group of its own.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func (p process) kill() { _ = syscall.Kill(p.pid, syscall.SIGKILL) }

// groupMembers lists the living processes of a stack's process group, whoever
// is their parent now. Those that ended and only wait to be reaped by someone
// else do not count, nor does what is not `brunt shop ROLE NAME`: the number
// of a group whose processes are gone may be somebody else's by now.
func groupMembers(group int) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var members []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue // not a process
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it ended just now
		}
		state, pgrp := parseStat(stat)
		if pgrp != group || state == "Z" || state == "X" {
			continue
		}
		if name, ours := processName(pid); ours {
			members = append(members, process{pid, name})
		}
	}
	return members, nil
}

// parseStat finds a process's state and group in /proc/PID/stat:
// "PID (COMMAND) STATE PPID PGRP …", where COMMAND may hold anything.
func parseStat(stat []byte) (state string, pgrp int) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 3 {
		return "", 0
	}
	pgrp, _ = strconv.Atoi(fields[2])
	return fields[0], pgrp
}

// processName is the NAME of `EXE shop ROLE NAME`.
func processName(pid int) (name string, ours bool) {
	line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	if len(args) != 4 || args[1] != "shop" {
		return "", false
	}
	return args[3], true
}
