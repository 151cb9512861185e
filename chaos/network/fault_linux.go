package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
)

// Prepare resolves the namespace, the interfaces and the peers, has the kernel
// check the very rules that will be set, and tries in a namespace of its own,
// thrown away at once, what cannot be checked otherwise.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	if f.config == nil {
		return chaos.Receipt{}, errors.New("prepare network fault: it has no configuration")
	}
	receipt, err := f.prepare(ctx)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	return receipt, nil
}

func (f *fault) prepare(ctx context.Context) (chaos.Receipt, error) {
	if ok, err := capable(unix.CAP_NET_ADMIN); err != nil || !ok {
		return chaos.Receipt{}, cmpError(err, errAdmin)
	}
	peers, err := resolvePeers(ctx, f.config.To)
	if err != nil {
		return chaos.Receipt{}, err
	}
	p, err := locate(ctx, f.config.Netns)
	if err != nil {
		return chaos.Receipt{}, err
	}
	defer p.close()
	receipt, err := chaos.NewReceipt(f.name, Kind, f.targets(peers), false, nil)
	if err != nil {
		return chaos.Receipt{}, err
	}
	d := data{
		Mark:      receipt.ID[strings.LastIndexByte(receipt.ID, '-')+1:],
		Namespace: p.id, Interface: f.config.Interface, Peers: peers,
		Way: f.config.way(), Harm: f.config.harm(), TTL: f.ttl,
	}
	if err := f.resolve(ctx, p, &d); err != nil {
		return chaos.Receipt{}, err
	}
	for _, target := range receipt.Targets {
		receipt.Resources = append(receipt.Resources, d.Harm.resources("network/"+target, d.Way)...)
	}
	if receipt.Data, err = json.Marshal(d); err != nil {
		return chaos.Receipt{}, fmt.Errorf("write receipt: %w", err)
	}
	return receipt, d.check()
}

// cmpError is err, or else what is given instead.
func cmpError(err, instead error) error {
	if err != nil {
		return err
	}
	return instead
}

// targets are the peers, or else the place, one each.
func (f *fault) targets(peers []peer) []string {
	if len(peers) == 0 {
		return []string{f.config.place()}
	}
	targets := make([]string, len(peers))
	for i, p := range peers {
		targets[i] = p.String() + " from " + f.config.place()
	}
	return targets
}

// resolve finds out how the harm can be done here, and what is there now.
func (f *fault) resolve(ctx context.Context, p *place, d *data) error {
	links, err := f.links(ctx, p)
	if err != nil {
		return err
	}
	if err := f.mechanism(ctx, p, d, len(links) > 0); err != nil {
		return err
	}
	if d.Before.Tables, err = p.tables(ctx); err != nil {
		return err
	}
	if _, err := p.nft(ctx, d.ruleset(), "-c", "-f", "-"); err != nil && d.Queue == nil { // with a queue, mechanism has tried
		return fmt.Errorf("this kernel or nft lacks something that the fault needs: %w", err)
	}
	if !d.shaped() {
		return nil
	}
	if len(links) == 0 {
		return fmt.Errorf("%s has no interface that is up", p.id)
	}
	d.Links = links
	all, err := p.qdiscs(ctx)
	if err != nil {
		return err
	}
	for _, l := range links {
		root, _ := rootOf(all, l.Name)
		if err := free(l, root); err != nil {
			return err
		}
		d.Before.Qdiscs = append(d.Before.Qdiscs, qdisc{Dev: root.Dev, Kind: root.Kind, Handle: root.Handle, Root: root.Root})
	}
	return nil
}

// free says whether a root qdisc may make way for ours.
func free(l link, root qdisc) error {
	if root.Kind == "" || root.standard() {
		return nil
	}
	return &chaos.ConflictError{Target: "interface " + l.Name, Want: "the kernel's own root qdisc", Found: "qdisc " + root.Kind + " " + root.Handle}
}

