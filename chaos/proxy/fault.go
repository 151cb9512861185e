package proxy

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
	Toxics  []Toxic       `json:"toxics"`
	TTL     time.Duration `json:"ttl_ns"`
}

// fault is one fault on one proxy; made by Mend it has receipts only.
type fault struct {
	name    string
	proxy   string
	control string // path of the control file
	toxics  []Toxic
	ttl     time.Duration
}

// Prepare asks the proxy what is set on it and refuses what another fault
// holds already.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	if f.control == "" {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: no proxy is called %q", f.name, f.proxy)
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
		return chaos.Receipt{}, fmt.Errorf("prepare %s: proxy %s: %w", f.name, f.proxy, middlebox.ErrOrphan)
	}
	for _, set := range state.Toxics {
		if slices.ContainsFunc(f.toxics, func(t Toxic) bool { return t.name() == set.Name }) {
			return chaos.Receipt{}, &chaos.ConflictError{
				Target: "proxy " + f.proxy, Want: "no " + set.Name, Found: "one that belongs to " + set.Owner,
			}
		}
	}
	target := fmt.Sprintf("proxy %s (%s to %s)", f.proxy, control.Listen, control.Upstream)
	receipt, err := chaos.NewReceipt(f.name, Kind, []string{target}, false, data{Control: control, Toxics: f.toxics, TTL: f.ttl})
	receipt.Class, receipt.Resources = chaos.Volatile, f.Claims()
	return receipt, err
}

// Claims are the toxics by their names: those of other names compose.
func (f *fault) Claims() []string { return claimsOf("proxy/"+f.proxy, f.toxics) }

func claimsOf(proxy string, toxics []Toxic) []string {
	claims := make([]string, len(toxics))
	for i, t := range toxics {
		claims[i] = proxy + "/" + t.name()
	}
	return claims
}

// Inject sets the toxics, all of them or none, owned by the receipt.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	if d, ok := readPeer(receipt); ok {
		return d.inject(ctx, receipt)
	}
	d, err := read(receipt)
	if err != nil {
		return err
	}
	_, err = d.Control.client().Set(ctx, receipt.ID, injection{Toxics: d.Toxics, TTL: d.TTL})
	var no *middlebox.RefusedError
	if errors.As(err, &no) && errors.Is(err, middlebox.ErrTaken) {
		return &chaos.ConflictError{Target: "proxy " + d.Control.Name, Want: "it free for " + receipt.Fault, Found: no.Reason}
	}
	if err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	return nil
}

// Undo takes away the receipt's own toxics. A proxy that has ended took them
// with it.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	if d, ok := readPeer(receipt); ok {
		return d.undo(ctx, receipt)
	}
	d, err := read(receipt)
	if err != nil {
		return err
	}
	if _, err := d.Control.client().Drop(ctx, receipt.ID); err != nil && !errors.Is(err, middlebox.ErrGone) {
		return fmt.Errorf("undo %s: %w", receipt.Fault, err)
	}
	return nil
}

// Verify says Active when the proxy's counters show that traffic was harmed as
// it should be, and ErrNoEvidence when the toxics are set but nothing has met
// them yet. It says Gone when the proxy has none of the receipt's toxics and,
// where that can be tried, a connection opened through it behaves as one
// opened directly.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	if d, ok := readPeer(receipt); ok {
		return d.verify(ctx, receipt)
	}
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
	ours := owned(state, receipt.ID)
	if len(ours) == 0 {
		if len(state.Toxics) == 0 {
			err = clean(ctx, d)
		}
		if err != nil {
			return "", fmt.Errorf("look at proxy %s: %w", d.Control.Name, err)
		}
		return chaos.Gone, nil
	}
	if proven(ours) {
		return chaos.Active, nil
	}
	return "", fmt.Errorf("%w: the toxics are set on proxy %s, but %s", chaos.ErrNoEvidence, d.Control.Name, why(ours))
}

// Measure says what the toxics have done so far.
func (f *fault) Measure(ctx context.Context, receipt chaos.Receipt) (string, error) {
	if d, ok := readPeer(receipt); ok {
		return d.measure(ctx)
	}
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	state, err := d.Control.State(ctx)
	if err != nil {
		return "", err
	}
	ours := owned(state, receipt.ID)
	if len(ours) == 0 {
		return "", fmt.Errorf("measure %s: it is not set any more", receipt.Fault)
	}
	parts := make([]string, len(ours))
	for i, t := range ours {
		parts[i] = t.measured()
	}
	return strings.Join(parts, "; "), nil
}

func owned(state State, owner string) []ActiveToxic {
	return slices.DeleteFunc(state.Toxics, func(t ActiveToxic) bool { return t.Owner != owner })
}

func read(receipt chaos.Receipt) (data, error) {
	var d data
	if err := json.Unmarshal(receipt.Data, &d); err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	if d.Control.Address == "" || len(d.Toxics) == 0 {
		return data{}, fmt.Errorf("read receipt %s: it names no proxy or no toxic", receipt.ID)
	}
	return d, nil
}
