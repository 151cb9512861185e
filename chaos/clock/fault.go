package clock

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// startPause is how long a process that has just been started may take until
// its libraries are loaded.
const startPause = 200 * time.Millisecond

// futureMargin is how far in the future a file may seem to have been written
// without the clock having been put back: file systems count in coarse steps.
const futureMargin = 100 * time.Millisecond

// data is what the receipts of this kind hold.
type data struct {
	File   string        `json:"file"`
	Offset time.Duration `json:"offset_ns"`
	Before string        `json:"before"` // the file's text
	Mode   fs.FileMode   `json:"mode"`
	Owner  string        `json:"owner"` // that the file will name, unlike any other
}

// set is what the fault writes.
func (d data) set() string { return content(d.Offset, d.Owner) }

// fault is one skew; made by Mend it has receipts only.
type fault struct {
	name    string
	file    string
	offset  time.Duration
	measure func(ctx context.Context, library, file string) (measurement, error)
}

// Prepare looks for the processes under the file and refuses when there are
// none, when libfaketime is not in all of them, and when another fault is on.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	if f.file == "" {
		return chaos.Receipt{}, errors.New("prepare clock fault: it has no configuration")
	}
	now, err := readFile(f.file)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	offset, err := parseOffset(now.text)
	switch {
	case err != nil:
		return chaos.Receipt{}, fmt.Errorf("prepare %s: timestamp file %s: %w", f.name, f.file, err)
	case offset != 0:
		return chaos.Receipt{}, &chaos.ConflictError{Target: "timestamp file " + f.file, Want: "no offset", Found: formatOffset(offset) + "s"}
	}
	found, err := f.processes(ctx)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	targets := []string{"timestamp file " + f.file}
	for _, p := range found {
		targets = append(targets, p.String())
	}
	d := data{File: f.file, Offset: f.offset, Before: now.text, Mode: now.mode, Owner: f.name + "-" + rand.Text()[:8]}
	receipt, err := chaos.NewReceipt(f.name, Kind, targets, false, d)
	receipt.Class = chaos.Durable // the file outlives a reboot
	return receipt, err
}

