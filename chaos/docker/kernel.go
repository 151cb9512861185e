package docker

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// The kernel's own view of a container, where its processes run on this
// machine: what it says does not pass through the engine. Every answer comes
// with whether it is known at all; elsewhere it is not, and nor is it on a
// system without /proc.

// cgroups reads which cgroups the process is in, by controller ("" is the
// unified hierarchy). It returns nil unless one of them is named after the
// container, which no other container's process and no reused pid can be.
func cgroups(id string, pid int) map[string]string {
	if pid <= 0 {
		return nil
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil || !strings.Contains(string(text), id) {
		return nil
	}
	return parseCgroups(string(text))
}

// parseCgroups reads lines such as "6:cpu,cpuacct:/docker/…" and "0::/…".
func parseCgroups(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, place, ok := strings.Cut(rest, ":")
		if !ok || !strings.HasPrefix(place, "/") {
			continue
		}
		for controller := range strings.SplitSeq(controllers, ",") {
			found[controller] = path.Clean(place)
		}
	}
	return found
}

// lives says whether the image's first process still runs here.
func lives(i image) bool { return cgroups(i.ID, i.Pid) != nil }

// control reads a file of a container's cgroup: of the controller's own
// hierarchy (v1), else of the unified one (v2).
func control(groups map[string]string, controller, v1, v2 string) (text string, legacy, ok bool) {
	if place, has := groups[controller]; has && controller != "" {
		text, err := os.ReadFile(path.Join("/sys/fs/cgroup", controller, place, v1))
		return strings.TrimSpace(string(text)), true, err == nil
	}
	place, has := groups[""]
	if !has {
		return "", false, false
	}
	contents, err := os.ReadFile(path.Join("/sys/fs/cgroup", place, v2))
	return strings.TrimSpace(string(contents)), false, err == nil
}

// frozen says whether the container's processes are.
func frozen(id string, pid int) (is, known bool) {
	text, legacy, ok := control(cgroups(id, pid), "freezer", "freezer.state", "cgroup.events")
	switch {
	case !ok:
		return false, false
	case legacy:
		return text == "FROZEN", true
	default:
		return strings.Contains(text, "frozen 1"), true
	}
}

// limited says whether the kernel holds the container to the limits that were
// set.
func limited(id string, pid int, set limits) (is, known bool) {
	groups := cgroups(id, pid)
	is = true
	if set.CPUs != nil {
		text, legacy, ok := control(groups, "cpu", "cpu.cfs_quota_us", "cpu.max")
		period := strconv.FormatInt(defaultPeriod, 10)
		if legacy {
			period, _, ok = control(groups, "cpu", "cpu.cfs_period_us", "")
		}
		nano, parsed := parseCPUs(text, period)
		if !ok || !parsed {
			return false, false
		}
		// The kernel's quota has whole microseconds.
		is = is && nano > 0 && abs(nano-*set.CPUs) <= 1e9/1000
	}
	if set.Memory != nil {
		text, _, ok := control(groups, "memory", "memory.limit_in_bytes", "memory.max")
		if !ok {
			return false, false
		}
		n, err := strconv.ParseInt(text, 10, 64)
		// In whole pages, and rounded down.
		is = is && err == nil && n <= *set.Memory && n > *set.Memory-64<<10
	}
	return is, true
}

func abs(n int64) int64 { return max(n, -n) }

// parseCPUs reads a quota: "20000" with a period (v1), or "20000 100000" and
// "max 100000" (v2). 0 is none.
func parseCPUs(quota, period string) (nano int64, ok bool) {
	if first, rest, both := strings.Cut(quota, " "); both {
		quota, period = first, rest
	}
	p, err := strconv.ParseInt(period, 10, 64)
	if err != nil || p <= 0 {
		return 0, false
	}
	if quota == "max" {
		return 0, true
	}
	q, err := strconv.ParseInt(quota, 10, 64)
	if err != nil || q > 1<<40 {
		return 0, false
	}
	if q < 0 {
		return 0, true
	}
	return int64(float64(q) / float64(p) * 1e9), true
}

// hasAddress says whether the container's network namespace has an IPv4
// address.
func hasAddress(id string, pid int, address string) (has, known bool) {
	if address == "" || cgroups(id, pid) == nil {
		return false, false
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/net/fib_trie")
	if err != nil {
		return false, false
	}
	return isLocal(string(text), address), true
}

// isLocal looks an address up in the text of fib_trie, where the line after a
// local one ends in "host LOCAL".
func isLocal(trie, address string) bool {
	leaf := false
	for line := range strings.Lines(trie) {
		line = strings.TrimSpace(line)
		if leaf && strings.HasSuffix(line, "host LOCAL") {
			return true
		}
		leaf = line == "|-- "+address
	}
	return false
}
