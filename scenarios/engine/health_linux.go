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
	own          time.Duration // CPU time of this process
	busy, stolen float64       // CPU seconds of the machine since boot
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
	if busy, stolen, ok := machineCPU(); ok {
		h.MachineCPU = (busy - s.busy) / seconds
		h.Steal = (stolen - s.stolen) / seconds
		s.busy, s.stolen = busy, stolen
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				h.RSS = pages * int64(os.Getpagesize())
			}
		}
	}
	h.Files = openFiles()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil {
		h.FileLimit = int(min(limit.Cur, 1<<40))
	}
}

// machineCPU is the CPU seconds that the machine has spent busy, and that the
// hypervisor took, from the first line of /proc/stat.
func machineCPU() (busy, stolen float64, ok bool) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal guest guest_nice
	if len(fields) < 9 {
		return 0, 0, false
	}
	for i, field := range fields[1:9] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0, false
		}
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			stolen = n / ticks
		default:
			busy += n / ticks
		}
	}
	return busy, stolen, true
}
