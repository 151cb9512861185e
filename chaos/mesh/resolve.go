package mesh

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// resolve finds the pods that are meant and makes the object that names them.
func resolve(ctx context.Context, c *kube.Cluster, w what, env chaos.Env) (kube.Data, []string, error) {
	var d kube.Data
	var targets []string
	spec := maps.Clone(w.spec)
	if w.places {
		targets = places(spec)
	} else {
		by := w.pods
		if by == nil {
			own, err := ownSelector(spec, c.Place.Namespace)
			if err != nil {
				return d, nil, err
			}
			by = &own
		}
		pods, err := c.FindPods(ctx, *by, env.Seed)
		if err != nil {
			return d, nil, err
		}
		restarts := map[string]int64{}
		for _, p := range pods {
			d.Pods, targets = append(d.Pods, p.Image()), append(targets, p.String())
			for _, s := range p.Status.ContainerStatuses {
				restarts[p.Metadata.UID] += s.RestartCount
			}
		}
		choose(spec, c.Place.Namespace, pods)
		if d.Extra, err = json.Marshal(restarts); err != nil {
			return d, nil, err
		}
	}
	if w.peers != nil {
		all := *w.peers
		all.Pick = cmp.Or(all.Pick, "all")
		peers, err := c.FindPods(ctx, all, env.Seed)
		if err != nil {
			return d, nil, fmt.Errorf("the other end: %w", err)
		}
		peer := map[string]any{}
		choose(peer, c.Place.Namespace, peers)
		spec["target"] = peer
	}
	body, err := object(w.kind, c.Place.Namespace, kube.NameFor(env.Fault), spec)
	if err != nil {
		return d, nil, err
	}
	e, err := kube.Making(resourceOf(w.kind), body)
	d.Edits = []kube.Edit{e}
	return d, targets, err
}

// choose names pods one by one in a spec.
func choose(spec map[string]any, namespace string, pods []kube.Pod) {
	names := make([]any, len(pods))
	for i, p := range pods {
		names[i] = p.Metadata.Name
	}
	spec["mode"] = "all"
	delete(spec, "value")
	spec["selector"] = map[string]any{"namespaces": []any{namespace}, "pods": map[string]any{namespace: names}}
}

// ownSelector is the selector of a spec in full, as one of ours. It refuses what
// reaches beyond the namespace and what cannot be resolved here.
func ownSelector(spec map[string]any, namespace string) (kube.Selector, error) {
	var s v1alpha1.PodSelector
	text, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return kube.Selector{}, fmt.Errorf("spec.selector: %w", plainDecode(err))
	}
	if err := inside(s.Selector, namespace); err != nil {
		return kube.Selector{}, err
	}
	out := kube.Selector{}
	switch s.Mode {
	case v1alpha1.AllMode:
		out.Pick = "all"
	case v1alpha1.OneMode, "":
		out.Pick = "one"
	case v1alpha1.FixedMode:
		out.Pick = s.Value
	case v1alpha1.FixedPercentMode:
		out.Pick = s.Value + "%"
	default:
		return out, fmt.Errorf("mode %s leaves to chance what the seed is to decide; write fixed-percent", s.Mode)
	}
	if names := s.Selector.Pods[namespace]; len(names) > 0 {
		if len(names) > 1 {
			return out, fmt.Errorf("spec.selector.pods names %d pods; choose them by labels", len(names))
		}
		return kube.Selector{Name: names[0]}, nil
	}
	if out.Selector, err = labelSelector(s.Selector.GenericSelectorSpec); err != nil {
		return out, err
	}
	if out.Selector == "" {
		return out, fmt.Errorf("spec.selector chooses no pods: give labelSelectors, or app, selector or name beside the spec")
	}
	return out, nil
}

// inside refuses a selector that reaches beyond the namespace, or that only Chaos
// Mesh could resolve.
func inside(s v1alpha1.PodSelectorSpec, namespace string) error {
	reached := slices.Concat(s.Namespaces, slices.Collect(maps.Keys(s.Pods)))
	for _, other := range reached {
		if other != namespace {
			return fmt.Errorf("spec.selector reaches into namespace %s, which is outside the target", other)
		}
	}
	if len(s.FieldSelectors)+len(s.AnnotationSelectors)+len(s.Nodes)+len(s.NodeSelectors)+len(s.PodPhaseSelectors) > 0 {
		return fmt.Errorf("spec.selector has more than labelSelectors, expressionSelectors and pods: targets are chosen before the run, by labels")
	}
	return nil
}

// places are what a fault on no pods hits, for people.
func places(spec map[string]any) []string {
	var out []string
	for _, key := range []string{"ec2Instance", "instance", "vmName"} {
		if name, ok := spec[key].(string); ok {
			out = append(out, "instance "+name)
		}
	}
	if addresses, ok := spec["address"].([]any); ok {
		for _, a := range addresses {
			out = append(out, fmt.Sprintf("machine %v", a))
		}
	}
	if len(out) == 0 {
		out = append(out, "machines outside the cluster")
	}
	return out
}
