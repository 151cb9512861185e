package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
)

// Data is what the receipts of faults on a cluster hold.
type Data struct {
	Place Place  `json:"place"`
	Edits []Edit `json:"edits,omitempty"`
	// Pods are those that are deleted, evicted or hit, as they were.
	Pods []PodImage `json:"pods,omitempty"`
	// Extra is the kind's own.
	Extra json.RawMessage `json:"extra,omitempty"`
}

// A PodImage is one very pod.
type PodImage struct {
	Name  string `json:"name"`
	UID   string `json:"uid"`
	Node  string `json:"node,omitempty"`
	Owner string `json:"owner,omitempty"` // its controller's name
}

func (p PodImage) String() string { return "pod " + p.Name }

// Image is the pod as a receipt remembers it.
func (p Pod) Image() PodImage {
	image := PodImage{Name: p.Metadata.Name, UID: p.Metadata.UID, Node: p.Spec.NodeName}
	for _, o := range p.Metadata.OwnerReferences {
		if o.Controller {
			image.Owner = o.Name
		}
	}
	return image
}

// protected refuses what safety.protect has: by name, namespace/name, kind/name,
// and a pod by its controller's name too.
func protected(p chaos.Protection, namespace string, d Data) error {
	for _, e := range d.Edits {
		kind, name, _ := strings.Cut(e.String(), " ")
		if err := p.Refuse(e.String(), name, e.Namespace+"/"+name, kind+"/"+name); err != nil {
			return err
		}
	}
	for _, pod := range d.Pods {
		if err := p.Refuse(pod.String(), pod.Name, namespace+"/"+pod.Name, "pod/"+pod.Name, pod.Owner); err != nil {
			return err
		}
	}
	return nil
}

// A Kind is how one kind of fault works beyond its edits. Its functions work
// from the receipt alone; nil ones do nothing.
type Kind struct {
	Name    string
	OneShot bool
	// Inject does what is left to do once the edits are made. Where there are
	// none it is called with an undone context too.
	Inject func(context.Context, *Cluster, chaos.Receipt, Data) error
	// Seen says what is to be seen of the fault, given what its edits look
	// like: of all of them together, Active while any is in place.
	Seen func(context.Context, *Cluster, chaos.Receipt, Data, chaos.State) (chaos.State, error)
	// Body completes an object that the fault makes, when the receipt's end is
	// known.
	Body func(*unstructured.Unstructured, chaos.Receipt) error
	// Whole says whether a receipt has what the kind needs. Nil: an edit.
	Whole func(Data) bool
}

// A Plan is a fault with its configuration.
type Plan struct {
	Env    chaos.Env
	Access []chaos.Access
	// Resolve finds the targets and says what is to be done to them. It
	// touches nothing.
	Resolve func(context.Context, *Cluster) (Data, []string, error)
}

// fault is one fault; made by Mend it has receipts only.
type fault struct {
	connect Connect
	kind    Kind
	plan    *Plan
}

// New makes a fault.
func New(connect Connect, kind Kind, plan Plan) chaos.Fault { return &fault{connect, kind, &plan} }

// Mend makes faults that undo and verify from receipts alone.
func Mend(connect Connect, kind Kind) func() chaos.Fault {
	return func() chaos.Fault { return &fault{connect, kind, nil} }
}

// Access is what the fault needs to be let do.
func (f *fault) Access() []chaos.Access {
	if f.plan == nil {
		return nil
	}
	return f.plan.Access
}

// Prepare finds the targets and remembers what they are.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	if f.plan == nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: it has no configuration", f.kind.Name)
	}
	c, err := f.connect.Open(f.plan.Env.Kubernetes)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.plan.Env.Fault, err)
	}
	defer c.Close()
	d, targets, err := f.plan.Resolve(ctx, c)
	if err == nil {
		err = protected(f.plan.Env.Protect, c.Place.Namespace, d)
	}
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.plan.Env.Fault, err)
	}
	d.Place = c.Place
	receipt, err := chaos.NewReceipt(f.plan.Env.Fault, f.kind.Name, targets, f.kind.OneShot, d)
	receipt.Class = chaos.Durable // the cluster goes on whatever becomes of this machine
	return receipt, err
}

// read is what a receipt holds.
func (f *fault) read(receipt chaos.Receipt) (Data, error) {
	var d Data
	if err := json.Unmarshal(receipt.Data, &d); err != nil {
		return d, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	whole := f.kind.Whole
	if whole == nil {
		whole = func(d Data) bool { return len(d.Edits) > 0 }
	}
	if d.Place.Namespace == "" || !whole(d) || slices.ContainsFunc(d.Edits, func(e Edit) bool { return !e.Whole() }) {
		return d, fmt.Errorf("read receipt %s: it does not say what to do where", receipt.ID)
	}
	return d, nil
}

// reopen reads a receipt and connects to its cluster.
func (f *fault) reopen(receipt chaos.Receipt) (*Cluster, Data, error) {
	d, err := f.read(receipt)
	if err != nil {
		return nil, d, err
	}
	c, err := f.connect.Reopen(d.Place)
	return c, d, err
}

// Inject makes the edits, and then does the rest. What fails is left half-way.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	c, d, err := f.reopen(receipt)
	if err != nil {
		return err
	}
	defer c.Close()
	return f.inject(ctx, c, receipt, d)
}

func (f *fault) inject(ctx context.Context, c *Cluster, receipt chaos.Receipt, d Data) error {
	if err := each(d.Edits, func(_ int, e Edit) error { return c.Apply(ctx, receipt, e, f.kind.Body) }); err != nil {
		return err
	}
	if f.kind.Inject == nil {
		return nil
	}
	return f.kind.Inject(ctx, c, receipt, d)
}

// Undo reverts the edits, all at once. An API server that does not answer is
// asked again until the context ends.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	c, d, err := f.reopen(receipt)
	if err != nil {
		return err
	}
	defer c.Close()
	if f.kind.OneShot {
		return nil
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := each(d.Edits, func(_ int, e Edit) error { return c.Revert(ctx, receipt, e) })
		if !passing(err) {
			return err
		}
		if wait(ctx, pause) != nil {
			return err
		}
	}
}

// Pauses between tries of an undo.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 2 * time.Second
)

// passing says whether an error may be over in a moment. Credentials that are
// refused may have been renewed since.
func passing(err error) bool {
	var network net.Error
	return errors.As(err, &network) || apierrors.IsUnauthorized(err) || apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsInternalError(err)
}

// Verify reads the objects back, and what the kind knows to be another sign.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	c, d, err := f.reopen(receipt)
	if err != nil {
		return "", err
	}
	defer c.Close()
	states := make([]chaos.State, len(d.Edits))
	err = each(d.Edits, func(i int, e Edit) (err error) {
		states[i], err = c.See(ctx, receipt, e)
		return err
	})
	switch {
	case slices.Contains(states, chaos.Conflict):
		return chaos.Conflict, err
	case err != nil:
		return "", err
	}
	state := chaos.Gone
	if slices.Contains(states, chaos.Active) {
		state = chaos.Active
	}
	if f.kind.Seen == nil {
		return state, nil
	}
	return f.kind.Seen(ctx, c, receipt, d, state)
}

// atOnce is how many objects are worked on at a time.
const atOnce = 8

// each does something to all, some at a time, and returns what went wrong.
func each[T any](all []T, do func(int, T) error) error {
	var (
		running sync.WaitGroup
		slots   = make(chan struct{}, atOnce)
		errs    = make([]error, len(all))
	)
	for i, one := range all {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(i, one)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
