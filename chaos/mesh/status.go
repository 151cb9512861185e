package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// longest is the duration of a fault for which no maximum is declared.
const longest = 10 * time.Minute

// withDuration sets the time after which Chaos Mesh ends the fault by itself: as
// long as the lease lets it last.
func withDuration(body *unstructured.Unstructured, receipt chaos.Receipt) error {
	if receipt.OneShot {
		return nil // Chaos Mesh wants none of what is over at once
	}
	most := receipt.Most
	if most <= 0 {
		most = longest
	}
	return unstructured.SetNestedField(body.Object, max(most, time.Second).Round(time.Second).String(), "spec", "duration")
}

// experiment is what matters here of an object of Chaos Mesh's.
type experiment struct {
	Metadata kube.Meta `json:"metadata"`
	Status   struct {
		Conditions []kube.Condition `json:"conditions"`
		Experiment struct {
			DesiredPhase string   `json:"desiredPhase"`
			Records      []record `json:"containerRecords"`
		} `json:"experiment"`
	} `json:"status"`
}

type record struct {
	ID             string  `json:"id"`
	Phase          string  `json:"phase"`
	InjectedCount  int     `json:"injectedCount"`
	RecoveredCount int     `json:"recoveredCount"`
	Events         []event `json:"events"`
}

type event struct {
	Type      string `json:"type"`
	Operation string `json:"operation"`
	Message   string `json:"message"`
}

// in says whether the record's target is, or may be, under the fault.
func (r record) in() bool {
	return strings.HasPrefix(r.Phase, "Injected") || r.InjectedCount > r.RecoveredCount
}

// failures is how often an operation failed for a record, and why the last time.
func (r record) failures(operation string) (n int, why string) {
	for _, e := range r.Events {
		if e.Type == "Failed" && e.Operation == operation {
			n, why = n+1, e.Message
		}
	}
	return n, why
}

// isInjected says whether every record is injected, and what is missing.
func (x experiment) isInjected() (bool, string) {
	records := x.Status.Experiment.Records
	if len(records) == 0 {
		return false, "its controller has chosen no targets yet"
	}
	var missing []string
	for _, r := range records {
		if r.in() && r.InjectedCount > 0 {
			continue
		}
		text := r.ID
		if n, why := r.failures("Apply"); n > 0 {
			text += ": " + why
		}
		missing = append(missing, text)
	}
	switch {
	case len(missing) > 0:
		return false, fmt.Sprintf("%d of %d records are not injected: %s", len(missing), len(records), strings.Join(missing, "; "))
	case !kube.Is(x.Status.Conditions, "AllInjected", "True"):
		return false, "its records say injected, and its condition AllInjected does not"
	}
	return true, ""
}

// hopeless is how often a daemon may fail to inject before it is believed.
const hopeless = 3

// gaveUp says whether a target cannot be hit.
func (x experiment) gaveUp() bool {
	for _, r := range x.Status.Experiment.Records {
		if n, _ := r.failures("Apply"); n >= hopeless && r.InjectedCount == 0 {
			return true
		}
	}
	return false
}

// left says what of the fault is still there.
func (x experiment) left() string {
	records := x.Status.Experiment.Records
	var still []string
	for _, r := range records {
		if !r.in() {
			continue
		}
		text := r.ID
		if n, why := r.failures("Recover"); n > 0 {
			text += ": " + why
		}
		still = append(still, text)
	}
	keeps := ""
	if len(x.Metadata.Finalizers) > 0 {
		keeps = "; finalizer " + strings.Join(x.Metadata.Finalizers, ", ") + " keeps the object"
	}
	if len(still) > 0 {
		return fmt.Sprintf("%d of %d records are injected still: %s%s", len(still), len(records), strings.Join(still, "; "), keeps)
	}
	return "its records are recovered" + keeps
}

// Looks at an object that is being worked on.
const lookEvery = 200 * time.Millisecond

// look reads the fault's object.
func look(ctx context.Context, c *kube.Cluster, e kube.Edit) (experiment, error) {
	var x experiment
	return x, c.GetInto(ctx, e.Resource, e.Namespace, e.Name, &x)
}

