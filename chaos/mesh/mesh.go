// Package mesh breaks things through Chaos Mesh: any of its kinds as they are,
// and short forms of those that people use most.
//
// Chaos Mesh's own types default and validate an object before anything starts;
// on the wire it is plain JSON. Targets are chosen here, by the scenario's seed,
// and named in the object one by one, so that what is counted is what is hit.
// Each object has a duration, after which Chaos Mesh ends the fault by itself,
// whatever becomes of brunt.
//
// Chaos Mesh applies a fault before it records it, and its conditions can say
// AllInjected and AllRecovered while records do not. So a fault counts as
// injected when every record says so, with a count, and as gone when its object
// is gone and no pod's own object names it any more. A finalizer that stays, or a
// daemon that fails, is told as it is; finalizers are never taken off.
package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chaos-mesh/chaos-mesh/api/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// A Form is the configuration of a kind of this package.
type Form interface {
	Validate(report func(field, message, hint string))
	what() what
}

// what is a form as Chaos Mesh takes it.
type what struct {
	kind   string         // "NetworkChaos"
	spec   map[string]any // without the selector, where select says which pods
	pods   *kube.Selector // nil: the spec has its own
	peers  *kube.Selector // of a network fault: the other end
	places bool           // it is about no pods, and the scenario lets it
	says   string         // for people: "delay packets of app payments by 300ms"
}

// Names are the kinds of this package: mesh for any of Chaos Mesh's, and its
// short forms.
func Names() []string {
	return []string{"mesh", "net_delay", "net_loss", "net_duplicate", "net_corrupt", "net_partition", "net_bandwidth", "http_abort", "http_delay",
		"io_latency", "io_fault", "cpu_stress", "memory_stress", "time_skew", "dns_error", "dns_random", "container_kill"}
}

// Kinds are those of Chaos Mesh that hit something, by name.
func Kinds() []string { return slices.Sorted(maps.Keys(v1alpha1.AllKinds())) }

// What says what a fault does.
func What[C Form](c C) string { return c.what().says }

// OneShot says whether the fault is over at once.
func OneShot[C Form](c C) bool {
	w := c.what()
	action, _ := w.spec["action"].(string)
	return w.kind == "PodChaos" && (action == "pod-kill" || action == "container-kill") || slices.Contains([]string{"ec2-restart", "vm-restart", "node-reset"}, action)
}

// New makes faults of a kind.
func New[C Form](connect kube.Connect, name string) func(C, chaos.Env) (chaos.Fault, error) {
	return func(c C, env chaos.Env) (chaos.Fault, error) {
		var problem error
		c.Validate(func(field, message, _ string) {
			problem = errors.Join(problem, errors.New(strings.TrimPrefix(field+": ", ": ")+message))
		})
		if problem != nil {
			return nil, fmt.Errorf("make fault %s: %w", env.Fault, problem)
		}
		if env.Kubernetes.Namespace == "" {
			return nil, errors.New("target.kubernetes is missing, so nothing in any cluster may be broken; add target: { kubernetes: { namespace: NAME } }")
		}
		w := c.what()
		namespace := env.Kubernetes.Namespace
		access := []chaos.Access{{Verbs: []string{"get", "create", "delete"}, Group: group, Resource: resourceOf(w.kind).Resource, Namespace: namespace}}
		if !w.places {
			by := kube.Selector{}
			if w.pods != nil {
				by = *w.pods
			}
			access = append(access, by.Access(kube.Pods, namespace))
		}
		if w.peers != nil {
			access = append(access, w.peers.Access(kube.Pods, namespace))
		}
		if pods := podObjects[w.kind]; pods != "" {
			access = append(access, chaos.Access{Verbs: []string{"list"}, Group: group, Resource: pods, Namespace: namespace})
		}
		return kube.New(connect, kindOf(name, OneShot(c)), kube.Plan{Env: env, Access: access,
			Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
				return resolve(ctx, cluster, w, env)
			}}), nil
	}
}

