package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
)

// review is a SelfSubjectAccessReview, as far as it matters here.
type review struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Attributes attributes `json:"resourceAttributes"`
	} `json:"spec"`
	Status struct {
		Allowed bool   `json:"allowed"`
		Reason  string `json:"reason"`
	} `json:"status"`
}

type attributes struct {
	Namespace   string `json:"namespace,omitempty"`
	Verb        string `json:"verb"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Name        string `json:"name,omitempty"`
}

// Denied asks an API server, of a target's cluster, what of what is needed the
// caller is not let do. In the answer each need has the verbs that are denied.
func (connect Connect) Denied(ctx context.Context, target chaos.Kubernetes, needs []chaos.Access) ([]chaos.Access, error) {
	c, err := connect.Open(target)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.denied(ctx, needs)
}

func (c *Cluster) denied(ctx context.Context, needs []chaos.Access) ([]chaos.Access, error) {
	type question struct {
		need, verb int
		attributes
	}
	var asked []question
	refused := make([][]bool, len(needs))
	for i, need := range needs {
		resource, sub, _ := strings.Cut(need.Resource, "/")
		refused[i] = make([]bool, len(need.Verbs))
		for j, verb := range need.Verbs {
			asked = append(asked, question{i, j, attributes{need.Namespace, verb, need.Group, resource, sub, need.Name}})
		}
	}
	err := each(asked, func(_ int, q question) error {
		r := review{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"}
		r.Spec.Attributes = q.attributes
		answer := c.rest.Post().AbsPath("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews").
			SetHeader("Content-Type", "application/json").Body([]byte(rawOf(r))).Do(ctx)
		text, err := answer.Raw()
		if err != nil {
			return told("ask what is allowed", err)
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("ask what is allowed: %w", err)
		}
		refused[q.need][q.verb] = !r.Status.Allowed
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []chaos.Access
	for i, need := range needs {
		left := need
		left.Verbs = nil
		for j, verb := range need.Verbs {
			if refused[i][j] {
				left.Verbs = append(left.Verbs, verb)
			}
		}
		if len(left.Verbs) > 0 {
			all = append(all, left)
		}
	}
	return all, nil
}

// Permission is an access in words: "get, patch deployments.apps pay in namespace shop".
func Permission(a chaos.Access) string {
	text := strings.Join(a.Verbs, ", ") + " " + Resource{Group: a.Group, Resource: a.Resource}.String()
	if a.Name != "" {
		text += " " + a.Name
	}
	if a.Namespace == "" {
		return text + " in the whole cluster"
	}
	return text + " in namespace " + a.Namespace
}

// Rehearse asks whether the fault would be let, and has the API server try its
// changes without keeping them.
func (f *fault) Rehearse(ctx context.Context, receipt chaos.Receipt) error {
	c, d, err := f.reopen(receipt)
	if err != nil {
		return err
	}
	defer c.Close()
	denied, err := c.denied(ctx, f.Access())
	if err != nil {
		return err
	}
	if len(denied) > 0 {
		var errs []error
		for _, a := range denied {
			errs = append(errs, errors.New("not allowed: "+Permission(a)))
		}
		return errors.Join(append(errs, errors.New("brunt rbac SCENARIO prints the role it needs"))...)
	}
	if err := each(d.Edits, func(_ int, e Edit) error { return c.Apply(Dry(ctx), receipt, e, f.kind.Body) }); err != nil {
		if unknown := new(UnknownError); errors.As(err, &unknown) {
			return fmt.Errorf("%s: %w", f.kind.Name, unknown)
		}
		return fmt.Errorf("try it without keeping it: %w", err)
	}
	return nil
}
