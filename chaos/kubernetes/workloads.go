package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// A Workload says which Deployment or StatefulSet is meant, in one way.
type Workload struct {
	Deployment  string `yaml:"deployment" doc:"A Deployment, by its name." example:"payments"`
	StatefulSet string `yaml:"statefulset" doc:"A StatefulSet, by its name." example:"postgres"`
	App         string `yaml:"app" doc:"The Deployments and StatefulSets of an application: label app or app.kubernetes.io/name." example:"payments"`
}

// Validate reports what no workload can be found by.
func (w Workload) Validate(report func(field, message, hint string)) {
	ways := 0
	for _, name := range []string{w.Deployment, w.StatefulSet, w.App} {
		if name != "" {
			ways++
		}
	}
	if ways != 1 {
		report("", "exactly one of deployment, statefulset and app is needed, and there are "+strconv.Itoa(ways), "say which: `deployment: payments`")
	}
}

// String is the workload for people.
func (w Workload) String() string {
	switch {
	case w.Deployment != "":
		return "deployment " + w.Deployment
	case w.StatefulSet != "":
		return "statefulset " + w.StatefulSet
	}
	return "app " + w.App
}

// workload is what matters here of one.
type workload struct {
	Metadata kube.Meta `json:"metadata"`
	Spec     struct {
		Replicas *int64 `json:"replicas"`
	} `json:"spec"`
	Status struct {
		Replicas           int64 `json:"replicas"`
		ReadyReplicas      int64 `json:"readyReplicas"`
		ObservedGeneration int64 `json:"observedGeneration"`
	} `json:"status"`
	resource kube.Resource
}

func (w workload) meta() kube.Meta { return w.Metadata }

// String is what people call it: "deployment payments".
func (w workload) String() string { return nameOf(w.resource) + " " + w.Metadata.Name }

func nameOf(r kube.Resource) string {
	if r == kube.StatefulSets {
		return "statefulset"
	}
	return "deployment"
}

// find finds the workloads that are meant.
func (w Workload) find(ctx context.Context, c *kube.Cluster) ([]workload, error) {
	var all []workload
	for _, part := range w.parts() {
		found, err := kube.Find(ctx, c, part.resource, c.Place.Namespace, part.by, workload.meta)
		if errors.Is(err, kube.ErrAbsent) && part.by.Name != "" {
			return nil, fmt.Errorf("namespace %s has no %s called %s", c.Place.Namespace, nameOf(part.resource), part.by.Name)
		}
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			one.resource = part.resource
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("namespace %s has no deployment and no statefulset of %s", c.Place.Namespace, w)
	}
	return all, nil
}

type part struct {
	resource kube.Resource
	by       kube.Selector
}

func (w Workload) parts() []part {
	switch {
	case w.Deployment != "":
		return []part{{kube.Deployments, kube.Selector{Name: w.Deployment}}}
	case w.StatefulSet != "":
		return []part{{kube.StatefulSets, kube.Selector{Name: w.StatefulSet}}}
	}
	return []part{{kube.Deployments, kube.Selector{App: w.App}}, {kube.StatefulSets, kube.Selector{App: w.App}}}
}

func (w Workload) access(namespace string) []chaos.Access {
	var access []chaos.Access
	for _, p := range w.parts() {
		access = append(access, p.by.Access(p.resource, namespace, "patch"))
	}
	return access
}

// Scale sets the number of replicas.
type Scale struct {
	Workload
	To int64 `yaml:"to" doc:"How many replicas it is scaled to. At 0 autoscalers leave it alone; otherwise one that scales it meanwhile is a conflict." min:"0" max:"10000" default:"0"`
}

var scale = kube.Kind{Name: "scale", Seen: scaled}

// WhatScale says what the fault does.
func WhatScale(c Scale) string { return fmt.Sprintf("scale %s to %d", c.Workload, c.To) }