// Mend makes faults of a kind that undo from receipts alone.
func Mend(connect kube.Connect, name string) func() chaos.Fault {
	return kube.Mend(connect, kindOf(name, false))
}

func kindOf(name string, oneShot bool) kube.Kind {
	return kube.Kind{Name: name, OneShot: oneShot, Body: withDuration, Inject: injected, Seen: seen}
}

// The API group and version of Chaos Mesh.
const (
	group   = "chaos-mesh.org"
	version = "v1alpha1"
)

// resourceOf is a kind as the API serves it: their plurals are their singulars.
func resourceOf(kind string) kube.Resource {
	return kube.Resource{Group: group, Version: version, Resource: strings.ToLower(kind)}
}

// kindOfResource finds the kind of a resource.
func kindOfResource(resource string) string {
	for _, kind := range Kinds() {
		if strings.ToLower(kind) == resource {
			return kind
		}
	}
	return ""
}

// podObjects are the objects through which Chaos Mesh reaches single pods. Each
// says which faults it carries out.
var podObjects = map[string]string{"NetworkChaos": "podnetworkchaos", "IOChaos": "podiochaos", "HTTPChaos": "podhttpchaos"}

// object makes the typed object of a spec: decoded strictly, defaulted and
// validated by Chaos Mesh's own code.
func object(kind, namespace, name string, spec map[string]any) (*unstructured.Unstructured, error) {
	spawn, ok := v1alpha1.AllKinds()[kind]
	if !ok {
		return nil, fmt.Errorf("%q is no kind of Chaos Mesh's that hits anything; they are %s", kind, strings.Join(Kinds(), ", "))
	}
	text, err := json.Marshal(map[string]any{"apiVersion": group + "/" + version, "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": namespace}, "spec": spec})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", kind, err)
	}
	typed := spawn.SpawnObject()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(typed); err != nil {
		return nil, plainDecode(err)
	}
	checked, ok := typed.(v1alpha1.InnerObject)
	if !ok {
		return nil, fmt.Errorf("%s cannot be checked", kind)
	}
	if err := checked.Default(context.Background(), typed); err != nil {
		return nil, fmt.Errorf("default %s: %w", kind, err)
	}
	if _, err := checked.ValidateCreate(context.Background(), typed); err != nil {
		return nil, plainInvalid(err)
	}
	if text, err = json.Marshal(typed); err != nil {
		return nil, fmt.Errorf("write %s: %w", kind, err)
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, fmt.Errorf("write %s: %w", kind, err)
	}
	delete(body, "status")
	delete(body["metadata"].(map[string]any), "creationTimestamp")
	return &unstructured.Unstructured{Object: body}, nil
}

// plainDecode takes Go's words out of a decoding error.
func plainDecode(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		want := map[string]string{"string": "text", "bool": "true or false", "float64": "a number", "slice": "a list", "map": "a map", "struct": "a map"}[wrong.Type.Kind().String()]
		if want == "" {
			want = "a whole number"
		}
		return fmt.Errorf("%s is to be %s, and is %s", wrong.Field, want, wrong.Value)
	}
	return errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "json: "), "unknown field", "there is no field"))
}

// plainInvalid takes the frame off what validation says.
func plainInvalid(err error) error {
	text := err.Error()
	if i := strings.Index(text, " is invalid: "); i >= 0 {
		text = text[i+len(" is invalid: "):]
	}
	return errors.New(text)
}

// labelSelector is the labels of a selector of Chaos Mesh's, as kubectl takes them.
func labelSelector(s v1alpha1.GenericSelectorSpec) (string, error) {
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: s.LabelSelectors, MatchExpressions: s.ExpressionSelectors})
	if err != nil {
		return "", fmt.Errorf("selector: %w", err)
	}
	return selector.String(), nil
}
