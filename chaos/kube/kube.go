// Package kube is what the faults on Kubernetes share: a way to the cluster that
// a receipt remembers, marks on what was changed, edits that own what they undo,
// and the choice of targets. It is no kind of fault itself.
//
// An object that a fault changes is the intent itself. One patch sets the
// change, a label with the receipt's mark, and annotations with the time at
// which it is to be over and with what undoes it. So whoever may read the object
// can find and mend the fault, from any machine, without any receipt.
//
// Undo restores what is still as the fault set it, on the very object it was set
// on. What someone else has changed since stays as it is and is a conflict; the
// marks are taken off all the same, since the fault has nothing there any more.
// Fields go back to those who owned them (metadata.managedFields), so that their
// next server-side apply meets no conflict with brunt.
package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/chaos"
)

// Manager is the field manager of every change, for those who look at
// managedFields.
const Manager = "brunt"

// A Connect says how to reach a cluster, without connecting. Beside it comes the
// target as another process will find it again: files absolute, context named.
type Connect func(chaos.Kubernetes) (*rest.Config, chaos.Kubernetes, error)

// A Place is the cluster and the namespace of a receipt.
type Place struct {
	chaos.Kubernetes
	Server string `json:"server"` // the API server's address when the receipt was made
}

// A Cluster is a connection to one. Its methods are safe for concurrent use;
// each makes its own calls and has the bound of its context.
type Cluster struct {
	Place Place

	http    *http.Client
	dynamic *dynamic.DynamicClient
	rest    *rest.RESTClient // of no API group, for paths of subresources
}

// Open connects to the target's cluster. It makes no call yet. Close it.
func (connect Connect) Open(target chaos.Kubernetes) (*Cluster, error) {
	if target.Namespace == "" {
		return nil, errors.New("target.kubernetes is missing, so nothing in any cluster may be broken: add target: { kubernetes: { namespace: NAME } }")
	}
	config, found, err := connect(target)
	if err != nil {
		return nil, err
	}
	// A transport of its own is closed with it: none is left in a pool. HTTP/2
	// keeps a connection that is told to end just as its last answer does.
	config = rest.CopyConfig(config)
	config.NextProtos = []string{"http/1.1"}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client of %s: %w", config.Host, err)
	}
	c := &Cluster{Place: Place{found, config.Host}, http: client}
	if c.dynamic, err = dynamic.NewForConfigAndClient(config, client); err != nil {
		return nil, fmt.Errorf("make client of %s: %w", config.Host, err)
	}
	plain := dynamic.ConfigFor(config)
	plain.GroupVersion = &schema.GroupVersion{}
	plain.APIPath = "/"
	if c.rest, err = rest.UnversionedRESTClientForConfigAndClient(plain, client); err != nil {
		return nil, fmt.Errorf("make client of %s: %w", config.Host, err)
	}
	return c, nil
}

// Reopen connects to the cluster of a receipt, and refuses another that has its
// name by now.
func (connect Connect) Reopen(p Place) (*Cluster, error) {
	if p.Namespace == "" || p.Server == "" {
		return nil, errors.New("the receipt names no cluster")
	}
	c, err := connect.Open(p.Kubernetes)
	if err != nil {
		return nil, err
	}
	if c.Place.Server != p.Server {
		c.Close()
		return nil, &chaos.ConflictError{
			Target: "context " + p.Context + " of " + p.Kubeconfig,
			Want:   "the API server " + p.Server,
			Found:  c.Place.Server + "; nothing was touched there",
		}
	}
	return c, nil
}

// Close ends what connections are left.
func (c *Cluster) Close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }

// wait waits, or returns why not.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