// injected waits until every record is injected. The object of a one-shot has
// then done its work, and is deleted.
func injected(ctx context.Context, c *kube.Cluster, receipt chaos.Receipt, d kube.Data) error {
	e := d.Edits[0]
	// What is left of the bound is needed to say why, and for one more look.
	waiting, cancel := context.WithTimeout(ctx, injectBound)
	defer cancel()
	missing := ""
	for {
		x, err := look(waiting, c, e)
		if err == nil {
			var all bool
			if all, missing = x.isInjected(); all {
				break
			}
			if x.gaveUp() {
				return fmt.Errorf("Chaos Mesh cannot inject %s: %s", e, missing)
			}
		} else if waiting.Err() == nil {
			return err
		}
		select {
		case <-waiting.Done():
			if missing == "" {
				missing = "nothing was heard of it"
			}
			return fmt.Errorf("Chaos Mesh has not injected %s within %s: %s", e, injectBound, missing)
		case <-time.After(lookEvery):
		}
	}
	if !receipt.OneShot {
		return nil
	}
	return c.Revert(ctx, receipt, e)
}

// injectBound is how long injecting may take, within the engine's own bound.
const injectBound = 25 * time.Second

// seen is the fault's state by Chaos Mesh's records and the pods' own objects.
func seen(ctx context.Context, c *kube.Cluster, receipt chaos.Receipt, d kube.Data, edited chaos.State) (chaos.State, error) {
	e := d.Edits[0]
	if receipt.OneShot {
		return hit(ctx, c, d)
	}
	if edited == chaos.Gone {
		if err := residue(ctx, c, e); err != nil {
			return "", err
		}
		return chaos.Gone, nil
	}
	x, err := look(ctx, c, e)
	if err != nil {
		return "", err
	}
	all, missing := x.isInjected()
	switch {
	case x.Metadata.DeletionTimestamp != nil:
		return "", fmt.Errorf("%s is being deleted, and %s", e, x.left())
	case all && x.Status.Experiment.DesiredPhase == "Stop":
		return "", fmt.Errorf("%w: %s has outlasted its duration, and %s", chaos.ErrNoEvidence, e, x.left())
	case all:
		return chaos.Active, nil
	}
	return "", fmt.Errorf("%w: %s", chaos.ErrNoEvidence, missing)
}

// residue looks for the fault in the objects of single pods, where it can outlast
// its own.
func residue(ctx context.Context, c *kube.Cluster, e kube.Edit) error {
	resource := podObjects[kindOfResource(e.Resource.Resource)]
	if resource == "" {
		return nil
	}
	objects, err := c.List(ctx, kube.Resource{Group: group, Version: version, Resource: resource}, e.Namespace, kube.Query{})
	if errors.Is(err, kube.ErrAbsent) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, o := range objects {
		text, err := json.Marshal(o.Object["spec"])
		if err != nil {
			return err
		}
		if strings.Contains(string(text), `"source":"`+e.Namespace+"/"+e.Name+`"`) {
			return fmt.Errorf("%s is gone, and %s %s still carries it out", e, resource, o.GetName())
		}
	}
	return nil
}

// hit says Active once what a one-shot hit has gone or was started anew.
func hit(ctx context.Context, c *kube.Cluster, d kube.Data) (chaos.State, error) {
	var before map[string]int64
	if err := json.Unmarshal(d.Extra, &before); err != nil {
		return "", fmt.Errorf("%w: what it hit is outside the cluster", chaos.ErrNoEvidence)
	}
	for _, p := range d.Pods {
		var now kube.Pod
		err := c.GetInto(ctx, kube.Pods, c.Place.Namespace, p.Name, &now)
		switch {
		case errors.Is(err, kube.ErrAbsent):
			continue
		case err != nil:
			return "", err
		case now.Metadata.UID != p.UID || now.Metadata.DeletionTimestamp != nil:
			continue
		}
		restarts := int64(0)
		for _, s := range now.Status.ContainerStatuses {
			restarts += s.RestartCount
		}
		if restarts <= before[p.UID] {
			return chaos.Gone, nil
		}
	}
	return chaos.Active, nil
}
