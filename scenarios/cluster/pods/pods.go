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
// # What it takes
//
// In the namespace: create, get and delete jobs; list and delete pods; create
// and get pods/attach.
package pods

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
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
	jobs = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
)

const (
	// RunningBound is how long all pods may take until they run: images may have
	// to be pulled, and nodes to be added.
	RunningBound = 5 * time.Minute
	lookEvery    = 500 * time.Millisecond
	callBound    = 15 * time.Second
	// goneBound is how long the pods may take to be gone.
	goneBound = 30 * time.Second
)

// A Team is the pods of one Job.
type Team struct {
	cluster *connection
	job     string
	id      string
	workers []cluster.Worker
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
	t := &Team{cluster: c, job: manifest.GetName(), id: id}
	calling, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	if _, err := c.dynamic.Resource(jobs).Namespace(c.namespace).Create(calling, manifest, metav1.CreateOptions{FieldManager: "brunt"}); err != nil {
		c.close()
		return nil, fmt.Errorf("create job %s in namespace %s: %w", t.job, c.namespace, err)
	}
	defer func() {
		if err != nil {
			removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), goneBound)
			defer cancel()
			err = errors.Join(err, t.Remove(removing))
		}
	}()
	running, err := t.awaitRunning(ctx, o.Workers)
	if err != nil {
		return nil, err
	}
	for _, p := range running {
		t.workers = append(t.workers, attach(c, p))
	}
	return t, nil
}

// Workers are the pods, in order of their index. They are Assemble's from here on.
func (t *Team) Workers() []cluster.Worker { return t.workers }

// Job is the name of the Job.
func (t *Team) Job() string { return t.job }

// awaitRunning waits until a worker runs in every pod.
func (t *Team) awaitRunning(ctx context.Context, n int) ([]pod, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, RunningBound, fmt.Errorf("not within %s", RunningBound))
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		found, err := t.list(ctx)
		running := make([]pod, n)
		ready := 0
		var waiting []string
		for _, p := range found {
			if p.broken != "" {
				return nil, fmt.Errorf("start pod %s: %s", p.name, p.broken)
			}
			if p.index >= 0 && p.index < n && p.running && running[p.index].name == "" {
				running[p.index] = p
				ready++
			} else if p.waiting != "" && !slices.Contains(waiting, p.waiting) {
				waiting = append(waiting, p.waiting)
			}
		}
		if err == nil && ready == n {
			return running, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if err != nil {
				return nil, fmt.Errorf("wait for %d pods of job %s to run: %w", n, t.job, err)
			}
			return nil, fmt.Errorf("wait for pods of job %s to run: %d of %d do: %w: %s", t.job, ready, n, context.Cause(ctx), strings.Join(waiting, "; "))
		}
	}
}

// list is the Job's pods as they are now.
func (t *Team) list(ctx context.Context) ([]pod, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	list, err := t.cluster.dynamic.Resource(pods).Namespace(t.cluster.namespace).List(ctx, metav1.ListOptions{LabelSelector: Label + "=" + t.id})
	if err != nil {
		return nil, fmt.Errorf("list pods of job %s: %w", t.job, err)
	}
	var out []pod
	for _, item := range list.Items {
		out = append(out, podOf(&item))
	}
	return out, nil
}

// Remove deletes the Job with its pods and returns when they are gone. It may be
// called more than once.
func (t *Team) Remove(ctx context.Context) error {
	defer t.cluster.close()
	if err := t.cluster.deleteJob(ctx, t.job); err != nil {
		return err
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		left, err := t.list(ctx)
		if err == nil && len(left) == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("%d of its pods are left: %w", len(left), context.Cause(ctx))
			}
			return fmt.Errorf("remove job %s in namespace %s: %w", t.job, t.cluster.namespace, err)
		}
	}
}

func (c *connection) deleteJob(ctx context.Context, name string) error {
	background := metav1.DeletePropagationBackground
	err := c.dynamic.Resource(jobs).Namespace(c.namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove job %s in namespace %s: %w", name, c.namespace, err)
	}
	return nil
}

// lastWords is the last line of a container's log that was not for the
// controller.
func lastWords(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) > 1 {
		lines = lines[1:] // the first may be the rest of one
	}
	for _, line := range slices.Backward(lines) {
		if !strings.HasPrefix(line, "{") {
			return line
		}
	}
	return ""
}

// A pod is what matters of one here.
type pod struct {
	name, node string
	index      int
	running    bool
	waiting    string // why it does not run yet
	broken     string // why it never will
	fate       string // what became of it; empty while it runs
}

// hopeless are the reasons for which a container will never start, whatever
// else happens.
var hopeless = []string{"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"}

func podOf(u *unstructured.Unstructured) pod {
	p := pod{name: u.GetName(), index: -1}
	if i, err := strconv.Atoi(u.GetLabels()["batch.kubernetes.io/job-completion-index"]); err == nil {
		p.index = i
	}
	field := func(path ...string) string { s, _, _ := unstructured.NestedString(u.Object, path...); return s }
	p.node = field("spec", "nodeName")
	phase, reason, message := field("status", "phase"), field("status", "reason"), field("status", "message")
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if c["type"] == "PodScheduled" && c["status"] == "False" {
			p.waiting = fmt.Sprintf("it is not scheduled (%v)", c["message"])
		}
		if c["type"] == "DisruptionTarget" && c["status"] == "True" {
			p.fate = fmt.Sprintf("its pod was disrupted (%v: %v)", c["reason"], c["message"])
		}
	}
	statuses, _, _ := unstructured.NestedSlice(u.Object, "status", "containerStatuses")
	for _, s := range statuses {
		s, _ := s.(map[string]any)
		state, _ := s["state"].(map[string]any)
		if waiting, ok := state["waiting"].(map[string]any); ok {
			p.waiting = strings.TrimSuffix(fmt.Sprintf("%v: %v", waiting["reason"], waiting["message"]), ": <nil>")
			if why, _ := waiting["reason"].(string); slices.Contains(hopeless, why) {
				p.broken = p.waiting
			}
		}
		if ended, ok := state["terminated"].(map[string]any); ok && p.fate == "" {
			p.fate = fmt.Sprintf("its container ended (%v, exit code %v)", ended["reason"], ended["exitCode"])
			if message, _ := ended["message"].(string); lastWords(message) != "" {
				p.fate += ": " + lastWords(message)
			}
		}
		_, p.running = state["running"].(map[string]any)
	}
	switch {
	case reason != "":
		p.fate = strings.TrimSuffix(fmt.Sprintf("its pod failed (%s: %s)", reason, message), ": )")
	case u.GetDeletionTimestamp() != nil && p.fate == "":
		p.fate = "its pod was deleted"
	}
	if phase == "Failed" || phase == "Succeeded" {
		p.running = false
		p.broken = p.fate
	}
	return p
}
