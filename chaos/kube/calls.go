package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/brunt-dev/brunt/chaos"
)

// A Resource is a kind of object as the API serves it.
type Resource struct {
	Group    string `json:"group,omitempty"`
	Version  string `json:"version"`
	Resource string `json:"resource"` // plural: "deployments"
}

// Resources of Kubernetes itself.
var (
	Pods         = Resource{"", "v1", "pods"}
	Nodes        = Resource{"", "v1", "nodes"}
	Services     = Resource{"", "v1", "services"}
	Deployments  = Resource{"apps", "v1", "deployments"}
	StatefulSets = Resource{"apps", "v1", "statefulsets"}
	DaemonSets   = Resource{"apps", "v1", "daemonsets"}
	HPAs         = Resource{"autoscaling", "v2", "horizontalpodautoscalers"}
	PDBs         = Resource{"policy", "v1", "poddisruptionbudgets"}
	APIServices  = Resource{"apiregistration.k8s.io", "v1", "apiservices"}
	CRDs         = Resource{"apiextensions.k8s.io", "v1", "customresourcedefinitions"}
)

// String is how kubectl calls it: "deployments.apps".
func (r Resource) String() string {
	return strings.TrimSuffix(r.Resource+"."+r.Group, ".")
}

func (r Resource) gvr() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}
}

// path is where the API serves an object, or without a name all of a namespace.
func (r Resource) path(namespace string, more ...string) []string {
	path := []string{"apis", r.Group, r.Version}
	if r.Group == "" {
		path = []string{"api", r.Version}
	}
	if namespace != "" {
		path = append(path, "namespaces", namespace)
	}
	return append(append(path, r.Resource), more...)
}

// ErrAbsent says that there is no such object.
var ErrAbsent = errors.New("it is not there")

// told puts plain words before the API's own.
func told(what string, err error) error {
	var call *url.Error
	if errors.As(err, &call) {
		err = call.Err
	}
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", what, ErrAbsent, err)
	case apierrors.IsForbidden(err) && !strings.Contains(err.Error(), "exceeded quota"):
		return fmt.Errorf("%s: %w (brunt rbac SCENARIO prints the role it needs)", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Reach says whether the API server answers and takes the credentials.
func Reach(ctx context.Context, connect Connect, target chaos.Kubernetes) error {
	c, err := connect.Open(target)
	if err != nil {
		return err
	}
	defer c.Close()
	return told("look at the cluster", c.rest.Get().AbsPath("/version").Do(ctx).Error())
}

// Get reads one object; the error wraps ErrAbsent when there is none. The
// namespace is empty for what is outside of all.
func (c *Cluster) Get(ctx context.Context, r Resource, namespace, name string) (*unstructured.Unstructured, error) {
	object, err := c.dynamic.Resource(r.gvr()).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if isUnknown(err) {
		return nil, fmt.Errorf("read %s %s: %w", r.Resource, name, &UnknownError{r})
	}
	return object, told("read "+r.Resource+" "+name, err)
}

// A Query chooses objects: by labels and fields, in the syntax of the API.
type Query struct{ Labels, Fields string }

// pageSize is how many objects a call may answer with.
const pageSize = 500

// List reads the objects of a namespace that a query finds, by name.
func (c *Cluster) List(ctx context.Context, r Resource, namespace string, q Query) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	options := metav1.ListOptions{LabelSelector: q.Labels, FieldSelector: q.Fields, Limit: pageSize}
	for {
		page, err := c.dynamic.Resource(r.gvr()).Namespace(namespace).List(ctx, options)
		if isUnknown(err) {
			return nil, fmt.Errorf("list %s: %w", r.Resource, &UnknownError{r})
		}
		if err != nil {
			return nil, told("list "+r.Resource, err)
		}
		all = append(all, page.Items...)
		if options.Continue = page.GetContinue(); options.Continue == "" {
			break
		}
	}
	slices.SortFunc(all, func(a, b unstructured.Unstructured) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return all, nil
}

// ListInto is List into structs of one's own.
func ListInto[T any](ctx context.Context, c *Cluster, r Resource, namespace string, q Query) ([]T, error) {
	found, err := c.List(ctx, r, namespace, q)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(found))
	for i, u := range found {
		if err := Into(u, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Into reads an object into a struct of one's own.
func Into(u unstructured.Unstructured, into any) error {
	text, err := json.Marshal(u.Object)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("understand %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

// GetInto is Get into a struct of one's own.
func (c *Cluster) GetInto(ctx context.Context, r Resource, namespace, name string, into any) error {
	object, err := c.Get(ctx, r, namespace, name)
	if err != nil {
		return err
	}
	return Into(*object, into)
}

// Delete deletes one object, but no other of that name. It is no error when it
// has gone already.
func (c *Cluster) Delete(ctx context.Context, r Resource, namespace, name, uid string, grace *int64) error {
	id := types.UID(uid)
	err := c.dynamic.Resource(r.gvr()).Namespace(namespace).Delete(ctx, name, metav1.DeleteOptions{
		GracePeriodSeconds: grace, Preconditions: &metav1.Preconditions{UID: &id}, DryRun: dryRun(ctx)})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it has gone, or another has its name
	}
	return told("delete "+r.Resource+" "+name, err)
}

// Create makes an object.
func (c *Cluster) Create(ctx context.Context, r Resource, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	made, err := c.dynamic.Resource(r.gvr()).Namespace(object.GetNamespace()).Create(ctx, object, metav1.CreateOptions{FieldManager: Manager, DryRun: dryRun(ctx)})
	if isUnknown(err) {
		return nil, fmt.Errorf("make %s %s: %w", r.Resource, object.GetName(), &UnknownError{r})
	}
	return made, told("make "+r.Resource+" "+object.GetName(), err)
}

// patch is one merge patch.
func (c *Cluster) patch(ctx context.Context, r Resource, namespace, name string, patch map[string]any) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("change %s %s: %w", r.Resource, name, err)
	}
	answer, err := c.dynamic.Resource(r.gvr()).Namespace(namespace).Patch(ctx, name, types.MergePatchType, text,
		metav1.PatchOptions{FieldManager: Manager, DryRun: dryRun(ctx)})
	return answer, told("change "+r.Resource+" "+name, err)
}

// Post sends an object to a subresource, such as a pod's eviction.
func (c *Cluster) Post(ctx context.Context, r Resource, namespace, name, subresource string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%s of %s %s: %w", subresource, r.Resource, name, err)
	}
	request := c.rest.Post().AbsPath(r.path(namespace, name, subresource)...).SetHeader("Content-Type", "application/json").Body(text)
	for _, all := range dryRun(ctx) {
		request = request.Param("dryRun", all)
	}
	return told(subresource+" of "+r.Resource+" "+name, request.Do(ctx).Error())
}

type dryKey struct{}

// Dry makes every change within the context one that the API server only checks:
// it answers as it would, and nothing is kept.
func Dry(ctx context.Context) context.Context { return context.WithValue(ctx, dryKey{}, true) }

func isDry(ctx context.Context) bool { return ctx.Value(dryKey{}) != nil }

func dryRun(ctx context.Context) []string {
	if isDry(ctx) {
		return []string{metav1.DryRunAll}
	}
	return nil
}
