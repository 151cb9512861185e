package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/brunt-dev/brunt/chaos"
)

// A Selector says which objects are meant. Configurations of kinds embed it.
type Selector struct {
	Name     string `yaml:"name" doc:"One of them, by its name." example:"payments-7c9d-x2x4k"`
	Selector string `yaml:"selector" doc:"Those with these labels, as kubectl takes them." example:"app=payments,tier!=batch"`
	App      string `yaml:"app" doc:"Those of an application: label app or app.kubernetes.io/name." example:"postgres"`
	Role     string `yaml:"role" doc:"Those with this role, in one of the labels role, app.kubernetes.io/component, cnpg.io/instanceRole, spilo-role." example:"primary"`
	Pick     string `yaml:"pick" doc:"How many of them, chosen by the scenario's seed: one, all, a number, or a share such as 30%, rounded up; one unless told." example:"30%"`
}

// Labels that stand for an application and for a role in it.
var (
	appLabels  = []string{"app", "app.kubernetes.io/name"}
	roleLabels = []string{"role", "app.kubernetes.io/component", "cnpg.io/instanceRole", "spilo-role"}
)

// Validate reports what nothing can be found by.
func (s Selector) Validate(report func(field, message, hint string)) {
	const hint = "say which: `app: payments`, `selector: app=payments`, or `name: payments-0`"
	ways := 0
	for _, set := range []bool{s.Name != "", s.Selector != "", s.App != ""} {
		if set {
			ways++
		}
	}
	switch {
	case ways == 0 && s.Role == "":
		report("", "one of name, selector, app and role is needed", hint)
	case ways > 1:
		report("", fmt.Sprintf("one of name, selector and app is enough, and there are %d", ways), hint)
	case s.Name != "" && (s.Role != "" || s.Pick != ""):
		report("", "a name leaves nothing to choose by role or pick", "remove role and pick")
	}
	if _, err := labels.Parse(s.Selector); err != nil {
		report("selector", "this is no label selector: "+err.Error(), "write app=payments, or app in (a,b),tier!=batch")
	}
	if _, err := s.count(1 << 30); err != nil {
		report("pick", err.Error(), "write one, all, 3 or 30%")
	}
}

// Access is what finding the objects takes, and with the verbs doing something
// to each of them.
func (s Selector) Access(r Resource, namespace string, verbs ...string) chaos.Access {
	if s.Name == "" {
		verbs = append([]string{"list"}, verbs...)
	}
	return chaos.Access{Verbs: append([]string{"get"}, verbs...), Group: r.Group, Resource: r.Resource, Namespace: namespace, Name: s.Name}
}

// String is the selector for people: "app payments, role primary".
func (s Selector) String() string {
	var parts []string
	for _, p := range []struct{ what, text string }{{"", s.Name}, {"", s.Selector}, {"app ", s.App}, {"role ", s.Role}} {
		if p.text != "" {
			parts = append(parts, p.what+p.text)
		}
	}
	text := strings.Join(parts, ", ")
	if s.Pick != "" && s.Name == "" {
		text += " (" + s.Pick + ")"
	}
	return text
}

// count is how many of a number of objects are meant.
func (s Selector) count(of int) (int, error) {
	switch s.Pick {
	case "", "one":
		return min(1, of), nil
	case "all":
		return of, nil
	}
	if share, ok := strings.CutSuffix(s.Pick, "%"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return 0, fmt.Errorf("%q is no share: it is more than 0%% and at most 100%%", s.Pick)
		}
		return int(math.Ceil(percent / 100 * float64(of))), nil
	}
	n, err := strconv.Atoi(s.Pick)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no number of targets", s.Pick)
	}
	if n > of && of > 0 {
		return 0, fmt.Errorf("%d are to be picked, and there are %d", n, of)
	}
	return n, nil
}

