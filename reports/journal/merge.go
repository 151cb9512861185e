package journal

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Merge adds what another worker did in the same second. Gauges add up too:
// each worker has its own sessions. Planned does not: every worker tells that
// of the whole load. Failed and Status of c must not be nil.
func (c *LoadCounts) Merge(part *LoadCounts) {
	inFlight, waiting, sessions := c.InFlight+part.InFlight, c.Waiting+part.Waiting, c.Sessions+part.Sessions
	planned := max(c.Planned, part.Planned)
	c.add(part)
	c.InFlight, c.Waiting, c.Sessions, c.Planned = inFlight, waiting, sessions, planned
}

// MergeIntervals adds up the intervals that have the same load, step, outcome,
// measure and start, which is exact: histograms of one geometry are counts by
// bucket. The result is in order of start, load, step, outcome and measure; the
// parts are not changed.
func MergeIntervals(parts []Interval) []Interval {
	type key struct {
		series seriesKey
		start  time.Duration
	}
	sums := make(map[key]Interval)
	for _, part := range parts {
		if part.Hist == nil || part.Hist.TotalCount() == 0 {
			continue
		}
		k := key{seriesKey{part.Load, part.Step, part.Outcome, part.Measure}, part.Start}
		sum, ok := sums[k]
		if !ok {
			sum = part
			sum.Hist = NewHistogram()
		}
		sum.Length = max(sum.Length, part.Length)
		for v, n := range part.Hist.ForEachBucket {
			// The geometry is the histogram's own, so this cannot fail.
			if err := sum.Hist.RecordValues(clamp(v), n); err != nil {
				panic("journal: merge: " + err.Error())
			}
		}
		sums[k] = sum
	}
	return slices.SortedFunc(maps.Values(sums), func(a, b Interval) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Load, b.Load), cmp.Compare(a.Step, b.Step),
			cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Measure, b.Measure))
	})
}

// Worse is h with every figure that was worse in another worker, in the same
// second, taken over from it. Ratios are taken over whole: CPU with its cores,
// files with their limit. Sums mean nothing here: one worker that was late
// spoils what all of them measured.
func (h Health) Worse(other Health) Health {
	if other.CPU*float64(max(h.Cores, 1)) > h.CPU*float64(max(other.Cores, 1)) {
		h.CPU, h.Cores = other.CPU, other.Cores
	}
	if float64(other.Files)*float64(max(h.FileLimit, 1)) > float64(h.Files)*float64(max(other.FileLimit, 1)) {
		h.Files, h.FileLimit = other.Files, other.FileLimit
	}
	if other.MachineCPU*float64(max(h.MachineCores, 1)) > h.MachineCPU*float64(max(other.MachineCores, 1)) {
		h.MachineCPU, h.MachineCores = other.MachineCPU, other.MachineCores
	}
	if other.Ports*max(h.PortLimit, 1) > h.Ports*max(other.PortLimit, 1) || h.PortLimit == 0 {
		h.Ports, h.PortsTo, h.PortLimit = other.Ports, other.PortsTo, other.PortLimit
	}
	// Workers on one machine see the same of its network.
	h.Retransmits = max(h.Retransmits, other.Retransmits)
	h.SynRetransmits = max(h.SynRetransmits, other.SynRetransmits)
	h.ListenOverflows = max(h.ListenOverflows, other.ListenOverflows)
	h.ThreadCPU = max(h.ThreadCPU, other.ThreadCPU)
	h.GCCPU = max(h.GCCPU, other.GCCPU)
	h.Steal = max(h.Steal, other.Steal)
	h.GCPause = max(h.GCPause, other.GCPause)
	h.SchedLatency = max(h.SchedLatency, other.SchedLatency)
	h.DispatchLag = max(h.DispatchLag, other.DispatchLag)
	h.Goroutines = max(h.Goroutines, other.Goroutines)
	h.RSS = max(h.RSS, other.RSS)
	return h
}