// links are the interfaces that a qdisc can be put on: the one that is named,
// or, in a namespace that is named, all that are up.
func (f *fault) links(ctx context.Context, p *place) ([]link, error) {
	all, err := p.interfaces(ctx)
	if err != nil {
		return nil, err
	}
	var links []link
	for _, i := range all {
		switch {
		case f.config.Interface != "":
			if i.Name == f.config.Interface {
				return []link{{Name: i.Name, Index: i.Index}}, nil
			}
		case f.config.Netns != "" && i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0:
			links = append(links, link{Name: i.Name, Index: i.Index})
		}
	}
	if f.config.Interface != "" {
		return nil, fmt.Errorf("%s has no interface called %s", p.id, f.config.Interface)
	}
	return links, nil
}

// mechanism decides who delays: the kernel where it can, or a process of ours.
// It tries everything out that needs more than a check of the rules.
func (f *fault) mechanism(ctx context.Context, p *place, d *data, links bool) error {
	h := d.Harm
	if d.Way == outbound && links && (h.Delay > 0 || f.config.netemOnly()) {
		d.Netem = true
		err := rehearse(ctx, *d)
		if err == nil || errors.Is(err, errSystemAdmin) {
			return err
		}
		d.Netem = false
		if f.config.netemOnly() {
			return fmt.Errorf("duplicate, corrupt and reorder need netem, and this kernel has none (module sch_netem): %w", err)
		}
	} else if f.config.netemOnly() {
		return errors.New("duplicate, corrupt and reorder sit on an interface: say which, as ip link names it")
	}
	if h.Delay == 0 {
		if d.shaped() {
			return rehearse(ctx, *d)
		}
		return nil
	}
	number, err := freeQueue(ctx, p, d.Mark)
	if err != nil {
		return err
	}
	d.Queue = &queue{Number: number, Seed: f.seed, Way: d.Way}
	if f.config.Direction == "" {
		d.Queue.Way = inbound // see the package's documentation
	}
	native := rehearse(ctx, *d)
	if native == nil || errors.Is(native, errSystemAdmin) {
		return native
	}
	d.Queue.Compat = true
	if err := rehearse(ctx, *d); err != nil {
		return fmt.Errorf("this kernel can neither delay packets (netem) nor queue them to a process: %w; %w", native, err)
	}
	return nil
}

// rehearse does all that Inject will do, in a namespace of its own that is
// thrown away: on the loopback interface, and without peers that are there.
func rehearse(ctx context.Context, d data) error {
	return throwAway(func() error {
		if d.shaped() {
			for _, args := range d.shapeCommands("lo") {
				if _, err := command(ctx, "", "tc", args...); err != nil {
					return err
				}
			}
		}
		if d.Queue != nil {
			q, err := openQueue(d.Queue.Number)
			if err != nil {
				return err
			}
			defer q.close()
		}
		return arm(ctx, d)
	})
}

// arm makes the fault's table, in the namespace of the calling thread.
func arm(ctx context.Context, d data) error {
	if _, err := command(ctx, d.ruleset(), "nft", "-f", "-"); err != nil {
		return err
	}
	if d.Queue == nil || !d.Queue.Compat {
		return nil
	}
	for _, way := range []string{inbound, outbound} {
		if !d.queues(way) {
			continue
		}
		if err := addCompatRule(d.table(), way, d.Queue.Number); err != nil {
			return err
		}
	}
	return nil
}

// freeQueue picks the number of a queue that nobody listens to.
func freeQueue(ctx context.Context, p *place, mark string) (number uint16, err error) {
	var text []byte
	err = p.do(ctx, func() error {
		text, err = os.ReadFile("/proc/thread-self/net/netfilter/nfnetlink_queue")
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) { // absent until the kernel's module is loaded
		return 0, fmt.Errorf("list netfilter queues: %w", err)
	}
	taken := map[string]bool{}
	for l := range bytes.Lines(text) {
		if fields := strings.Fields(string(l)); len(fields) > 0 {
			taken[fields[0]] = true
		}
	}
	first, _ := strconv.ParseUint(mark[:4], 16, 16)
	for i := range 1 << 16 {
		number = uint16(first) + uint16(i)
		if number >= 1024 && !taken[strconv.Itoa(int(number))] { // small numbers are what people use
			return number, nil
		}
	}
	return 0, errors.New("every netfilter queue is taken")
}

// Inject sets up what packets will go through and, last, the table that leads
// them there.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	if err := inject(ctx, d); err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	return nil
}

