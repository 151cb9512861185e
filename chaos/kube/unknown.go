package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// An UnknownError says that the cluster does not know a kind of object. It is an
// ErrAbsent too.
type UnknownError struct{ Resource Resource }

// vendors are who defines the kinds of other groups than Kubernetes' own, and how
// people call what brings the definitions.
var vendors = map[string]string{
	"networking.istio.io":       "Istio",
	"gateway.networking.k8s.io": "the Gateway API (its standard channel)",
	"policy.linkerd.io":         "Linkerd",
	"chaos-mesh.org":            "Chaos Mesh",
	"keda.sh":                   "KEDA",
	"karpenter.sh":              "Karpenter",
}

func (e *UnknownError) Error() string {
	owner := vendors[e.Resource.Group]
	if owner == "" {
		owner = "what defines it"
	}
	return fmt.Sprintf("the cluster has no CRD %s with version %s: install %s there, or name a cluster that has it in target.kubernetes", e.Resource, e.Resource.Version, owner)
}

// Is makes it an ErrAbsent.
func (e *UnknownError) Is(target error) bool { return target == ErrAbsent }

// isUnknown says whether the API server knows the whole kind of object not; where
// it only lacks one object, or a namespace, it names that.
func isUnknown(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == "" || details.Kind == ""
}

// Known returns an *UnknownError when the API server does not serve a kind of
// object. Everybody who has signed in may ask.
func (c *Cluster) Known(ctx context.Context, r Resource) error {
	text, err := c.rest.Get().AbsPath(r.path("")[:len(r.path(""))-1]...).Do(ctx).Raw()
	if apierrors.IsNotFound(err) {
		return &UnknownError{r}
	}
	if err != nil {
		return told("ask what the API server serves", err)
	}
	var list struct {
		Resources []struct {
			Name string `json:"name"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("ask what the API server serves: %w", err)
	}
	for _, known := range list.Resources {
		if known.Name == r.Resource {
			return nil
		}
	}
	return &UnknownError{r}
}
