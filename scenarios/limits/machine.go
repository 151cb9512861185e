package limits

import (
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// unknown is a number that the machine does not tell.
const unknown = -1

// A Machine is what a load generator can use of one. Numbers are -1 and texts
// empty where they are not known.
type Machine struct {
	Cores     int   // that this process may use; set by the caller
	Processes int64 // that the load is spread over, each with files of its own; set by the caller, 0 is 1

	Files      int64 // descriptors this process may have open
	FilesHard  int64 // what it may raise that to by itself
	Ports      int64 // local ports handed out, for one address of the target
	TimeWait   time.Duration
	Memory     int64 // bytes that can be taken without swapping
	Tracked    int64 // connections in the conntrack table
	TrackedMax int64

	TimerSlack  time.Duration
	ClockSource string
	Governor    string // of the first core

	// Shares of all cores' time, between an earlier look and this one.
	Busy, Steal float64

	ticks, idle, stolen int64
}

// timeWait is how long Linux keeps the port of a closed connection
// (TCP_TIMEWAIT_LEN). It is not adjustable.
const timeWait = 60 * time.Second

// Look reads the machine from its root directory, os.DirFS("/").
func Look(root fs.FS) Machine {
	t := tree{root}
	m := Machine{
		TimeWait:    timeWait,
		Files:       unknown,
		FilesHard:   unknown,
		Ports:       t.ports(),
		Memory:      t.memory(),
		Tracked:     t.number("proc/sys/net/netfilter/nf_conntrack_count"),
		TrackedMax:  t.number("proc/sys/net/netfilter/nf_conntrack_max"),
		TimerSlack:  time.Duration(t.number("proc/self/timerslack_ns")),
		ClockSource: t.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
		Governor:    t.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Busy:        unknown,
		Steal:       unknown,
	}
	m.Files, m.FilesHard = t.files()
	m.ticks, m.idle, m.stolen = t.cpu()
	return m
}

// Since is m with the shares of processor time since an earlier look.
func (m Machine) Since(earlier Machine) Machine {
	if all := m.ticks - earlier.ticks; all > 0 && earlier.ticks > 0 {
		m.Busy = 1 - float64(m.idle-earlier.idle)/float64(all)
		m.Steal = float64(m.stolen-earlier.stolen) / float64(all)
	}
	return m
}

// A tree is the root directory of a Linux machine.
type tree struct{ fs.FS }

func (t tree) text(path string) string {
	f, err := t.Open(path)
	if err != nil {
		return "" // not on this machine
	}
	defer f.Close()
	// Not fs.ReadFile, which may begin with a buffer of one byte: the kernel
	// gives as much of a setting as the first read has room for, and no more.
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

func (t tree) number(path string) int64 { return parse(t.text(path)) }

func parse(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return unknown
	}
	return n
}

// files reads "Max open files  1024  524288  files".
func (t tree) files() (soft, hard int64) {
	for line := range strings.Lines(t.text("proc/self/limits")) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if f := strings.Fields(rest); len(f) >= 2 {
				return parse(f[0]), parse(f[1])
			}
		}
	}
	return unknown, unknown
}

// ports is the size of the range that local ports are handed out from.
func (t tree) ports() int64 {
	f := strings.Fields(t.text("proc/sys/net/ipv4/ip_local_port_range"))
	if len(f) != 2 {
		return unknown
	}
	low, high := parse(f[0]), parse(f[1])
	if low < 0 || high < low {
		return unknown
	}
	return high - low + 1
}

// memory is what the kernel says is available, and no more than the control
// group has left.
func (t tree) memory() int64 {
	available := int64(unknown)
	for line := range strings.Lines(t.text("proc/meminfo")) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemAvailable:" {
			if kib := parse(f[1]); kib >= 0 {
				available = kib << 10
			}
		}
	}
	limit, used := t.number("sys/fs/cgroup/memory.max"), t.number("sys/fs/cgroup/memory.current")
	if limit >= 0 && used >= 0 && (available < 0 || limit-used < available) {
		available = max(0, limit-used)
	}
	return available
}

// cpu reads "cpu  user nice system idle iowait irq softirq steal …", in ticks.
func (t tree) cpu() (all, idle, stolen int64) {
	line, _, _ := strings.Cut(t.text("proc/stat"), "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, 0, 0
	}
	for _, text := range f[1:9] { // what follows is part of user and nice
		all += max(0, parse(text))
	}
	return all, max(0, parse(f[4])) + max(0, parse(f[5])), max(0, parse(f[8]))
}
