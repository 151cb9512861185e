// Package dns breaks name resolution: a resolver of our own stands between a
// target and its real resolver and, while a fault is on, lies about chosen
// names, refuses them, keeps silent or answers late. All else it forwards
// byte for byte. The target has to be pointed at it, by its resolv.conf or its
// own settings; nothing on the host is changed for it.
//
// All resolvers of a run live in one process of their own (see Start and
// Serve), in its own session, so that they do not die with brunt: a dead
// resolver would be an outage left behind. When brunt dies, however it dies,
// the process reads the end of its lifeline, drops every fault within
// milliseconds and forwards untouched until the run would have ended. Besides,
// each fault has an expiry that the resolver enforces itself.
//
// Forged answers live for a second at most in caches (no time at all unless
// asked), and forged denials carry an SOA record that says the same (RFC
// 2308), so that no cache keeps a fault after its undo. What a target cached
// before the fault, it keeps using until that expires: a fault on a name with
// a long TTL may have no effect for as long. A forged answer to a query with
// EDNS says that it is one, in an extended error (RFC 8914, code 4).
package dns

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// Kind is the name of this kind in scenarios and receipts.
const Kind = "dns"

const (
	// expiryMargin is how much later than its planned end a fault expires by
	// itself.
	expiryMargin = 10 * time.Second
	// longestExpiry is the expiry of a fault that lasts until the run ends.
	longestExpiry = 24 * time.Hour
	// longestAnswerTTL is how long caches may keep a forged answer.
	longestAnswerTTL = time.Second
	// mostAnswers keeps a forged answer within the 512 bytes of a plain UDP
	// message, whatever the name.
	mostAnswers = 8
)

// Config is one fault on the answers of one resolver.
type Config struct {
	On        string        `yaml:"on" required:"true" doc:"The resolver, by its name under target.resolvers." example:"cluster"`
	Names     []string      `yaml:"names" required:"true" doc:"The names that are hit: exact ones, *.suffix for all below a name, or * for all." example:"payments.svc.local"`
	Answer    []string      `yaml:"answer" doc:"Answer with these addresses. A question for the other family's addresses, or for service bindings, finds none." example:"127.0.0.9"`
	Fail      string        `yaml:"fail" doc:"Fail: say that the name does not exist, that the server failed, that it refuses, or nothing at all." enum:"nxdomain,servfail,refused,no_answer"`
	Delay     time.Duration `yaml:"delay" doc:"Answer this much later, with the truth or with what else the fault says." min:"0s" example:"2s"`
	Jitter    time.Duration `yaml:"jitter" doc:"The delay varies evenly by up to this much either way." min:"0s" example:"500ms"`
	AnswerTTL time.Duration `yaml:"answer_ttl" doc:"How long caches may keep a forged answer, in whole seconds." min:"0s" max:"1s" default:"0s"`
	Share     float64       `yaml:"share" unit:"ratio" doc:"The share of queries that are hit, chosen by the seed." default:"100%" min:"0%" max:"100%"`
	TTL       time.Duration `yaml:"ttl" doc:"After this long the resolver ends the fault by itself, whatever became of brunt; by default 10s after the fault's planned end." min:"0s"`
}

