package pods

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The marks of what is made here.
const (
	// Label has the id of the workers' run, on the Job and on its pods.
	Label = "brunt.dev/workers"
	// Expires is the annotation that says when the Job ends at the latest, as
	// RFC 3339. Its activeDeadlineSeconds see to it.
	Expires = "brunt.dev/expires-at"
	// Holder is the annotation that says who made the Job and holds the lease on
	// it, for people, and Renewed the one that says when it last was renewed, as
	// RFC 3339 on the holder's clock.
	Holder  = "brunt.dev/held-by"
	Renewed = "brunt.dev/renewed-at"
)

// container is the name of the worker's container.
const container = "worker"

// refusedCode is the exit code of a worker that cannot play: no other pod of
// the same image will either.
const refusedCode = 2

// finishedTTL is how long a Job that nobody removed stays when it has ended, for
// people to look at.
const finishedTTL = 10 * time.Minute

// Options describe the workers.
type Options struct {
	Namespace string
	Name      string // of the scenario; part of the Job's name
	Image     string // with brunt as its entrypoint
	Workers   int
	CPU       string        // requested, as Kubernetes writes it: "1", "500m"
	Memory    string        // requested, likewise: "256Mi"
	Lasts     time.Duration // how long the run may take, with all that goes before and after it
	// Progress is told, now and then until all pods run, how many do and what the
	// others wait for. Nil: nobody is.
	Progress func(string)
}

// A Need is what must be let do to a resource in the Job's namespace.
type Need struct {
	Group, Resource string
	Verbs           []string
}

// Needs are what running workers takes.
func Needs() []Need {
	return []Need{
		{"batch", "jobs", []string{"create", "delete", "list", "patch"}}, // list finds what a killed run has left
		{"", "pods", []string{"delete", "get", "list"}},
		// A WebSocket is opened with a GET, which API servers from 1.35 on ask create for too.
		{"", "pods/attach", []string{"create", "get"}},
		{"", "events", []string{"list"}}, // which say why there are no pods
	}
}

// job is the Indexed Job, and its id.
//
// Every index is tried once: a worker that was lost cannot be replaced in the
// middle of a run, and its pod's failure must not end the others, which is why
// backoffLimitPerIndex is 0 and not backoffLimit. Only a worker that refuses the
// plan fails the Job. The Job ends by itself after its deadline, and a worker
// whose stream to the controller ends does at once.
func job(o Options, now time.Time) (*unstructured.Unstructured, string) {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails
	id := hex.EncodeToString(random)
	labels := map[string]any{"app.kubernetes.io/name": "brunt-worker", "app.kubernetes.io/managed-by": "brunt", Label: id}
	resources := map[string]any{"cpu": o.CPU, "memory": o.Memory}
	pod := map[string]any{
		"restartPolicy":                 "Never",
		"automountServiceAccountToken":  false,
		"enableServiceLinks":            false,
		"terminationGracePeriodSeconds": int64(5),
		"securityContext":               map[string]any{"runAsNonRoot": true, "runAsUser": int64(65532), "runAsGroup": int64(65532), "seccompProfile": map[string]any{"type": "RuntimeDefault"}},
		"topologySpreadConstraints": []any{map[string]any{
			"maxSkew": int64(1), "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
			"labelSelector": map[string]any{"matchLabels": map[string]any{Label: id}},
		}},
		"containers": []any{map[string]any{
			"name": container, "image": o.Image, "args": []any{"worker"},
			// The orders come on standard input, secrets among them; when the
			// controller's stream ends, so does the input, and the worker with it.
			"stdin": true, "stdinOnce": true,
			// What it said last tells most when it had to end.
			"terminationMessagePolicy": "FallbackToLogsOnError",
			"resources":                map[string]any{"requests": resources},
			"securityContext": map[string]any{
				"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": map[string]any{"drop": []any{"ALL"}},
			},
			// The scenario's files.
			"volumeMounts": []any{map[string]any{"name": "tmp", "mountPath": "/tmp"}},
		}},
		"volumes": []any{map[string]any{"name": "tmp", "emptyDir": map[string]any{}}},
	}
	n := int64(o.Workers)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{
			"name": jobName(o.Name, id), "namespace": o.Namespace, "labels": labels,
			"annotations": map[string]any{
				Expires: now.Add(o.Lasts).UTC().Format(time.RFC3339),
				Holder:  holder(), Renewed: now.UTC().Format(time.RFC3339Nano),
			},
		},
		"spec": map[string]any{
			"completionMode": "Indexed", "completions": n, "parallelism": n,
			"backoffLimitPerIndex": int64(0), "maxFailedIndexes": n,
			"activeDeadlineSeconds":   int64(o.Lasts / time.Second),
			"ttlSecondsAfterFinished": int64(finishedTTL / time.Second),
			"podFailurePolicy": map[string]any{"rules": []any{
				map[string]any{"action": "FailJob", "onExitCodes": map[string]any{"containerName": container, "operator": "In", "values": []any{int64(refusedCode)}}},
				map[string]any{"action": "FailIndex", "onPodConditions": []any{map[string]any{"type": "DisruptionTarget", "status": "True"}}},
			}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels, "annotations": map[string]any{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}},
				"spec":     pod,
			},
		},
	}}, id
}

// jobName is a name for the Job: a DNS label, which names its pods too.
func jobName(scenario, id string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c + ('a' - 'A')
		}
		return '-'
	}, scenario)
	const most = 40 // the index and a random part follow, of 63 in all
	name = strings.Trim(name[:min(len(name), most)], "-")
	if name == "" {
		return "brunt-" + id
	}
	return fmt.Sprintf("brunt-%s-%s", name, id)
}
