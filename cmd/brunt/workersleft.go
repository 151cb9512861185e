package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/scenarios/cluster/pods"
)

// podTeam is a Job of workers in a cluster. It is no fault, but it is brunt's and
// may be left behind.
type podTeam struct {
	Job       string     `json:"job"`
	Namespace string     `json:"namespace"`
	Workers   int        `json:"workers"`
	Active    int        `json:"active"`
	Since     time.Time  `json:"since"`
	Until     *time.Time `json:"until,omitempty"` // it ends by itself at the latest; nil: it does not say
	HeldBy    string     `json:"held_by,omitempty"`
	Renewed   time.Time  `json:"renewed"`
	Left      bool       `json:"left"` // its lease has run out, or it has ended
	Ended     string     `json:"ended,omitempty"`
}

// podTeamOf is a Job as it stands now, on this machine's clock.
func podTeamOf(f pods.Found, now time.Time) podTeam {
	t := podTeam{
		Job: f.Job, Namespace: f.Namespace, Workers: f.Workers, Active: f.Active, Since: f.Made, HeldBy: f.HeldBy, Renewed: f.Renewed, Ended: f.Ended,
		Left: f.Ended != "" || now.Sub(f.Renewed) > pods.Lease,
	}
	if !f.Until.IsZero() {
		t.Until = &f.Until
	}
	return t
}

func (t podTeam) String() string {
	text := fmt.Sprintf("workers: job %s in namespace %s, %d of %d pods active, made by %s at %s: ",
		t.Job, t.Namespace, t.Active, t.Workers, t.holder(), t.Since.Local().Format(time.TimeOnly))
	const undo = "brunt undo --all removes it"
	ago := time.Since(t.Renewed).Round(time.Second)
	switch {
	case t.Ended != "":
		return text + fmt.Sprintf("it has ended, %s; %s", t.Ended, undo)
	case t.Left && t.Until != nil:
		return text + fmt.Sprintf("its run has renewed no lease for %s; %s, and it ends by itself by %s", ago, undo, t.Until.Local().Format(time.TimeOnly))
	case t.Left:
		return text + fmt.Sprintf("its run has renewed no lease for %s; %s", ago, undo)
	}
	return text + fmt.Sprintf("its run renewed its lease %s ago", ago)
}

func (t podTeam) holder() string {
	if t.HeldBy == "" {
		return "nobody knows whom"
	}
	return t.HeldBy
}

// dismissed is what became of a Job of workers.
type dismissed struct {
	Job       string        `json:"job"`
	Namespace string        `json:"namespace"`
	HeldBy    string        `json:"held_by,omitempty"`
	State     string        `json:"state"` // removed, alive or left
	Reason    string        `json:"reason,omitempty"`
	Took      time.Duration `json:"took_ns"`
}

// What may become of one.
const (
	workersRemoved = "removed"
	workersAlive   = "alive"
	workersLeft    = "left"
)

// dismiss removes a Job of workers whose run is gone.
func dismiss(ctx context.Context, config *rest.Config, f pods.Found) dismissed {
	ctx, cancel := context.WithTimeoutCause(ctx, pods.Lease+removeBound, fmt.Errorf("not within %s", pods.Lease+removeBound))
	defer cancel()
	d := dismissed{Job: f.Job, Namespace: f.Namespace, HeldBy: f.HeldBy, State: workersRemoved}
	since := time.Now()
	err := pods.Dismiss(ctx, config, f)
	d.Took = time.Since(since)
	switch {
	case errors.Is(err, pods.ErrHeld):
		d.State = workersAlive
	case err != nil:
		d.State, d.Reason = workersLeft, err.Error()
	}
	return d
}

func (d dismissed) String() string {
	text := fmt.Sprintf("workers (job %s in namespace %s): ", d.Job, d.Namespace)
	switch d.State {
	case workersRemoved:
		return text + "removed after " + d.Took.Round(time.Millisecond).String()
	case workersAlive:
		return text + fmt.Sprintf("left alone: their run is alive and renews its lease (%s); Ctrl-C there ends it, or here kubectl delete job -n %s %s", d.HeldBy, d.Namespace, d.Job)
	}
	return text + "not removed: " + d.Reason
}
