package network

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// A view is what there is of a fault at one moment.
type view struct {
	table    tableState
	roots    []qdisc // ours
	leaves   []qdisc // of this fault's class
	delayer  *figures
	conflict error // a root qdisc that is neither ours nor the kernel's
}

// look reads the fault's counters, in its namespace; an empty view when that
// is gone.
func look(ctx context.Context, d data) (view, error) {
	var v view
	p, err := reopen(ctx, d.Namespace)
	if errors.Is(err, errNoNamespace) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	defer p.close()
	marks, err := p.tables(ctx)
	if err != nil {
		return v, err
	}
	if slices.Contains(marks, d.Mark) {
		text, err := p.nft(ctx, "", "-j", "list", "table", "inet", d.table())
		if err != nil {
			return v, err
		}
		if v.table, err = parseTable(text); err != nil {
			return v, err
		}
	}
	switch did, err := p.askDelayer(ctx, d); {
	case err == nil:
		v.delayer = &did
	case !errors.Is(err, errNoDelayer):
		return v, err
	}
	if len(d.Links) == 0 {
		return v, nil
	}
	all, err := p.qdiscs(ctx)
	if err != nil {
		return v, err
	}
	for _, l := range d.Links {
		name, err := p.nameOf(ctx, l)
		if err != nil {
			return v, err
		}
		v.addLink(d, l, name, all)
	}
	return v, nil
}

func (v *view) addLink(d data, l link, name string, all []qdisc) {
	root, ok := rootOf(all, name)
	if !ok {
		return
	}
	leaf, ok := leafOf(all, name)
	switch {
	case !ourRoot(root):
		if err := free(l, root); err != nil {
			v.conflict = err
		}
	case ok && leaf.Parent == d.class():
		v.roots, v.leaves = append(v.roots, root), append(v.leaves, leaf)
	}
}

// live says whether a packet that is meant would be harmed: the sets still
// know whom, and what they are led into is still there.
func (v view) live(d data) bool {
	h := d.Harm
	inTable := h.Partition || h.Loss > 0 || h.Rate > 0 && d.harms(inbound) || h == harm{}
	return v.table.elements > 0 && (inTable || len(v.leaves) > 0 || v.delayer != nil)
}

func (v view) count(name string) (in, out counter) {
	return v.table.counters[inbound+"_"+name], v.table.counters[outbound+"_"+name]
}

// effective says whether counters show that packets were harmed as meant.
func (v view) effective(d data) bool {
	for _, name := range []string{lostCounter, overCounter} {
		if in, out := v.count(name); in.Packets+out.Packets > 0 {
			return true
		}
	}
	for i, leaf := range v.leaves {
		if d.Netem && leaf.Packets > 0 || v.roots[i].Overlimits > 0 || leaf.Drops > 0 {
			return true
		}
	}
	return v.delayer != nil && v.delayer.Let > 0 && v.delayer.Mean >= d.Harm.Delay-d.Harm.Jitter
}

// Verify says Active when counters of the kernel or of the delaying process
// show packets that were harmed, and Gone when none can be: no elements in
// the table's sets, or nothing behind them.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	v, err := look(ctx, d)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", receipt.Fault, err)
	}
	switch {
	case v.conflict != nil:
		return chaos.Conflict, v.conflict
	case !v.live(d):
		return chaos.Gone, nil
	case v.effective(d):
		return chaos.Active, nil
	}
	in, out := v.count(metCounter)
	if met := in.Packets + out.Packets; met > 0 {
		return "", fmt.Errorf("%w: %d packets have met %s, and none was harmed by it yet", chaos.ErrNoEvidence, met, receipt.Fault)
	}
	return "", fmt.Errorf("%w: no packet that is meant has come by", chaos.ErrNoEvidence)
}

// Measure says what the fault has done so far.
func (f *fault) Measure(ctx context.Context, receipt chaos.Receipt) (string, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	v, err := look(ctx, d)
	if err != nil {
		return "", fmt.Errorf("measure %s: %w", receipt.Fault, err)
	}
	if !v.live(d) {
		return "", fmt.Errorf("measure %s: it is not set any more", receipt.Fault)
	}
	return v.measured(d), nil
}

// measured is the effect in words.
func (v view) measured(d data) string {
	var parts []string
	for _, way := range []string{inbound, outbound} {
		if !d.touches(way) {
			continue
		}
		met, lost, over := v.table.counters[way+"_"+metCounter], v.table.counters[way+"_"+lostCounter], v.table.counters[way+"_"+overCounter]
		text := fmt.Sprintf("%s: %d packets (%s) met it", way, met.Packets, byteCount(met.Bytes))
		if d.harms(way) && (d.Harm.Partition || d.Harm.Loss > 0) {
			text += fmt.Sprintf(", %d were dropped", lost.Packets)
			if met.Packets > 0 {
				text += " (" + percent(float64(lost.Packets)/float64(met.Packets)) + ")"
			}
		}
		if d.harms(way) && d.Harm.Rate > 0 && way == inbound {
			text += fmt.Sprintf(", %d were dropped as above the rate", over.Packets)
		}
		parts = append(parts, text)
	}
	for _, leaf := range v.leaves {
		text := fmt.Sprintf("%s: %s (%d packets) went out within %s", leaf.Dev, byteCount(leaf.Bytes), leaf.Packets, v.table.age)
		if leaf.Drops > 0 {
			text += fmt.Sprintf(", %d were dropped by the full queue", leaf.Drops)
		}
		parts = append(parts, text)
	}
	if v.delayer != nil {
		round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
		parts = append(parts, fmt.Sprintf("%d packets left %s late on average, %s at most", v.delayer.Let, round(v.delayer.Mean), round(v.delayer.Max)))
	}
	return strings.Join(parts, "; ")
}