// Scale makes the fault.
func (f Faults) Scale(c Scale, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	return kube.New(f.Connect, scale, kube.Plan{Env: env, Access: c.access(env.Kubernetes.Namespace),
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			var d kube.Data
			var targets []string
			found, err := c.find(ctx, cluster)
			if err != nil {
				return d, nil, err
			}
			for _, w := range found {
				e, err := changing(ctx, cluster, w.resource, cluster.Place.Namespace, w.Metadata.Name, map[string]any{"spec.replicas": c.To})
				if err != nil {
					return d, nil, err
				}
				d.Edits, targets = append(d.Edits, e), append(targets, w.String())
			}
			return d, targets, nil
		}}), nil
}

// scaled looks at what the controllers made of it: as many pods as were asked
// for while the fault is on, and the number seen by them when it is gone.
func scaled(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data, edited chaos.State) (chaos.State, error) {
	for _, e := range d.Edits {
		var w workload
		err := c.GetInto(ctx, e.Resource, e.Namespace, e.Name, &w)
		switch {
		case errors.Is(err, kube.ErrAbsent):
			continue
		case err != nil:
			return "", err
		}
		want := int64(1)
		if w.Spec.Replicas != nil {
			want = *w.Spec.Replicas
		}
		switch {
		case w.Status.ObservedGeneration < w.Metadata.Generation:
			return "", fmt.Errorf("%w: the controller has not seen the new number of replicas of %s", chaos.ErrNoEvidence, e)
		case edited == chaos.Active && w.Status.Replicas != want:
			return "", fmt.Errorf("%w: %s has %d pods, and is to have %d", chaos.ErrNoEvidence, e, w.Status.Replicas, want)
		}
	}
	return edited, nil
}

// RolloutRestart replaces all pods of a workload, by its own strategy. It is a
// one-shot.
type RolloutRestart struct{ Workload }

var rolloutRestart = kube.Kind{Name: "rollout_restart", OneShot: true, Inject: restart, Seen: restarted,
	Whole: func(d kube.Data) bool { return len(d.Extra) > 0 }}

// restartedAt is the annotation that kubectl rollout restart sets.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// WhatRolloutRestart says what the fault does.
func WhatRolloutRestart(c RolloutRestart) string { return "restart " + c.Workload.String() }

// RolloutRestart makes the fault.
func (f Faults) RolloutRestart(c RolloutRestart, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	return kube.New(f.Connect, rolloutRestart, kube.Plan{Env: env, Access: c.access(env.Kubernetes.Namespace),
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			found, err := c.find(ctx, cluster)
			if err != nil {
				return kube.Data{}, nil, err
			}
			var edits []kube.Edit
			var targets []string
			for _, w := range found {
				e, err := changing(ctx, cluster, w.resource, cluster.Place.Namespace, w.Metadata.Name,
					map[string]any{`spec.template.metadata.annotations["` + restartedAt + `"]`: time.Now().UTC().Format(time.RFC3339Nano)})
				if err != nil {
					return kube.Data{}, nil, err
				}
				edits, targets = append(edits, e), append(targets, w.String())
			}
			extra, err := json.Marshal(edits)
			return kube.Data{Extra: extra}, targets, err
		}}), nil
}

func restart(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data) error {
	var edits []kube.Edit
	if err := json.Unmarshal(d.Extra, &edits); err != nil {
		return err
	}
	for _, e := range edits {
		if err := c.Set(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// restarted says Active once the controllers have seen the new template.
func restarted(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data, _ chaos.State) (chaos.State, error) {
	var edits []kube.Edit
	if err := json.Unmarshal(d.Extra, &edits); err != nil {
		return "", err
	}
	for _, e := range edits {
		in, err := c.In(ctx, e)
		if err != nil {
			return "", err
		}
		var w workload
		if err := c.GetInto(ctx, e.Resource, e.Namespace, e.Name, &w); err != nil {
			return "", err
		}
		if !in || w.Status.ObservedGeneration < w.Metadata.Generation {
			return chaos.Gone, nil
		}
	}
	return chaos.Active, nil
}
