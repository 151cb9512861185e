package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/brunt-dev/brunt/chaos"
)

// signals by action.
var signals = map[string]syscall.Signal{
	"kill":      syscall.SIGKILL,
	"terminate": syscall.SIGTERM,
	"pause":     stopSignal,
}

// data is what the receipts of this kind hold.
type data struct {
	Action    string     `json:"action"`
	Boot      string     `json:"boot"` // the boot in which the processes live
	Processes []identity `json:"processes"`

	Limits *limits `json:"limits,omitempty"` // of a limit
	Images []image `json:"images,omitempty"` // of a limit: before it, one a process
}

// fault is one fault on processes; made by Mend it has receipts only.
type fault struct {
	name      string
	action    string
	target    Target
	limits    limits
	processes map[string]string
	protect   chaos.Protection
}

// Prepare finds the processes and refuses what must not be touched. It sends
// nothing but signal 0, which asks whether a signal would be allowed.
func (f *fault) Prepare(context.Context) (chaos.Receipt, error) {
	if f.action == "" {
		return chaos.Receipt{}, errors.New("prepare process fault: it has no configuration")
	}
	found, err := f.target.resolve(f.processes)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("find %s: %w", f.target, err)
	}
	return f.receipt(found)
}

// receipt is that of a fault on the processes, once it may touch them.
func (f *fault) receipt(found []identity) (chaos.Receipt, error) {
	boot, err := bootID()
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	targets, resources := make([]string, len(found)), make([]string, len(found))
	for i, id := range found {
		if err := f.allowed(id); err != nil {
			return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
		}
		targets[i], resources[i] = id.String(), id.resource()
	}
	oneShot := signals[f.action] != 0 && f.action != "pause"
	receipt, err := chaos.NewReceipt(f.name, Kind, targets, oneShot, nil)
	if err != nil {
		return chaos.Receipt{}, err
	}
	receipt.Class, receipt.Resources = chaos.Volatile, resources
	d := data{Action: f.action, Boot: boot, Processes: found}
	if f.action == "limit" {
		d.Limits, receipt.Resources = &f.limits, nil
		for _, id := range found {
			before, err := f.limits.picture(id, receipt.ID[strings.LastIndexByte(receipt.ID, '-')+1:])
			if err != nil {
				return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
			}
			d.Images = append(d.Images, before)
			for _, part := range f.limits.parts() {
				receipt.Resources = append(receipt.Resources, id.resource()+"/"+part)
			}
		}
	}
	if receipt.Data, err = json.Marshal(d); err != nil {
		return chaos.Receipt{}, fmt.Errorf("write receipt of %s: %w", f.name, err)
	}
	return receipt, nil
}

// Follows is nil when the target may become more processes than it is now.
func (f *fault) Follows() error {
	switch {
	case !f.target.several():
		return fmt.Errorf("%s is one process; name several: { name: \"shop-*\", pick: all }", f.target)
	case f.target.Pick != "all":
		return fmt.Errorf("it hits one of %s; say pick: all", f.target)
	}
	return nil
}

// Follow is Prepare for the processes that no receipt has yet.
func (f *fault) Follow(_ context.Context, held []chaos.Receipt) (chaos.Receipt, error) {
	found, err := f.target.resolve(f.processes)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("find %s: %w", f.target, err)
	}
	var known []identity
	for _, receipt := range held {
		d, err := read(receipt)
		if err != nil {
			return chaos.Receipt{}, err
		}
		known = append(known, d.Processes...)
	}
	fresh := slices.DeleteFunc(found, func(id identity) bool { return slices.Contains(known, id) })
	if len(fresh) == 0 {
		return chaos.Receipt{}, fmt.Errorf("find more of %s: %w", f.target, chaos.ErrNoTarget)
	}
	return f.receipt(fresh)
}

// Claims are the processes by the names that the scenario has for them.
func (f *fault) Claims() []string {
	names := f.target.named(f.processes)
	switch {
	case f.target.Name == "":
		names = []string{f.target.String()}
	case len(names) > 1 && f.target.Pick != "all":
		return nil // one of them, and who knows which
	}
	var claims []string
	for _, name := range names {
		if f.action != "limit" {
			claims = append(claims, "process/"+name)
		}
		for _, part := range f.limits.parts() {
			claims = append(claims, "process/"+name+"/"+part)
		}
	}
	return claims
}

// Needs depends on whose processes are meant, which is not known yet.
func (f *fault) Needs() []chaos.Need {
	const own = "the processes are this user's own"
	if f.action != "limit" {
		return []chaos.Need{{Capability: chaos.CapKill, For: "signals", Unless: own}}
	}
	var needs []chaos.Need
	if f.limits.CPUs > 0 || f.limits.Memory > 0 {
		needs = append(needs, chaos.Need{Capability: chaos.CapDACOverride, For: "control groups", Unless: "the groups were handed over to this user"})
	}
	if f.limits.Files > 0 {
		needs = append(needs, chaos.Need{Capability: chaos.CapSysResource, For: "limits of open files", Unless: own})
	}
	if f.limits.Nice != 0 {
		needs = append(needs, chaos.Need{Capability: chaos.CapSysNice, For: "nice and its undoing"})
	}
	return needs
}

