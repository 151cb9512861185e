package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// peerData is what the receipts of faults on a Toxiproxy hold.
type peerData struct {
	Peer     peer          `json:"toxiproxy"`
	Toxics   []peerToxic   `json:"toxics"`           // without names
	Probe    string        `json:"probe,omitempty"`  // what to send through the proxy
	Through  string        `json:"through"`          // where the proxy listens, as host:port
	Baseline time.Duration `json:"baseline_ns"`      // how long the answer takes without the fault
	Answer   int           `json:"answer,omitempty"` // bytes of it
}

// peerFault is a fault on a Toxiproxy that is there already. Toxiproxy does
// not end toxics by itself and does not tell what they do: what bounds the
// fault is the lease on its receipt, and what proves it is a probe.
type peerFault struct {
	name   string
	peer   peer
	toxics []peerToxic
	probe  string
	allow  func(string) error
}

func newToxiproxyFault(c Config, env chaos.Env) (chaos.Fault, error) {
	f := &peerFault{name: env.Fault, peer: peer{URL: c.Toxiproxy, Proxy: c.On}, probe: c.Probe, allow: env.Allow}
	for _, t := range c.toxics(env.Seed) {
		p, ok := t.peer()
		if !ok {
			return nil, fmt.Errorf("make fault %s: Toxiproxy has no %s", env.Fault, t.Type)
		}
		f.toxics = append(f.toxics, p)
	}
	return f, nil
}

// Prepare refuses a proxy that is not there, and toxics that others have set
// already: the two could not be told apart by what they do.
func (f *peerFault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	fail := func(err error) (chaos.Receipt, error) {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	if err := f.permitted(apiAddress(f.peer.URL)); err != nil {
		return fail(err)
	}
	shown, err := f.peer.show(ctx)
	if err != nil {
		return fail(fmt.Errorf("look at %s: %w", f.peer, err))
	}
	if !shown.Enabled {
		return fail(fmt.Errorf("%s is disabled", f.peer))
	}
	d := peerData{Peer: f.peer, Toxics: f.toxics, Probe: f.probe, Through: reachable(f.peer.URL, shown.Listen)}
	if err := d.free(shown, "", f.name); err != nil {
		return chaos.Receipt{}, err
	}
	if f.probe != "" {
		if err := f.permitted(d.Through); err != nil {
			return fail(err)
		}
		if err := d.calibrate(ctx); err != nil {
			return fail(err)
		}
	}
	target := fmt.Sprintf("%s (%s to %s)", f.peer, shown.Listen, shown.Upstream)
	receipt, err := chaos.NewReceipt(f.name, Kind, []string{target}, false, d)
	receipt.Resources = f.Claims()
	return receipt, err
}

// Claims are the toxics by their names.
func (f *peerFault) Claims() []string {
	claims := make([]string, len(f.toxics))
	for i, t := range f.toxics {
		claims[i] = f.peer.String() + "/" + t.Name
	}
	return claims
}

func (f *peerFault) permitted(address string) error {
	if f.allow == nil {
		return fmt.Errorf("%s is not in the scenario's target", address)
	}
	return f.allow(address)
}

// apiAddress is the host and port of a URL.
func apiAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "80")
	}
	return u.Host
}

// reachable is where a proxy is reached that listens there: on the API's host,
// where it listens on every address.
func reachable(api, listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host, _, _ = net.SplitHostPort(apiAddress(api))
	}
	return net.JoinHostPort(host, port)
}

// free returns a conflict when another has a toxic of the same kind on the
// same stream. Those of the receipt id are ours.
func (d peerData) free(shown peerProxy, id, fault string) error {
	ours := d.named(id)
	for _, set := range shown.Toxics {
		for i, t := range ours {
			if set.Type == t.Type && set.Stream == t.Stream && (id == "" || set.Name != ours[i].Name) {
				return &chaos.ConflictError{
					Target: d.Peer.String(), Want: fmt.Sprintf("no %s on %s, for %s", t.Type, t.Stream, fault), Found: "toxic " + set.Name + ": " + set.String(),
				}
			}
		}
	}
	return nil
}

// ownMark begins the name of every toxic that brunt sets.
const ownMark = "brunt_"

// named are the toxics under the names that say whose they are.
func (d peerData) named(id string) []peerToxic {
	named := make([]peerToxic, len(d.Toxics))
	for i, t := range d.Toxics {
		t.Name = ownMark + id + "_" + t.Type + "_" + string(t.Stream)
		for _, before := range named[:i] {
			if before.Name == t.Name { // a blackhole and a timeout are one type there
				t.Name += "_2"
			}
		}
		named[i] = t
	}
	return named
}

