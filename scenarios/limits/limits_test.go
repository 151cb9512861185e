package limits

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// files makes a root directory.
func files(texts map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for path, text := range texts {
		root[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

// A small server on a virtual machine.
func small() map[string]string {
	return map[string]string{
		"proc/self/limits":                                                "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n",
		"proc/sys/net/ipv4/ip_local_port_range":                           "32768\t60999\n",
		"proc/meminfo":                                                    "MemTotal: 4000000 kB\nMemAvailable:    2097152 kB\n",
		"proc/sys/net/netfilter/nf_conntrack_count":                       "65000\n",
		"proc/sys/net/netfilter/nf_conntrack_max":                         "65536\n",
		"proc/self/timerslack_ns":                                         "50000\n",
		"sys/devices/system/clocksource/clocksource0/current_clocksource": "kvm-clock\n",
		"proc/stat": "cpu  100 0 100 700 50 0 0 50 7 0\ncpu0 1 1 1 1\n",
	}
}

func TestLook(t *testing.T) {
	m := Look(files(small()))
	want := Machine{
		Files: 1024, FilesHard: 524288, Ports: 28232, TimeWait: time.Minute, Memory: 2 << 30, Tracked: 65000, TrackedMax: 65536,
		TimerSlack: 50 * time.Microsecond, ClockSource: "kvm-clock", Busy: -1, Steal: -1, ticks: 1000, idle: 750, stolen: 50,
	}
	if m != want {
		t.Errorf("got  %+v\nwant %+v", m, want)
	}
	later := small()
	later["proc/stat"] = "cpu  130 0 120 725 65 0 0 60 7 0\n" // 100 ticks on: 40 idle, 10 stolen
	if now := Look(files(later)).Since(m); now.Busy != 0.6 || now.Steal != 0.1 {
		t.Errorf("busy %g steal %g, want 0.6 and 0.1", now.Busy, now.Steal)
	}
	limited := small()
	limited["sys/fs/cgroup/memory.max"], limited["sys/fs/cgroup/memory.current"] = "1073741824\n", "73741824\n"
	if m := Look(files(limited)); m.Memory != 1_000_000_000 {
		t.Errorf("memory %d within a control group of 1 GiB", m.Memory)
	}
}

// A machine that tells nothing, or nonsense, is unknown and not fine.
func TestNothingIsKnown(t *testing.T) {
	nonsense := map[string]string{}
	for path := range small() {
		nonsense[path] = "Max open files x y z\nmuch\n"
	}
	for _, root := range []fstest.MapFS{{}, files(nonsense)} {
		m := Look(root)
		m.Cores = 2
		for _, c := range m.For([]Need{{Sessions: 10}}) {
			switch c.Name {
			case "files", "ports", "memory":
				if c.State != Unknown {
					t.Errorf("%s is %s: %s", c.Name, c.State, c.Says)
				}
			}
		}
	}
}

// stingy is a file system whose files give each text once, in one read, as
// the kernel does with its settings.
type stingy struct{ fstest.MapFS }

func (s stingy) Open(path string) (fs.File, error) {
	f, err := s.MapFS.Open(path)
	return &once{File: f}, err
}

type once struct {
	fs.File
	read bool
}

func (o *once) Read(b []byte) (int, error) {
	if o.read {
		return 0, io.EOF
	}
	o.read = true
	return o.File.Read(b)
}

func TestSettingsAreReadWhole(t *testing.T) {
	if m := Look(stingy{files(small())}); m.TrackedMax != 65536 || m.Ports != 28232 {
		t.Errorf("got %+v", m)
	}
}

// The machine this runs on can be read.
func TestThisMachine(t *testing.T) {
	m := Look(os.DirFS("/"))
	m.Cores = 1
	for _, c := range m.Since(m).Checks() {
		if c.Says == "" || c.State == Short {
			t.Errorf("%+v", c)
		}
	}
}

func find(t *testing.T, all []Check, name string) Check {
	t.Helper()
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %s", name)
	return Check{}
}

func TestWhatRunsOut(t *testing.T) {
	m := Look(files(small()))
	m.Cores = 2
	for _, test := range []struct {
		name  string
		needs []Need
		state State
		says  string
		mend  string
	}{
		{"files", []Need{{Sessions: 500}}, OK, "500 sessions take 564", ""},
		{"files", []Need{{Sessions: 900}}, Tight, "964", "ulimit -n 1205"},
		{"files", []Need{{Sessions: 961}}, Short, "1,025", "ulimit -n"},
		{"files", []Need{{Load: "a", Sessions: 500_000, Stalled: true}}, Short, "if the target stops answering a", "hard limit is 524,288"},
		{"files", []Need{{Sessions: 5000}}, Short, "5,000 sessions", "brunt run --workers 7"},
		{"ports", []Need{{Sessions: 20_000}}, OK, "up to 470 a second", ""},
		{"ports", []Need{{Sessions: 20_000}, {Sessions: 10_000}}, Short, "30,000 sessions", "ip_local_port_range"}, // together
		{"ports", []Need{{Sessions: 50_000, Pairs: 4}}, OK, "take 12,500 of one pair", ""},
		{"ports", []Need{{Sessions: 50_000, Pairs: 2}, {Sessions: 10_000}}, Short, "take 35,000 of one pair", "source:"},
		{"memory", []Need{{Sessions: 50_000, Lane: true}}, OK, "2.0 GiB", ""},
		{"memory", []Need{{Sessions: 60_000}}, Short, "2.4 GiB", "max_in_flight"},
		{"memory", []Need{{Sessions: 60_000, Memory: 8 << 10}}, OK, "1001.5 MiB", ""},
		{"conntrack", []Need{{Sessions: 100}}, Tight, "65,000 of 65,536", "nf_conntrack_max=262144"},
		{"conntrack", []Need{{Sessions: 1000}}, Short, "65,000 of 65,536", "notrack"},
		{"cores", []Need{{Rate: 20_000, Lane: true}}, OK, "0.24 cores", ""},
		{"cores", []Need{{Rate: 30_000}}, Tight, "1.8 cores", "more cores"},
		{"cores", []Need{{Rate: 200_000, Lane: true}}, Short, "2.4 cores", "more cores"},
		{"cores", []Need{{Sessions: 64}}, OK, "a closed model takes what there is", ""},
	} {
		c := find(t, m.For(test.needs), test.name)
		if c.State != test.state || !strings.Contains(c.Says, test.says) || (c.Mend == "") != (test.mend == "") || !strings.Contains(c.Mend, test.mend) {
			t.Errorf("%s for %+v: %s: %s Mend: %s", test.name, test.needs, c.State, c.Says, c.Mend)
		}
	}
}

// Workers have files of their own, and share all else.
func TestWorkersHaveFilesOfTheirOwn(t *testing.T) {
	m := Look(files(small()))
	m.Cores, m.Processes = 2, 7
	all := m.For([]Need{{Sessions: 5000}})
	if c := find(t, all, "files"); c.State != OK || !strings.Contains(c.Says, "Each of 7 workers") || !strings.Contains(c.Says, "take 779 of each") {
		t.Errorf("files: %+v", c)
	}
	if c := find(t, all, "ports"); !strings.Contains(c.Says, "5,000 sessions take one each") {
		t.Errorf("ports: %+v", c)
	}
}

// What makes a machine measure badly.
func TestMachineChecks(t *testing.T) {
	good := Machine{Cores: 2, Files: 1 << 20, Ports: 28232, TimeWait: timeWait, Memory: 4 << 30, TrackedMax: -1,
		TimerSlack: 50 * time.Microsecond, ClockSource: "tsc", Governor: "performance"}
	for _, c := range good.Checks() {
		if c.State != OK || c.Mend != "" {
			t.Errorf("a good machine: %+v", c)
		}
	}
	for name, spoil := range map[string]func(*Machine){
		"files":     func(m *Machine) { m.Files = 1024 },
		"ports":     func(m *Machine) { m.Ports = 1000 },
		"conntrack": func(m *Machine) { m.Tracked, m.TrackedMax = 900, 1000 },
		"cores":     func(m *Machine) { m.Cores = 1 },
		"steal":     func(m *Machine) { m.Steal = 0.05 },
		"clock":     func(m *Machine) { m.ClockSource = "hpet" },
		"timers":    func(m *Machine) { m.TimerSlack = time.Second },
		"governor":  func(m *Machine) { m.Governor = "powersave" },
	} {
		bad := good
		spoil(&bad)
		if c := find(t, bad.Checks(), name); c.State != Tight || c.Mend == "" || c.Says == "" {
			t.Errorf("a bad %s: %+v", name, c)
		}
	}
	busy := good
	busy.Busy = 0.9
	if c := find(t, busy.Checks(), "steal"); c.State != Tight || !strings.Contains(c.Says, "90.0% busy") {
		t.Errorf("a busy machine: %+v", c)
	}
}
