package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/proxy"
	"github.com/brunt-dev/brunt/chaos/reaper"
)

func faultsCommand() *cobra.Command {
	var asJSON bool
	var in clusterFlags
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Show the faults that are in place on this machine now",
		Long: `faults shows every fault that is, or may be, in place on this machine: what it
is on, since and until when, which run it belongs to, and how the lease on it
stands. It shows what has no run any more as well, and the proxies that were
left without one. In the cluster of the kubeconfig's current context, or of
--context, it shows what any run has left, by its marks: faults, and workers that
offer load (brunt run --on kubernetes). It changes nothing.`,
		Args: most(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := look(cmd.Context(), in)
			print := found.text
			if asJSON {
				print = found.json
			}
			if err := errors.Join(err, print(cmd.OutOrStdout())); err != nil {
				return exit(exitInternal, fmt.Errorf("brunt: %w", err))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	in.add(cmd)
	return cmd
}

// active is a fault that is, or may be, in place.
type active struct {
	ID      string     `json:"id"`
	Fault   string     `json:"fault"`
	Kind    string     `json:"kind"`
	Targets []string   `json:"targets"`
	Since   time.Time  `json:"since"`
	Until   *time.Time `json:"until,omitempty"` // at the latest; nil: nobody said
	Run     string     `json:"run_dir,omitempty"`
	Pid     int        `json:"pid,omitempty"`
	Lease   string     `json:"lease"`
}

// orphan is a proxy whose brunt is gone.
type orphan struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Pid      int    `json:"pid"`
	Run      string `json:"run_dir"`
}

// inPlace is all that is in place.
type inPlace struct {
	Faults  []active  `json:"faults"`
	Proxies []orphan  `json:"orphaned_proxies"`
	Workers []podTeam `json:"workers,omitempty"`
	Damage  []string  `json:"damage,omitempty"` // receipts that could not be read
}

// look finds what is in place. What it could find comes with the error.
func look(ctx context.Context, in clusterFlags) (inPlace, error) {
	found := inPlace{Faults: []active{}, Proxies: []orphan{}}
	leases, err := reaper.Leases()
	errs := []error{err}
	known := map[string]bool{}
	for _, s := range leases {
		found.Damage = append(found.Damage, s.Damage...)
		for _, r := range s.Pending {
			known[markOf(r)] = true
			found.Faults = append(found.Faults, activeFault(r, s))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(owned())) {
		find := owned()[kind]
		receipts, err := find(ctx)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			errs = append(errs, fmt.Errorf("look for faults of kind %s: %w", kind, err))
		}
		for _, r := range receipts {
			if !known[markOf(r)] {
				found.Faults = append(found.Faults, active{r.ID, r.Fault, r.Kind, r.Targets, r.Made, nil, "", 0, "none: found by its marks; brunt undo --all ends it"})
			}
		}
	}
	sight, err := in.look(ctx)
	errs = append(errs, err)
	found.Damage = append(found.Damage, sight.notes...)
	for _, r := range sight.receipts {
		if !known[markOf(r)] {
			a := activeFault(r, reaper.Status{})
			a.Lease = "none here: found in the cluster by its marks; brunt undo --all ends it"
			found.Faults = append(found.Faults, a)
		}
	}
	for _, f := range sight.workers {
		found.Workers = append(found.Workers, podTeamOf(f, time.Now()))
	}
	found.Proxies = append(found.Proxies, orphans(ctx)...)
	return found, errors.Join(errs...)
}

func activeFault(r chaos.Receipt, s reaper.Status) active {
	a := active{ID: r.ID, Fault: r.Fault, Kind: r.Kind, Targets: r.Targets, Since: r.Made, Run: s.RunDir, Pid: s.Run.Pid, Lease: standing(s)}
	if r.Most > 0 {
		until := r.Made.Add(r.Most)
		a.Until = &until
	}
	return a
}

// standing says how a lease stands, for people.
func standing(s reaper.Status) string {
	switch {
	case s.Rebooted:
		return "over: the machine was started anew since; brunt undo --all settles it"
	case s.State == reaper.Taken && s.Reaping:
		return fmt.Sprintf("process %d is undoing it: %s", s.Reaper.Pid, s.Why)
	case s.Reaping && s.State == reaper.Held:
		return fmt.Sprintf("held for %s, renewed %s ago; the run is %s", s.Lease, time.Since(s.Renewed).Round(100*time.Millisecond), s.RunIs)
	case s.RunIs != "gone" && s.State == reaper.Held:
		return fmt.Sprintf("its reaper is dead; the run is %s and undoes it", s.RunIs)
	case s.Why != "":
		return "over: " + s.Why + "; brunt undo --all ends it"
	default:
		return "over: the run and its reaper are dead; brunt undo --all ends it"
	}
}

func (p inPlace) json(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(p)
}

func (p inPlace) text(w io.Writer) error {
	if len(p.Faults) == 0 && len(p.Proxies) == 0 && len(p.Workers) == 0 && len(p.Damage) == 0 {
		_, err := fmt.Fprintln(w, "no faults are in place")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if len(p.Faults) > 0 {
		fmt.Fprintln(table, "FAULT\tKIND\tTARGETS\tSINCE\tUNTIL\tRUN\tLEASE")
	}
	clock := func(t time.Time) string { return t.Local().Format(time.TimeOnly) }
	for _, f := range p.Faults {
		until, run := "not said", "none"
		if f.Until != nil {
			until = clock(*f.Until)
		}
		if f.Run != "" {
			run = fmt.Sprintf("%s (process %d)", f.Run, f.Pid)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Fault, f.Kind, strings.Join(f.Targets, ", "), clock(f.Since), until, run, f.Lease)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print faults: %w", err)
	}
	for _, o := range p.Proxies {
		fmt.Fprintf(w, "proxy %s (%s to %s, process %d) has lost its brunt: it passes traffic through untouched until its run would have ended (%s)\n",
			o.Name, o.Listen, o.Upstream, o.Pid, o.Run)
	}
	for _, t := range p.Workers {
		fmt.Fprintln(w, t)
	}
	for _, d := range p.Damage {
		fmt.Fprintln(w, "cannot be read: "+d)
	}
	return nil
}

// stateBound is how long a proxy may take to say how it is.
const stateBound = 2 * time.Second

// orphans finds the proxy processes on this machine whose brunt is gone. They
// are found by their command line, and their control files beside their log.
// Those of other users do not show.
func orphans(ctx context.Context) []orphan {
	var found []orphan
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	for _, line := range lines {
		text, err := os.ReadFile(line)
		if err != nil {
			continue // it ended just now
		}
		words := bytes.Split(bytes.TrimRight(text, "\x00"), []byte{0})
		if len(words) != 2 || string(words[1]) != proxy.Command {
			continue
		}
		process := filepath.Dir(line)
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue
		}
		log, err := os.Readlink(filepath.Join(process, "fd", "2"))
		if err != nil {
			continue
		}
		found = append(found, orphansIn(ctx, filepath.Dir(log), pid)...)
	}
	return found
}

// orphansIn asks the proxies of one process, by the control files in its
// folder.
func orphansIn(ctx context.Context, dir string, pid int) []orphan {
	var found []orphan
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, file := range files {
		control, err := proxy.ReadControl(file)
		if err != nil || control.Pid != pid {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, stateBound)
		state, err := control.State(asking)
		cancel()
		if err == nil && state.Orphan {
			found = append(found, orphan{control.Name, control.Listen, control.Upstream, pid, filepath.Dir(dir)})
		}
	}
	return found
}
