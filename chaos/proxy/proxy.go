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
// HTTP/1 and HTTP/2 in the clear can be harmed request by request. While such a
// fault is on, the proxy reads along: it finds the requests, passes each on as
// it comes, and delays, answers or changes those that its rules are about. It
// reads strictly and never repairs: what it does not understand for sure passes
// as it is, and is counted. Of TLS it can spoil the handshake of new
// connections, with a certificate made on the spot or by silence.
//
// It speaks Toxiproxy's HTTP API both ways: ServeToxiproxy lets clients of
// Toxiproxy drive proxies of our own, and a fault with toxiproxy set drives a
// Toxiproxy that is there already.
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
	if _, ok := env.Proxies[c.On]; !ok && env.Proxies != nil && c.Toxiproxy == "" {
		problem = errors.Join(problem, fmt.Errorf("on: no proxy is called %s; there are %s",
			c.On, strings.Join(slices.Sorted(maps.Keys(env.Proxies)), ", ")))
	}
	if problem != nil {
		return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
	}
	if c.Toxiproxy != "" {
		return newToxiproxyFault(c, env)
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
