package mesh

import (
	"errors"
	"testing"

	"github.com/brunt-dev/brunt/chaos/kube"
	"github.com/brunt-dev/brunt/chaos/kube/kubetest"
)

func TestVersion(t *testing.T) {
	for _, test := range []struct {
		image, label string
		version      string
		holed        bool
	}{
		{image: "ghcr.io/chaos-mesh/chaos-mesh:v2.7.2", version: "2.7.2", holed: true},
		{image: "ghcr.io/chaos-mesh/chaos-mesh:v2.7.3", version: "2.7.3"},
		{image: "registry:5000/chaos-mesh/chaos-mesh:v2.8.0-rc1", version: "2.8.0-rc1"},
		{image: "ghcr.io/chaos-mesh/chaos-mesh:v1.2.4@sha256:00", version: "1.2.4", holed: true},
		{image: "ghcr.io/chaos-mesh/chaos-mesh:latest"}, // it does not tell
		{image: "ghcr.io/chaos-mesh/chaos-mesh:latest", label: "2.7.2", version: "2.7.2", holed: true},
		{image: "ghcr.io/chaos-mesh/chaos-mesh@sha256:00", label: "2.7.2", version: "2.7.2", holed: true},
		{image: "ghcr.io/chaos-mesh/chaos-mesh", label: "2.6.0", version: "2.6.0", holed: true},
	} {
		api := kubetest.New(t)
		api.Put("/apis/apps/v1/namespaces/chaos-mesh/deployments/chaos-controller-manager", `{"metadata":{"labels":{"app.kubernetes.io/name":"chaos-mesh",
			"app.kubernetes.io/component":"controller-manager","app.kubernetes.io/version":"`+test.label+`"}},"spec":{"template":{"spec":{"containers":[{"name":"chaos-mesh","image":"`+test.image+`"}]}}}}`)
		version, holed, err := Version(t.Context(), kubetest.Connect, api.Target())
		if version != test.version || holed != test.holed || err != nil {
			t.Errorf("%s: %q, %t, %v", test.image, version, holed, err)
		}
	}
	if _, _, err := Version(t.Context(), kubetest.Connect, kubetest.New(t).Target()); !errors.Is(err, kube.ErrAbsent) {
		t.Errorf("no Chaos Mesh: %v", err)
	}
}
