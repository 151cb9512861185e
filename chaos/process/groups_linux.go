package process

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// groupMark begins the name of every control group that this kind makes.
const groupMark = "brunt-limit-"

// cpuPeriod is over which CPU time is counted, in µs: the kernel's default.
const cpuPeriod = 100_000

// A hierarchy is one mount of control groups.
type hierarchy struct {
	mount       string
	root        string // what of the hierarchy is mounted there: / but in a container
	unified     bool   // cgroup v2
	controllers []string
}

// hierarchies are the mounts of control groups that this process sees.
func hierarchies() ([]hierarchy, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list control groups: %w", err)
	}
	return parseMounts(string(text)), nil
}

// parseMounts reads /proc/PID/mountinfo (see proc_pid_mountinfo(5)).
func parseMounts(text string) []hierarchy {
	var all []hierarchy
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		place, what := strings.Fields(left), strings.Fields(right)
		if !ok || len(place) < 5 || len(what) < 3 {
			continue
		}
		switch what[0] {
		case "cgroup2":
			all = append(all, hierarchy{mount: place[4], root: place[3], unified: true})
		case "cgroup":
			all = append(all, hierarchy{mount: place[4], root: place[3], controllers: strings.Split(what[2], ",")})
		}
	}
	return all
}

// groupOf finds the group that limits a controller for a process: the one of
// an older hierarchy that has the controller, or else of the unified one.
func groupOf(pid int, controller string) (hierarchy, string, error) {
	all, err := hierarchies()
	if err != nil {
		return hierarchy{}, "", err
	}
	text, err := os.ReadFile(procPath(pid, "/cgroup"))
	if err != nil {
		return hierarchy{}, "", fmt.Errorf("look at control groups: %w", err)
	}
	return pickGroup(all, string(text), controller)
}

func pickGroup(all []hierarchy, proc, controller string) (hierarchy, string, error) {
	for _, unified := range []bool{false, true} {
		for line := range strings.Lines(proc) {
			parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
			if len(parts) != 3 || (parts[1] == "") != unified || !unified && !slices.Contains(strings.Split(parts[1], ","), controller) {
				continue
			}
			i := slices.IndexFunc(all, func(h hierarchy) bool {
				return h.unified == unified && (unified || slices.Contains(h.controllers, controller))
			})
			if i < 0 {
				continue
			}
			group, err := filepath.Rel(all[i].root, parts[2])
			if err != nil || strings.HasPrefix(group, "..") {
				return hierarchy{}, "", fmt.Errorf("its control group %s lies outside what is mounted at %s", parts[2], all[i].mount)
			}
			return all[i], filepath.Join(all[i].mount, group), nil
		}
	}
	return hierarchy{}, "", fmt.Errorf("the control group controller %s is not there: nothing can be limited by it", controller)
}

// moves plan the control groups of one process.
func (l limits) moves(id identity, mark string) ([]move, error) {
	var all []move
	for _, want := range []struct {
		controller string
		set        bool
	}{{"cpu", l.CPUs > 0}, {"memory", l.Memory > 0}} {
		if !want.set {
			continue
		}
		h, from, err := groupOf(id.Pid, want.controller)
		if err != nil {
			return nil, err
		}
		to := filepath.Join(from, groupMark+mark+"-"+strconv.Itoa(id.Pid))
		if h.unified {
			// A group with processes has no limited groups below it: ours goes beside.
			parent := filepath.Dir(from)
			if from == h.mount {
				parent = from
			}
			to = filepath.Join(parent, groupMark+mark+"-"+strconv.Itoa(id.Pid)+"@"+filepath.Base(from))
			enabled, err := os.ReadFile(filepath.Join(parent, "cgroup.subtree_control"))
			if err != nil {
				return nil, fmt.Errorf("look at control group: %w", err)
			}
			if !slices.Contains(strings.Fields(string(enabled)), want.controller) {
				return nil, fmt.Errorf("control group %s does not hand on the controller %s: echo +%[2]s > %[1]s/cgroup.subtree_control, or start the process as a unit with a limit of its own", parent, want.controller)
			}
		}
		if strings.Contains(from, groupMark) {
			return nil, fmt.Errorf("%s is limited by another fault already: it is in control group %s", id, from)
		}
		if err := writable(filepath.Dir(to)); err != nil {
			return nil, err
		}
		settings := l.settings(want.controller, h.unified)
		if i := slices.IndexFunc(all, func(m move) bool { return m.To == to }); i >= 0 {
			all[i].Controllers, all[i].Settings = append(all[i].Controllers, want.controller), append(all[i].Settings, settings...)
			continue
		}
		all = append(all, move{Controllers: []string{want.controller}, From: from, To: to, Settings: settings})
	}
	return all, nil
}

