package main

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// openKinds are the kinds of other projects that brunt reads or writes. These
// definitions are the lab's own and take any field: they let a client store
// and watch such objects, and check nothing about them. Nobody acts on them.
var openKinds = []struct {
	group    string
	versions string // the last one is stored
	kind     string
	plural   string
	cluster  bool
}{
	{"networking.istio.io", "v1alpha3 v1beta1 v1", "VirtualService", "virtualservices", false},
	{"networking.istio.io", "v1alpha3 v1beta1 v1", "DestinationRule", "destinationrules", false},
	{"networking.istio.io", "v1alpha3 v1beta1 v1", "Gateway", "gateways", false},
	{"gateway.networking.k8s.io", "v1beta1 v1", "HTTPRoute", "httproutes", false},
	{"gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes", false},
	{"gateway.networking.k8s.io", "v1beta1 v1", "Gateway", "gateways", false},
	{"policy.linkerd.io", "v1alpha1 v1beta1 v1beta2 v1beta3", "HTTPRoute", "httproutes", false},
	{"linkerd.io", "v1alpha2", "ServiceProfile", "serviceprofiles", false},
	{"keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", false},
	{"keda.sh", "v1alpha1", "ScaledJob", "scaledjobs", false},
	{"karpenter.sh", "v1", "NodeClaim", "nodeclaims", true},
	{"karpenter.sh", "v1", "NodePool", "nodepools", true},
}

// installCRDs creates the definitions, those of Chaos Mesh too where it runs,
// and waits until they are served.
func (l *lab) installCRDs(ctx context.Context) error {
	var all []*apiextv1.CustomResourceDefinition
	for _, k := range openKinds {
		all = append(all, openCRD(k.group, k.versions, k.kind, k.plural, k.cluster))
	}
	if l.chaosMesh {
		mesh, err := readMeshCRDs()
		if err != nil {
			return err
		}
		all = append(all, mesh...)
	}
	client, err := apiext.NewForConfig(l.config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	crds := client.ApiextensionsV1().CustomResourceDefinitions()
	creating, each := errgroup.WithContext(ctx)
	creating.SetLimit(8)
	for _, crd := range all {
		creating.Go(func() error {
			if _, err := crds.Create(each, crd, metav1.CreateOptions{}); made(err) != nil {
				return fmt.Errorf("create definition %s: %w", crd.Name, err)
			}
			return nil
		})
	}
	if err := creating.Wait(); err != nil {
		return err
	}
	return eventually(ctx, "the definitions to be served", func() error {
		list, err := crds.List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		served := 0
		for _, crd := range list.Items {
			for _, c := range crd.Status.Conditions {
				if c.Type == apiextv1.Established && c.Status == apiextv1.ConditionTrue {
					served++
				}
			}
		}
		if served < len(all) {
			return fmt.Errorf("%d of %d are", served, len(all))
		}
		return nil
	})
}

func openCRD(group, versions, kind, plural string, cluster bool) *apiextv1.CustomResourceDefinition {
	crd := &apiextv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{
			Name: plural + "." + group,
			Annotations: map[string]string{
				"lab.brunt.dev/made-by":      "the lab: any field is taken, none is checked",
				"api-approved.kubernetes.io": "unapproved, lab only",
			},
		},
		Spec: apiextv1.CustomResourceDefinitionSpec{
			Group: group,
			Scope: apiextv1.NamespaceScoped,
			Names: apiextv1.CustomResourceDefinitionNames{Kind: kind, ListKind: kind + "List", Plural: plural, Singular: strings.ToLower(kind)},
		},
	}
	if cluster {
		crd.Spec.Scope = apiextv1.ClusterScoped
	}
	names := strings.Fields(versions)
	for i, v := range names {
		crd.Spec.Versions = append(crd.Spec.Versions, apiextv1.CustomResourceDefinitionVersion{
			Name: v, Served: true, Storage: i == len(names)-1,
			Subresources: &apiextv1.CustomResourceSubresources{Status: &apiextv1.CustomResourceSubresourceStatus{}},
			Schema: &apiextv1.CustomResourceValidation{OpenAPIV3Schema: &apiextv1.JSONSchemaProps{
				Type: "object", XPreserveUnknownFields: ptr.To(true),
			}},
		})
	}
	return crd
}
