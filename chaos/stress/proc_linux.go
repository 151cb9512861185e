package stress

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc, which is the same on every architecture
// that Go runs on.
const tick = 10 * time.Millisecond

// A helper is one process of ours, and what its command line says.
type helper struct {
	pid   int
	start int64 // ticks since boot: pid and start are one very process
	id    string
	data  string
}

// findHelpers looks through all processes for helpers. Ones that have ended,
// though their parent does not know yet, are not among them.
func findHelpers() ([]helper, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []helper
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// What cannot be read is another user's, or has ended.
		text, err := os.ReadFile("/proc/" + name + "/cmdline")
		if err != nil {
			continue
		}
		id, data, ok := parseArguments(string(text))
		if !ok {
			continue
		}
		s, err := readStat(pid)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// A helper leads its own session, which nothing does that merely has
		// the same words on its command line, except by intent.
		if s.session == pid && !s.ended() {
			found = append(found, helper{pid: pid, start: s.start, id: id, data: data})
		}
	}
	return found, nil
}

// startedAt is the helper's start, from boot.
func (h helper) startedAt() time.Duration { return time.Duration(h.start) * tick }

// sinceBoot is the present time from boot.
func sinceBoot() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // cannot fail: Linux has had it since 2.6.39
	return time.Duration(t.Nano())
}

// killPoll is how often a killed helper is looked at.
const killPoll = 2 * time.Millisecond

// kill ends the helper and returns when the kernel has taken back all it had.
func (h helper) kill(ctx context.Context) error {
	p, err := os.FindProcess(h.pid)
	if err != nil {
		return fmt.Errorf("open helper: %w", err)
	}
	defer func() { _ = p.Release() }()
	// The handle is taken first, so the pid cannot be used again in between.
	if alive, err := h.alive(); err != nil || !alive {
		return err
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill helper, process %d: %w", h.pid, err)
	}
	poll := time.NewTicker(killPoll)
	defer poll.Stop()
	for {
		if alive, err := h.alive(); err != nil || !alive {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("kill helper, process %d: it has not ended yet: %w", h.pid, ctx.Err())
		}
	}
}

// alive says whether this very process has not ended.
func (h helper) alive() (bool, error) {
	s, err := readStat(h.pid)
	if errors.Is(err, errGone) {
		return false, nil
	}
	return err == nil && s.start == h.start && !s.ended(), err
}

// usage is what a helper has taken, in the kernel's books.
type usage struct {
	at      time.Duration // since boot
	cpu     time.Duration // of all its threads, since its start
	memory  int64         // bytes, resident and swapped out
	written int64         // bytes sent to disks since its start
	filled  int64         // bytes that its fill file occupies
}

func (h helper) usage() (usage, error) {
	u := usage{at: sinceBoot()}
	s, err := readStat(h.pid)
	if err == nil && s.start != h.start {
		err = errGone
	}
	if err != nil {
		return usage{}, fmt.Errorf("look at helper: %w", err)
	}
	u.cpu = time.Duration(s.ticks) * tick
	proc := "/proc/" + strconv.Itoa(h.pid)
	text, err := os.ReadFile(proc + "/status")
	if err != nil {
		return usage{}, fmt.Errorf("look at helper's memory: %w", err)
	}
	for _, name := range []string{"VmRSS:", "VmSwap:"} {
		kib, _ := valueOf(string(text), name)
		u.memory += kib * 1024
	}
	if text, err = os.ReadFile(proc + "/io"); err != nil {
		return usage{}, fmt.Errorf("look at helper's writing: %w", err)
	}
	u.written, _ = valueOf(string(text), "write_bytes:")
	u.filled, err = h.occupied(proc+"/fd", fileName(h.id, "fill"))
	return u, err
}

// occupied is the space that an unlinked file takes which the helper has open.
func (h helper) occupied(fds, name string) (int64, error) {
	entries, err := os.ReadDir(fds)
	if err != nil {
		return 0, fmt.Errorf("look at helper's files: %w", err)
	}
	for _, entry := range entries {
		target, err := os.Readlink(fds + "/" + entry.Name())
		if err != nil || !strings.Contains(target, "/"+name) {
			continue
		}
		var s unix.Stat_t
		if err := unix.Stat(fds+"/"+entry.Name(), &s); err != nil {
			return 0, fmt.Errorf("look at helper's file: %w", err)
		}
		return s.Blocks * 512, nil
	}
	return 0, nil
}

// errGone says that there is no such process.
var errGone = errors.New("the process is gone")

// A stat is what of /proc/PID/stat matters here.
type stat struct {
	state   byte
	session int
	ticks   int64 // of processor time, user and system
	start   int64 // ticks since boot
}

// ended says that nothing is left of the process but its exit code.
func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return stat{}, errGone
	}
	if err != nil {
		return stat{}, fmt.Errorf("read stat: %w", err)
	}
	return parseStat(string(text))
}

// parseStat reads the text of a stat file. The program's name stands in
// parentheses and may itself hold spaces and parentheses.
func parseStat(text string) (stat, error) {
	_, rest, ok := cutLast(text, ")")
	fields := strings.Fields(rest) // from field 3, the state
	if !ok || len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("read stat: %d fields after the name", len(fields))
	}
	s := stat{state: fields[0][0]}
	var errs [4]error
	var user, system int64
	s.session, errs[0] = strconv.Atoi(fields[3])
	user, errs[1] = strconv.ParseInt(fields[11], 10, 64)
	system, errs[2] = strconv.ParseInt(fields[12], 10, 64)
	s.start, errs[3] = strconv.ParseInt(fields[19], 10, 64)
	s.ticks = user + system
	if err := errors.Join(errs[:]...); err != nil {
		return stat{}, fmt.Errorf("read stat: %w", err)
	}
	return s, nil
}

// bootID names the present boot of this machine.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// pidNamespace names the namespace in which this process's pids count.
func pidNamespace() (string, error) {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "", fmt.Errorf("read pid namespace: %w", err)
	}
	return name, nil
}
