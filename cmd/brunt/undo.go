package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/reaper"
	"github.com/brunt-dev/brunt/reports/journal"
)

func undoCommand() *cobra.Command {
	var all, asJSON bool
	var in clusterFlags
	cmd := &cobra.Command{
		Use:   "undo RUNDIR | --all",
		Short: "Mend what a run broke and did not undo",
		Long: `undo reads the receipts in a run directory and undoes every fault that is not
yet verified gone. It may be called any number of times.

With --all it undoes what any run on this machine has left: by the receipts
that their leases keep in the state folder ($XDG_STATE_HOME/brunt, or
~/.local/state/brunt), wherever their run directories are or were, and then by
the marks that faults leave on what they touch, without any receipt. Runs that
are alive and hold their lease undo their own faults, and are left alone. The
state folder is each user's own: call it as the user who ran brunt.

In Kubernetes, --all finds faults by the same marks in the cluster of the
kubeconfig's current context, or of --context: in every namespace that it may
list, or where it may not in that of --namespace. It undoes them whoever injected
them from wherever, so it ends the faults of a run on another machine too. The
workers that a run has left there (brunt run --on kubernetes) it removes; those
of a run that renews its lease on them, from whatever machine, it leaves alone.`,
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) > 0) || len(args) > 1 {
				return errors.New("undo takes one run directory, or --all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			u := &undoing{w: cmd.OutOrStdout(), json: asJSON, cluster: in}
			var err error
			if all {
				err = u.everything(cmd.Context())
			} else {
				err = u.runDir(cmd.Context(), args[0])
			}
			if ended := new(exitError); err != nil && errors.As(err, &ended) {
				return err
			}
			return u.conclude(err)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "undo what any run on this machine has left")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what became of each fault as JSON")
	in.add(cmd)
	return cmd
}

// An undoing is one call of the command.
type undoing struct {
	w        io.Writer
	json     bool
	outcomes []undone
	workers  []dismissed
	notes    []string
	left     bool // something is not verified gone
	cluster  clusterFlags
}

// undone is what became of one fault.
type undone struct {
	Run     string        `json:"run_dir,omitempty"`
	ID      string        `json:"id"`
	Fault   string        `json:"fault"`
	Kind    string        `json:"kind"`
	Targets []string      `json:"targets"`
	State   string        `json:"state"`
	Reason  string        `json:"reason,omitempty"`
	Took    time.Duration `json:"took_ns"`
}

// took returns what takes in the outcomes of one run's faults.
func (u *undoing) took(run string) func(chaos.Outcome) {
	return func(o chaos.Outcome) {
		r := o.Receipt
		u.outcomes = append(u.outcomes, undone{run, r.ID, r.Fault, r.Kind, r.Targets, o.State, o.Reason, o.Took})
		u.left = u.left || !o.Gone()
		if !u.json {
			fmt.Fprintln(u.w, o)
		}
	}
}

// note tells of something that is not a fault undone.
func (u *undoing) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	u.notes = append(u.notes, text)
	if !u.json {
		fmt.Fprintln(u.w, text)
	}
}

// conclude prints what is still to be printed and turns it into an exit code.
func (u *undoing) conclude(err error) error {
	var left *chaos.NotUndone
	if errors.As(err, &left) {
		u.left = true
	}
	if u.json {
		encoder := json.NewEncoder(u.w)
		encoder.SetIndent("", "  ")
		printed := encoder.Encode(struct {
			Undone  []undone    `json:"undone"`
			Workers []dismissed `json:"workers,omitempty"`
			Notes   []string    `json:"notes,omitempty"`
			Left    bool        `json:"left"`
			Error   string      `json:"error,omitempty"`
		}{append([]undone{}, u.outcomes...), u.workers, u.notes, u.left, errorText(err)})
		if err = errors.Join(err, printed); printed != nil {
			return exit(exitInternal, fmt.Errorf("brunt: %w", err))
		}
	}
	switch {
	case err != nil:
		return exit(exitFaultLeft, fmt.Errorf("brunt: %w", err))
	case u.left:
		return exit(exitFaultLeft, errors.New("brunt: not everything is verified undone"))
	case len(u.outcomes) == 0 && len(u.workers) == 0 && len(u.notes) == 0 && !u.json:
		fmt.Fprintln(u.w, "nothing to undo: every fault is verified gone")
	}
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// runDir undoes what one run has left.
func (u *undoing) runDir(ctx context.Context, dir string) error {
	lease, leased := leaseOf(dir)
	if leased && !lease.Reaping {
		err := lease.Settle(ctx, mend, u.took(dir))
		return u.refusal(err, lease, leased)
	}
	if !leased {
		if err := isRunDir(dir); err != nil {
			return exit(exitUsage, fmt.Errorf("brunt: %w", err))
		}
	}
	receipts, err := chaos.OpenReceipts(dir)
	if err != nil {
		return u.refusal(err, lease, leased)
	}
	err = chaos.Undo(ctx, receipts, mend, u.took(dir))
	return errors.Join(err, receipts.Close())
}

// isRunDir refuses a directory that no run can have made: where a name was
// mistyped, "nothing to undo" would be no truth.
func isRunDir(dir string) error {
	for _, name := range []string{chaos.ReceiptsFile, journal.PlanFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			return nil // there, or for others to say why it cannot be looked at
		}
	}
	return fmt.Errorf("%s is no run directory: it has neither %s nor %s", dir, chaos.ReceiptsFile, journal.PlanFile)
}

