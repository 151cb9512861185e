//go:build unix && !linux

package engine

import (
	"syscall"
	"time"

	"github.com/brunt-dev/brunt/reports/journal"
)

// A systemWatch reads what every Unix tells a process of itself. The rest is
// not known.
type systemWatch struct{ own time.Duration } // CPU time of this process

func (s *systemWatch) read(h *journal.Health, elapsed time.Duration) {
	h.Retransmits, h.SynRetransmits, h.ListenOverflows = -1, -1, -1
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err == nil {
		own := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		h.CPU = (own - s.own).Seconds() / elapsed.Seconds()
		s.own = own
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		h.FileLimit = int(min(limit.Cur, 1<<40))
	}
	h.Files = openFiles(h.FileLimit)
}
