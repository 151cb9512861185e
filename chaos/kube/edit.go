package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/brunt-dev/brunt/chaos"
)

// An Edit is what a fault does to one object: it changes some of its fields, or
// makes the object.
type Edit struct {
	Resource  Resource     `json:"resource"`
	Namespace string       `json:"namespace,omitempty"` // empty: it is in none
	Name      string       `json:"name"`
	UID       string       `json:"uid,omitempty"` // of the very object that is changed
	Changes   []Change     `json:"changes,omitempty"`
	Owners    []FieldOwner `json:"owners,omitempty"` // who owned the fields that are changed
	// Body is an object to be made; Changes is empty then.
	Body json.RawMessage `json:"body,omitempty"`
	Made bool            `json:"made,omitempty"` // the object is the fault's own
}

// A Change is one field, as it was and as the fault sets it. A missing value
// stands for no such field.
type Change struct {
	Path   Path            `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	Set    json.RawMessage `json:"set,omitempty"`
	// Member makes the path a list, and Set an item that is added to it at the
	// end; the other items may come and go.
	Member bool `json:"member,omitempty"`
}

func (e Edit) String() string {
	kind := e.Resource.Resource
	if !strings.HasSuffix(kind, "chaos") { // Chaos Mesh's plurals are no others
		kind = strings.TrimSuffix(kind, "s")
	}
	return kind + " " + e.Name
}

// Whole says whether the edit, as read from a receipt, has what it needs.
func (e Edit) Whole() bool {
	switch {
	case e.Resource.Version == "" || e.Resource.Resource == "" || e.Name == "":
		return false
	case e.Made:
		return len(e.Changes) == 0
	}
	return e.UID != "" && len(e.Changes) > 0 && !slices.ContainsFunc(e.Changes, func(c Change) bool { return len(c.Path) == 0 })
}

// Changing makes the edit that sets fields of an object, as it is now. A nil
// value takes a field away. Fields that are so already are left out of it; when
// none is left, the error is a conflict.
func Changing(r Resource, object *unstructured.Unstructured, set map[string]any) (Edit, error) {
	e := Edit{Resource: r, Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID())}
	if other := marksOf(object); other != "" {
		return e, &chaos.ConflictError{Target: e.String(), Want: "an object that no fault is on", Found: "it under another of brunt's (" + other + "); brunt faults tells which"}
	}
	paths := make([]string, 0, len(set))
	for text := range set {
		paths = append(paths, text)
	}
	slices.Sort(paths)
	var already []string
	for _, text := range paths {
		path, err := ParsePath(text)
		if err != nil {
			return e, err
		}
		before := get(object.Object, path)
		c := Change{Path: path, Before: rawOf(before), Set: rawOf(set[text])}
		if same(valueOf(c.Before), valueOf(c.Set)) {
			already = append(already, path.String()+" "+shown(c.Set))
			continue
		}
		e.Changes = append(e.Changes, c)
	}
	if len(e.Changes) == 0 {
		return e, &chaos.ConflictError{Target: e.String(), Want: "something to change", Found: strings.Join(already, ", ") + " there already"}
	}
	e.Owners = fieldOwners(object, e.Changes)
	return e, nil
}

// Adding makes the edit that adds an item to a list of an object.
func Adding(r Resource, object *unstructured.Unstructured, list string, member any) (Edit, error) {
	e := Edit{Resource: r, Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID())}
	if other := marksOf(object); other != "" {
		return e, &chaos.ConflictError{Target: e.String(), Want: "an object that no fault is on", Found: "it under another of brunt's (" + other + "); brunt faults tells which"}
	}
	path, err := ParsePath(list)
	if err != nil {
		return e, err
	}
	c := Change{Path: path, Set: rawOf(member), Member: true}
	if c.in(object.Object) {
		return e, &chaos.ConflictError{Target: e.String(), Want: "something to change", Found: path.String() + " with " + shown(c.Set) + " already"}
	}
	e.Changes = []Change{c}
	e.Owners = fieldOwners(object, e.Changes)
	return e, nil
}

// Making makes the edit that makes an object of its own.
func Making(r Resource, body *unstructured.Unstructured) (Edit, error) {
	text, err := json.Marshal(body.Object)
	if err != nil {
		return Edit{}, fmt.Errorf("write %s %s: %w", r.Resource, body.GetName(), err)
	}
	return Edit{Resource: r, Namespace: body.GetNamespace(), Name: body.GetName(), Body: text, Made: true}, nil
}

// tries is how often an edit is begun again when the object changes meanwhile,
// as nodes and pods do by themselves.
const (
	tries    = 8
	tryAgain = 50 * time.Millisecond
)

// Apply makes the edit and its marks in one call. It is no error when that has
// been done before. complete, which may be nil, completes an object that is made.
func (c *Cluster) Apply(ctx context.Context, receipt chaos.Receipt, e Edit, complete func(*unstructured.Unstructured, chaos.Receipt) error) error {
	if e.Made {
		return c.applyBody(ctx, receipt, e, complete)
	}
	_, err := c.edit(ctx, e, func(object *unstructured.Unstructured) error {
		switch other := marksOf(object); {
		case other == MarkOf(receipt):
			return nil // done before; a change since is not ours to make again
		case other != "":
			return &chaos.ConflictError{Target: e.String(), Want: "no other fault on it", Found: "it under another of brunt's (" + other + ")"}
		}
		for _, change := range e.Changes {
			if found, ok := change.before(object.Object); !ok {
				return &chaos.ConflictError{Target: e.String(), Want: change.Path.String() + " " + shown(change.Before), Found: shown(found)}
			}
			if err := change.apply(object.Object); err != nil {
				return fmt.Errorf("change %s: %w", e, err)
			}
		}
		return mark(object, receipt, c.Place.Namespace, e)
	})
	return err
}

func (c *Cluster) applyBody(ctx context.Context, receipt chaos.Receipt, e Edit, complete func(*unstructured.Unstructured, chaos.Receipt) error) error {
	if len(e.Body) == 0 {
		return fmt.Errorf("make %s: the receipt has no body of it", e)
	}
	var body map[string]any
	if err := utiljson.Unmarshal(e.Body, &body); err != nil {
		return fmt.Errorf("make %s: %w", e, err)
	}
	object := &unstructured.Unstructured{Object: body}
	if complete != nil {
		if err := complete(object, receipt); err != nil {
			return fmt.Errorf("make %s: %w", e, err)
		}
	}
	if err := mark(object, receipt, c.Place.Namespace, e); err != nil {
		return err
	}
	_, err := c.Create(ctx, e.Resource, object)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	found, err := c.Get(ctx, e.Resource, e.Namespace, e.Name)
	if err == nil && marksOf(found) != MarkOf(receipt) {
		err = &chaos.ConflictError{Target: e.String(), Want: "no object of that name", Found: "one that is not this fault's"}
	}
	return err
}

// edit changes the very object of an edit, and begins anew when it has changed
// meanwhile. The error wraps ErrAbsent when it has gone.
func (c *Cluster) edit(ctx context.Context, e Edit, change func(*unstructured.Unstructured) error) (*unstructured.Unstructured, error) {
	for try := 1; ; try++ {
		object, err := c.Get(ctx, e.Resource, e.Namespace, e.Name)
		if err != nil {
			return nil, err
		}
		if string(object.GetUID()) != e.UID {
			return nil, fmt.Errorf("change %s: %w: another has its name", e, ErrAbsent)
		}
		changed := object.DeepCopy()
		if err := change(changed); err != nil {
			return nil, err
		}
		patch := difference(object.Object, changed.Object)
		if len(patch) == 0 {
			return object, nil
		}
		meta, _ := patch["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
			patch["metadata"] = meta
		}
		meta["resourceVersion"], meta["uid"] = object.GetResourceVersion(), e.UID
		answer, err := c.patch(ctx, e.Resource, e.Namespace, e.Name, patch)
		if !apierrors.IsConflict(err) || try == tries {
			return answer, err
		}
		if err := wait(ctx, tryAgain); err != nil {
			return nil, err
		}
	}
}

// Revert undoes the edit where it is still the receipt's: fields that are as it
// set them become what they were, and an object of its own is deleted. What
// someone else has changed stays, and is a *chaos.ConflictError. Then the marks
// are taken off, and fields given back to who owned them. It is no error when
// there is nothing to undo.
func (c *Cluster) Revert(ctx context.Context, receipt chaos.Receipt, e Edit) error {
	if e.Made {
		return c.revertBody(ctx, receipt, e)
	}
	var conflict error
	_, err := c.edit(ctx, e, func(object *unstructured.Unstructured) error {
		conflict = nil
		owned := marksOf(object) == MarkOf(receipt)
		for _, change := range e.Changes {
			is := change.in(object.Object)
			found, asBefore := change.before(object.Object)
			switch {
			case is && owned:
				if err := change.revert(object.Object); err != nil {
					return fmt.Errorf("restore %s: %w", e, err)
				}
			case is && !asBefore:
				conflict = errors.Join(conflict, &chaos.ConflictError{Target: e.String(), Want: change.Path.String() + " " + shown(change.Set) + " with this fault's mark", Found: "it without"})
			case owned && !asBefore:
				conflict = errors.Join(conflict, &chaos.ConflictError{Target: e.String(), Want: change.Path.String() + " " + shown(change.Set), Found: shown(found)})
			}
		}
		return nil
	})
	if err == nil {
		// The marks go last, with what says that brunt changed it: restoring the
		// values is a change of brunt's too, so it takes a call of its own.
		chaos.Pass(chaos.Undoing)
		_, err = c.edit(ctx, e, func(object *unstructured.Unstructured) error {
			if marksOf(object) == MarkOf(receipt) {
				unmark(object)
				giveBack(object, e.Owners)
			}
			return nil
		})
	}
	if errors.Is(err, ErrAbsent) {
		return nil
	}
	return errors.Join(err, conflict)
}

func (c *Cluster) revertBody(ctx context.Context, receipt chaos.Receipt, e Edit) error {
	object, err := c.Get(ctx, e.Resource, e.Namespace, e.Name)
	switch {
	case errors.Is(err, ErrAbsent):
		return nil
	case err != nil:
		return err
	case marksOf(object) != MarkOf(receipt):
		return nil // another has its name; it was there before, or came after
	}
	return c.Delete(ctx, e.Resource, e.Namespace, e.Name, string(object.GetUID()), nil)
}

// See says whether the edit is in place, and what was found in a conflict. An
// object that has gone took the edit with it.
func (c *Cluster) See(ctx context.Context, receipt chaos.Receipt, e Edit) (chaos.State, error) {
	object, err := c.Get(ctx, e.Resource, e.Namespace, e.Name)
	switch {
	case errors.Is(err, ErrAbsent):
		return chaos.Gone, nil
	case err != nil:
		return "", err
	}
	owned := marksOf(object) == MarkOf(receipt)
	if e.Made {
		if owned {
			return chaos.Active, nil
		}
		return chaos.Gone, nil
	}
	if string(object.GetUID()) != e.UID {
		return chaos.Gone, nil
	}
	state := chaos.Gone
	for _, change := range e.Changes {
		is := change.in(object.Object)
		found, asBefore := change.before(object.Object)
		switch {
		case is && owned:
			state = chaos.Active
		case is && !asBefore:
			return chaos.Conflict, &chaos.ConflictError{Target: e.String(), Want: change.Path.String() + " " + shown(change.Set) + " with this fault's mark", Found: "it without"}
		case owned && !asBefore:
			return chaos.Conflict, &chaos.ConflictError{Target: e.String(), Want: change.Path.String() + " " + shown(change.Set), Found: shown(found)}
		}
	}
	if owned && state == chaos.Gone {
		return "", fmt.Errorf("%s is as it was, and bears this fault's mark", e)
	}
	return state, nil
}

// in says whether the change is in an object.
func (c Change) in(object map[string]any) bool {
	value := get(object, c.Path)
	if !c.Member {
		return same(value, valueOf(c.Set))
	}
	list, _ := value.([]any)
	return slices.ContainsFunc(list, func(v any) bool { return same(v, valueOf(c.Set)) })
}

// before says whether an object is as it was before the change.
func (c Change) before(object map[string]any) (found any, ok bool) {
	found = get(object, c.Path)
	if c.Member {
		return found, !c.in(object)
	}
	return found, same(found, valueOf(c.Before))
}

func (c Change) apply(object map[string]any) error {
	if !c.Member {
		return set(object, c.Path, valueOf(c.Set))
	}
	value := get(object, c.Path)
	list, _ := value.([]any)
	return set(object, c.Path, append(slices.Clone(list), valueOf(c.Set)))
}

func (c Change) revert(object map[string]any) error {
	if !c.Member {
		return set(object, c.Path, valueOf(c.Before))
	}
	value := get(object, c.Path)
	list, _ := value.([]any)
	list = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return same(v, valueOf(c.Set)) })
	if len(list) == 0 {
		return set(object, c.Path, nil)
	}
	return set(object, c.Path, list)
}

// rawOf is a value as JSON; empty for nil.
func rawOf(value any) json.RawMessage {
	if value == nil {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil // values come from JSON, or from configurations that are
	}
	return text
}

// valueOf is what the API's own decoder makes of it: whole numbers stay whole.
func valueOf(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	var value any
	if err := utiljson.Unmarshal(raw, &value); err != nil {
		return string(raw)
	}
	return value
}

// mostShown bounds a value in a message.
const mostShown = 120

// shown is a value for people.
func shown(value any) string {
	text := ""
	switch v := value.(type) {
	case nil:
	case json.RawMessage:
		text = string(v)
	default:
		text = string(rawOf(v))
	}
	switch {
	case text == "":
		return "none"
	case len(text) > mostShown:
		return text[:mostShown] + "…"
	}
	return text
}
