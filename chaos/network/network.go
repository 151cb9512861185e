// Package network breaks the network of a Linux network namespace, or of the
// host: partition, loss, a rate limit, delay and jitter, and, where the kernel
// has netem, duplicated, corrupted and reordered packets. It harms everything,
// what goes through one interface, or what is exchanged with given peers.
//
// All of a fault hangs on one nftables table of its own, called brunt_ and the
// fault's mark. Which packets are meant is the content of sets in that table,
// and each element has a timeout: when nobody is left to undo the fault, the
// kernel forgets its elements a little after the fault's planned end, no packet
// matches any more, and all of them pass. What the matching packets meet is
//
//   - partition and loss: a drop in that table;
//   - rate, on the way out: an HTB class of our own, under a root qdisc with our
//     handle (6272:, "br"), into which the table puts packets by their priority;
//     all others pass through the qdisc unshaped. On the way in: a policer in
//     the table, which drops what arrives too fast;
//   - delay and jitter, on the way out of a kernel with netem: a netem qdisc
//     under that class. Otherwise: a queue to a process of ours (see Main),
//     which gives packets back late and in order. The queue is bypassed when
//     that process dies, and it dies with brunt or after its TTL.
//
// Without netem and without a direction in the scenario, a delay is on the way
// in: a round trip takes just as much longer. On the way out, packets that wait
// in the queue still count against the socket that sent them, and TCP keeps
// only a few of those (its small queues): a bulk sender would be slowed down
// far more than a long link slows it. That is what direction: out and both do
// there; netem does not.
//
// A root qdisc that is neither the kernel's default nor ours is never replaced:
// it is a conflict. Verify counts packets (nft and tc counters, the delaying
// process's own figures), and says that there is no evidence when none came by.
//
// Limits: packets that a bridge or a flow table forwards do not pass the hooks
// used here. Netem reorders under jitter. The delaying process does not: in
// dense traffic, one late packet holds up those behind it, and the mean delay
// is above the one asked for, within the jitter.
// Someone who flushes the whole ruleset (a firewall's reload) ends the fault;
// Verify then says gone.
package network

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "network"

// Command is the name of the hidden command that runs Main.
const Command = "network"

// Directions of a fault, as seen from the namespace or the host.
const (
	both     = "both"
	inbound  = "in"
	outbound = "out"
)

const (
	// expiryMargin is how much later than its planned end a fault expires by
	// itself.
	expiryMargin = 10 * time.Second
	// longestExpiry is the expiry of a fault that lasts until the run ends.
	longestExpiry = 24 * time.Hour
	// longestDelay bounds how many packets can be held at a time.
	longestDelay = time.Minute
)

// Config is one fault on the network.
type Config struct {
	Netns     string        `yaml:"netns" doc:"The network namespace, by its name as in ip netns, or by a path such as /proc/4711/ns/net; without it, the one that brunt runs in." example:"payments"`
	Interface string        `yaml:"interface" doc:"Only what goes through this interface is harmed." example:"eth0"`
	To        []string      `yaml:"to" doc:"Only what is exchanged with these peers is harmed: addresses, networks or host names, each with or without a port; :5432 is that port of everyone." example:"[10.9.0.2, 10.20.0.0/16, \"db.internal:5432\"]"`
	Direction string        `yaml:"direction" doc:"Which way is harmed, seen from the namespace or host; by default a partition is both ways, and everything else on the way out, but for a delay without netem in the kernel, which is on the way in." enum:"both,in,out"`
	Partition bool          `yaml:"partition" doc:"No packet passes."`
	Loss      float64       `yaml:"loss" unit:"ratio" doc:"The share of packets that is lost, each by chance." min:"0%" max:"100%" example:"10%"`
	Rate      int64         `yaml:"rate" unit:"bandwidth" doc:"How much gets through; out, packets queue for it, in, those above it are dropped." min:"1KiB/s" example:"1MiB/s"`
	Delay     time.Duration `yaml:"delay" doc:"How much later each packet leaves, in each direction that is harmed." min:"0s" max:"1m" example:"50ms"`
	Jitter    time.Duration `yaml:"jitter" doc:"The delay varies evenly by up to this much either way." min:"0s" example:"5ms"`
	Duplicate float64       `yaml:"duplicate" unit:"ratio" doc:"The share of packets that is sent twice; needs netem in the kernel." min:"0%" max:"100%" example:"1%"`
	Corrupt   float64       `yaml:"corrupt" unit:"ratio" doc:"The share of packets in which a bit is flipped; needs netem in the kernel." min:"0%" max:"100%" example:"0.1%"`
	Reorder   float64       `yaml:"reorder" unit:"ratio" doc:"The share of packets that overtakes those delayed; needs a delay, and netem in the kernel." min:"0%" max:"100%" example:"5%"`
	TTL       time.Duration `yaml:"ttl" doc:"After this long the kernel ends the fault by itself, whatever became of brunt; by default 10s after the fault's planned end." min:"0s"`
}

