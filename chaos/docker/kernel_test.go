package docker

import (
	"testing"
)

func TestParseCgroups(t *testing.T) {
	got := parseCgroups("6:freezer:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/x\n0::/system.slice/docker-ab.scope\njunk\n7:x:relative\n")
	for controller, want := range map[string]string{"freezer": "/docker/ab", "cpu": "/docker/ab", "cpuacct": "/docker/ab", "": "/system.slice/docker-ab.scope", "x": ""} {
		if got[controller] != want {
			t.Errorf("%q is in %q, want %q", controller, got[controller], want)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	for _, test := range []struct {
		quota, period string
		nano          int64
		ok            bool
	}{
		{"20000", "100000", 2e8, true},
		{"-1", "100000", 0, true},            // v1: none
		{"max 100000", "", 0, true},          // v2: none
		{"50000 100000", "", 5e8, true},      // v2
		{"20000", "", 0, false},              // a period is missing
		{"20000", "0", 0, false},             //
		{"much 100000", "", 0, false},        //
		{"9999999999999999 1", "", 0, false}, // no kernel says so
	} {
		if nano, ok := parseCPUs(test.quota, test.period); nano != test.nano || ok != test.ok {
			t.Errorf("parseCPUs(%q, %q) = %d, %t", test.quota, test.period, nano, ok)
		}
	}
}

func TestIsLocal(t *testing.T) {
	const trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 172.18.0.0\n        /16 link UNICAST\n     |-- 172.18.0.2\n        /32 host LOCAL\n     |-- 172.18.255.255\n        /32 link BROADCAST\n"
	for address, want := range map[string]bool{"172.18.0.2": true, "172.18.0.0": false, "172.18.255.255": false, "172.18.0.20": false, "": false} {
		if isLocal(trie, address) != want {
			t.Errorf("isLocal(%q) is not %t", address, want)
		}
	}
}

func TestInContainer(t *testing.T) {
	const id = "0123456789abcdef"
	for _, test := range []struct {
		file, text string
		want       bool
	}{
		{"/proc/self/cgroup", "0::/docker/" + id + "\n", true},
		{"/proc/self/cgroup", "0::/\n", false}, // in a cgroup namespace
		{"/proc/self/mountinfo", "1 2 8:1 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw - ext4 x rw\n", true},
		{"/proc/self/mountinfo", "1 2 8:1 / /var/lib/docker/containers/" + id + "/mounts/shm rw - tmpfs x rw\n", false}, // the host's own
	} {
		if inContainer(test.file, test.text, id) != test.want {
			t.Errorf("%s %q is not %t", test.file, test.text, test.want)
		}
	}
}

// Nothing that a kernel may say upsets the parsers.
func FuzzKernel(f *testing.F) {
	f.Add("6:freezer:/docker/ab\n0::/x\n")
	f.Add("max 100000")
	f.Add("     |-- 172.18.0.2\n        /32 host LOCAL\n")
	f.Fuzz(func(t *testing.T, text string) {
		for controller, place := range parseCgroups(text) {
			if place == "" || place[0] != '/' {
				t.Errorf("%q is in %q", controller, place)
			}
		}
		if nano, ok := parseCPUs(text, "100000"); ok && nano < 0 {
			t.Errorf("%q is %d", text, nano)
		}
		_ = isLocal(text, "172.18.0.2")
		_ = inContainer("/proc/self/mountinfo", text, "ab")
		if _, err := socketOf(text); err == nil && len(text) < len("unix:///") {
			t.Errorf("%q is a socket", text)
		}
	})
}
