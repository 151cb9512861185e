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

// May asks the API server whether the caller is let do what is needed. The
// error names everything that it is not.
func (c *Cluster) May(ctx context.Context, needs []chaos.Access) error {
	var asked []attributes
	for _, need := range needs {
		resource, sub, _ := strings.Cut(need.Resource, "/")
		for _, verb := range need.Verbs {
			asked = append(asked, attributes{need.Namespace, verb, need.Group, resource, sub, need.Name})
		}
	}
	return each(asked, func(_ int, a attributes) error {
		r := review{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"}
		r.Spec.Attributes = a
		answer := c.rest.Post().AbsPath("apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews").
			SetHeader("Content-Type", "application/json").Body([]byte(rawOf(r))).Do(ctx)
		text, err := answer.Raw()
		if err != nil {
			return told("ask what is allowed", err)
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("ask what is allowed: %w", err)
		}
		if r.Status.Allowed {
			return nil
		}
		what := a.Resource
		if a.Subresource != "" {
			what += "/" + a.Subresource
		}
		what = Resource{Group: a.Group, Resource: what}.String()
		if a.Name != "" {
			what += " " + a.Name
		}
		where := "in the whole cluster"
		if a.Namespace != "" {
			where = "in namespace " + a.Namespace
		}
		return fmt.Errorf("not allowed: %s %s %s", a.Verb, what, where)
	})
}

// Rehearse asks whether the fault would be let, and has the API server try its
// changes without keeping them.
func (f *fault) Rehearse(ctx context.Context, receipt chaos.Receipt) error {
	c, d, err := f.reopen(receipt)
	if err != nil {
		return err
	}
	defer c.Close()
	denied := c.May(ctx, f.Access())
	if denied != nil {
		return errors.Join(denied, errors.New("brunt rbac SCENARIO prints the role it needs"))
	}
	if err := each(d.Edits, func(_ int, e Edit) error { return c.Apply(Dry(ctx), receipt, e, f.kind.Body) }); err != nil {
		return fmt.Errorf("try it without keeping it: %w", err)
	}
	return nil
}
