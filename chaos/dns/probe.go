package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/brunt-dev/brunt/chaos"
)

const (
	// directBound is how long the upstream may take for a probe.
	directBound = 2 * time.Second
	// silenceBound is the least time without an answer that counts as silence.
	silenceBound = 250 * time.Millisecond
	// longestProbe bounds a probe of a long delay; what was not answered until
	// then was late.
	longestProbe = 3 * time.Second
	// cleanTries is how often an answer may look harmed, by a lost datagram or
	// a busy machine, before it counts.
	cleanTries = 3
	// shareTries is how many probes may be among those that a share leaves
	// alone.
	shareTries = 64
)

// A prober compares what a resolver says with what its upstream does, on the
// way that the target's own queries take.
type prober struct {
	control Control
	rule    Rule
	owner   string
}

// An observation is one question and what came of it.
type observation struct {
	reply
	took   time.Duration
	silent bool // no answer within the bound
}

// question is the one that the rule would surely answer otherwise.
func (p prober) question() (name string, kind dnsmessage.Type) {
	kind = dnsmessage.TypeA
	if len(p.rule.Answer) > 0 && !slices.ContainsFunc(p.rule.Answer, netip.Addr.Is4) {
		kind = dnsmessage.TypeAAAA
	}
	return p.rule.Names[0].example("brunt-" + strings.ToLower(rand.Text()[:10])), kind
}

// observe asks one question over UDP. Silence is no error.
func observe(ctx context.Context, address, name string, kind dnsmessage.Type, bound time.Duration) (observation, error) {
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails
	message, err := ask(binary.BigEndian.Uint16(id[:]), name, kind)
	if err != nil {
		return observation{}, err
	}
	short, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	started := time.Now()
	answer, err := exchange(short, "udp", address, message)
	took := time.Since(started)
	switch {
	case err != nil && ctx.Err() != nil:
		return observation{}, fmt.Errorf("ask %s for %s: %w", address, name, ctx.Err())
	case err != nil && short.Err() != nil:
		return observation{took: took, silent: true}, nil
	case err != nil:
		return observation{}, fmt.Errorf("ask %s for %s: %w", address, name, err)
	}
	r, err := parseReply(answer)
	if err != nil {
		return observation{}, fmt.Errorf("ask %s for %s: %w", address, name, err)
	}
	return observation{reply: r, took: took}, nil
}

// harmed returns nil when it saw the rule's effect. With a share, it asks
// until it is hit.
func (p prober) harmed(ctx context.Context) error {
	name, kind := p.question()
	direct, err := observe(ctx, p.control.Upstream, name, kind, directBound)
	if err != nil || direct.silent {
		return fmt.Errorf("%w: the rule is set on resolver %s, but its upstream does not answer for %s either", chaos.ErrNoEvidence, p.control.Name, name)
	}
	if p.sameAsTruth(direct) {
		return fmt.Errorf("%w: the rule is set on resolver %s, but its upstream says the same of %s", chaos.ErrNoEvidence, p.control.Name, name)
	}
	tries := 1
	if p.rule.Share < 1 {
		tries = shareTries
	}
	for range tries {
		seen, err := p.hit(ctx, name, kind, direct)
		if err != nil || seen {
			return err
		}
	}
	return fmt.Errorf("%w: the rule is set on resolver %s, but asked for %s it answers as its upstream does", chaos.ErrNoEvidence, p.control.Name, name)
}

// hit asks once through the resolver and says whether the rule showed.
func (p prober) hit(ctx context.Context, name string, kind dnsmessage.Type, direct observation) (bool, error) {
	bound := max(4*direct.took, silenceBound)
	if p.rule.Fail != failNoAnswer {
		bound += min(p.rule.Delay+p.rule.Jitter, longestProbe) + directBound
	}
	before, err := p.probed(ctx)
	if err != nil {
		return false, err
	}
	through, err := observe(ctx, p.control.Listen, name, kind, bound)
	if err != nil {
		return false, err
	}
	if p.rule.Fail == failNoAnswer {
		// A lost datagram is no evidence: the rule must have met the query.
		after, err := p.probed(ctx)
		return through.silent && after > before, err
	}
	least := min(p.rule.Delay-p.rule.Jitter, longestProbe)
	switch {
	case through.silent:
		return p.rule.Delay > longestProbe, nil
	case through.took < least || p.rule.Delay > 0 && through.took-direct.took < least/2:
		return false, nil
	case !p.rule.lies(kind):
		return p.rule.Delay > 0, nil
	case through.forgedBy != p.owner || through.code != rcodes[p.rule.Fail]:
		return false, nil
	default:
		return p.rule.Fail != "" || sameAddresses(through.addresses, p.lie(kind)), nil
	}
}

// probed is how many probes the rule has met.
func (p prober) probed(ctx context.Context) (int64, error) {
	state, err := p.control.State(ctx)
	if err != nil {
		return 0, err
	}
	set, ok := owned(state, p.owner)
	if !ok {
		return 0, fmt.Errorf("look at resolver %s: the rule went away meanwhile", p.control.Name)
	}
	return set.Counters.Probes, nil
}

// lie is what the rule answers to the probe's question.
func (p prober) lie(kind dnsmessage.Type) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(p.rule.Answer), func(a netip.Addr) bool { return a.Is4() != (kind == dnsmessage.TypeA) })
}

// sameAsTruth says whether the rule changes nothing, because the truth is
// what it says. A name that was made up for the probe tells nothing there.
func (p prober) sameAsTruth(direct observation) bool {
	made := strings.HasPrefix(string(p.rule.Names[0]), "*")
	switch {
	case p.rule.Delay > 0 || made:
		return false
	case len(p.rule.Answer) > 0:
		_, kind := p.question()
		return direct.code == dnsmessage.RCodeSuccess && sameAddresses(direct.addresses, p.lie(kind))
	case p.rule.Fail == failNoAnswer:
		return false
	default:
		return direct.code == rcodes[p.rule.Fail]
	}
}

func sameAddresses(a, b []netip.Addr) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Addr.Compare)
	slices.SortFunc(b, netip.Addr.Compare)
	return slices.Equal(a, b)
}

// clean returns nil when the resolver answers as its upstream does, or when
// the upstream does not answer.
func (p prober) clean(ctx context.Context) error {
	name, kind := p.question()
	var last error
	for range cleanTries {
		direct, err := observe(ctx, p.control.Upstream, name, kind, directBound)
		if err != nil || direct.silent {
			return ctx.Err()
		}
		through, err := observe(ctx, p.control.Listen, name, kind, directBound)
		switch {
		case err != nil:
			last = err
		case through.silent:
			last = errors.New("it does not answer")
		case through.forgedBy == p.owner:
			last = errors.New("it still gives a forged answer")
		case through.forgedBy == "" && through.code != direct.code:
			last = fmt.Errorf("it answers %s, and its upstream %s", through.code, direct.code)
		default:
			return nil
		}
	}
	return fmt.Errorf("resolver %s has no rule any more, but asked for %s: %w", p.control.Name, name, last)
}