// Find lists the objects of a namespace that the selector finds, by name: all of
// them, before any is picked.
func Find[T any](ctx context.Context, c *Cluster, r Resource, namespace string, s Selector, meta func(T) Meta) ([]T, error) {
	if s.Name != "" {
		var one T
		if err := c.GetInto(ctx, r, namespace, s.Name, &one); err != nil {
			return nil, err
		}
		return []T{one}, nil
	}
	queries := []string{s.Selector}
	if s.App != "" {
		queries = queries[:0]
		for _, label := range appLabels {
			queries = append(queries, label+"="+s.App)
		}
	} else if s.Selector == "" {
		queries = queries[:0]
		for _, label := range roleLabels {
			queries = append(queries, label+"="+s.Role)
		}
	}
	seen := map[string]bool{}
	var found []T
	for _, q := range queries {
		page, err := ListInto[T](ctx, c, r, namespace, Query{Labels: q})
		if err != nil {
			return nil, err
		}
		for _, o := range page {
			m := meta(o)
			if seen[m.UID] || s.Role != "" && !slices.ContainsFunc(roleLabels, func(l string) bool { return m.Labels[l] == s.Role }) {
				continue
			}
			seen[m.UID] = true
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b T) int { return cmp.Compare(meta(a).Name, meta(b).Name) })
	return found, nil
}

// Choose picks as many of the objects as the selector says. The same seed picks
// the same ones of the same list.
func Choose[T any](found []T, s Selector, what string, seed uint64) ([]T, error) {
	if len(found) == 0 {
		return nil, fmt.Errorf("no %s is found by %s", what, s)
	}
	n, err := s.count(len(found))
	if err != nil {
		return nil, fmt.Errorf("pick of %s: %w", s, err)
	}
	if n == len(found) {
		return found, nil
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	places := rng.Perm(len(found))[:n]
	slices.Sort(places)
	chosen := make([]T, n)
	for i, p := range places {
		chosen[i] = found[p]
	}
	return chosen, nil
}

// Meta is what matters here of an object's metadata.
type Meta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	CreationTimestamp time.Time         `json:"creationTimestamp"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	Generation        int64             `json:"generation"`
	OwnerReferences   []Owner           `json:"ownerReferences"`
	Finalizers        []string          `json:"finalizers"`
}

// An Owner is an object's, such as a pod's ReplicaSet.
type Owner struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller"`
}

// A Condition is one of an object's status.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Is says whether one of the conditions has a status: "True", "False".
func Is(conditions []Condition, kind, status string) bool {
	return slices.ContainsFunc(conditions, func(c Condition) bool { return c.Type == kind && c.Status == status })
}

// A Pod is what matters here of one.
type Pod struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		NodeName   string      `json:"nodeName"`
		Containers []Container `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase             string            `json:"phase"`
		Conditions        []Condition       `json:"conditions"`
		ContainerStatuses []ContainerStatus `json:"containerStatuses"`
	} `json:"status"`
}

// A Container is one of a pod's.
type Container struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

// A ContainerStatus is how one of a pod's containers is.
type ContainerStatus struct {
	Name         string `json:"name"`
	Image        string `json:"image"`
	ContainerID  string `json:"containerID"`
	RestartCount int64  `json:"restartCount"`
	Ready        bool   `json:"ready"`
}

// MetaOf is the pod's metadata.
func (p Pod) MetaOf() Meta { return p.Metadata }

// Alive says whether the pod runs or is about to, and is not being deleted.
func (p Pod) Alive() bool {
	return p.Metadata.DeletionTimestamp == nil && p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed"
}

// String is the pod for people.
func (p Pod) String() string { return "pod " + p.Metadata.Name }

// FindPods finds the living pods of the target's namespace that a selector means,
// and picks among them.
func (c *Cluster) FindPods(ctx context.Context, s Selector, seed uint64) ([]Pod, error) {
	pods, err := Find(ctx, c, Pods, c.Place.Namespace, s, Pod.MetaOf)
	if errors.Is(err, ErrAbsent) && s.Name != "" {
		return nil, fmt.Errorf("namespace %s has no pod called %s", c.Place.Namespace, s.Name)
	}
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(pods, func(p Pod) bool { return !p.Alive() })
	return Choose(pods, s, "living pod in namespace "+c.Place.Namespace, seed)
}
