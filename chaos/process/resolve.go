package process

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// staleSlack is how much later than its pid file a process may have started:
// times in /proc have hundredths of a second, and boot times whole seconds.
const staleSlack = 3 * time.Second

// resolve finds the processes that the target means, at this moment, oldest
// first. Processes maps the stack's names to pid files. The error wraps
// chaos.ErrNoTarget when they may yet come to be.
func (t Target) resolve(processes map[string]string) ([]identity, error) {
	switch {
	case t.Name != "":
		return t.fromNames(processes)
	case t.Pid != 0:
		return one(identify(t.Pid))
	case t.PidFile != "":
		return one(fromPidFile(t.PidFile))
	case t.Program != "":
		pids, err := runningProgram(t.Program)
		return t.choose(pids, err, "no process runs "+t.Program)
	case t.Unit != "":
		pids, err := ofUnit(t.Unit)
		return t.choose(pids, err, "unit "+t.Unit+" has no process")
	default:
		pids, err := listeners(t.Port)
		return t.choose(pids, err, fmt.Sprintf("nothing listens on port %d on loopback or on all addresses", t.Port))
	}
}

// named are the names of the stack that the target's name or pattern means.
func (t Target) named(processes map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(processes)) {
		if matched, err := path.Match(t.Name, name); name == t.Name || err == nil && matched {
			names = append(names, name)
		}
	}
	return names
}

// fromNames finds the processes that the stack has under the name or pattern.
// Those of a pattern that are not there now are left out.
func (t Target) fromNames(processes map[string]string) ([]identity, error) {
	names := t.named(processes)
	if len(names) == 0 {
		return nil, unknownName(t.Name, processes)
	}
	if !t.pattern() {
		return one(fromPidFile(processes[t.Name]))
	}
	var found []identity
	for _, name := range names {
		switch id, err := fromPidFile(processes[name]); {
		case err == nil:
			found = append(found, id)
		case !errors.Is(err, chaos.ErrNoTarget):
			return nil, err
		}
	}
	return t.pick(found, "none of "+strings.Join(names, ", ")+" is there now")
}

func one(id identity, err error) ([]identity, error) {
	if err != nil {
		return nil, err
	}
	return []identity{id}, nil
}

// fromPidFile reads a pid file. A process that started after the file was last
// written is not the one that the file means: its pid has been used again.
func fromPidFile(file string) (identity, error) {
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return identity{}, fmt.Errorf("read pid file %s: no such file: %w", file, chaos.ErrNoTarget)
	}
	if err != nil {
		return identity{}, fmt.Errorf("read pid file: %w", err)
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) { // between the two calls
		return identity{}, fmt.Errorf("read pid file %s: no such file: %w", file, chaos.ErrNoTarget)
	}
	if err != nil {
		return identity{}, fmt.Errorf("read pid file: %w", err)
	}
	pid, err := parsePid(string(text))
	if err != nil {
		return identity{}, fmt.Errorf("read pid file %s: %w", file, err)
	}
	id, err := identify(pid)
	if errors.Is(err, errGone) {
		return identity{}, fmt.Errorf("pid file %s: %w: %w", file, err, chaos.ErrNoTarget)
	}
	if err != nil {
		return identity{}, fmt.Errorf("pid file %s: %w", file, err)
	}
	started, err := id.startedAt()
	if err != nil {
		return identity{}, err
	}
	if started.After(info.ModTime().Add(staleSlack)) {
		return identity{}, fmt.Errorf("pid file %s is stale: %s started at %s, after the file was written at %s; name the process by pid or port instead",
			file, id, started.Format(time.DateTime), info.ModTime().Format(time.DateTime))
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

// choose takes those of the processes that pick says. none says in words that
// there are none.
func (t Target) choose(pids []int, err error, none string) ([]identity, error) {
	if err != nil {
		return nil, err
	}
	var found []identity
	for _, pid := range pids {
		if id, err := identify(pid); err == nil {
			found = append(found, id)
		}
	}
	return t.pick(found, none)
}

func (t Target) pick(found []identity, none string) ([]identity, error) {
	slices.SortFunc(found, func(a, b identity) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Pid, b.Pid)) })
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("%s: %w", none, chaos.ErrNoTarget)
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
	return nil, fmt.Errorf("there are %d: %s; say which with pick: oldest, newest or all", len(found), strings.Join(names, ", "))
}
