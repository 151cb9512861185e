package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// keepers are programs whose loss locks people out of the machine, by their
// names as the kernel has them (15 bytes at the most); a * at the end stands
// for anything.
var keepers = []string{"init", "systemd*", "(sd-pam)", "sshd*", "login", "agetty", "getty", "dbus-daemon", "dbus-broker*", "NetworkManager", "wpa_supplicant", "dhclient", "dhcpcd*"}

// protected refuses processes whose loss would take more than themselves:
// init, kernel threads, what people log in by, brunt with everything that it
// descends from, and all that brunt has started to keep faults in check.
func protected(id identity) error {
	if id.Pid <= 1 {
		return fmt.Errorf("%s is the machine's first process and is never touched", id)
	}
	s, err := readStat(procPath(id.Pid, "/stat"))
	if err != nil {
		return fmt.Errorf("look at %s: %w", id, err)
	}
	switch {
	case s.flags&kernelThread != 0:
		return fmt.Errorf("%s is a thread of the kernel and is never touched", id)
	case id.Pid == os.Getpid():
		return fmt.Errorf("%s is brunt itself", id)
	case keepsMachine(s.name):
		return fmt.Errorf("%s keeps the machine going and is never touched", id)
	}
	if command := ownCommand(id.Pid); command != "" {
		return fmt.Errorf("%s is brunt itself (brunt %s) and is never touched", id, command)
	}
	for pid := os.Getppid(); pid > 1; {
		if pid == id.Pid {
			return fmt.Errorf("%s started brunt and is never touched", id)
		}
		s, err := readStat(procPath(pid, "/stat"))
		if err != nil {
			return nil // an ancestor has gone meanwhile; what is above it is not ours
		}
		pid = s.parent
	}
	return nil
}

func keepsMachine(name string) bool {
	return slices.ContainsFunc(keepers, func(k string) bool {
		start, open := strings.CutSuffix(k, "*")
		return name == start || open && strings.HasPrefix(name, start)
	})
}

// ownCommand is the command of brunt that a process runs, of this brunt or of
// another, when it is one of ownCommands.
func ownCommand(pid int) string {
	exe, err := os.Readlink(procPath(pid, "/exe"))
	if err != nil {
		return "" // not ours to look into, so not started by us
	}
	exe = strings.TrimSuffix(exe, " (deleted)") // brunt was replaced meanwhile
	if own, err := os.Executable(); filepath.Base(exe) != "brunt" && (err != nil || exe != own) {
		return ""
	}
	line, err := os.ReadFile(procPath(pid, "/cmdline"))
	if err != nil {
		return ""
	}
	args := bytes.Split(line, []byte{0})
	if len(args) < 2 || !slices.Contains(ownCommands, string(args[1])) {
		return ""
	}
	return string(args[1])
}

// programNames are the names of the file that a process was started from, and
// of the first word of its command line.
func programNames(pid int) []string {
	var names []string
	if exe, err := os.Readlink(procPath(pid, "/exe")); err == nil {
		names = append(names, filepath.Base(strings.TrimSuffix(exe, " (deleted)")))
	}
	if line, err := os.ReadFile(procPath(pid, "/cmdline")); err == nil {
		if first, _, _ := bytes.Cut(line, []byte{0}); len(first) > 0 {
			names = append(names, filepath.Base(string(first)))
		}
	}
	return names
}
