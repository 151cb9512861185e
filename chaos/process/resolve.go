package process

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// staleSlack is how much later than its pid file a process may have started:
// times in /proc have hundredths of a second, and boot times whole seconds.
const staleSlack = 3 * time.Second

// resolve finds the processes that the target means, at this moment.
// Processes maps the stack's names to pid files.
func (t Target) resolve(processes map[string]string) ([]identity, error) {
	switch {
	case t.Name != "":
		file, ok := processes[t.Name]
		if !ok {
			return nil, unknownName(t.Name, processes)
		}
		return one(fromPidFile(file))
	case t.Pid != 0:
		return one(identify(t.Pid))
	case t.PidFile != "":
		return one(fromPidFile(t.PidFile))
	default:
		return t.fromPort()
	}
}

func one(id identity, err error) ([]identity, error) {
	if err != nil {
		return nil, err
	}
	return []identity{id}, nil
}

// fromPidFile reads a pid file. A process that started after the file was last
// written is not the one that the file means: its pid has been used again.
func fromPidFile(path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, fmt.Errorf("read pid file: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return identity{}, fmt.Errorf("read pid file: %w", err)
	}
	pid, err := parsePid(string(text))
	if err != nil {
		return identity{}, fmt.Errorf("read pid file %s: %w", path, err)
	}
	id, err := identify(pid)
	if err != nil {
		return identity{}, fmt.Errorf("pid file %s: %w", path, err)
	}
	started, err := id.startedAt()
	if err != nil {
		return identity{}, err
	}
	if started.After(info.ModTime().Add(staleSlack)) {
		return identity{}, fmt.Errorf("pid file %s is stale: %s started at %s, after the file was written at %s; name the process by pid or port instead",
			path, id, started.Format(time.DateTime), info.ModTime().Format(time.DateTime))
	}
	return id, nil
}

// parsePid reads the first line of a pid file.
func parsePid(text string) (int, error) {
	first, _, _ := strings.Cut(text, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("%.40q is not a process id", first)
	}
	return pid, nil
}

// fromPort finds what listens on the target's port.
func (t Target) fromPort() ([]identity, error) {
	pids, err := listeners(t.Port)
	if err != nil {
		return nil, err
	}
	var found []identity
	for _, pid := range pids {
		if id, err := identify(pid); err == nil {
			found = append(found, id)
		}
	}
	slices.SortFunc(found, func(a, b identity) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Pid, b.Pid)) })
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("nothing listens on port %d on loopback or on all addresses", t.Port)
	case len(found) == 1 || t.Pick == "all":
		return found, nil
	case t.Pick == "oldest":
		return found[:1], nil
	case t.Pick == "newest":
		return found[len(found)-1:], nil
	}
	names := make([]string, len(found))
	for i, id := range found {
		names[i] = id.String()
	}
	return nil, fmt.Errorf("%d processes share port %d: %s; say which with pick: oldest, newest or all", len(found), t.Port, strings.Join(names, ", "))
}
