package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/brunt-dev/brunt/chaos"
)

// data is what the receipts of this kind hold.
type data struct {
	Host       string  `json:"host"`
	Action     string  `json:"action"`
	Containers []image `json:"containers"`
}

// An image is one container as it was, and as the fault means it to be.
type image struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	StartedAt string `json:"started_at"` // of the run that was found
	Pid       int    `json:"pid"`        // of its first process, on the engine's host

	Grace    *int      `json:"grace_seconds,omitempty"` // of a stop
	Network  string    `json:"network,omitempty"`       // of a disconnect: its name
	Endpoint *endpoint `json:"endpoint,omitempty"`      // of a disconnect: the place before
	Before   *limits   `json:"before,omitempty"`        // of a limit
	Set      *limits   `json:"set,omitempty"`           // of a limit
}

func (i image) String() string { return fmt.Sprintf("container %s (%s)", i.Name, short(i.ID)) }

// An action is one way to break a container. Its functions are given the
// container as it is now; that it is still there has been seen.
type action struct {
	// prepare refuses what cannot be broken or mended, and completes the image.
	prepare func(Config, container, *image) error
	inject  func(context.Context, engine, image) error
	// undo restores what is still ours; nil for a one-shot.
	undo func(context.Context, engine, container, image) error
	// look says what the engine tells; text says what was found in a conflict.
	look func(context.Context, engine, container, image) (state chaos.State, text string, err error)
	// kernel asks this machine's kernel whether it is in effect; known is
	// false where it cannot tell.
	kernel func(container, image) (active, known bool)
	// absent is the state when the container is gone.
	absent chaos.State
}

var actions = map[string]action{
	kill:       killAction,
	pause:      pauseAction,
	stop:       stopAction,
	disconnect: disconnectAction,
	limit:      limitAction,
}

// fault is one fault on containers; made by Mend it has receipts only.
type fault struct {
	name    string
	config  Config
	allowed []string
	protect chaos.Protection
}

// Prepare finds the containers and refuses those that are not allowed, that
// brunt runs in, or whose undo could not restore them.
func (f *fault) Prepare(ctx context.Context) (chaos.Receipt, error) {
	return f.prepare(ctx, nil)
}

// Follows is nil when the target may become more containers than it is now.
func (f *fault) Follows() error {
	switch _, target := f.config.only(); {
	case target.Label == "":
		return fmt.Errorf("%s is one container; name several by a label: { label: app=shop, pick: all }", target)
	case target.Pick != "all":
		return fmt.Errorf("it hits one of those with label %s; say pick: all", target.Label)
	}
	return nil
}

// Follow is Prepare for the containers that no receipt has yet.
func (f *fault) Follow(ctx context.Context, held []chaos.Receipt) (chaos.Receipt, error) {
	var known []string
	for _, receipt := range held {
		d, _, err := read(receipt)
		if err != nil {
			return chaos.Receipt{}, err
		}
		for _, c := range d.Containers {
			known = append(known, c.ID)
		}
	}
	return f.prepare(ctx, known)
}

// prepare is Prepare for all containers but those known by their ids.
func (f *fault) prepare(ctx context.Context, known []string) (chaos.Receipt, error) {
	name, target := f.config.only()
	if target == nil {
		return chaos.Receipt{}, errors.New("prepare docker fault: it has no configuration")
	}
	d := data{Host: hostOf(f.config.Host), Action: name}
	e, err := open(ctx, d.Host)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	found, err := target.resolve(ctx, e)
	if err != nil {
		return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
	}
	found = slices.DeleteFunc(found, func(c container) bool { return slices.Contains(known, c.ID) })
	if len(found) == 0 {
		return chaos.Receipt{}, fmt.Errorf("find more of %s: %w", target, chaos.ErrNoTarget)
	}
	var targets, resources []string
	for _, c := range found {
		i, err := f.picture(c, actions[name])
		if err != nil {
			return chaos.Receipt{}, fmt.Errorf("prepare %s: %w", f.name, err)
		}
		d.Containers, targets = append(d.Containers, i), append(targets, c.String())
		resources = append(resources, resource("container/"+short(c.ID), i))
	}
	receipt, err := chaos.NewReceipt(f.name, Kind, targets, name == kill, d)
	receipt.Resources = resources
	receipt.Class = chaos.Durable // engines keep what was done to a container
	if name == pause {
		receipt.Class = chaos.Volatile // but not that its processes were frozen
	}
	return receipt, err
}

// resource is what is held of a container: all of it, but for its limits and
// its place in one network, which compose.
func resource(container string, i image) string {
	switch {
	case i.Endpoint != nil:
		return container + "/network/" + i.Network
	case i.Set != nil:
		return container + "/limits"
	}
	return container
}

// picture makes the image of a container that may be broken.
func (f *fault) picture(c container, a action) (image, error) {
	switch {
	case !isAllowed(f.allowed, c):
		return image{}, fmt.Errorf("%s is not among target.containers and is never touched", c)
	case holdsBrunt(c.ID):
		return image{}, fmt.Errorf("brunt itself runs in %s", c)
	case !c.State.Running:
		return image{}, fmt.Errorf("%s is not running: it is %s", c, c.State.Status)
	case c.State.Paused:
		return image{}, &chaos.ConflictError{Target: c.String(), Want: "a running container", Found: "one that is paused already"}
	}
	if err := f.protect.Refuse(c.String(), c.name()); err != nil {
		return image{}, err
	}
	i := image{ID: c.ID, Name: c.name(), StartedAt: c.State.StartedAt, Pid: c.State.Pid}
	return i, a.prepare(f.config, c, &i)
}

