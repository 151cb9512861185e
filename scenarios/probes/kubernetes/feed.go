package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// A source is a set of objects to watch: of one resource, by a selector.
type source struct {
	resource  resource
	namespace string // "" for what has none
	fields    string // one of these two is never empty
	labels    string
}

func named(r resource, namespace, name string) source {
	return source{resource: r, namespace: namespace, fields: "metadata.name=" + name}
}

// A change is something that a source told.
type change struct {
	from source
	kind changeKind
	objs []*unstructured.Unstructured
	seen time.Time
}

type changeKind int

const (
	listed  changeKind = iota // objs are all there are now
	changed                   // one was added or is different
	gone                      // one was deleted
)

// A feed runs the reflector of one source and queues what it tells.
type feed struct {
	source source
	queue  *queue
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	broken error // why it cannot see at present; nil when it can
	synced bool  // it has been told once what there is
}

// retry is how soon a source that broke is tried again: within a few seconds of
// an API server's return, and gently while it is away.
func retry() *wait.Backoff {
	return &wait.Backoff{Duration: 250 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 6, Cap: 4 * time.Second}
}

// requestBound is how long one list may take to be answered.
const requestBound = 30 * time.Second

func startFeed(ctx context.Context, client dynamic.Interface, s source, q *queue) *feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{source: s, queue: q, cancel: cancel, done: make(chan struct{}), broken: errors.New("nothing was heard yet")}
	api := dynamic.ResourceInterface(client.Resource(schema.GroupVersionResource{Group: s.resource.group, Version: s.resource.version, Resource: s.resource.name}))
	if s.namespace != "" {
		api = client.Resource(schema.GroupVersionResource{Group: s.resource.group, Version: s.resource.version, Resource: s.resource.name}).Namespace(s.namespace)
	}
	// The reflector lists in a goroutine that it does not wait for, and that may
	// begin after it has returned: each holds the lock, and none begins once over.
	var lists sync.RWMutex
	over := false
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			lists.RLock()
			defer lists.RUnlock()
			if over {
				return nil, context.Canceled
			}
			o.FieldSelector, o.LabelSelector = s.fields, s.labels
			ctx, cancel := context.WithTimeout(ctx, requestBound)
			defer cancel()
			list, err := api.List(ctx, o)
			f.heard(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector, o.LabelSelector = s.fields, s.labels
			w, err := api.Watch(ctx, o)
			if err != nil && o.SendInitialEvents != nil && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)) {
				return nil, err // an older server, which is asked for a list next
			}
			f.heard(ctx, err)
			return w, err
		},
	}
	quiet := klog.Logger{} // what goes wrong is told in readings
	r := cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, (*store)(f), cache.ReflectorOptions{
		Name: s.resource.name, TypeDescription: s.resource.String(), Logger: &quiet, Backoff: retry()})
	go func() {
		defer close(f.done)
		r.RunWithContext(klog.NewContext(ctx, quiet))
		lists.Lock()
		over = true
		lists.Unlock()
	}()
	return f
}

// stop ends the feed and waits for it.
func (f *feed) stop() {
	f.cancel()
	<-f.done
}

// heard notes whether a request was answered.
func (f *feed) heard(ctx context.Context, err error) {
	if err != nil && ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return // we are leaving
	}
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return // the reflector lists anew at once
	}
	f.mu.Lock()
	changed := (f.broken == nil) != (err == nil)
	f.broken = err
	f.mu.Unlock()
	if changed {
		f.queue.wake()
	}
}

// trouble is why the feed cannot see at present, in plain words; nil when it can.
func (f *feed) trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.source.plain(f.broken)
}

func (f *feed) isSynced() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.synced
}

// plain says what went wrong in words that lead to the fix.
func (s source) plain(err error) error {
	where := "in namespace " + s.namespace
	if s.namespace == "" {
		where = "in the cluster"
	}
	var status apierrors.APIStatus
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("list and watch %s %s: not allowed: %s", s.resource, where, firstLine(err))
	case apierrors.IsNotFound(err):
		return fmt.Errorf("list %s: the cluster has no such resource in version %s: is its CRD installed?", s.resource, s.resource.version)
	case apierrors.IsTooManyRequests(err):
		return fmt.Errorf("list and watch %s: the API server is overloaded and sends us away (429)", s.resource)
	case errors.As(err, &status) && status.Status().Code >= http.StatusInternalServerError:
		return fmt.Errorf("list and watch %s: the API server has a problem (%d): %s", s.resource, status.Status().Code, firstLine(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("list and watch %s: no answer within %s", s.resource, requestBound)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("list and watch %s: the API server hung up", s.resource)
	}
	var call *url.Error
	if errors.As(err, &call) {
		err = call.Err // without the address, whose query nobody reads
	}
	return fmt.Errorf("list and watch %s: %s", s.resource, firstLine(err))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// store is a feed as the reflector sees it.
type store feed

func (s *store) put(kind changeKind, objs ...any) error {
	f := (*feed)(s)
	c := change{from: f.source, kind: kind, seen: time.Now()}
	for _, o := range objs {
		u, ok := o.(*unstructured.Unstructured)
		if !ok {
			return fmt.Errorf("watch %s: an object of another kind", f.source.resource)
		}
		c.objs = append(c.objs, u)
	}
	f.queue.put(c)
	return nil
}

func (s *store) Add(obj any) error    { return s.put(changed, obj) }
func (s *store) Update(obj any) error { return s.put(changed, obj) }
func (s *store) Delete(obj any) error { return s.put(gone, obj) }
func (s *store) Resync() error        { return nil }

func (s *store) Replace(objs []any, _ string) error {
	err := s.put(listed, objs...)
	f := (*feed)(s)
	f.mu.Lock()
	f.synced, f.broken = true, nil
	f.mu.Unlock()
	return err
}

// A queue holds changes until the watching goroutine takes them. It is as long
// as what happens between two takings: moments.
type queue struct {
	mu      sync.Mutex
	changes []change
	signal  chan struct{} // of capacity one
}

func newQueue() *queue { return &queue{signal: make(chan struct{}, 1)} }

func (q *queue) put(c change) {
	q.mu.Lock()
	q.changes = append(q.changes, c)
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.signal <- struct{}{}:
	default: // it is awake already
	}
}

func (q *queue) take() []change {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.changes
	q.changes = nil
	return taken
}
