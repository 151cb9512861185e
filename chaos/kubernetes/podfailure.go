package kubernetes

import (
	"context"
	"fmt"
	"slices"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// PodFailure keeps pods from working for a while: their containers run an image
// that does nothing.
type PodFailure struct {
	kube.Selector
	Image string `yaml:"image" doc:"The image that the containers run instead: one that does nothing, and that the nodes can pull." default:"registry.k8s.io/pause:3.10"`
}

var podFailure = kube.Kind{Name: "pod_failure", Seen: imagesSeen}

// Validate reports what no pod can be found by.
func (c PodFailure) Validate(report func(field, message, hint string)) { c.Selector.Validate(report) }

// WhatPodFailure says what the fault does.
func WhatPodFailure(c PodFailure) string {
	return "stop the containers of pods of " + c.Selector.String()
}

// PodFailure makes the fault.
func (f Faults) PodFailure(c PodFailure, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	access := []chaos.Access{c.Access(kube.Pods, env.Kubernetes.Namespace, "patch")}
	return kube.New(f.Connect, podFailure, kube.Plan{Env: env, Access: access,
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			pods, err := cluster.FindPods(ctx, c.Selector, env.Seed)
			if err != nil {
				return kube.Data{}, nil, err
			}
			d, targets := imagesOf(pods)
			for _, p := range pods {
				set := map[string]any{}
				for _, container := range p.Spec.Containers {
					set["spec.containers[name="+container.Name+"].image"] = c.Image
				}
				e, err := changing(ctx, cluster, kube.Pods, cluster.Place.Namespace, p.Metadata.Name, set)
				if err != nil {
					return d, nil, err
				}
				d.Edits = append(d.Edits, e)
			}
			return d, targets, nil
		}}), nil
}

// changing makes an edit of an object as it is now.
func changing(ctx context.Context, c *kube.Cluster, r kube.Resource, namespace, name string, set map[string]any) (kube.Edit, error) {
	object, err := c.Get(ctx, r, namespace, name)
	if err != nil {
		return kube.Edit{}, err
	}
	return kube.Changing(r, object, set)
}

// imagesSeen looks at what the kubelets say of the containers: those of a failed
// pod are of the other image, or are not ready.
func imagesSeen(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data, edited chaos.State) (chaos.State, error) {
	if edited != chaos.Active {
		return edited, nil
	}
	for _, p := range d.Pods {
		var now kube.Pod
		if err := c.GetInto(ctx, kube.Pods, c.Place.Namespace, p.Name, &now); err != nil {
			return "", fmt.Errorf("look at %s: %w", p, err)
		}
		statuses := now.Status.ContainerStatuses
		if len(statuses) > 0 && !slices.ContainsFunc(statuses, func(s kube.ContainerStatus) bool { return s.Ready && !runs(now, s) }) {
			continue
		}
		return "", fmt.Errorf("%w: the containers of %s are to be replaced, and its kubelet has not done so", chaos.ErrNoEvidence, p)
	}
	return chaos.Active, nil
}

// runs says whether a container runs the image that the pod asks for now.
func runs(p kube.Pod, s kube.ContainerStatus) bool {
	return slices.ContainsFunc(p.Spec.Containers, func(c kube.Container) bool { return c.Name == s.Name && c.Image == s.Image })
}