func inject(ctx context.Context, d data) error {
	p, err := reopen(ctx, d.Namespace)
	if err != nil {
		return err
	}
	defer p.close()
	for _, l := range d.Links {
		if err := p.shape(ctx, d, l); err != nil {
			return err
		}
	}
	if d.Queue != nil {
		if err := p.startDelayer(ctx, d); err != nil {
			return err
		}
	}
	chaos.Pass(chaos.Injecting)
	return p.do(ctx, func() error { return arm(ctx, d) })
}

// shape puts our root qdisc, with the fault's class, on an interface.
func (p *place) shape(ctx context.Context, d data, l link) error {
	name, err := p.nameOf(ctx, l)
	if err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("interface %s of %s is gone", l.Name, p.id)
	}
	all, err := p.qdiscs(ctx)
	if err != nil {
		return err
	}
	root, _ := rootOf(all, name)
	if err := free(l, root); err != nil {
		return err
	}
	for _, args := range d.shapeCommands(name) {
		if _, err := p.tc(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// nameOf is the present name of an interface; empty when it is gone.
func (p *place) nameOf(ctx context.Context, l link) (string, error) {
	all, err := p.interfaces(ctx)
	if err != nil {
		return "", err
	}
	for _, i := range all {
		if i.Index == l.Index {
			return i.Name, nil
		}
	}
	return "", nil
}

// Undo takes away the table first, so that nothing more is led into what goes
// next. A namespace or an interface that is gone took all with it.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	if err := undo(ctx, d); err != nil {
		return fmt.Errorf("undo %s: %w", receipt.Fault, err)
	}
	return nil
}

func undo(ctx context.Context, d data) error {
	p, err := reopen(ctx, d.Namespace)
	if errors.Is(err, errNoNamespace) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.close()
	errs := []error{p.disarm(ctx, d)}
	chaos.Pass(chaos.Undoing)
	errs = append(errs, p.stopDelayer(ctx, d))
	for _, l := range d.Links {
		errs = append(errs, p.unshape(ctx, d, l))
	}
	return errors.Join(errs...)
}

// disarm deletes the fault's table.
func (p *place) disarm(ctx context.Context, d data) error {
	marks, err := p.tables(ctx)
	if err != nil || !slices.Contains(marks, d.Mark) {
		return err
	}
	_, err = p.nft(ctx, "", "delete", "table", "inet", d.table())
	if err == nil {
		return nil
	}
	if marks, lookErr := p.tables(ctx); lookErr == nil && !slices.Contains(marks, d.Mark) {
		return nil // someone else was faster
	}
	return err
}

// unshape takes our root qdisc off an interface. One with our handle but
// without the fault's class is that of another fault, unless it has no class
// at all: then Inject got no further.
func (p *place) unshape(ctx context.Context, d data, l link) error {
	name, err := p.nameOf(ctx, l)
	if err != nil || name == "" {
		return err
	}
	all, err := p.qdiscs(ctx)
	if err != nil {
		return err
	}
	root, _ := rootOf(all, name)
	if !ourRoot(root) {
		return free(l, root)
	}
	ours, err := p.hasOurs(ctx, d, name)
	if err != nil || !ours {
		return err
	}
	_, err = p.tc(ctx, unshapeCommand(name)...)
	return err
}

// hasOurs says whether our root qdisc on an interface is this fault's.
func (p *place) hasOurs(ctx context.Context, d data, dev string) (bool, error) {
	text, err := p.tc(ctx, "class", "show", "dev", dev)
	if err != nil {
		return false, err
	}
	classes := parseClasses(text)
	return len(classes) == 0 || slices.Contains(classes, d.class()), nil
}
