package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// allPids are the processes of this machine, or of this pid namespace.
func allPids() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// runningProgram finds the processes that run a program, by the name of its file or
// of the first word of its command line. The kernel's own name for a process
// is no evidence: it is cut short, and anybody may change it.
func runningProgram(program string) ([]int, error) {
	all, err := allPids()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, pid := range all {
		if slices.Contains(programNames(pid), program) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// groupRoots are where control groups are mounted that systemd keeps its units
// in: the unified hierarchy, or its own of the older kind.
var groupRoots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"}

// systemctlBound is how long systemctl may take to answer.
const systemctlBound = 3 * time.Second

// ofUnit finds the processes of a systemd unit: those of the control group that
// systemctl names for it, or, where there is no systemctl that answers, of the
// one group that has the unit's name.
func ofUnit(unit string) ([]int, error) {
	dirs, err := unitGroups(unit)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a group that has ended meanwhile
			}
			if err != nil || entry.Name() != "cgroup.procs" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil // it has ended, or is a threaded group, whose processes are its parent's
			}
			for _, word := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(word); err == nil && pid > 0 && !slices.Contains(pids, pid) {
					pids = append(pids, pid)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list processes of unit %s: %w", unit, err)
		}
	}
	return pids, nil
}

// unitGroups are the folders of a unit's control group, one a hierarchy.
func unitGroups(unit string) ([]string, error) {
	if strings.ContainsRune(unit, '/') {
		return nil, fmt.Errorf("%q is no unit's name", unit)
	}
	if !strings.Contains(unit, ".") {
		unit += ".service"
	}
	ctx, cancel := context.WithTimeout(context.Background(), systemctlBound)
	defer cancel()
	said, err := exec.CommandContext(ctx, "systemctl", "show", "--property=ControlGroup", "--value", "--", unit).Output()
	if group := strings.TrimSpace(string(said)); err == nil && group != "" && group != "/" {
		return inHierarchies(group), nil
	}
	var found []string
	for _, root := range groupRoots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return nil //nolint:nilerr // not mounted, ended meanwhile, or not ours to look into
			case entry.IsDir() && entry.Name() == unit:
				if group := strings.TrimPrefix(path, root); !slices.Contains(found, group) {
					found = append(found, group)
				}
				return fs.SkipDir
			case entry.IsDir() && root == groupRoots[0] && path != root && slices.Contains(groupRoots, path):
				return fs.SkipDir // another hierarchy
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("find unit %s: %w", unit, err)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no unit called %s runs here: systemctl knows none, and no control group has its name", unit)
	case 1:
		return inHierarchies(found[0]), nil
	}
	return nil, fmt.Errorf("%d control groups are called %s: %s", len(found), unit, strings.Join(found, ", "))
}

// inHierarchies are the folders that a group has.
func inHierarchies(group string) []string {
	var dirs []string
	for _, root := range groupRoots {
		dir := filepath.Join(root, group)
		if info, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && info.Mode().IsRegular() {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
