package reaper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brunt-dev/brunt/chaos"
)

// What a lease's folder holds.
const (
	infoFile = "lease.json"
	logFile  = "reaper.log"
)

// How a lease stands.
const (
	Held  = "held"  // the run renews it
	Taken = "taken" // the reaper has taken over, and is undoing
	Left  = "left"  // over, and something could not be undone or recorded
)

// Info is what a lease's folder says of it.
type Info struct {
	Name   string        `json:"name"`    // of the scenario
	RunDir string        `json:"run_dir"` // absolute
	Run    Process       `json:"run"`
	Reaper Process       `json:"reaper"`
	Boot   string        `json:"boot,omitempty"`
	Began  time.Time     `json:"began"`
	Lease  time.Duration `json:"lease_ns"`
	Renew  time.Duration `json:"renew_ns"`
	State  string        `json:"state"` // Held, Taken or Left
	Why    string        `json:"why,omitempty"`
}

// writeInfo writes the folder's Info, whole or not at all.
func writeInfo(dir string, info Info) error {
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	path := filepath.Join(dir, infoFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	return nil
}

func readInfo(dir string) (info Info, renewed time.Time, err error) {
	path := filepath.Join(dir, infoFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Info{}, time.Time{}, fmt.Errorf("read lease: %w", err)
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return Info{}, time.Time{}, fmt.Errorf("read lease %s: %w", path, err)
	}
	stat, err := os.Stat(path)
	if err != nil {
		return Info{}, time.Time{}, fmt.Errorf("read lease: %w", err)
	}
	return info, stat.ModTime(), nil
}

// remove takes a lease's folder away: what is known to be in it, and the folder
// if nothing else is.
func remove(dir string) error {
	var errs []error
	for _, name := range []string{infoFile, infoFile + ".new", chaos.ReceiptsFile, chaos.EpochFile, logFile, ""} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove lease: %w", err))
		}
	}
	return errors.Join(errs...)
}

// A Status is a lease as it is found in the state folder.
type Status struct {
	Info
	Dir      string    `json:"dir"`                // its folder
	Renewed  time.Time `json:"renewed"`            // the last time, by the machine's clock
	RunIs    string    `json:"run_is"`             // running, stopped or gone
	Reaping  bool      `json:"reaping"`            // its reaper is there
	Rebooted bool      `json:"rebooted,omitempty"` // the machine was started anew since

	Pending []chaos.Receipt `json:"-"` // what the reaper's copy holds that is not verified gone
	Damage  []string        `json:"damage,omitempty"`
}

// Alive says whether the run is there and its lease is held: its faults are
// nobody else's to undo.
func (s Status) Alive() bool { return s.RunIs == processRuns && s.Reaping && s.State == Held }

// Leases lists what the state folder holds, by name. A lease that cannot be
// read does not hide the others: the error tells of it.
func Leases() ([]Status, error) {
	dir, err := leasesDir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	var all []Status
	var errs []error
	for _, entry := range entries {
		s, err := status(filepath.Join(dir, entry.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // it ended just now, or has not begun
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, s)
	}
	return all, errors.Join(errs...)
}

func status(dir string) (Status, error) {
	info, renewed, err := readInfo(dir)
	if err != nil {
		return Status{}, err
	}
	s := Status{Info: info, Dir: dir, Renewed: renewed, RunIs: processGone}
	boot := chaos.BootID()
	s.Rebooted = info.Boot != "" && boot != "" && boot != info.Boot
	if !s.Rebooted {
		s.RunIs = info.Run.look()
		s.Reaping = info.Reaper.look() != processGone
	}
	s.Pending, s.Damage, err = chaos.ReadPending(dir)
	return s, err
}

// Settle undoes what a lease left behind, by its own copy of the receipts and
// by the run directory's, and removes the lease when all is gone. It fails with
// chaos.ErrLocked while the lease's reaper, or the run, is at it. Report, which
// may be nil, is called with each outcome. The error is a *chaos.NotUndone when
// something is not verified gone.
func (s Status) Settle(ctx context.Context, mend Mender, report func(chaos.Outcome)) (err error) {
	copied, err := chaos.OpenReceipts(s.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, copied.Close()) }()
	recorded, err := chaos.OpenReceipts(s.RunDir)
	switch {
	case errors.Is(err, os.ErrNotExist): // it was removed: the copy is all there is
	case err != nil:
		return err
	default:
		defer func() { err = errors.Join(err, recorded.Close()) }()
	}
	known := goneIn(copied)
	left := &chaos.NotUndone{Damage: copied.Damage()}
	take := func(o chaos.Outcome) {
		known[o.Receipt.ID] = o
		if !o.Gone() {
			left.Outcomes = append(left.Outcomes, o)
		}
		if report != nil {
			report(o)
		}
	}
	err = nil
	var incomplete *chaos.NotUndone
	if err := chaos.Undo(ctx, copied, mend, take); err != nil && !errors.As(err, &incomplete) {
		return err
	}
	if recorded != nil {
		err = record(ctx, recorded, known, mend, take)
	}
	if len(left.Outcomes) > 0 || len(left.Damage) > 0 {
		return errors.Join(left, err)
	}
	return errors.Join(err, remove(s.Dir))
}

// goneIn are the outcomes that a copy holds already.
func goneIn(copied *chaos.Receipts) map[string]chaos.Outcome {
	gone := map[string]chaos.Outcome{}
	for _, r := range copied.Records() {
		if r.Stage == chaos.StageGone {
			gone[r.ID] = chaos.Outcome{State: chaos.OutcomeGone}
		}
	}
	return gone
}

// record writes into a run directory's receipts what is known to have become of
// its pending faults. One that nothing is known of was never guarded, and so
// never injected: undoing it is harmless. Take is called for each of those.
func record(ctx context.Context, recorded *chaos.Receipts, known map[string]chaos.Outcome, mend Mender, take func(chaos.Outcome)) error {
	var errs []error
	for _, receipt := range recorded.Pending() {
		o, ok := known[receipt.ID]
		switch {
		case !ok:
			fault, ok := mend(receipt.Kind)
			if !ok {
				errs = append(errs, fmt.Errorf("fault %s: this brunt does not know faults of kind %q", receipt.Fault, receipt.Kind))
				continue
			}
			take(chaos.UndoOne(ctx, recorded, fault, receipt))
		case o.Gone():
			errs = append(errs, recorded.Undone(receipt.ID), recorded.Gone(receipt.ID))
		case o.State == chaos.OutcomeConflict:
			errs = append(errs, recorded.Conflict(receipt.ID, o.Reason))
		}
	}
	return errors.Join(errs...)
}

// Refresh looks at the lease again. The error wraps os.ErrNotExist when it is
// there no more: everything was undone.
func (s Status) Refresh() (Status, error) { return status(s.Dir) }