// allowed refuses a process that must not or cannot be broken.
func (f *fault) allowed(id identity) error {
	if err := protected(id); err != nil {
		return err
	}
	if err := f.protect.Refuse(id.String(), f.namesOf(id)...); err != nil {
		return err
	}
	if err := id.signal(0); err != nil {
		if errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("signal %s: %w: it belongs to another user; root or CAP_KILL is needed", id, err)
		}
		return err
	}
	if f.action != "pause" {
		return nil
	}
	switch now, err := id.look(); {
	case err != nil:
		return err
	case now != running:
		return &chaos.ConflictError{Target: id.String(), Want: "a running process", Found: "one that is " + string(now) + " already"}
	}
	return nil
}

// namesOf are the names that a process may be protected by: its program's, and
// the stack's for it.
func (f *fault) namesOf(id identity) []string {
	names := append(programNames(id.Pid), id.Name)
	for name, file := range f.processes {
		if at, err := fromPidFile(file); err == nil && at == id {
			names = append(names, name)
		}
	}
	return names
}

// Inject signals every process of the receipt. A process that has gone since
// Prepare is an error: nothing was killed there.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	signal, ok := signals[d.Action]
	if !ok && d.Action != "limit" {
		return fmt.Errorf("inject %s: no action is called %q", receipt.Fault, d.Action)
	}
	for i, id := range d.Processes {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s %s: %w", d.Action, id, err)
		}
		if d.Action == "limit" {
			if err := d.Limits.limit(id, d.Images[i]); err != nil {
				return fmt.Errorf("limit %s: %w", id, err)
			}
			continue
		}
		if err := id.signal(signal); err != nil {
			return fmt.Errorf("%s %s: %w", d.Action, id, err)
		}
		chaos.Pass(chaos.Injecting)
	}
	return nil
}

// Undo lets paused processes run again, and lifts limits. One that has gone since has nothing to
// be undone; so has a one-shot.
func (f *fault) Undo(_ context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil || d.Action != "pause" && d.Action != "limit" || !sameBoot(d.Boot) {
		return err
	}
	var errs []error
	for i, id := range d.Processes {
		if d.Action == "limit" {
			if err := d.Limits.lift(id, d.Images[i]); err != nil && !errors.Is(err, errGone) {
				errs = append(errs, fmt.Errorf("lift the limits of %s: %w", id, err))
			}
			continue
		}
		if err := id.signal(continueSignal); err != nil && !errors.Is(err, errGone) {
			errs = append(errs, fmt.Errorf("resume %s: %w", id, err))
		}
		chaos.Pass(chaos.Undoing)
	}
	return errors.Join(errs...)
}

// Verify reads the states of the receipt's processes. A pause is active while
// any of them is stopped. A kill is active, its effect seen, once all of them
// are gone, and stays so.
func (f *fault) Verify(_ context.Context, receipt chaos.Receipt) (chaos.State, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	here := sameBoot(d.Boot)
	if d.Action == "limit" {
		return d.limited(here)
	}
	count := map[condition]int{}
	for _, id := range d.Processes {
		now := gone
		if here {
			if now, err = id.look(); err != nil {
				return "", fmt.Errorf("look at %s: %w", id, err)
			}
		}
		count[now]++
	}
	switch {
	case d.Action != "pause" && count[gone] == len(d.Processes), d.Action == "pause" && count[stopped] > 0:
		return chaos.Active, nil
	case d.Action == "pause" && count[halting] > 0:
		return "", errors.New("look at paused processes: some threads are stopped and some are not")
	default:
		return chaos.Gone, nil
	}
}

// limited is Active when all processes that are there are limited, Gone when
// none is.
func (d data) limited(here bool) (chaos.State, error) {
	seen := map[chaos.State]int{}
	for i, id := range d.Processes {
		state := chaos.Gone
		if here {
			var err error
			if state, err = d.Limits.look(id, d.Images[i]); err != nil {
				return state, err
			}
		}
		seen[state]++
	}
	switch {
	case seen[chaos.Gone] == len(d.Processes):
		return chaos.Gone, nil
	case seen[chaos.Active] == len(d.Processes):
		return chaos.Active, nil
	}
	// Some are not limited: they are gone, or half-way.
	for i, id := range d.Processes {
		now, err := id.look()
		if err != nil {
			return "", err
		}
		if state, _ := d.Limits.look(id, d.Images[i]); state == chaos.Gone && now != gone {
			return "", fmt.Errorf("look at limits: %d of %d processes are limited", seen[chaos.Active], len(d.Processes))
		}
	}
	return chaos.Active, nil
}

// Measure says what limits have done so far.
func (f *fault) Measure(_ context.Context, receipt chaos.Receipt) (string, error) {
	d, err := read(receipt)
	if err != nil || d.Action != "limit" {
		return "", err
	}
	var parts []string
	for i, id := range d.Processes {
		for _, m := range d.Images[i].Moves {
			if text := m.throttled(); text != "" {
				parts = append(parts, id.String()+" was "+strings.TrimPrefix(text, "was "))
			}
		}
	}
	return strings.Join(parts, "; "), nil
}

func read(receipt chaos.Receipt) (data, error) {
	var d data
	if err := json.Unmarshal(receipt.Data, &d); err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	if len(d.Processes) == 0 {
		return data{}, fmt.Errorf("read receipt %s: it names no process", receipt.ID)
	}
	if d.Action == "limit" && (d.Limits == nil || len(d.Images) != len(d.Processes)) {
		return data{}, fmt.Errorf("read receipt %s: it does not say what was limited", receipt.ID)
	}
	return d, nil
}
