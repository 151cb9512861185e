// Package pods runs workers as the pods of an Indexed Job.
//
// # How the controller speaks with them
//
// By pods/attach: one stream a worker, through the API server and the node's
// kubelet, to the standard input and output of the worker itself. No pod needs a
// route to the controller, or a port. Of the ways there are it fits best:
//
//   - attach gives the worker's own standard input. With stdinOnce it ends when
//     the stream does, so it is a lifeline that the kubelet keeps: a controller
//     that dies takes its workers with it, without anybody's help;
//   - exec would start a second process beside the worker, needs the right that
//     clusters grant least, and leaves the first process without a lifeline;
//   - port-forward needs a port that others in the pod's network can speak to,
//     and so something to tell them apart by; and a connection to it outlives
//     neither more nor less than an attached stream;
//   - pods/proxy speaks HTTP from the API server to the pod's address, which
//     takes a route from the one to the other, and gives no stream.
//
// The stream is a WebSocket; SPDY for API servers before 1.30. What a worker
// says also goes to its container's log, as all that a container writes does:
// counts and histograms, with secrets redacted. What it is told goes nowhere
// else: orders, secrets among them, are in no object.
//
// # The lease
//
// The Job is its own intent: it has our label, and says when it ends at the
// latest, which its deadline sees to, who holds it, and when that one last said
// that it is alive. So whoever may list Jobs finds one that its run has left, from
// any machine (Find), and may remove it (Dismiss).
package pods

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/brunt-dev/brunt/scenarios/cluster"
)

var (
	jobs   = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	pods   = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	events = schema.GroupVersionResource{Version: "v1", Resource: "events"}
)

const (
	// RunningBound is how long all pods may take until they run: images may have
	// to be pulled, and nodes to be added.
	RunningBound = 5 * time.Minute
	lookEvery    = 500 * time.Millisecond
	callBound    = 15 * time.Second
	// goneBound is how long the pods may take to be gone.
	goneBound = 30 * time.Second
	// unsureBound is how long it is tried to remove a Job that may not be there.
	unsureBound = 5 * time.Second
)

// A Team is the pods of one Job.
type Team struct {
	cluster *connection
	job     string
	id      string
	uid     string
	workers []cluster.Worker

	stop     context.CancelFunc // of the renewing
	renewing sync.WaitGroup
}

// A connection is a way to one cluster, and to one namespace in it.
type connection struct {
	config    *rest.Config
	namespace string
	http      *http.Client
	dynamic   *dynamic.DynamicClient
	rest      *rest.RESTClient
}

func connect(config *rest.Config, namespace string) (*connection, error) {
	// A transport of its own is closed with it: none is left in a pool.
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make client of %s: %w", config.Host, err)
	}
	c := &connection{config: config, namespace: namespace, http: client}
	if c.dynamic, err = dynamic.NewForConfigAndClient(config, client); err != nil {
		return nil, fmt.Errorf("make client of %s: %w", config.Host, err)
	}
	plain := dynamic.ConfigFor(config)
	plain.GroupVersion = &schema.GroupVersion{Version: "v1"}
	plain.APIPath = "/api"
	if c.rest, err = rest.RESTClientForConfigAndClient(plain, client); err != nil {
		return nil, fmt.Errorf("make client of %s: %w", config.Host, err)
	}
	return c, nil
}

func (c *connection) close() { utilnet.CloseIdleConnectionsFor(c.http.Transport) }

