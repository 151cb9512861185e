package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
)

// Set makes the changes of an edit without marks: for what is not undone.
func (c *Cluster) Set(ctx context.Context, e Edit) error {
	_, err := c.set(ctx, e)
	return err
}

func (c *Cluster) set(ctx context.Context, e Edit) (*unstructured.Unstructured, error) {
	return c.edit(ctx, e, func(object *unstructured.Unstructured) error {
		for _, change := range e.Changes {
			if err := change.apply(object.Object); err != nil {
				return fmt.Errorf("change %s: %w", e, err)
			}
		}
		return nil
	})
}

// In says whether all changes of an edit are in its object.
func (c *Cluster) In(ctx context.Context, e Edit) (bool, error) {
	object, err := c.Get(ctx, e.Resource, e.Namespace, e.Name)
	if errors.Is(err, ErrAbsent) || err == nil && string(object.GetUID()) != e.UID {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, change := range e.Changes {
		if !change.in(object.Object) {
			return false, nil
		}
	}
	return true, nil
}

// Settle has the API server try the changes without keeping them, and puts what
// it would make of each value in the place of what was asked for.
func (c *Cluster) Settle(ctx context.Context, e Edit) (Edit, error) {
	answer, err := c.set(Dry(ctx), e)
	if err != nil {
		return e, err
	}
	for i, change := range e.Changes {
		if change.Member {
			continue
		}
		value := get(answer.Object, change.Path)
		e.Changes[i].Set = rawOf(value)
		if same(valueOf(e.Changes[i].Set), valueOf(change.Before)) {
			return e, &chaos.ConflictError{Target: e.String(), Want: change.Path.String() + " to become " + shown(change.Set), Found: "that the API server would leave it at " + shown(change.Before)}
		}
	}
	return e, nil
}

// Plural is the plural that almost all kinds have in the API: "HTTPRoute",
// "httproutes".
func Plural(kind string) string {
	kind = strings.ToLower(kind)
	switch {
	case strings.HasSuffix(kind, "s"), strings.HasSuffix(kind, "x"), strings.HasSuffix(kind, "ch"):
		return kind + "es"
	case strings.HasSuffix(kind, "y") && !strings.HasSuffix(kind, "ay") && !strings.HasSuffix(kind, "ey"):
		return strings.TrimSuffix(kind, "y") + "ies"
	}
	return kind + "s"
}
