package dns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/middlebox"
)

// data is what the receipts of this kind hold.
type data struct {
	Control Control       `json:"control"`
	Rule    Rule          `json:"rule"`
	TTL     time.Duration `json:"ttl_ns"`
}

// fault is one fault on one resolver; made by Mend it has receipts only.
type fault struct {
	name     string
	resolver string
	control  string // path of the control file
	rule     Rule
	ttl      time.Duration
}

// Prepare asks the resolver what is set on it and refuses names that another
// fault holds already.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	if f.control == "" {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: no resolver is called %q", f.name, f.resolver)
	}
	control, err := ReadControl(f.control)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	state, err := control.State(ctx)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	if state.Orphan {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: resolver %s: %w", f.name, f.resolver, middlebox.ErrOrphan)
	}
	for _, set := range state.Rules {
		if set.overlaps(f.rule) {
			return chaos.Receipt{}, &chaos.ConflictError{
				Target: "resolver " + f.resolver, Want: "no fault on " + f.rule.String(), Found: "one on " + set.Rule.String() + " that belongs to " + set.Owner,
			}
		}
	}
	target := fmt.Sprintf("resolver %s (%s to %s): %s", f.resolver, control.Listen, control.Upstream, f.rule)
	receipt, err := chaos.NewReceipt(f.name, Kind, []string{target}, false, data{Control: control, Rule: f.rule, TTL: f.ttl})
	receipt.Class, receipt.Resources = chaos.Volatile, f.Claims() // it lives in the resolver's memory
	return receipt, err
}

// Claims are the names, of this resolver. Patterns that have a name in common
// without being the same are found when the fault is prepared.
func (f *fault) Claims() []string {
	claims := make([]string, len(f.rule.Names))
	for i, name := range f.rule.Names {
		claims[i] = "resolver/" + f.resolver + "/" + string(name)
	}
	return claims
}

// Inject sets the rule, owned by the receipt.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	_, err = d.Control.client().Set(ctx, receipt.ID, injection{Rule: d.Rule, TTL: d.TTL})
	var no *middlebox.RefusedError
	if errors.As(err, &no) && errors.Is(err, middlebox.ErrTaken) {
		return &chaos.ConflictError{Target: "resolver " + d.Control.Name, Want: "it free for " + receipt.Fault, Found: no.Reason}
	}
	if err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	return nil
}

// Undo takes away the receipt's own rule. A resolver that has ended took it
// with it.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	if _, err := d.Control.client().Drop(ctx, receipt.ID); err != nil && !errors.Is(err, middlebox.ErrGone) {
		return fmt.Errorf("undo %s: %w", receipt.Fault, err)
	}
	return nil
}

// Verify asks a question of its own, through the resolver and of its upstream
// directly, and compares. Active is a forged answer, a missing one or a late
// one that the upstream does not give; ErrNoEvidence says that the truth is no
// better. It says Gone when the resolver has no rule of the receipt's and its
// answers are the upstream's again; where the upstream does not answer either,
// the resolver's own word stands.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	state, err := d.Control.State(ctx)
	if errors.Is(err, middlebox.ErrGone) {
		return chaos.Gone, nil
	}
	if err != nil {
		return "", err
	}
	p := prober{control: d.Control, rule: d.Rule, owner: receipt.ID}
	if _, set := owned(state, receipt.ID); set {
		if err := p.harmed(ctx); err != nil {
			return "", err
		}
		return chaos.Active, nil
	}
	if err := p.clean(ctx); err != nil {
		return "", err
	}
	return chaos.Gone, nil
}

// Measure says what the rule has done to real queries so far.
func (f *fault) Measure(ctx context.Context, receipt chaos.Receipt) (string, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	state, err := d.Control.State(ctx)
	if err != nil {
		return "", err
	}
	set, ok := owned(state, receipt.ID)
	if !ok {
		return "", fmt.Errorf("measure %s: it is not set any more", receipt.Fault)
	}
	return set.measured(), nil
}

func owned(state State, owner string) (ActiveRule, bool) {
	i := slices.IndexFunc(state.Rules, func(r ActiveRule) bool { return r.Owner == owner })
	if i < 0 {
		return ActiveRule{}, false
	}
	return state.Rules[i], true
}

// measured is what the rule has done, in words.
func (r ActiveRule) measured() string {
	c := r.Counters
	var parts []string
	if len(r.Answer) > 0 || r.Fail != "" && r.Fail != failNoAnswer {
		parts = append(parts, fmt.Sprintf("%d queries got a forged answer", c.Forged))
	}
	if r.Fail == failNoAnswer {
		parts = append(parts, fmt.Sprintf("%d queries got no answer", c.Silent))
	}
	if r.Delay > 0 {
		parts = append(parts, fmt.Sprintf("%d queries were held up for %s on average", c.Late, c.DelayMean.Round(10*time.Microsecond)))
	}
	return strings.Join(parts, "; ")
}

func read(receipt chaos.Receipt) (data, error) {
	var d data
	if err := json.Unmarshal(receipt.Data, &d); err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	if d.Control.Address == "" || len(d.Rule.Names) == 0 {
		return data{}, fmt.Errorf("read receipt %s: it names no resolver or no name", receipt.ID)
	}
	return d, nil
}