// Validate reports a fault that would do nothing, cut too much, or that no
// kernel can make.
func (c Config) Validate(report func(field, message, hint string)) {
	if c.Netns == "" && c.Interface == "" && len(c.To) == 0 {
		report("", "this would harm everything that goes in or out of this machine", "give at least one of netns, interface and to")
	}
	others := c.Loss != 0 || c.Rate != 0 || c.Delay != 0 || c.Jitter != 0 || c.netemOnly()
	switch {
	case c.Partition && others:
		report("partition", "nothing passes a partition, so there is nothing left to lose or to delay", "make two faults of it, one after the other")
	case !c.Partition && !others:
		report("", "nothing is to be done to the packets", "give partition: true, or at least one of loss, rate, delay, duplicate, corrupt and reorder")
	}
	if c.Jitter > c.Delay {
		report("jitter", fmt.Sprintf("the jitter of %s is more than the delay of %s, and nothing can leave before it came", c.Jitter, c.Delay), "raise delay to at least the jitter")
	}
	if c.Delay > longestDelay {
		report("delay", fmt.Sprintf("it is more than %s", longestDelay), "for longer, use partition")
	}
	if c.Reorder > 0 && c.Delay == 0 {
		report("reorder", "packets can only overtake others that are delayed", "give a delay, too")
	}
	if c.netemOnly() && c.way() != outbound {
		report("direction", "duplicate, corrupt and reorder work on the way out only", "remove direction, or make another fault of them")
	}
	c.validateValues(report)
	c.validatePlace(report)
}

func (c Config) validateValues(report func(field, message, hint string)) {
	for _, v := range []struct {
		field string
		value float64
		most  float64 // 0: any
	}{
		{"loss", c.Loss, 1}, {"duplicate", c.Duplicate, 1}, {"corrupt", c.Corrupt, 1}, {"reorder", c.Reorder, 1},
		{"rate", float64(c.Rate), 0}, {"delay", float64(c.Delay), 0}, {"jitter", float64(c.Jitter), 0}, {"ttl", float64(c.TTL), 0},
	} {
		switch {
		case !(v.value >= 0):
			report(v.field, "it is negative", "")
		case v.most > 0 && v.value > v.most:
			report(v.field, "it is more than 100%", "")
		}
	}
}

func (c Config) validatePlace(report func(field, message, hint string)) {
	if !slices.Contains([]string{"", both, inbound, outbound}, c.Direction) {
		report("direction", fmt.Sprintf("%q is no direction", c.Direction), "both, in or out")
	}
	if c.Interface != "" && !validInterface(c.Interface) {
		report("interface", fmt.Sprintf("no interface can be called %q", c.Interface), "")
	}
	if c.Rate > 0 && c.way() != inbound && c.Netns == "" && c.Interface == "" {
		report("interface", "a rate limit sits on an interface, and none is named", "say which, as ip link names it")
	}
	if c.Netns != "" && !strings.HasPrefix(c.Netns, "/") && (strings.ContainsAny(c.Netns, "/ \n\x00") || c.Netns == "." || c.Netns == "..") {
		report("netns", fmt.Sprintf("%q is neither the name of a namespace nor an absolute path", c.Netns), "a name as ip netns lists it, or a path such as /proc/4711/ns/net")
	}
	for i, text := range c.To {
		if _, _, _, err := parsePeer(text); err != nil {
			report(fmt.Sprintf("to.%d", i), err.Error(), "an address, a network such as 10.9.0.0/16 or a host name, with :PORT or without")
		}
	}
}

