// Package proxy breaks TCP connections on their way: a proxy of our own stands
// between a client and its upstream and, while a fault is on, makes what flows
// through it late, slow, stuck or cut. New and live connections alike.
//
// All proxies of a run live in one process of their own (see Start and Serve),
// in its own session, so that they do not die with brunt: a dead proxy would be
// an outage left behind. When brunt dies, however it dies, the proxy process
// reads the end of its lifeline, drops every toxic within milliseconds, and
// passes traffic through untouched until the run would have ended. Besides,
// each toxic has an expiry that the proxy enforces itself.
//
// A connection without toxics is passed through by the kernel (splice on
// Linux), so a proxy on the path costs little when nothing is broken.
//
// What a TCP proxy cannot do: it does not delay the handshake, because the
// kernel answers it, and an upstream that refuses shows as a connection that is
// reset after it was opened.
package proxy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "proxy"

const (
	// both is the direction of a fault that harms either way.
	both = "both"
	// expiryMargin is how much later than its planned end a toxic expires by
	// itself.
	expiryMargin = 10 * time.Second
	// longestExpiry is the expiry of a toxic that lasts until the run ends.
	longestExpiry = 24 * time.Hour
)

// Config is one fault on the connections through one proxy.
type Config struct {
	On        string        `yaml:"on" required:"true" doc:"The proxy, by its name under target.proxies." example:"payments"`
	Latency   time.Duration `yaml:"latency" doc:"How much longer a round trip takes; with direction both, each way takes half of it." min:"0s" example:"80ms"`
	Jitter    time.Duration `yaml:"jitter" doc:"The latency varies evenly by up to this much either way; what is sent never overtakes." min:"0s" example:"20ms"`
	Bandwidth int64         `yaml:"bandwidth" unit:"bandwidth" doc:"How much gets through, all connections together, each way." min:"1B/s" example:"1MiB/s"`
	Reset     bool          `yaml:"reset" doc:"Cut live and new connections with a TCP reset."`
	Blackhole bool          `yaml:"blackhole" doc:"Nothing comes out; connections stay open, and what was sent arrives after the undo, as it would after a partition."`
	SlowClose time.Duration `yaml:"slow_close" doc:"Ends of streams pass through this much later." min:"0s" example:"2s"`
	Direction string        `yaml:"direction" doc:"Which way is harmed; upstream is from the client to the upstream. A reset has no direction." enum:"both,upstream,downstream" default:"both"`
	Share     float64       `yaml:"share" unit:"ratio" doc:"The share of connections that are harmed, chosen by the seed." default:"100%" min:"0%" max:"100%"`
	TTL       time.Duration `yaml:"ttl" doc:"After this long the proxy ends the fault by itself, whatever became of brunt; by default 10s after the fault's planned end." min:"0s"`
}

// Validate reports a fault that would do nothing, or that no toxic can make.
func (c Config) Validate(report func(field, message, hint string)) {
	if c.Latency == 0 && c.Jitter == 0 && c.Bandwidth == 0 && !c.Reset && !c.Blackhole && c.SlowClose == 0 {
		report("", "nothing is to be done to the connections", "give at least one of latency, jitter, bandwidth, reset, blackhole and slow_close")
	}
	if c.Jitter > c.Latency {
		report("jitter", fmt.Sprintf("the jitter of %s is more than the latency of %s, and nothing can arrive before it was sent", c.Jitter, c.Latency),
			"raise latency to at least the jitter")
	}
	for field, value := range map[string]float64{
		"latency": float64(c.Latency), "jitter": float64(c.Jitter), "bandwidth": float64(c.Bandwidth),
		"slow_close": float64(c.SlowClose), "share": c.Share, "ttl": float64(c.TTL),
	} {
		if value < 0 {
			report(field, "it is negative", "")
		}
	}
	if c.Share > 1 {
		report("share", "it is more than 100%", "")
	}
	if !slices.Contains([]string{"", both, string(upstream), string(downstream)}, c.Direction) {
		report("direction", fmt.Sprintf("%q is no direction", c.Direction), "both, upstream or downstream")
	}
}

// toxics are what the fault sets on its proxy. The latency of a round trip is
// shared out over the ways it takes.
func (c Config) toxics(seed uint64) []Toxic {
	ways := []Way{upstream, downstream}
	if c.Direction != "" && c.Direction != both {
		ways = []Way{Way(c.Direction)}
	}
	share := c.Share
	if share == 0 {
		share = 1
	}
	var toxics []Toxic
	add := func(t Toxic) {
		t.Share, t.Seed = share, seed
		toxics = append(toxics, t)
	}
	if c.Reset {
		add(Toxic{Type: resetType})
	}
	for _, way := range ways {
		if c.Bandwidth > 0 {
			add(Toxic{Type: bandwidthType, Way: way, Rate: c.Bandwidth})
		}
		if c.Latency > 0 {
			n := time.Duration(len(ways))
			add(Toxic{Type: latencyType, Way: way, Delay: c.Latency / n, Jitter: c.Jitter / n})
		}
		if c.SlowClose > 0 {
			add(Toxic{Type: slowCloseType, Way: way, Delay: c.SlowClose})
		}
		if c.Blackhole {
			add(Toxic{Type: blackholeType, Way: way})
		}
	}
	return toxics
}

// What says what the fault does: "latency 80ms ±20ms on payments".
func What(c Config) string {
	var parts []string
	if c.Latency > 0 {
		latency := "latency " + c.Latency.String()
		if c.Jitter > 0 {
			latency += " ±" + c.Jitter.String()
		}
		parts = append(parts, latency)
	}
	if c.Bandwidth > 0 {
		parts = append(parts, "bandwidth "+byteRate(float64(c.Bandwidth)))
	}
	if c.Reset {
		parts = append(parts, "reset")
	}
	if c.Blackhole {
		parts = append(parts, "blackhole")
	}
	if c.SlowClose > 0 {
		parts = append(parts, "slow close "+c.SlowClose.String())
	}
	what := strings.Join(parts, " and ") + " on " + c.On
	if c.Direction != "" && c.Direction != both {
		what += ", " + c.Direction
	}
	if c.Share > 0 && c.Share < 1 {
		what += fmt.Sprintf(", for %.4g%% of connections", 100*c.Share)
	}
	return what
}

// byteRate writes bytes a second for people.
func byteRate(n float64) string {
	for _, unit := range []string{"B/s", "KiB/s", "MiB/s"} {
		if n < 1024 {
			return fmt.Sprintf("%.4g%s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%.4gGiB/s", n)
}

// OneShot is false: every toxic can be taken away again.
func OneShot(Config) bool { return false }

// New makes the fault; it touches nothing. The proxy's name is checked where
// the run's proxies are known already.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	if _, ok := env.Proxies[c.On]; !ok && env.Proxies != nil {
		problem = errors.Join(problem, fmt.Errorf("on: no proxy is called %s; there are %s",
			c.On, strings.Join(slices.Sorted(maps.Keys(env.Proxies)), ", ")))
	}
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	ttl := c.TTL
	switch {
	case ttl > 0:
	case env.For > 0:
		ttl = env.For + expiryMargin
	default:
		ttl = longestExpiry
	}
	return &fault{name: env.Fault, proxy: c.On, control: env.Proxies[c.On], toxics: c.toxics(env.Seed), ttl: ttl}, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{} }
