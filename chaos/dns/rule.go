package dns

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Ways to fail.
const (
	failNXDomain = "nxdomain"
	failServfail = "servfail"
	failRefused  = "refused"
	failNoAnswer = "no_answer"
)

var failures = []string{failNXDomain, failServfail, failRefused, failNoAnswer}

// A Rule is one harm as it is set on a resolver: plain data, on the control
// socket and in receipts.
type Rule struct {
	Names     []Pattern     `json:"names"`
	Answer    []netip.Addr  `json:"answer,omitempty"`
	Fail      string        `json:"fail,omitempty"`
	Delay     time.Duration `json:"delay_ns,omitempty"`
	Jitter    time.Duration `json:"jitter_ns,omitempty"`
	AnswerTTL time.Duration `json:"answer_ttl_ns,omitempty"`
	Share     float64       `json:"share"` // of queries, 0 to 1
	Seed      uint64        `json:"seed"`
}

// check refuses a rule that cannot be set.
func (r Rule) check() error {
	if len(r.Names) == 0 {
		return errors.New("it is about no name")
	}
	for _, p := range r.Names {
		if parsed, err := parsePattern(string(p)); err != nil {
			return err
		} else if parsed != p {
			return fmt.Errorf("%q is not in its canonical form", p)
		}
	}
	switch {
	case len(r.Answer) == 0 && r.Fail == "" && r.Delay == 0:
		return errors.New("it does nothing")
	case len(r.Answer) > 0 && r.Fail != "":
		return errors.New("it both fails and answers")
	case len(r.Answer) > mostAnswers:
		return fmt.Errorf("it has %d addresses", len(r.Answer))
	case slices.ContainsFunc(r.Answer, func(a netip.Addr) bool { return !a.IsValid() }):
		return errors.New("an address is missing")
	case r.Fail != "" && !slices.Contains(failures, r.Fail):
		return fmt.Errorf("%q is no way to fail", r.Fail)
	case r.Delay < 0 || r.Jitter < 0 || r.Jitter > r.Delay:
		return errors.New("its delay or jitter is out of bounds")
	case r.AnswerTTL < 0 || r.AnswerTTL > longestAnswerTTL:
		return errors.New("caches would keep its answers too long")
	case !(r.Share > 0 && r.Share <= 1):
		return errors.New("the share of queries is not between 0 and 1")
	}
	return nil
}

func (r Rule) matches(name string) bool {
	return slices.ContainsFunc(r.Names, func(p Pattern) bool { return p.matches(name) })
}

func (r Rule) overlaps(other Rule) bool {
	return slices.ContainsFunc(r.Names, func(p Pattern) bool { return slices.ContainsFunc(other.Names, p.overlaps) })
}

// draw says whether the n-th query is among the share that is hit, and by how
// much it is held up. It is a pure function of the seed and n.
func (r Rule) draw(n uint64) (hit bool, delay time.Duration) {
	rng := rand.New(rand.NewPCG(r.Seed, n))
	hit = r.Share >= 1 || rng.Float64() < r.Share
	delay = r.Delay
	if r.Jitter > 0 {
		delay += time.Duration((2*rng.Float64() - 1) * float64(r.Jitter))
	}
	return hit, delay
}

// lies says whether a question of this type is answered by the rule itself;
// the others get the truth. A rule that fails lies to all. One that answers
// does so about addresses, and denies service bindings, which may hold the
// true addresses.
func (r Rule) lies(kind dnsmessage.Type) bool {
	switch {
	case r.Fail != "":
		return true
	case len(r.Answer) == 0:
		return false
	}
	return kind == dnsmessage.TypeA || kind == dnsmessage.TypeAAAA || kind == dnsmessage.TypeALL ||
		kind == dnsmessage.TypeHTTPS || kind == dnsmessage.TypeSVCB
}

func (r Rule) String() string {
	names := make([]string, len(r.Names))
	for i, p := range r.Names {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

// An active rule is set on a resolver, by an owner, until it expires. It
// counts what it does to real queries.
type active struct {
	Rule
	owner   string
	expires time.Time
	timer   *time.Timer
	done    chan struct{} // closed when the rule is taken away

	queries atomic.Int64 // numbers them, for the share
	forged  atomic.Int64
	silent  atomic.Int64
	late    atomic.Int64
	delay   atomic.Int64 // sum over the late ones, ns
	probes  atomic.Int64
}

// Counters is what a rule has done so far. The delay is measured, not copied
// from the settings. Brunt's own probes count apart.
type Counters struct {
	Forged    int64         `json:"forged"` // answered with a lie
	Silent    int64         `json:"silent"` // never answered
	Late      int64         `json:"late"`   // held up for a while
	DelayMean time.Duration `json:"delay_mean_ns"`
	Probes    int64         `json:"probes"` // of brunt's own that it hit
}

func (a *active) counters() Counters {
	c := Counters{Forged: a.forged.Load(), Silent: a.silent.Load(), Late: a.late.Load(), Probes: a.probes.Load()}
	if c.Late > 0 {
		c.DelayMean = time.Duration(a.delay.Load() / c.Late)
	}
	return c
}
