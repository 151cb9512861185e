package network

import (
	"fmt"
	"strconv"
	"time"
)

// unlimited is the rate of a class that only delays.
const unlimited = "100gbit"

// shapeCommands are what tc is told for one interface: a root that passes
// everything, in it a class for the packets of this fault, in that a queue.
func (d data) shapeCommands(dev string) [][]string {
	rate := unlimited
	if d.Harm.Rate > 0 {
		rate = strconv.FormatInt(d.Harm.Rate*8, 10) + "bit"
	}
	return [][]string{
		{"qdisc", "add", "dev", dev, "root", "handle", rootHandle, "htb"},
		{"class", "add", "dev", dev, "parent", rootHandle, "classid", d.class(), "htb", "rate", rate, "burst", "16kb", "cburst", "16kb", "quantum", "60000"},
		append([]string{"qdisc", "add", "dev", dev, "parent", d.class(), "handle", leafHandle}, d.leaf()...),
	}
}

// leaf is the queue within the class. One for a rate alone holds a quarter of
// a second, and at least two of the largest packets.
func (d data) leaf() []string {
	if !d.Netem {
		return []string{"bfifo", "limit", strconv.FormatInt(max(d.Harm.Rate/4, 128<<10), 10)}
	}
	leaf := []string{"netem", "limit", "100000"}
	if d.Harm.Delay > 0 {
		leaf = append(leaf, "delay", microseconds(d.Harm.Delay))
		if d.Harm.Jitter > 0 {
			leaf = append(leaf, microseconds(d.Harm.Jitter))
		}
	}
	for _, share := range []struct {
		name  string
		value float64
	}{{"duplicate", d.Harm.Duplicate}, {"corrupt", d.Harm.Corrupt}, {"reorder", d.Harm.Reorder}} {
		if share.value > 0 {
			leaf = append(leaf, share.name, strconv.FormatFloat(share.value*100, 'f', -1, 64)+"%")
		}
	}
	return leaf
}

// unshapeCommand takes away our root and all below it, and nothing else: the
// kernel refuses where the handle or the kind is another.
func unshapeCommand(dev string) []string {
	return []string{"qdisc", "del", "dev", dev, "root", "handle", rootHandle, "htb"}
}

func microseconds(d time.Duration) string {
	return fmt.Sprintf("%dus", d.Microseconds())
}
