package network

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"
)

// lossSteps is how finely nftables draws lots.
const lossSteps = 1_000_000

// Where the table hooks in: on the way in before, and on the way out after
// address translation, so that peers are those on the wire.
const (
	inboundHook  = "type filter hook prerouting priority -310; policy accept;"
	outboundHook = "type filter hook postrouting priority 300; policy accept;"
)

// ruleset is the fault's table, to be read by `nft -f -`. Create makes it fail,
// all of it, when there is such a table already.
func (d data) ruleset() string {
	var b strings.Builder
	table := "inet " + d.table()
	fmt.Fprintf(&b, "create table %s\ntable %s {\n", table, table)
	sets := d.sets()
	for _, s := range sets {
		fmt.Fprintf(&b, "\tset %s {\n\t\ttype %s\n\t\tflags interval,timeout\n\t\telements = { %s }\n\t}\n", s.name, s.keyType, strings.Join(s.elements, ", "))
	}
	for _, way := range []string{inbound, outbound} {
		if d.touches(way) {
			d.writeWay(&b, way, sets)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// writeWay writes what happens to packets of one direction: counters, the
// chain that harms, and the one that picks.
func (d data) writeWay(b *strings.Builder, way string, sets []set) {
	for _, name := range []string{metCounter, lostCounter, overCounter} {
		fmt.Fprintf(b, "\tcounter %s_%s {\n\t}\n", way, name)
	}
	fmt.Fprintf(b, "\tchain %s {\n\t\tcounter name \"%s_%s\"\n", way, way, metCounter)
	for _, rule := range d.harmRules(way) {
		fmt.Fprintf(b, "\t\t%s\n", rule)
	}
	b.WriteString("\t}\n")

	chain, hook := "arriving", inboundHook
	if way == outbound {
		chain, hook = "leaving", outboundHook
	}
	fmt.Fprintf(b, "\tchain %s {\n\t\t%s\n", chain, hook)
	for _, s := range sets {
		fmt.Fprintf(b, "\t\t%s%s @%s goto %s\n", d.through(way), s.match(way), s.name, way)
	}
	b.WriteString("\t}\n")
}

// Counters of each direction, as in "in_met".
const (
	metCounter  = "met"  // every packet that was meant
	lostCounter = "lost" // dropped by a partition or by loss
	overCounter = "over" // dropped for being above the rate
)

// harmRules are what packets of one direction meet, in order. A queue that
// nftables itself has no word for is not among them; see compatRule.
func (d data) harmRules(way string) []string {
	var rules []string
	h := d.Harm
	if !d.harms(way) {
		h = harm{}
	}
	if h.Partition || h.Loss >= 1 { // nft knows no lot that always falls
		rules = append(rules, fmt.Sprintf("counter name \"%s_%s\" drop", way, lostCounter))
	}
	if h.Loss > 0 && h.Loss < 1 {
		steps := min(max(1, int(math.Round(h.Loss*lossSteps))), lossSteps-1)
		rules = append(rules, fmt.Sprintf("numgen random mod %d < %d counter name \"%s_%s\" drop", lossSteps, steps, way, lostCounter))
	}
	if h.Rate > 0 && way == inbound {
		rules = append(rules, fmt.Sprintf("limit rate over %d bytes/second burst %d bytes counter name \"%s_%s\" drop", h.Rate, policerBurst(h.Rate), way, overCounter))
	}
	if d.shaped() && d.harms(way) && way == outbound {
		rules = append(rules, "meta priority set "+d.class())
	}
	if d.queues(way) && !d.Queue.Compat {
		rules = append(rules, fmt.Sprintf("queue num %d bypass", d.Queue.Number))
	}
	return rules
}

// policerBurst is what a policer lets through at once: a tenth of a second's
// worth, and at least a few of the largest packets, without which TCP starves.
func policerBurst(rate int64) int64 { return min(max(rate/10, 256<<10), 1<<30) }

// through restricts a rule to the interface. What a namespace says to itself
// passes the loopback interface out and in; so that it is harmed once, and only
// when it was named, it is never picked on its way in.
func (d data) through(way string) string {
	key := map[string]string{inbound: "iifname", outbound: "oifname"}[way]
	switch {
	case d.Interface != "":
		return fmt.Sprintf("%s %q ", key, d.Interface)
	case way == inbound || len(d.Peers) == 0:
		return key + " != \"lo\" "
	default:
		return ""
	}
}

// A set holds who is meant. Each element expires by itself.
type set struct {
	name     string
	keyType  string
	family   string // "ip" or "ip6"
	services bool   // with ports
	elements []string
}

// match is the left side of the rule that looks a packet up in the set.
func (s set) match(way string) string {
	address, port := "daddr", "dport"
	if way == inbound {
		address, port = "saddr", "sport"
	}
	if !s.services {
		return s.family + " " + address
	}
	return fmt.Sprintf("%s %s . meta l4proto . th %s", s.family, address, port)
}

// sets are those of the peers, without empty ones.
func (d data) sets() []set {
	all := []set{
		{name: "peers4", keyType: "ipv4_addr", family: "ip"},
		{name: "peers6", keyType: "ipv6_addr", family: "ip6"},
		{name: "services4", keyType: "ipv4_addr . inet_proto . inet_service", family: "ip", services: true},
		{name: "services6", keyType: "ipv6_addr . inet_proto . inet_service", family: "ip6", services: true},
	}
	expiry := "timeout " + wholeSeconds(d.TTL)
	peers := d.Peers
	if len(peers) == 0 {
		for _, prefix := range everyone {
			peers = append(peers, peer{Prefix: prefix})
		}
	}
	for _, p := range peers {
		i := 0
		if p.Prefix.Addr().Is6() {
			i = 1
		}
		if p.Port == 0 {
			all[i].elements = append(all[i].elements, element(p.Prefix)+" "+expiry)
			continue
		}
		for _, protocol := range []string{"tcp", "udp"} {
			all[i+2].elements = append(all[i+2].elements, fmt.Sprintf("%s . %s . %d %s", element(p.Prefix), protocol, p.Port, expiry))
		}
	}
	var filled []set
	for _, s := range all {
		if len(s.elements) > 0 {
			filled = append(filled, s)
		}
	}
	return filled
}

func element(prefix netip.Prefix) string {
	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}
	return prefix.String()
}

// wholeSeconds rounds up: nft prints no less.
func wholeSeconds(d time.Duration) string {
	return fmt.Sprintf("%ds", max(1, int64((d+time.Second-1)/time.Second)))
}
