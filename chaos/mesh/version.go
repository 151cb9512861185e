package mesh

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// Holes is the first version of Chaos Mesh without those that let anyone in the
// cluster run commands on its nodes (CVE-2025-59358 to 59361).
const Holes = "2.7.3"

// deployment is what matters here of the controller's.
type deployment struct {
	Metadata kube.Meta `json:"metadata"`
	Spec     struct {
		Template struct {
			Spec struct {
				Containers []kube.Container `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

// Version is that of the Chaos Mesh in a target's cluster, by the image of its
// controller, or its label; empty where neither tells. holed says that it is one that
// nobody should run. The error wraps kube.ErrAbsent where there is none.
func Version(ctx context.Context, connect kube.Connect, target chaos.Kubernetes) (version string, holed bool, err error) {
	c, err := connect.Open(target)
	if err != nil {
		return "", false, err
	}
	defer c.Close()
	found, err := kube.ListInto[deployment](ctx, c, kube.Deployments, "", kube.Query{Labels: "app.kubernetes.io/name=chaos-mesh,app.kubernetes.io/component=controller-manager"})
	if err != nil {
		return "", false, err
	}
	if len(found) == 0 {
		return "", false, fmt.Errorf("find Chaos Mesh's controller: %w", kube.ErrAbsent)
	}
	for _, container := range found[0].Spec.Template.Spec.Containers {
		if !strings.Contains(container.Image, "chaos-mesh") {
			continue
		}
		image, _, _ := strings.Cut(container.Image, "@") // a digest tells nothing
		_, tag, _ := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
		version = told(tag)
	}
	version = cmp.Or(version, told(found[0].Metadata.Labels["app.kubernetes.io/version"]))
	return version, older(version, Holes), nil
}

// told is the version in a tag or label; empty for one such as latest.
func told(text string) string {
	version := strings.TrimPrefix(text, "v")
	if _, ok := numbers(version); !ok {
		return ""
	}
	return version
}

// older says whether one version is before another. One that is no three numbers
// is not known to be.
func older(version, than string) bool {
	a, okA := numbers(version)
	b, okB := numbers(than)
	if !okA || !okB {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

func numbers(version string) (out [3]int, ok bool) {
	version, _, _ = strings.Cut(version, "-")
	parts := strings.Split(version, ".")
	if len(parts) != 3 {
		return out, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil {
			return out, false
		}
		out[i] = n
	}
	return out, true
}