func (l limits) settings(controller string, unified bool) []setting {
	quota := strconv.Itoa(max(1000, int(math.Round(l.CPUs*cpuPeriod))))
	switch {
	case controller == "cpu" && unified:
		return []setting{{"cpu.max", quota + " " + strconv.Itoa(cpuPeriod)}}
	case controller == "cpu":
		return []setting{{"cpu.cfs_period_us", strconv.Itoa(cpuPeriod)}, {"cpu.cfs_quota_us", quota}}
	case unified:
		return []setting{{"memory.max", strconv.FormatInt(l.Memory, 10)}}
	default:
		return []setting{{"memory.limit_in_bytes", strconv.FormatInt(l.Memory, 10)}}
	}
}

// make makes the group and takes the process into it.
func (m move) make(id identity) error {
	if err := os.Mkdir(m.To, 0o755); err != nil {
		return fmt.Errorf("make control group: %w", err)
	}
	for _, s := range m.Settings {
		if err := writeFile(filepath.Join(m.To, s.File), s.Value); err != nil {
			return err
		}
	}
	if now, err := id.look(); err != nil || now == gone {
		return errors.Join(err, errGone)
	}
	return enter(m.To, id.Pid)
}

// enter takes a process into a group. One that has gone needs none.
func enter(group string, pid int) error {
	return writeFile(filepath.Join(group, "cgroup.procs"), strconv.Itoa(pid))
}

func writeFile(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write control group: %w", err)
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write control group: %w", err)
	}
	return nil
}

// has says whether the process is in the fault's group, by the kernel's account
// of the process, and whether it is in one that is neither that nor the one
// before.
func (m move) has(id identity) (inside bool, elsewhere string, err error) {
	for _, controller := range m.Controllers {
		_, group, err := groupOf(id.Pid, controller)
		if errors.Is(err, os.ErrNotExist) {
			return false, "", nil // the process is gone
		}
		if err != nil {
			return false, "", err
		}
		switch {
		case group == m.To || strings.HasPrefix(group, m.To+"/"):
			inside = true
		case group != m.From:
			elsewhere = group
		}
	}
	return inside, elsewhere, nil
}

// holds says whether the group's limits are as the fault has set them.
func (m move) holds() (bool, error) {
	for _, s := range m.Settings {
		text, err := os.ReadFile(filepath.Join(m.To, s.File))
		if err != nil {
			return false, fmt.Errorf("look at control group: %w", err)
		}
		if got := strings.TrimSpace(string(text)); got != s.Value && !sameSize(got, s.Value) {
			return false, nil
		}
	}
	return true, nil
}

// sameSize compares sizes as kernels keep them: in whole pages.
func sameSize(a, b string) bool {
	x, err := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	page := int64(os.Getpagesize())
	return err == nil && err2 == nil && y >= page && x/page == y/page
}

// takeBack returns all that is in the group to where the process came from, and
// removes the group. Children that the process has had since are among it.
func (m move) takeBack() error {
	const tries = 50 // more may be born in the meantime
	for range tries {
		text, err := os.ReadFile(filepath.Join(m.To, "cgroup.procs"))
		if errors.Is(err, os.ErrNotExist) {
			return nil // never made, or removed before
		}
		if err != nil {
			return fmt.Errorf("look at control group: %w", err)
		}
		for _, word := range bytes.Fields(text) {
			pid, err := strconv.Atoi(string(word))
			if err != nil {
				continue
			}
			if err := enter(m.back(), pid); err != nil {
				if _, gone := os.Stat(procPath(pid, "")); errors.Is(gone, os.ErrNotExist) {
					continue
				}
				return err
			}
		}
		if err = os.Remove(m.To); err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	return fmt.Errorf("remove control group %s: something is still in it", m.To)
}

// back is the group that the process came from, or, where that has ended
// meanwhile, the nearest one above it.
func (m move) back() string {
	for dir := m.From; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil || dir == "/" {
			return dir
		}
	}
}

// throttled says what the limits have done so far, for people.
func (m move) throttled() string {
	var parts []string
	number := func(file, key string) (int64, bool) {
		text, err := os.ReadFile(filepath.Join(m.To, file))
		if err != nil {
			return 0, false
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if key == "" && len(fields) == 1 || len(fields) == 2 && fields[0] == key {
				n, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
				return n, err == nil
			}
		}
		return 0, false
	}
	if of, ok := number("cpu.stat", "nr_periods"); ok && slices.Contains(m.Controllers, "cpu") {
		n, _ := number("cpu.stat", "nr_throttled")
		parts = append(parts, fmt.Sprintf("held back in %d of %d periods of CPU time", n, of))
	}
	if slices.Contains(m.Controllers, "memory") {
		n, ok := number("memory.failcnt", "")
		if !ok {
			n, ok = number("memory.events", "max")
		}
		if ok {
			parts = append(parts, fmt.Sprintf("ran into its memory limit %d times", n))
		}
	}
	return strings.Join(parts, ", ")
}