// Start creates the Job and returns when a worker runs in each of its pods and
// is attached. When it fails, nothing is left of it.
func Start(ctx context.Context, config *rest.Config, o Options) (_ *Team, err error) {
	c, err := connect(config, o.Namespace)
	if err != nil {
		return nil, err
	}
	manifest, id := job(o, time.Now())
	made, err := c.create(ctx, manifest)
	if err != nil {
		if status := apierrors.APIStatus(nil); !errors.As(err, &status) {
			// No answer is no refusal: it may be there.
			removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), unsureBound)
			defer cancel()
			err = errors.Join(err, c.remove(removing, manifest.GetName(), id, nil))
		}
		c.close()
		return nil, err
	}
	t := &Team{cluster: c, job: manifest.GetName(), id: id, uid: string(made.GetUID())}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	t.stop = stop
	t.renewing.Go(func() { t.renew(renewing) })
	defer func() {
		if err != nil {
			removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), goneBound)
			defer cancel()
			err = errors.Join(err, t.Remove(removing))
		}
	}()
	running, err := (&starting{Team: t, want: o.Workers, progress: o.Progress}).await(ctx)
	if never := (*neverError)(nil); errors.As(err, &never) && never.pod.ended {
		err = fmt.Errorf("%w; is this brunt the entrypoint of %s?", err, o.Image)
	}
	if err != nil {
		return nil, err
	}
	for _, p := range running {
		t.workers = append(t.workers, attach(c, p))
	}
	return t, nil
}

// Rehearse asks the API server whether it would take the Job, without making it.
func Rehearse(ctx context.Context, config *rest.Config, o Options) error {
	c, err := connect(config, o.Namespace)
	if err != nil {
		return err
	}
	defer c.close()
	manifest, _ := job(o, time.Now())
	_, err = c.create(ctx, manifest, metav1.DryRunAll)
	return err
}

func (c *connection) create(ctx context.Context, manifest *unstructured.Unstructured, dry ...string) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	made, err := c.dynamic.Resource(jobs).Namespace(c.namespace).Create(ctx, manifest, metav1.CreateOptions{FieldManager: "brunt", DryRun: dry})
	if err != nil {
		return nil, fmt.Errorf("create job %s in namespace %s: %w", manifest.GetName(), c.namespace, err)
	}
	return made, nil
}

// Workers are the pods, in order of their index. They are Assemble's from here on.
func (t *Team) Workers() []cluster.Worker { return t.workers }

// Job is the name of the Job.
func (t *Team) Job() string { return t.job }

// Remove deletes the Job with its pods and returns when they are gone. It may be
// called more than once.
func (t *Team) Remove(ctx context.Context) error {
	defer t.cluster.close()
	t.stop()
	t.renewing.Wait()
	return t.cluster.remove(ctx, t.job, t.id, nil)
}

// remove deletes a Job, of that UID where one is given, and returns when its pods
// are gone. An API server that does not answer is asked again until ctx ends.
func (c *connection) remove(ctx context.Context, name, id string, uid *string) error {
	background := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &background}
	if uid != nil {
		options.Preconditions = metav1.NewUIDPreconditions(*uid)
	}
	deleted := false
	for {
		var left []pod
		var err error
		if !deleted {
			calling, cancel := context.WithTimeout(ctx, callBound)
			err = c.dynamic.Resource(jobs).Namespace(c.namespace).Delete(calling, name, options)
			cancel()
			deleted = err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) // of another UID: it is gone
		}
		if deleted {
			if left, err = c.list(ctx, id); err == nil && len(left) == 0 {
				return nil
			}
		}
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			return fmt.Errorf("remove job %s in namespace %s: %w", name, c.namespace, err)
		}
		if pause(ctx, lookEvery) != nil {
			if err == nil {
				err = fmt.Errorf("%d of its pods are left: %w", len(left), context.Cause(ctx))
			}
			return fmt.Errorf("remove job %s in namespace %s: %w", name, c.namespace, err)
		}
	}
}

// list is the pods of the Job with an id as they are now.
func (c *connection) list(ctx context.Context, id string) ([]pod, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	list, err := c.dynamic.Resource(pods).Namespace(c.namespace).List(ctx, metav1.ListOptions{LabelSelector: Label + "=" + id})
	if err != nil {
		return nil, fmt.Errorf("list the workers' pods: %w", err)
	}
	var out []pod
	for _, item := range list.Items {
		out = append(out, podOf(&item))
	}
	return out, nil
}
