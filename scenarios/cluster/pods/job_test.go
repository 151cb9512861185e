package pods

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The Job ends by itself, replaces no worker, and names its expiry; its pods run
// with as few rights as they need, and keep standard input as their lifeline.
func TestJob(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	u, id := job(Options{Namespace: "shop", Name: "Checkout.Launch_2", Image: "registry/brunt:1", Workers: 20, CPU: "1", Memory: "512Mi", Lasts: time.Hour}, now)
	text, err := json.Marshal(u.Object)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"completionMode":"Indexed"`, `"completions":20`, `"parallelism":20`, `"backoffLimitPerIndex":0`, `"maxFailedIndexes":20`,
		`"activeDeadlineSeconds":3600`, `"ttlSecondsAfterFinished":600`, `"restartPolicy":"Never"`, `"podFailurePolicy"`,
		`"stdin":true`, `"stdinOnce":true`, `"requests":{"cpu":"1","memory":"512Mi"}`, `"image":"registry/brunt:1"`, `"namespace":"shop"`,
		`"automountServiceAccountToken":false`, `"runAsNonRoot":true`, `"readOnlyRootFilesystem":true`, `"allowPrivilegeEscalation":false`,
		`"brunt.dev/workers":"` + id + `"`, `"brunt.dev/expires-at":"2026-11-28T13:00:00Z"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if _, other := job(Options{Name: "x"}, now); other == id {
		t.Error("two jobs have one id")
	}
}

// Any scenario's name makes a name that a Job and its pods can have.
func TestJobName(t *testing.T) {
	label := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,54}[a-z0-9])?$`)
	for _, scenario := range []string{"checkout", "A.B_c-9", "_", "...", strings.Repeat("long-", 12), strings.Repeat("a", 39) + "-b"} {
		if got := jobName(scenario, "0123abcd"); !label.MatchString(got) || !strings.HasPrefix(got, "brunt-") || !strings.HasSuffix(got, "-0123abcd") {
			t.Errorf("%q makes %q", scenario, got)
		}
	}
}

// What a pod's status says of it, in words.
func TestPodOf(t *testing.T) {
	for name, tt := range map[string]struct {
		status string
		want   pod
	}{
		"running":   {`{"phase":"Running","containerStatuses":[{"state":{"running":{}}}]}`, pod{running: true}},
		"pulling":   {`{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ContainerCreating"}}}]}`, pod{waiting: "ContainerCreating"}},
		"no image":  {`{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"InvalidImageName","message":"bad name"}}}]}`, pod{waiting: "InvalidImageName: bad name", broken: "InvalidImageName: bad name"}},
		"no room":   {`{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","message":"0/3 nodes"}]}`, pod{waiting: "it is not scheduled (0/3 nodes)"}},
		"oom":       {`{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]}`, pod{ended: true, fate: "its container ended (OOMKilled, exit code 137)", broken: "its container ended (OOMKilled, exit code 137)"}},
		"refused":   {`{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"reason":"Error","exitCode":2,"message":"{\"pong\":1}\nbrunt worker: refused: x\n"}}}]}`, pod{ended: true, fate: "its container ended (Error, exit code 2): brunt worker: refused: x", broken: "its container ended (Error, exit code 2): brunt worker: refused: x"}},
		"evicted":   {`{"phase":"Failed","reason":"Evicted","message":"The node was low on resource: memory."}`, pod{fate: "its pod failed (Evicted: The node was low on resource: memory.)", broken: "its pod failed (Evicted: The node was low on resource: memory.)"}},
		"disrupted": {`{"phase":"Running","conditions":[{"type":"DisruptionTarget","status":"True","reason":"EvictionByEvictionAPI","message":"drained"}],"containerStatuses":[{"state":{"running":{}}}]}`, pod{running: true, fate: "its pod was evicted (EvictionByEvictionAPI: drained)"}},
	} {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "p", "labels": map[string]any{"batch.kubernetes.io/job-completion-index": "3"}}, "spec": map[string]any{"nodeName": "n"}}}
			var status map[string]any
			if err := json.Unmarshal([]byte(tt.status), &status); err != nil {
				t.Fatal(err)
			}
			u.Object["status"] = status
			tt.want.name, tt.want.node, tt.want.index = "p", "n", 3
			if got := podOf(u); got != tt.want {
				t.Errorf("%+v\nwant %+v", got, tt.want)
			}
		})
	}
}