// validInterface says whether the kernel and our commands take the name: it
// goes into a ruleset, so it must not be able to say anything else there.
func validInterface(name string) bool {
	return len(name) > 0 && len(name) < 16 && name != "." && name != ".." && !strings.HasPrefix(name, "-") &&
		strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+") == ""
}

// netemOnly says whether the fault can be made by netem alone.
func (c Config) netemOnly() bool { return c.Duplicate != 0 || c.Corrupt != 0 || c.Reorder != 0 }

// way is the direction that is harmed, the default included.
func (c Config) way() string {
	switch {
	case c.Direction != "":
		return c.Direction
	case c.Partition:
		return both
	default:
		return outbound
	}
}

// What says what the fault does: "delay 50ms ±5ms, loss 10% on netns a with 10.9.0.2".
func What(c Config) string {
	text := c.harm().String()
	switch c.Direction {
	case inbound:
		text += " into "
	case outbound:
		text += " out of "
	case both:
		text += " in and out of "
	default:
		text += " on "
	}
	text += c.place()
	if len(c.To) > 0 {
		text += " with " + strings.Join(c.To, ", ")
	}
	return text
}

// place is where the fault is, for people.
func (c Config) place() string {
	var parts []string
	if c.Interface != "" {
		parts = append(parts, "interface "+c.Interface)
	}
	if c.Netns != "" {
		parts = append(parts, "netns "+c.Netns)
	}
	if len(parts) == 0 {
		return "this machine"
	}
	return strings.Join(parts, " of ")
}

// OneShot is false: every fault of this kind can be undone.
func OneShot(Config) bool { return false }

// New makes the fault; it touches nothing.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	if err := c.allowed(env.Allow); err != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, err)
	}
	ttl := c.TTL
	switch {
	case ttl > 0:
	case env.For > 0:
		ttl = env.For + expiryMargin
	default:
		ttl = longestExpiry
	}
	return &fault{name: env.Fault, config: &c, ttl: ttl, seed: env.Seed}, nil
}

// allowed holds a fault in brunt's own namespace to the scenario's target: it
// must name its peers, and each must be allowed. A namespace that the scenario
// names is its target. A nil allow is a fault that no scenario made.
func (c Config) allowed(allow func(address string) error) error {
	if allow == nil || c.Netns != "" {
		return nil
	}
	if len(c.To) == 0 {
		return errors.New("to: a fault on this host needs the peers it is about, or it would hit more than the target")
	}
	for _, entry := range c.To {
		prefixes, host, port, err := parsePeer(entry)
		if err != nil {
			return fmt.Errorf("to: %w", err)
		}
		addresses := []string{host}
		if host == "" {
			addresses = nil
			for _, p := range prefixes {
				// A network is allowed when its ends are.
				addresses = append(addresses, p.Addr().String(), lastAddr(p).String())
			}
		}
		for _, address := range addresses {
			if port != 0 {
				address = net.JoinHostPort(address, strconv.Itoa(int(port)))
			}
			if err := allow(address); err != nil {
				return fmt.Errorf("to: %s: %w", entry, err)
			}
		}
	}
	return nil
}

// Needs is what every fault on packets needs; another namespace is entered with
// one more.
func (f *fault) Needs() []chaos.Need {
	needs := []chaos.Need{{Capability: chaos.CapNetAdmin, For: "packets"}}
	if f.config != nil && f.config.Netns != "" {
		needs = append(needs, chaos.Need{Capability: chaos.CapSysAdmin, For: "entering a network namespace"})
	}
	return needs
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{} }

// fault is one fault on the network; made by Mend it has receipts only.
type fault struct {
	name   string
	config *Config
	ttl    time.Duration
	seed   uint64
}
