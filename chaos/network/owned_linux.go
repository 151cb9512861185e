package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// orphanMark fills up the mark of a qdisc whose table is gone.
const orphanMark = "000000000000"

// Owned finds every fault of this kind by its marks alone: tables called
// brunt_…, root qdiscs with our handle, sockets of delaying processes, in every
// network namespace that can be seen from here. The receipts are good for Undo
// and Verify of a fault made by Mend. Receipts come even with an error, which
// tells of namespaces that could not be looked at. Where nft or tc is not
// installed, there is nothing that this package could have set with it.
func Owned(ctx context.Context) ([]chaos.Receipt, error) {
	var receipts []chaos.Receipt
	var errs []error
	err := eachPlace(ctx, nil, func(p *place) (keep, more bool) {
		found, err := p.owned(ctx)
		receipts = append(receipts, found...)
		if err != nil {
			errs = append(errs, fmt.Errorf("look for faults in %s: %w", p.id, err))
		}
		return false, ctx.Err() == nil
	})
	return receipts, errors.Join(append(errs, err)...)
}

// owned makes receipts of what is ours in one namespace.
func (p *place) owned(ctx context.Context) ([]chaos.Receipt, error) {
	marks, err := p.tables(ctx)
	if err != nil && !errors.Is(err, errMissing) {
		return nil, err
	}
	sockets, err := p.sockets(ctx)
	if err != nil {
		return nil, err
	}
	for _, mark := range sockets {
		if !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	var found []data
	for _, mark := range marks {
		found = append(found, data{Mark: mark, Namespace: p.id, Way: both})
	}
	if found, err = p.ownedQdiscs(ctx, found); err != nil {
		return nil, err
	}
	var receipts []chaos.Receipt
	for _, d := range found {
		receipt, err := d.ownedReceipt()
		if err != nil {
			return receipts, err
		}
		receipts = append(receipts, receipt)
	}
	return receipts, nil
}

// sockets are the marks of delaying processes that listen in the namespace.
func (p *place) sockets(ctx context.Context) (marks []string, err error) {
	var text []byte
	err = p.do(ctx, func() error {
		text, err = os.ReadFile("/proc/thread-self/net/unix")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	for l := range bytes.Lines(text) {
		_, mark, ok := strings.Cut(strings.TrimSpace(string(l)), " "+socketPrefix)
		if ok && markForm.MatchString(mark) && !slices.Contains(marks, mark) {
			marks = append(marks, mark)
		}
	}
	return marks, nil
}

// ownedQdiscs adds the interfaces with our root qdisc to the faults they belong
// to, or to new ones.
func (p *place) ownedQdiscs(ctx context.Context, found []data) ([]data, error) {
	all, err := p.qdiscs(ctx)
	if err != nil && !errors.Is(err, errMissing) {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(q qdisc) bool { return q.Root && ourRoot(q) }) {
		return found, nil
	}
	interfaces, err := p.interfaces(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		root, ok := rootOf(all, i.Name)
		if !ok || !ourRoot(root) {
			continue
		}
		text, err := p.tc(ctx, "class", "show", "dev", i.Name)
		if err != nil {
			return nil, err
		}
		class := rootHandle + "1" // when Inject got no further than the root, any class will do
		if classes := parseClasses(text); len(classes) > 0 {
			class = classes[0]
		}
		at := slices.IndexFunc(found, func(d data) bool { return d.class() == class })
		if at < 0 {
			minor, err := strconv.ParseUint(strings.TrimPrefix(class, rootHandle), 16, 16)
			if err != nil || minor == 0 {
				continue // not one of our classes
			}
			found = append(found, data{Mark: fmt.Sprintf("%04x", minor-1) + orphanMark, Namespace: p.id, Way: both})
			at = len(found) - 1
		}
		found[at].Links = append(found[at].Links, link{Name: i.Name, Index: i.Index})
	}
	return found, nil
}

func (d data) ownedReceipt() (chaos.Receipt, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("write receipt: %w", err)
	}
	target := "table " + d.table()
	for _, l := range d.Links {
		target += ", interface " + l.Name
	}
	return chaos.Receipt{
		ID: Kind + "-" + d.Mark, Fault: Kind + "-" + d.Mark, Kind: Kind,
		Targets: []string{target + " of " + d.Namespace.String()}, Made: time.Now().UTC(), Data: raw,
	}, nil
}
