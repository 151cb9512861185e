package stress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/brunt-dev/brunt/chaos"
)

// Prepare checks that the machine has what is asked for, with the reserve left
// over, and writes nothing.
func (f *fault) Prepare(context.Context) (chaos.Receipt, error) {
	if f.config.parts() == 0 {
		return chaos.Receipt{}, errors.New("prepare stress fault: it has no configuration")
	}
	o, err := f.orders()
	if err == nil {
		err = o.affordable(available, space)
	}
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	receipt, err := chaos.NewReceipt(f.name, Kind, o.targets(), false, o)
	receipt.Class = o.class()
	return receipt, err
}

// class is volatile for what lives in the helper alone. A file's name could be
// left on the disk by a reboot that came between making and unlinking it.
func (o orders) class() chaos.Class {
	if len(o.dirs()) > 0 {
		return chaos.Durable
	}
	return chaos.Volatile
}

// orders are the configuration as it is for this machine.
func (f *fault) orders() (orders, error) {
	boot, err := bootID()
	if err != nil {
		return orders{}, err
	}
	namespace, err := pidNamespace()
	if err != nil {
		return orders{}, err
	}
	o := orders{Boot: boot, Namespace: namespace, User: os.Geteuid(), TTL: f.ttl,
		CPU: f.config.CPU, Memory: f.config.Memory, IO: f.config.IO, Fill: f.config.Fill}
	if o.CPU != nil {
		cpu := *o.CPU
		cpu.Workers = orInt(cpu.Workers, runtime.NumCPU())
		o.CPU = &cpu
	}
	if o.IO != nil {
		io := *o.IO
		if io.Dir, err = folder(io.Dir); err != nil {
			return orders{}, err
		}
		o.IO = &io
	}
	if o.Fill != nil {
		fill := *o.Fill
		if fill.Dir, err = folder(fill.Dir); err != nil {
			return orders{}, err
		}
		o.Fill = &fill
	}
	return o, nil
}

// folder resolves a folder that files can be made in.
func folder(dir string) (string, error) {
	full, err := filepath.Abs(dir)
	if err == nil {
		full, err = filepath.EvalSymlinks(full)
	}
	if err != nil {
		return "", fmt.Errorf("find folder: %w", err)
	}
	info, err := os.Stat(full)
	if err != nil {
		return "", fmt.Errorf("find folder: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is not a folder", full)
	}
	if err := unix.Access(full, unix.W_OK|unix.X_OK); err != nil {
		return "", fmt.Errorf("write to %s: %w", full, err)
	}
	return full, nil
}

// Inject starts the helper and returns when it has made its files and begun.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	if _, err := read(receipt); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	ended, err := start(ctx, receipt)
	if err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	f.ended = ended
	return nil
}

// Undo kills the helper, returns when the kernel has taken everything back,
// and removes a file whose helper died before it had unlinked it.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	o, err := read(receipt)
	if err != nil {
		return err
	}
	found, err := o.helpers(receipt.ID)
	if err != nil {
		return fmt.Errorf("undo %s: %w", receipt.Fault, err)
	}
	for _, h := range found {
		if err := h.kill(ctx); err != nil {
			return fmt.Errorf("undo %s: %w", receipt.Fault, err)
		}
	}
	if f.ended != nil && len(found) > 0 {
		select { // no zombie stays behind
		case <-f.ended:
		case <-ctx.Done():
		}
	}
	chaos.Pass(chaos.Undoing)
	for _, file := range o.files(receipt.ID) {
		if err := remove(file); err != nil {
			return fmt.Errorf("undo %s: %w", receipt.Fault, err)
		}
	}
	return nil
}

// remove takes away a file that the helper made. What is no plain file is not
// its.
func remove(file string) error {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return &chaos.ConflictError{Target: file, Want: "a plain file", Found: info.Mode().Type().String()}
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove file: %w", err)
	}
	return nil
}

// helpers are the processes of a receipt: none or one. From another pid
// namespace or as another user they could not be seen, and none seen would
// mean nothing.
func (o orders) helpers(id string) ([]helper, error) {
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	if boot != o.Boot {
		return nil, nil // the machine has been started anew since
	}
	namespace, err := pidNamespace()
	if err != nil {
		return nil, err
	}
	if namespace != o.Namespace {
		return nil, errors.New("its helper lives in another container or pid namespace: undo it from there")
	}
	if me := os.Geteuid(); me != 0 && me != o.User {
		return nil, fmt.Errorf("its helper belongs to user %d: undo it as that user or as root", o.User)
	}
	all, err := findHelpers()
	if err != nil {
		return nil, err
	}
	var found []helper
	for _, h := range all {
		if h.id == id {
			found = append(found, h)
		}
	}
	return found, nil
}

