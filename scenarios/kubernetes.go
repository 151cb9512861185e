package scenarios

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/decode"
)

// kubernetes is the section of that name within target.
type kubernetes struct {
	Namespace  text `yaml:"namespace" required:"true" example:"shop" doc:"The namespace that may be broken and watched; nothing outside it is, but nodes and cluster-wide objects that a fault names."`
	Context    text `yaml:"context" example:"staging" doc:"The kubeconfig's context; its current one unless told."`
	Kubeconfig text `yaml:"kubeconfig" example:"kubeconfig.yaml" doc:"A kubeconfig file, from the scenario's folder; by default $KUBECONFIG, then ~/.kube/config, then the service account of the pod that brunt runs in."`
}

// namespaceRule is that of Kubernetes: a DNS label (RFC 1123).
var namespaceRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// protectedNamespaces hold what clusters, and faults themselves, depend on.
// kube-* is reserved for Kubernetes by its own rules.
var protectedNamespaces = []string{"kube-*", "openshift-*", "chaos-mesh", "chaos-testing", "istio-system", "linkerd", "cert-manager", "calico-system", "tigera-operator", "cilium"}

func isProtected(namespace string) bool {
	return slices.ContainsFunc(protectedNamespaces, func(pattern string) bool {
		matched, err := path.Match(pattern, namespace)
		return err == nil && matched
	})
}

// readKubernetes takes the cluster and the namespace of the target.
func (l *loader) readKubernetes(k kubernetes) {
	namespace := k.Namespace.value
	switch {
	case namespace == "":
		return // there is no such section, or what is missing was reported
	case !namespaceRule.MatchString(namespace):
		l.d.ReportText(k.Namespace.Node, 0, len(k.Namespace.Text()), decode.CodeBadValue, strconv.Quote(namespace)+" is no namespace's name",
			"a namespace has lower-case letters, digits and -, 63 of them at most")
		return
	case isProtected(namespace):
		l.d.ReportText(k.Namespace.Node, 0, len(k.Namespace.Text()), codeSafety, "namespace "+namespace+" is protected: clusters depend on what is in it",
			"protected are "+strings.Join(protectedNamespaces, ", "))
		return
	}
	if err := l.protect.Refuse("namespace "+namespace, namespace); err != nil {
		l.d.ReportText(k.Namespace.Node, 0, len(k.Namespace.Text()), codeSafety, err.Error(), "")
		return
	}
	l.noteProduction(k.Namespace.Node, "namespace", namespace)
	l.noteProduction(k.Context.Node, "context", k.Context.value)
	l.kubernetes = chaos.Kubernetes{Namespace: namespace, Context: k.Context.value}
	if file := k.Kubeconfig.value; file != "" {
		if !filepath.IsAbs(file) {
			file = filepath.Join(l.options.Dir, file)
		}
		l.kubernetes.Kubeconfig = file
	}
}