// refusal says, of receipts that cannot be opened, why not.
func (u *undoing) refusal(err error, lease reaper.Status, leased bool) error {
	var left *chaos.NotUndone
	switch {
	case err == nil, errors.As(err, &left):
		return err
	case errors.Is(err, chaos.ErrLocked) && leased && lease.Alive():
		err = fmt.Errorf("%w: process %d plays it, and undoes its faults; Ctrl-C there, or kill %d, stops it at once", err, lease.Run.Pid, lease.Run.Pid)
	case errors.Is(err, chaos.ErrLocked) && leased:
		err = fmt.Errorf("%w: process %d is %s; its reaper, process %d, has its faults", err, lease.Run.Pid, lease.RunIs, lease.Reaper.Pid)
	}
	return exit(exitUsage, fmt.Errorf("brunt: %w", err))
}

// leaseOf finds the lease of a run directory.
func leaseOf(dir string) (reaper.Status, bool) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return reaper.Status{}, false
	}
	leases, _ := reaper.Leases() // without them, the run directory is all there is to go by
	i := slices.IndexFunc(leases, func(s reaper.Status) bool { return s.RunDir == full })
	if i < 0 {
		return reaper.Status{}, false
	}
	return leases[i], true
}

// reaperBound is how long a reaper that is at it may take.
const reaperBound = chaos.UndoBound + 5*time.Second

// everything undoes what any run has left.
func (u *undoing) everything(ctx context.Context) error {
	leases, err := reaper.Leases()
	errs := []error{err}
	live := map[string]bool{}
	for _, s := range leases {
		if s.Alive() {
			for _, receipt := range s.Pending {
				live[markOf(receipt)] = true
			}
			u.note("%s is alive and holds its lease: process %d undoes its faults (%d now); Ctrl-C there, or kill %d, stops it", s.RunDir, s.Run.Pid, len(s.Pending), s.Run.Pid)
			continue
		}
		errs = append(errs, u.lease(ctx, s))
	}
	return errors.Join(append(errs, u.byMarks(ctx, live))...)
}

// lease undoes what one lease has left, or sees its reaper do so.
func (u *undoing) lease(ctx context.Context, s reaper.Status) error {
	for deadline := time.Now().Add(reaperBound); ; {
		err := s.Settle(ctx, mend, u.took(s.RunDir))
		if !errors.Is(err, chaos.ErrLocked) {
			return err
		}
		now, err := s.Refresh()
		switch {
		case errors.Is(err, os.ErrNotExist):
			u.note("%s: its reaper has undone everything", s.RunDir)
			return nil
		case err != nil:
			return err
		case now.Reaping && now.State == reaper.Taken && len(now.Pending) == 0:
			u.note("%s: its reaper has undone everything; process %d is %s", s.RunDir, s.Run.Pid, now.RunIs)
			return nil
		case time.Now().After(deadline):
			u.left = true
			u.note("%s: its faults are in the hands of processes %d and %d, which do not get done", s.RunDir, s.Run.Pid, s.Reaper.Pid)
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// markOf is what a receipt and what is found by its marks have in common: the
// random part of its name.
func markOf(receipt chaos.Receipt) string {
	return receipt.ID[strings.LastIndexByte(receipt.ID, '-')+1:]
}

// byMarks undoes what kinds recognise as ours without a receipt, but for what
// belongs to runs that are alive.
func (u *undoing) byMarks(ctx context.Context, live map[string]bool) error {
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(owned())) {
		receipts, err := owned()[kind](ctx)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			errs = append(errs, fmt.Errorf("look for faults of kind %s: %w", kind, err))
		}
		for _, receipt := range receipts {
			fault, ok := mend(receipt.Kind)
			if !ok || live[markOf(receipt)] {
				continue
			}
			u.took("")(chaos.UndoOne(ctx, nil, fault, receipt))
		}
	}
	return errors.Join(append(errs, u.inCluster(ctx, live))...)
}

// inCluster does the same in the kubeconfig's cluster, if there is one.
func (u *undoing) inCluster(ctx context.Context, live map[string]bool) error {
	sight, err := u.cluster.look(ctx)
	if err != nil {
		return err
	}
	for _, text := range sight.notes {
		u.note("%s", text)
	}
	var undoing sync.WaitGroup
	outcomes := make([]chaos.Outcome, len(sight.receipts))
	workers := make([]dismissed, len(sight.workers))
	for i, f := range sight.workers {
		undoing.Go(func() { workers[i] = dismiss(ctx, sight.config, f) })
	}
	for i, receipt := range sight.receipts {
		if fault, ok := mend(receipt.Kind); ok && !live[markOf(receipt)] {
			undoing.Go(func() { outcomes[i] = chaos.UndoOne(ctx, nil, fault, receipt) })
		}
	}
	undoing.Wait()
	for _, o := range outcomes {
		if o.State != "" {
			u.took("")(o)
		}
	}
	for _, d := range workers {
		u.workers = append(u.workers, d)
		u.left = u.left || d.State == workersLeft
		if !u.json {
			fmt.Fprintln(u.w, d)
		}
	}
	return nil
}
