package process

import "testing"

// Both generations of control groups, and both mounted at once, as the texts of
// real machines have them.
func TestPickGroup(t *testing.T) {
	older := parseMounts("30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
	unified := parseMounts("30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n")
	inside := parseMounts("30 24 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n")
	for _, test := range []struct {
		name       string
		all        []hierarchy
		proc       string
		controller string
		want       string // the group's folder; empty: an error
	}{
		{"older", older, "4:cpu,cpuacct:/a/b\n3:memory:/m\n0::/u\n", "cpu", "/sys/fs/cgroup/cpu,cpuacct/a/b"},
		{"older, at its root", older, "4:cpu,cpuacct:/\n3:memory:/m\n0::/u\n", "cpu", "/sys/fs/cgroup/cpu,cpuacct"},
		{"older, another controller", older, "4:cpu,cpuacct:/a/b\n3:memory:/m\n0::/u\n", "memory", "/sys/fs/cgroup/memory/m"},
		{"unified", unified, "0::/system.slice/x.service\n", "memory", "/sys/fs/cgroup/system.slice/x.service"},
		{"in a container", inside, "3:memory:/docker/abc/sub\n", "memory", "/sys/fs/cgroup/memory/sub"},
		{"outside what is mounted", inside, "3:memory:/docker/other\n", "memory", ""},
		{"no such controller", inside, "3:memory:/docker/abc\n", "cpu", ""},
		{"a path with colons", unified, "0::/a:b:c\n", "cpu", "/sys/fs/cgroup/a:b:c"},
	} {
		_, got, err := pickGroup(test.all, test.proc, test.controller)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}
