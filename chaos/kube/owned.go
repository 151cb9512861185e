package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
)

// A Sight is what was found of faults in a cluster by their marks alone.
type Sight struct {
	Receipts []chaos.Receipt // as good as those that were made, for undoing
	Blind    []string        // resources that could not be looked at, "pods": not allowed
}

// Marked finds every fault in a cluster by the marks on what it changed: in all
// namespaces, or where that is not allowed in the one given; and of the kinds of
// objects that the caller may list. Some of the objects of one fault may be out
// of sight; each is mended by itself.
func Marked(ctx context.Context, connect Connect, target chaos.Kubernetes) (Sight, error) {
	target.Namespace = cmp.Or(target.Namespace, "default")
	c, err := connect.Open(target)
	if err != nil {
		return Sight{}, err
	}
	defer c.Close()
	resources, err := c.changeable(ctx)
	if err != nil {
		return Sight{}, err
	}
	var (
		mu    sync.Mutex
		sight Sight
		found []unstructured.Unstructured
		of    []Resource
	)
	err = each(resources, func(_ int, r served) error {
		objects, err := c.marked(ctx, r)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case apierrors.IsForbidden(err):
			sight.Blind = append(sight.Blind, r.String())
			return nil
		case errors.Is(err, ErrAbsent), apierrors.IsMethodNotSupported(err), apierrors.IsServiceUnavailable(err):
			return nil // an aggregated API that is down keeps no objects of its own
		}
		for _, o := range objects {
			found, of = append(found, o), append(of, r.Resource)
		}
		return err
	})
	if err != nil {
		return sight, err
	}
	slices.Sort(sight.Blind)
	sight.Receipts = receiptsOf(c.Place, found, of)
	return sight, nil
}

// marked lists the objects of a kind that have the label.
func (c *Cluster) marked(ctx context.Context, r served) ([]unstructured.Unstructured, error) {
	objects, err := c.List(ctx, r.Resource, "", Query{Labels: Label})
	if apierrors.IsForbidden(err) && r.namespaced {
		return c.List(ctx, r.Resource, c.Place.Namespace, Query{Labels: Label})
	}
	return objects, err
}

// receiptsOf makes receipts of what objects say: one for each fault.
func receiptsOf(place Place, found []unstructured.Unstructured, of []Resource) []chaos.Receipt {
	var receipts []chaos.Receipt
	data := map[string]*Data{}
	for i, o := range found {
		var n note
		annotations := o.GetAnnotations()
		if json.Unmarshal([]byte(annotations[UndoNote]), &n) != nil || n.ID == "" || n.Kind == "" || n.Namespace == "" {
			continue // the label alone does not say how to undo
		}
		// What is undone is the object that bears the note, and no other.
		n.Edit.Resource, n.Edit.Namespace, n.Edit.Name = of[i], o.GetNamespace(), o.GetName()
		if !n.Edit.Made && n.Edit.UID != string(o.GetUID()) {
			continue // it was copied from one that was under a fault
		}
		d := data[n.ID]
		if d == nil {
			d = &Data{Place: place}
			d.Place.Namespace = n.Namespace
			data[n.ID] = d
			receipt := chaos.Receipt{ID: n.ID, Fault: n.Fault, Kind: n.Kind, Class: chaos.Durable, Made: n.Made}
			if until, err := time.Parse(time.RFC3339, annotations[Expires]); err == nil {
				receipt.Most = max(0, until.Sub(n.Made))
			}
			receipts = append(receipts, receipt)
		}
		d.Edits = append(d.Edits, n.Edit)
	}
	for i, r := range receipts {
		d := data[r.ID]
		receipts[i].Data = rawOf(d)
		for _, e := range d.Edits {
			receipts[i].Targets = append(receipts[i].Targets, e.String())
		}
	}
	return receipts
}

// served is a kind of object that the API serves.
type served struct {
	Resource
	namespaced bool
}

// discovered is the API server's list of what it serves (apidiscovery.k8s.io/v2),
// as far as it matters here.
type discovered struct {
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Versions []struct {
			Version   string `json:"version"`
			Resources []struct {
				Resource string   `json:"resource"`
				Scope    string   `json:"scope"`
				Verbs    []string `json:"verbs"`
			} `json:"resources"`
		} `json:"versions"`
	} `json:"items"`
}

// never are resources that no fault changes, and that are many or secret.
var never = []string{"secrets", "events", "events.events.k8s.io", "leases.coordination.k8s.io", "endpoints", "endpointslices.discovery.k8s.io",
	"controllerrevisions.apps", "replicasets.apps", "serviceaccounts", "certificatesigningrequests.certificates.k8s.io"}

// changeable asks the API server for every kind of object that can be listed and
// changed, each in its preferred version.
func (c *Cluster) changeable(ctx context.Context) ([]served, error) {
	var all []served
	for _, root := range []string{"/api", "/apis"} {
		text, err := c.rest.Get().AbsPath(root).SetHeader("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList").Do(ctx).Raw()
		if err != nil {
			return nil, told("ask what the API server serves", err)
		}
		var answer discovered
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, fmt.Errorf("ask what the API server serves: %w", err)
		}
		for _, group := range answer.Items {
			if len(group.Versions) == 0 {
				continue
			}
			version := group.Versions[0]
			for _, r := range version.Resources {
				one := served{Resource{group.Metadata.Name, version.Version, r.Resource}, r.Scope == "Namespaced"}
				if slices.Contains(r.Verbs, "list") && (slices.Contains(r.Verbs, "patch") || slices.Contains(r.Verbs, "delete")) &&
					!slices.Contains(never, one.String()) && !strings.HasSuffix(one.Group, "metrics.k8s.io") {
					all = append(all, one)
				}
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the API server lists nothing that it serves: it is older than Kubernetes 1.30, and brunt undo RUNDIR is the way there")
	}
	return all, nil
}