// Inject does it to every container of the receipt. One that has gone since
// Prepare, or has been started anew, is an error: it was not broken.
func (f *fault) Inject(ctx context.Context, receipt chaos.Receipt) error {
	d, a, err := read(receipt)
	if err != nil {
		return err
	}
	e, err := open(ctx, d.Host)
	if err != nil {
		return fmt.Errorf("inject %s: %w", receipt.Fault, err)
	}
	for _, i := range d.Containers {
		c, err := e.inspect(ctx, i.ID)
		if err != nil {
			return fmt.Errorf("%s %s: %w", d.Action, i, err)
		}
		if c.State.StartedAt != i.StartedAt || !c.State.Running {
			return fmt.Errorf("%s %s: it has stopped or was started anew meanwhile", d.Action, i)
		}
		if err := a.inject(ctx, e, i); err != nil {
			return fmt.Errorf("%s %s: %w", d.Action, i, err)
		}
		chaos.Pass(chaos.Injecting)
	}
	return nil
}

// Undo restores every container of the receipt that is still there and still
// as the fault left it. Where one cannot be, the others are all the same.
func (f *fault) Undo(ctx context.Context, receipt chaos.Receipt) error {
	d, a, err := read(receipt)
	if err != nil || a.undo == nil {
		return err
	}
	e, err := open(ctx, d.Host)
	if err != nil {
		return fmt.Errorf("undo %s: %w", receipt.Fault, err)
	}
	var errs []error
	for _, i := range d.Containers {
		c, err := e.inspect(ctx, i.ID)
		if err == nil {
			err = a.undo(ctx, e, c, i)
		}
		if err != nil && !errors.Is(err, errAbsent) {
			errs = append(errs, fmt.Errorf("undo %s of %s: %w", d.Action, i, err))
		}
		chaos.Pass(chaos.Undoing)
	}
	return errors.Join(errs...)
}

// Verify looks at every container of the receipt: Active while any of them is
// under the fault, for a kill once all of them are; Conflict when one is
// neither as it was nor as the fault left it. Where this machine's kernel
// contradicts the engine, it returns an error.
func (f *fault) Verify(ctx context.Context, receipt chaos.Receipt) (chaos.State, error) {
	d, a, err := read(receipt)
	if err != nil {
		return "", err
	}
	e, err := open(ctx, d.Host)
	if err != nil {
		return "", err
	}
	states := make([]chaos.State, len(d.Containers))
	var conflict error
	for n, i := range d.Containers {
		var found string
		if states[n], found, err = a.seen(ctx, e, i); err != nil {
			return "", fmt.Errorf("look at %s: %w", i, err)
		}
		if states[n] == chaos.Conflict {
			conflict = errors.Join(conflict, &chaos.ConflictError{Target: i.String(), Want: "it under " + d.Action + " or as it was", Found: found})
		}
	}
	switch {
	case conflict != nil:
		return chaos.Conflict, conflict
	case d.Action == kill && slices.Contains(states, chaos.Gone):
		return chaos.Gone, nil // not all of them are dead
	case slices.Contains(states, chaos.Active):
		return chaos.Active, nil
	default:
		return chaos.Gone, nil
	}
}

// seen is the state of one container, on the engine's word and the kernel's.
func (a action) seen(ctx context.Context, e engine, i image) (state chaos.State, found string, err error) {
	c, err := e.inspect(ctx, i.ID)
	if errors.Is(err, errAbsent) {
		return a.absent, "", nil
	}
	if err != nil {
		return "", "", err
	}
	state, found, err = a.look(ctx, e, c, i)
	if err != nil || state == chaos.Conflict {
		return state, found, err
	}
	if active, known := a.kernel(c, i); known && active != (state == chaos.Active) {
		return "", "", fmt.Errorf("the engine says that the fault is %s, and the kernel does not", state)
	}
	return state, "", nil
}

func read(receipt chaos.Receipt) (data, action, error) {
	var d data
	if err := json.Unmarshal(receipt.Data, &d); err != nil {
		return data{}, action{}, fmt.Errorf("read receipt %s: %w", receipt.ID, err)
	}
	a, ok := actions[d.Action]
	if !ok || len(d.Containers) == 0 || slices.ContainsFunc(d.Containers, func(i image) bool { return !i.whole(d.Action) }) {
		return data{}, action{}, fmt.Errorf("read receipt %s: it names no container or no action", receipt.ID)
	}
	return d, a, nil
}

// whole says whether the image has what its action needs.
func (i image) whole(action string) bool {
	switch {
	case len(i.ID) != 64 || slices.ContainsFunc([]byte(i.ID), func(b byte) bool { return (b < '0' || b > '9') && (b < 'a' || b > 'f') }):
		return false
	case action == disconnect:
		return i.Endpoint != nil && i.Endpoint.NetworkID != ""
	case action == limit:
		return i.Before != nil && i.Set != nil
	default:
		return true
	}
}
