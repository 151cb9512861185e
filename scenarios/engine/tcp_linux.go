package engine

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// tcpCounters are what the kernel counts of TCP in this process's network
// namespace, -1 where that cannot be read.
type tcpCounters struct{ retransmits, synRetransmits, listenOverflows int64 }

func readTCPCounters() tcpCounters {
	snmp := kernelCounts("/proc/self/net/snmp", "Tcp:", "RetransSegs")
	netstat := kernelCounts("/proc/self/net/netstat", "TcpExt:", "TCPSynRetrans", "ListenOverflows")
	return tcpCounters{retransmits: snmp[0], synRetransmits: netstat[0], listenOverflows: netstat[1]}
}

// kernelCounts reads fields of one group of a file that has two lines a group, the
// names and the values; -1 for one that is not there.
func kernelCounts(file, group string, fields ...string) []int64 {
	out := slices.Repeat([]int64{-1}, len(fields))
	data, err := os.ReadFile(file)
	if err != nil {
		return out
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] != group:
		case names == nil:
			names = words
		default:
			for i, field := range fields {
				out[i] = valueOf(field, names, words)
			}
			return out
		}
	}
	return out
}

func valueOf(field string, names, values []string) int64 {
	for i, name := range names {
		if name == field && i < len(values) {
			n, err := strconv.ParseInt(values[i], 10, 64)
			if err != nil {
				return -1
			}
			return n
		}
	}
	return -1
}

// since is what a counter has grown by, -1 where it is not known.
func since(now, before int64) int64 {
	if now < 0 {
		return -1
	}
	return max(now-max(before, 0), 0)
}
