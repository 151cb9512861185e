package pods

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lastWords is the last line of a container's log that was not for the
// controller.
func lastWords(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) > 1 {
		lines = lines[1:] // the first may be the rest of one
	}
	for _, line := range slices.Backward(lines) {
		if !strings.HasPrefix(line, "{") {
			return line
		}
	}
	return ""
}

// A pod is what matters of one here.
type pod struct {
	name, node string
	index      int
	running    bool
	waiting    string // why it does not run yet
	broken     string // why it never will
	stuck      bool   // it may never, if what it waits for does not change soon
	ended      bool   // its container has, by itself
	fate       string // what became of it; empty while it runs
}

// hopeless are the reasons for which a container will never start, whatever
// else happens.
var hopeless = []string{"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"}

// doubtful are those for which it most likely never will: what they say is tried
// again, and seldom comes to anything else.
var doubtful = []string{"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
	"CreateContainerError", "RunContainerError", "CreatePodSandboxError"}

func podOf(u *unstructured.Unstructured) pod {
	p := pod{name: u.GetName(), index: -1}
	if i, err := strconv.Atoi(u.GetLabels()["batch.kubernetes.io/job-completion-index"]); err == nil {
		p.index = i
	}
	field := func(path ...string) string { s, _, _ := unstructured.NestedString(u.Object, path...); return s }
	p.node = field("spec", "nodeName")
	phase, reason, message := field("status", "phase"), field("status", "reason"), field("status", "message")
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		c, _ := c.(map[string]any)
		if c["type"] == "PodScheduled" && c["status"] == "False" {
			p.waiting = fmt.Sprintf("it is not scheduled (%v)", c["message"])
		}
		if c["type"] == "DisruptionTarget" && c["status"] == "True" {
			reason, _ := c["reason"].(string)
			p.fate = fmt.Sprintf("its pod was %s (%s: %v)", disruption(reason), reason, c["message"])
		}
	}
	statuses, _, _ := unstructured.NestedSlice(u.Object, "status", "containerStatuses")
	for _, s := range statuses {
		s, _ := s.(map[string]any)
		state, _ := s["state"].(map[string]any)
		if waiting, ok := state["waiting"].(map[string]any); ok {
			p.waiting = strings.TrimSuffix(fmt.Sprintf("%v: %v", waiting["reason"], waiting["message"]), ": <nil>")
			if why, _ := waiting["reason"].(string); slices.Contains(hopeless, why) {
				p.broken = p.waiting
			} else if slices.Contains(doubtful, why) {
				p.stuck = true
			}
		}
		if ended, ok := state["terminated"].(map[string]any); ok && p.fate == "" {
			p.ended = true
			p.fate = fmt.Sprintf("its container ended (%v, exit code %v)", ended["reason"], ended["exitCode"])
			if message, _ := ended["message"].(string); lastWords(message) != "" {
				p.fate += ": " + lastWords(message)
			}
		}
		_, p.running = state["running"].(map[string]any)
	}
	switch {
	case reason != "":
		p.fate = strings.TrimSuffix(fmt.Sprintf("its pod failed (%s: %s)", reason, message), ": )")
	case u.GetDeletionTimestamp() != nil && p.fate == "":
		p.fate = "its pod was deleted"
	}
	if phase == "Failed" || phase == "Succeeded" {
		p.running = false
		p.broken = p.fate
	}
	return p
}

// disruption says in a word what the reason of a disruption means.
func disruption(reason string) string {
	switch reason {
	case "EvictionByEvictionAPI", "TerminationByKubelet", "DeletionByTaintManager":
		return "evicted"
	case "PreemptionByScheduler":
		return "preempted"
	case "DeletionByPodGC":
		return "cleaned up, since its node is gone"
	}
	return "disrupted"
}
