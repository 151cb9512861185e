package pods

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// A Found is a Job of workers in a cluster, of whatever run on whatever machine.
type Found struct {
	Job, Namespace string
	Made           time.Time
	Until          time.Time // it ends by itself at the latest; zero: it does not say
	HeldBy         string    // "process 4711 on laptop"
	Renewed        time.Time // the lease, on that machine's clock
	Workers        int       // how many it is to have
	Active         int       // pods that have not ended
	Ended          string    // how the Job ended; empty while it has not
	id, uid        string
}

func foundOf(u *unstructured.Unstructured) Found {
	f := Found{Job: u.GetName(), Namespace: u.GetNamespace(), Made: u.GetCreationTimestamp().Time, HeldBy: u.GetAnnotations()[Holder], id: u.GetLabels()[Label], uid: string(u.GetUID())}
	// What cannot be read stays zero: somebody has changed it.
	f.Until, _ = time.Parse(time.RFC3339, u.GetAnnotations()[Expires])
	f.Renewed, _ = time.Parse(time.RFC3339Nano, u.GetAnnotations()[Renewed])
	number := func(path ...string) int { n, _, _ := unstructured.NestedInt64(u.Object, path...); return int(n) }
	f.Workers, f.Active = number("spec", "completions"), number("status", "active")
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if (c["type"] == "Complete" || c["type"] == "Failed") && c["status"] == "True" {
			f.Ended = fmt.Sprintf("%v", c["type"])
			if reason, _ := c["reason"].(string); reason != "" {
				f.Ended += " (" + reason + ")"
			}
		}
	}
	return f
}

// Find lists the Jobs of workers: in all namespaces, or where that is not allowed
// in the one given. blind says that it was not allowed there either.
func Find(ctx context.Context, config *rest.Config, namespace string) (found []Found, blind bool, err error) {
	c, err := connect(config, namespace)
	if err != nil {
		return nil, false, err
	}
	defer c.close()
	list, err := c.dynamic.Resource(jobs).List(ctx, metav1.ListOptions{LabelSelector: Label})
	if apierrors.IsForbidden(err) && namespace != "" {
		list, err = c.dynamic.Resource(jobs).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: Label})
	}
	switch {
	case apierrors.IsForbidden(err):
		return nil, true, nil
	case err != nil:
		return nil, false, fmt.Errorf("list jobs of workers: %w", err)
	}
	for _, item := range list.Items {
		found = append(found, foundOf(&item))
	}
	return found, false, nil
}

// ErrHeld says that a Job is not left: its run is alive.
var ErrHeld = errors.New("its run is alive")

// Dismiss removes a Job that its run has left, with its pods, and returns when
// they are gone. It looks on until the lease is renewed, which is ErrHeld, or has
// run out, by no clock but its own; a Job that has ended needs no lease.
func Dismiss(ctx context.Context, config *rest.Config, f Found) error {
	c, err := connect(config, f.Namespace)
	if err != nil {
		return err
	}
	defer c.close()
	for since := time.Now(); f.Ended == "" && time.Since(since) < Lease; {
		if err := pause(ctx, lookEvery); err != nil {
			return fmt.Errorf("wait for the lease on job %s to run out: %w", f.Job, err)
		}
		list, err := c.dynamic.Resource(jobs).Namespace(f.Namespace).List(ctx, metav1.ListOptions{LabelSelector: Label + "=" + f.id})
		switch {
		case err != nil:
			return fmt.Errorf("look at job %s in namespace %s: %w", f.Job, f.Namespace, err)
		case len(list.Items) == 0 || string(list.Items[0].GetUID()) != f.uid:
			return nil // somebody else removed it
		}
		now := foundOf(&list.Items[0])
		if !now.Renewed.Equal(f.Renewed) {
			return ErrHeld
		}
		f.Ended = now.Ended
	}
	return c.remove(ctx, f.Job, f.id, &f.uid)
}
