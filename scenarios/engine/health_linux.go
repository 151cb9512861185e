package engine

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A systemWatch reads what the kernel counts, as differences since the last
// look. What cannot be read stays zero.
type systemWatch struct {
	own          time.Duration         // CPU time of this process
	busy, stolen float64               // CPU seconds of the machine since boot
	threads      map[int]time.Duration // CPU time of each thread of this process
	tcp          tcpCounters           // since boot
	ports        portWatch
}

// ticks is USER_HZ, the unit of /proc/stat; Linux fixes it at 100 for user space.
const ticks = 100

func (s *systemWatch) read(h *journal.Health, elapsed time.Duration) {
	seconds := elapsed.Seconds()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err == nil {
		own := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		h.CPU = (own - s.own).Seconds() / seconds
		s.own = own
	}
	h.ThreadCPU = s.busiestThread(elapsed)
	if busy, stolen, cores, ok := machineCPU(); ok {
		h.MachineCPU = (busy - s.busy) / seconds
		h.Steal = (stolen - s.stolen) / seconds
		h.MachineCores = cores
		s.busy, s.stolen = busy, stolen
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				h.RSS = pages * int64(os.Getpagesize())
			}
		}
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		h.FileLimit = int(min(limit.Cur, 1<<40))
	}
	h.Files = openFiles(h.FileLimit)
	tcp := readTCPCounters()
	h.Retransmits = since(tcp.retransmits, s.tcp.retransmits)
	h.SynRetransmits = since(tcp.synRetransmits, s.tcp.synRetransmits)
	h.ListenOverflows = since(tcp.listenOverflows, s.tcp.listenOverflows)
	s.tcp = tcp
	h.Ports, h.PortsTo, h.PortLimit = s.ports.look(time.Now())
}

// busiestThread is how many cores the thread used that used the most since the
// last look: one that dispatches can be at its end while other cores idle.
func (s *systemWatch) busiestThread(elapsed time.Duration) float64 {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	now := make(map[int]time.Duration, len(entries))
	most := time.Duration(0)
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/self/task/" + entry.Name() + "/schedstat")
		if err != nil {
			continue // it has ended, or this kernel keeps no such statistics
		}
		used, _, _ := strings.Cut(string(stat), " ") // nanoseconds on a processor
		n, err := strconv.ParseInt(used, 10, 64)
		if err != nil {
			continue
		}
		now[id] = time.Duration(n)
		if before, ok := s.threads[id]; ok {
			most = max(most, now[id]-before)
		}
	}
	s.threads = now
	return most.Seconds() / elapsed.Seconds()
}

// machineCPU is the CPU seconds that the machine has spent busy, and that the
// hypervisor took, from the first line of /proc/stat, and how many cores it has.
func machineCPU() (busy, stolen float64, cores int, ok bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, 0, false
	}
	line, rest, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal guest guest_nice
	if len(fields) < 9 {
		return 0, 0, 0, false
	}
	for i, field := range fields[1:9] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0, 0, false
		}
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			stolen = n / ticks
		default:
			busy += n / ticks
		}
	}
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "cpu") {
			break
		}
		cores++
	}
	return busy, stolen, cores, true
}