// inject sets the toxics, one after the other.
func (d peerData) inject(ctx context.Context, receipt chaos.Receipt) error {
	fail := func(err error) error { return fmt.Errorf("inject %s: %w", receipt.Fault, err) }
	shown, err := d.Peer.show(ctx)
	if err != nil {
		return fail(fmt.Errorf("look at %s: %w", d.Peer, err))
	}
	if err := d.free(shown, receipt.ID, receipt.Fault); err != nil {
		return err
	}
	for _, t := range d.named(receipt.ID) {
		set, there := shown.toxic(t.Name)
		switch {
		case there && set.same(t):
			continue // injected before
		case there:
			return d.changed(t, set)
		}
		switch err := d.Peer.add(ctx, t); {
		case isStatus(err, http.StatusConflict):
			return &chaos.ConflictError{Target: d.Peer.String(), Want: "no toxic " + t.Name, Found: "one set by someone else"}
		case err != nil:
			return fail(err)
		}
	}
	return nil
}

func (p peerProxy) toxic(name string) (peerToxic, bool) {
	for _, t := range p.Toxics {
		if t.Name == name {
			return t, true
		}
	}
	return peerToxic{}, false
}

// changed says that a toxic of ours is not as we set it.
func (d peerData) changed(ours, found peerToxic) error {
	return &chaos.ConflictError{Target: "toxic " + ours.Name + " on " + d.Peer.String(), Want: ours.String(), Found: found.String()}
}

// undo takes away our toxics, by name, where they are still as we set them.
func (d peerData) undo(ctx context.Context, receipt chaos.Receipt) error {
	shown, err := d.Peer.show(ctx)
	if errors.Is(err, errNoPeer) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("undo %s: %w", receipt.Fault, err)
	}
	var errs []error
	for _, t := range d.named(receipt.ID) {
		set, there := shown.toxic(t.Name)
		switch {
		case !there:
		case !set.same(t):
			errs = append(errs, d.changed(t, set))
		default:
			if err := d.Peer.remove(ctx, t.Name); err != nil && !errors.Is(err, errNoPeer) {
				errs = append(errs, fmt.Errorf("undo %s: %w", receipt.Fault, err))
			}
		}
	}
	return errors.Join(errs...)
}

// verify believes Toxiproxy's list about what is gone, and the probe besides;
// about what is in effect it believes the probe alone.
func (d peerData) verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	shown, err := d.Peer.show(ctx)
	if errors.Is(err, errNoPeer) {
		return chaos.Gone, nil
	}
	if err != nil {
		return "", err
	}
	found := 0
	for _, t := range d.named(receipt.ID) {
		set, there := shown.toxic(t.Name)
		switch {
		case there && !set.same(t):
			return chaos.Conflict, d.changed(t, set)
		case there:
			found++
		}
	}
	switch {
	case found == 0 && (d.Probe == "" || len(shown.Toxics) > 0 || !shown.Enabled):
		return chaos.Gone, nil
	case found == 0:
		return chaos.Gone, d.healed(ctx)
	case found < len(d.Toxics):
		return "", fmt.Errorf("%w: of %d toxics on %s, %d are left", chaos.ErrNoEvidence, len(d.Toxics), d.Peer, found)
	case d.Probe == "":
		return "", fmt.Errorf("%w: the toxics are set on %s, but Toxiproxy does not tell what they do; give the fault a probe to send through it", chaos.ErrNoEvidence, d.Peer)
	}
	felt, what := d.feel(ctx)
	if !felt {
		return "", fmt.Errorf("%w: the toxics are set on %s, but %s", chaos.ErrNoEvidence, d.Peer, what)
	}
	return chaos.Active, nil
}

func (d peerData) measure(ctx context.Context) (string, error) {
	if d.Probe == "" {
		return "", errors.New("Toxiproxy does not tell what its toxics do, and there is no probe")
	}
	_, what := d.feel(ctx)
	return what, nil
}

// readPeer reads a receipt of a fault on a Toxiproxy; ok is false when it is of
// a fault on a proxy of brunt's.
func readPeer(receipt chaos.Receipt) (d peerData, ok bool) {
	if json.Unmarshal(receipt.Data, &d) != nil {
		return peerData{}, false
	}
	return d, d.Peer.URL != "" && d.Peer.Proxy != "" && len(d.Toxics) > 0
}

// Inject, Undo, Verify and Measure need nothing but the receipt.
func (f *peerFault) Inject(ctx context.Context, r chaos.Receipt) error {
	return (&fault{}).Inject(ctx, r)
}
func (f *peerFault) Undo(ctx context.Context, r chaos.Receipt) error { return (&fault{}).Undo(ctx, r) }
func (f *peerFault) Verify(ctx context.Context, r chaos.Receipt) (chaos.State, error) {
	return (&fault{}).Verify(ctx, r)
}
func (f *peerFault) Measure(ctx context.Context, r chaos.Receipt) (string, error) {
	return (&fault{}).Measure(ctx, r)
}

// unescape reads \r, \n, \t and \\ in a probe, which single-quoted YAML keeps.
var unescape = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\\`, `\`)