// processes are those under the file, all of them with libfaketime.
func (f *fault) processes(ctx context.Context) ([]process, error) {
	for try := 1; ; try++ {
		found, err := under(f.file)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no process was started with %s; start the target with: brunt clock-run --file %s -- COMMAND", f.file, f.file)
		}
		without := bare(found)
		if len(without) == 0 {
			return found, nil
		}
		if try > 1 {
			return nil, fmt.Errorf("libfaketime is not in %s: statically linked programs, such as most Go binaries, cannot be reached by it, so their clock would stay right",
				strings.Join(without, ", "))
		}
		select {
		case <-time.After(startPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// bare are those without the library.
func bare(found []process) (names []string) {
	for _, p := range found {
		if p.library == "" {
			names = append(names, p.String())
		}
	}
	return names
}

// Inject writes the offset, unless the file has changed since Prepare.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	now, err := readFile(d.File)
	if err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	switch now.text {
	case d.set():
		return nil
	case d.Before:
		return writeFile(d.File, d.set(), d.Mode, d.Owner)
	default:
		return d.conflict(now)
	}
}

// Undo writes what was there before, if what is there is ours. A file that has
// gone skews nothing, but what was there before is not either.
func (f *fault) Undo(_ context.Context, receipt chaos.Receipt) error {
	d, err := read(receipt)
	if err != nil {
		return err
	}
	now, err := readFile(d.File)
	if errors.Is(err, fs.ErrNotExist) {
		return &chaos.ConflictError{Target: "timestamp file " + d.File, Want: brief(d.set()), Found: "that it was removed"}
	}
	if err == nil && d.Owner != "" {
		err = clearAway(d.File, d.Owner)
	}
	if err != nil {
		return fmt.Errorf("undo %s: %w", receipt.Fault, err)
	}
	switch now.text {
	case d.Before:
		return nil
	case d.set():
		return writeFile(d.File, d.Before, d.Mode, d.Owner)
	default:
		return d.conflict(now)
	}
}

// Verify measures the clock of a process of its own under the same library and
// file, and makes sure that the target's processes have the library and have
// had time to look at the file.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	now, err := readFile(d.File)
	if errors.Is(err, fs.ErrNotExist) {
		return chaos.Conflict, &chaos.ConflictError{Target: "timestamp file " + d.File, Want: brief(d.set()), Found: "that it was removed"}
	}
	if err != nil {
		return "", err
	}
	want, state := d.Offset, chaos.Active
	switch now.text {
	case d.set():
	case d.Before:
		state = chaos.Gone
		if want, err = parseOffset(d.Before); err != nil {
			return "", err
		}
	default:
		return chaos.Conflict, d.conflict(now)
	}
	found, err := under(d.File)
	if err != nil {
		return "", err
	}
	if err := f.prove(ctx, d.File, now, want, found); err != nil {
		if state == chaos.Gone && errors.Is(err, errNobody) {
			return chaos.Gone, nil // there is no clock that could be wrong
		}
		return "", err
	}
	return state, nil
}

// errNobody says that no process is left whose clock the file could skew.
var errNobody = fmt.Errorf("%w: no process with libfaketime runs under the file any more", chaos.ErrNoEvidence)

// prove returns nil when the clock of the processes under the file has the
// offset.
func (f *fault) prove(ctx context.Context, path string, now file, want time.Duration, found []process) error {
	var stale time.Duration
	library := ""
	for _, p := range found {
		if p.library != "" {
			library, stale = p.library, max(stale, p.stale)
		}
	}
	if library == "" {
		return errNobody
	}
	m, err := f.measure(ctx, library, path)
	if err != nil {
		return err
	}
	if !m.is(want) {
		return fmt.Errorf("the clock under %s is %s ahead, and not %s", path, m.offset.Round(time.Millisecond), want)
	}
	// A file from the future tells that the machine's clock was put back since:
	// how old it is cannot be known, so all of the time is waited for here.
	if time.Since(now.modified) < -futureMargin {
		select {
		case <-time.After(stale):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return nil
	}
	if left := stale - time.Since(now.modified); left > 0 {
		return fmt.Errorf("%w: for another %s a process may go on by what it read before", chaos.ErrNoEvidence, left.Round(time.Millisecond))
	}
	return nil
}

// Measure says how far the clock is off.
func (f *fault) Measure(ctx context.Context, receipt chaos.Receipt) (string, error) {
	d, err := read(receipt)
	if err != nil {
		return "", err
	}
	found, err := under(d.File)
	if err != nil {
		return "", err
	}
	for _, p := range found {
		if p.library == "" {
			continue
		}
		m, err := f.measure(ctx, p.library, d.File)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("the wall clock of %d processes is %s off (±%s)", len(found)-len(bare(found)),
			m.offset.Round(time.Millisecond), m.uncertainty.Round(100*time.Microsecond)), nil
	}
	return "", errNobody
}

func (d data) conflict(now file) error {
	return &chaos.ConflictError{Target: "timestamp file " + d.File, Want: brief(d.set()), Found: brief(now.text)}
}

// brief is a timestamp file in one line.
func brief(text string) string {
	if offset, err := parseOffset(text); err == nil {
		return "an offset of " + formatOffset(offset) + "s"
	}
	return fmt.Sprintf("%.60q", text)
}

func read(receipt chaos.Receipt) (data, error) {
	var d data
	if err := json.Unmarshal(receipt.Data, &d); err != nil {
		return data{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	if !filepath.IsAbs(d.File) || d.Offset == 0 || d.Before == "" {
		return data{}, fmt.Errorf("read receipt %s: it names no file or no offset", receipt.ID)
	}
	return d, nil
}