// Validate reports a fault that would do nothing, or that no resolver can make.
func (c Config) Validate(report func(field, message, hint string)) {
	if len(c.Names) == 0 {
		report("names", "no name is given", `say which names are hit: "payments.svc", "*.svc", or "*" for all`)
	}
	for _, name := range c.Names {
		if _, err := parsePattern(name); err != nil {
			report("names", err.Error(), `names are exact ("payments.svc"), "*.suffix", or "*"`)
		}
	}
	if len(c.Answer) == 0 && c.Fail == "" && c.Delay == 0 {
		report("", "nothing is to be done to the answers", "give answer or fail, or delay, or one of the first two with delay")
	}
	if len(c.Answer) > 0 && c.Fail != "" {
		report("fail", "a query cannot both fail and be answered", "remove answer or fail")
	}
	if _, err := parseAddresses(c.Answer); err != nil {
		report("answer", err.Error(), "give IP addresses")
	}
	if len(c.Answer) > mostAnswers {
		report("answer", fmt.Sprintf("%d addresses do not fit into one answer", len(c.Answer)), fmt.Sprintf("give at most %d", mostAnswers))
	}
	if c.Fail != "" && !slices.Contains(failures, c.Fail) {
		report("fail", fmt.Sprintf("%q is no way to fail", c.Fail), strings.Join(failures, ", "))
	}
	if c.Fail == failNoAnswer && c.Delay > 0 {
		report("delay", "what is never answered cannot be answered late", "remove delay or fail")
	}
	if c.Jitter > c.Delay {
		report("jitter", fmt.Sprintf("the jitter of %s is more than the delay of %s", c.Jitter, c.Delay), "raise delay to at least the jitter")
	}
	if c.AnswerTTL > longestAnswerTTL || c.AnswerTTL%time.Second != 0 {
		report("answer_ttl", fmt.Sprintf("caches count in seconds and would keep a lie for %s", c.AnswerTTL), "0s or 1s")
	}
	for field, value := range map[string]float64{
		"delay": float64(c.Delay), "jitter": float64(c.Jitter), "answer_ttl": float64(c.AnswerTTL), "share": c.Share, "ttl": float64(c.TTL),
	} {
		if value < 0 {
			report(field, "it is negative", "")
		}
	}
	if c.Share > 1 {
		report("share", "it is more than 100%", "")
	}
}

func parseAddresses(texts []string) ([]netip.Addr, error) {
	var addresses []netip.Addr
	for _, text := range texts {
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" {
			return nil, fmt.Errorf("%q is no IP address", text)
		}
		addresses = append(addresses, address.Unmap())
	}
	return addresses, nil
}

// rule is what the fault sets on its resolver. The configuration is valid.
func (c Config) rule(seed uint64) Rule {
	addresses, _ := parseAddresses(c.Answer)
	share := c.Share
	if share == 0 {
		share = 1
	}
	r := Rule{
		Answer: addresses, Fail: c.Fail, Delay: c.Delay, Jitter: c.Jitter,
		AnswerTTL: c.AnswerTTL, Share: share, Seed: seed,
	}
	for _, name := range c.Names {
		p, _ := parsePattern(name)
		if !slices.Contains(r.Names, p) {
			r.Names = append(r.Names, p)
		}
	}
	return r
}

// What says what the fault does: "nxdomain for payments.svc on cluster".
func What(c Config) string {
	var parts []string
	if len(c.Answer) > 0 {
		parts = append(parts, "answer "+strings.Join(c.Answer, ", "))
	}
	if c.Fail != "" {
		parts = append(parts, strings.ReplaceAll(c.Fail, "_", " "))
	}
	if c.Delay > 0 {
		delay := "delay " + c.Delay.String()
		if c.Jitter > 0 {
			delay += " ±" + c.Jitter.String()
		}
		parts = append(parts, delay)
	}
	what := strings.Join(parts, " and ") + " for " + strings.Join(c.Names, ", ") + " on " + c.On
	if c.Share > 0 && c.Share < 1 {
		what += fmt.Sprintf(", for %.4g%% of queries", 100*c.Share)
	}
	return what
}

// OneShot is false: every fault on answers can be taken away again.
func OneShot(Config) bool { return false }

// New makes the fault; it touches nothing. The resolver's name is checked
// where the run's resolvers are known already.
func New(c Config, env chaos.Env) (chaos.Fault, error) {
	var problem error
	c.Validate(func(field, message, _ string) {
		problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
	})
	if _, ok := env.Resolvers[c.On]; !ok && env.Resolvers != nil {
		problem = errors.Join(problem, fmt.Errorf("on: no resolver is called %s; there are %s",
			c.On, strings.Join(slices.Sorted(maps.Keys(env.Resolvers)), ", ")))
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
	return &fault{name: env.Fault, resolver: c.On, control: env.Resolvers[c.On], rule: c.rule(env.Seed), ttl: ttl}, nil
}

// Mend makes a fault that undoes and verifies from receipts alone.
func Mend() chaos.Fault { return &fault{} }
