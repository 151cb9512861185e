package exec

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// orphanPoll is how often a killed inject command is looked at, and
	// orphanBound how long it may take to end.
	orphanPoll  = 2 * time.Millisecond
	orphanBound = 5 * time.Second
)

// killInject kills inject commands of a receipt that still run, each with its
// process group, and returns when they have ended. Such a command leads its
// session and has the receipt's ID in its environment. What an inject command
// that has ended left running does not lead the session, and is for the undo
// command to deal with.
func killInject(id string) error {
	dir, err := os.Open("/proc")
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	var errs []error
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && injecting(pid, id) {
			errs = append(errs, end(pid, id))
		}
	}
	return errors.Join(errs...)
}

// injecting says whether a process is the inject command of a receipt. What
// cannot be read is another user's, or has ended.
func injecting(pid int, id string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	variables := strings.Split(string(environ), "\x00")
	if !slices.Contains(variables, idVariable+"="+id) || !slices.Contains(variables, stepVariable+"="+stepInject) {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	// After the name in parentheses: state, parent, group, session.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return len(fields) > 3 && fields[0] != "Z" && fields[0] != "X" && fields[3] == strconv.Itoa(pid)
}

// end kills the group of an inject command and waits until the command is gone.
func end(pid int, id string) error {
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill process group %d: %w", pid, err)
	}
	poll := time.NewTicker(orphanPoll)
	defer poll.Stop()
	for deadline := time.Now().Add(orphanBound); injecting(pid, id); <-poll.C {
		if time.Now().After(deadline) {
			return fmt.Errorf("kill process group %d: it has not ended", pid)
		}
	}
	return nil
}
