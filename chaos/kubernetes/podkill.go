package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// PodKill deletes pods. It is a one-shot: their controllers make new ones.
type PodKill struct {
	kube.Selector
	Grace time.Duration `yaml:"grace" doc:"How long a pod has to end by itself; at 0s it is gone at once, as when its node dies." default:"0s" min:"0s" max:"1h"`
}

var podKill = kube.Kind{Name: "pod_kill", OneShot: true, Whole: onPods, Inject: deletePods, Seen: podsGone}

// Validate reports what no pod can be found by.
func (c PodKill) Validate(report func(field, message, hint string)) { c.Selector.Validate(report) }

// WhatPodKill says what the fault does.
func WhatPodKill(c PodKill) string { return "kill pods of " + c.Selector.String() }

// PodKill makes the fault.
func (f Faults) PodKill(c PodKill, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	access := []chaos.Access{c.Access(kube.Pods, env.Kubernetes.Namespace, "delete")}
	return kube.New(f.Connect, podKill, kube.Plan{Env: env, Access: access,
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			pods, err := cluster.FindPods(ctx, c.Selector, env.Seed)
			if err != nil {
				return kube.Data{}, nil, err
			}
			d, targets := imagesOf(pods)
			d.Extra = graceOf(c.Grace)
			return d, targets, nil
		}}), nil
}

// imagesOf are pods as a receipt and as people know them.
func imagesOf(pods []kube.Pod) (kube.Data, []string) {
	var d kube.Data
	var targets []string
	for _, p := range pods {
		d.Pods, targets = append(d.Pods, p.Image()), append(targets, p.String())
	}
	return d, targets
}

// deletePods deletes the very pods of a receipt.
func deletePods(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data) error {
	grace := readGrace(d.Extra)
	var errs []error
	for _, p := range d.Pods {
		errs = append(errs, c.Delete(ctx, kube.Pods, c.Place.Namespace, p.Name, p.UID, &grace))
	}
	return errors.Join(errs...)
}

// podsGone says Active once every pod of the receipt is gone, or on its way.
func podsGone(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data, _ chaos.State) (chaos.State, error) {
	for _, p := range d.Pods {
		gone, err := isGone(ctx, c, p)
		if err != nil {
			return "", err
		}
		if !gone {
			return chaos.Gone, nil
		}
	}
	return chaos.Active, nil
}

// isGone says whether the very pod is gone, or being deleted.
func isGone(ctx context.Context, c *kube.Cluster, p kube.PodImage) (bool, error) {
	var now kube.Pod
	err := c.GetInto(ctx, kube.Pods, c.Place.Namespace, p.Name, &now)
	switch {
	case errors.Is(err, kube.ErrAbsent):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look at %s: %w", p, err)
	}
	return now.Metadata.UID != p.UID || now.Metadata.DeletionTimestamp != nil, nil
}

// graceOf is a grace period as receipts have it, in whole seconds.
func graceOf(grace time.Duration) json.RawMessage {
	return json.RawMessage(strconv.FormatInt(int64(math.Ceil(grace.Seconds())), 10))
}

// readGrace is 0 where a receipt has none.
func readGrace(raw json.RawMessage) int64 {
	var seconds int64
	_ = json.Unmarshal(raw, &seconds)
	return seconds
}