// Verify says Active when the kernel's figures show that the helper has at
// least nine tenths of the memory and the space it was to take (half of the
// processor time), and Gone when there is no helper and no file of its.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	o, err := read(receipt)
	if err != nil {
		return "", err
	}
	found, err := o.helpers(receipt.ID)
	if err != nil {
		return "", fmt.Errorf("look for helper: %w", err)
	}
	if len(found) > 0 {
		if err := o.effective(ctx, found[0]); err != nil {
			return "", err
		}
		return chaos.Active, nil
	}
	for _, file := range o.files(receipt.ID) {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return "", errors.Join(fmt.Errorf("%s is left behind", file), err)
		}
	}
	return chaos.Gone, nil
}

// effective returns nil when the helper has the effect asked for, and else
// what is missing.
func (o orders) effective(ctx context.Context, h helper) error {
	u, err := h.usage()
	if err != nil {
		return err
	}
	few := func(what string, has, wants int64) error {
		return fmt.Errorf("%w: it has %s of %s of %s", chaos.ErrNoEvidence, bytes(has), bytes(wants), what)
	}
	if m := o.Memory; m != nil && u.memory < m.Size/10*9 {
		return few("memory", u.memory, m.Size)
	}
	if fill := o.Fill; fill != nil {
		if fill.UntilFree > 0 {
			free, err := space(fill.Dir)
			if err != nil {
				return err
			}
			if u.filled == 0 || free > fill.UntilFree+max(fill.UntilFree/10, fillStep) {
				return fmt.Errorf("%w: %s are free at %s, and %s should be", chaos.ErrNoEvidence, bytes(free), fill.Dir, bytes(fill.UntilFree))
			}
		} else if u.filled < fill.Size/10*9 {
			return few("disk space", u.filled, fill.Size)
		}
	}
	if o.CPU == nil && o.IO == nil {
		return nil
	}
	return o.busy(ctx, h, u)
}

const (
	// shortestWatch and longestWatch bound how long a helper's work is watched.
	shortestWatch = 200 * time.Millisecond
	longestWatch  = 2 * time.Second
)

// busy watches the helper for a moment and returns nil when it works as it
// should.
func (o orders) busy(ctx context.Context, h helper, before usage) error {
	watch := shortestWatch
	cores := 0.0
	if o.CPU != nil {
		cores = float64(o.CPU.Workers) * o.CPU.Load
		// Processor time is counted in hundredths of a second: ten of them are wanted.
		watch = min(max(watch, time.Duration(float64(100*time.Millisecond)/cores)), longestWatch)
	}
	timer := time.NewTimer(watch)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return fmt.Errorf("watch helper: %w", ctx.Err())
	}
	after, err := h.usage()
	if err != nil {
		return err
	}
	took := float64(after.at - before.at)
	if got := float64(after.cpu-before.cpu) / took; o.CPU != nil && got < cores/2 {
		return fmt.Errorf("%w: it gets %.2f cores of %.2f: the machine or a limit holds it back", chaos.ErrNoEvidence, got, cores)
	}
	if o.IO != nil && after.written == before.written {
		return fmt.Errorf("%w: nothing was written to the disk at %s in the last %s", chaos.ErrNoEvidence, o.IO.Dir, watch)
	}
	return nil
}

// Measure says what the helper has taken so far.
func (f *fault) Measure(_ context.Context, receipt chaos.Receipt) (string, error) {
	o, err := read(receipt)
	if err != nil {
		return "", err
	}
	found, err := o.helpers(receipt.ID)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("measure %s: its helper has ended", receipt.Fault)
	}
	u, err := found[0].usage()
	if err != nil {
		return "", err
	}
	age := max(u.at-found[0].startedAt(), time.Millisecond)
	var parts []string
	if o.CPU != nil {
		parts = append(parts, fmt.Sprintf("%.2f cores busy on average", float64(u.cpu)/float64(age)))
	}
	if o.Memory != nil {
		parts = append(parts, bytes(u.memory)+" of memory taken")
	}
	if o.IO != nil {
		parts = append(parts, fmt.Sprintf("%s written, %s a second", bytes(u.written), bytes(int64(float64(u.written)/age.Seconds()))))
	}
	if o.Fill != nil {
		text := bytes(u.filled) + " of disk space taken"
		if free, err := space(o.Fill.Dir); err == nil {
			text += ", " + bytes(free) + " free"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; "), nil
}

// Owned finds the helpers that run on this machine, of whatever run, by their
// command lines alone. Each receipt is good for Undo and Verify, and Made is
// when the helper started.
func Owned() ([]chaos.Receipt, error) {
	found, err := findHelpers()
	if err != nil {
		return nil, err
	}
	var receipts []chaos.Receipt
	for _, h := range found {
		o, err := parse([]byte(h.data))
		if err != nil {
			continue // not a helper of ours, or it would not have begun
		}
		name, _, _ := cutLast(h.id, "-")
		receipts = append(receipts, chaos.Receipt{
			ID: h.id, Fault: name, Kind: Kind, Targets: o.targets(), Data: json.RawMessage(h.data),
			Class: o.class(), Boot: o.Boot,
			Made: time.Now().Add(h.startedAt() - sinceBoot()).UTC(),
		})
	}
	return receipts, nil
}
