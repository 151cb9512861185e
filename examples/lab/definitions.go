package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// definedKinds are the kinds of other projects that brunt reads or writes, by
// the names of their definitions. Those are the projects' own, which build.sh
// takes from their modules, so the API server checks what is sent to it as it
// does in a cluster that has them. Nobody acts on such objects here.
var definedKinds = []string{
	"virtualservices.networking.istio.io", "destinationrules.networking.istio.io",
	gatewayRoutes,
	"scaledobjects.keda.sh",
	"nodeclaims.karpenter.sh", "nodepools.karpenter.sh",
}

const gatewayRoutes = "httproutes.gateway.networking.k8s.io"

// readCRDs reads the definitions of definedKinds, and makes Linkerd's.
func readCRDs() ([]*apiextv1.CustomResourceDefinition, error) {
	dir, err := besideUs("crds")
	if err != nil {
		return nil, err
	}
	all, err := readDefinitions(dir, definedKinds)
	if err != nil {
		return nil, err
	}
	for _, name := range definedKinds {
		if !slices.ContainsFunc(all, func(crd *apiextv1.CustomResourceDefinition) bool { return crd.Name == name }) {
			return nil, fmt.Errorf("read definitions: %s has none of %s; examples/lab/build.sh makes them", dir, name)
		}
	}
	for _, crd := range all {
		if crd.Name == gatewayRoutes {
			return append(all, linkerdRoutes(crd)), nil
		}
	}
	return all, nil
}

// linkerdRoutes makes the definition of Linkerd's own HTTPRoute. Linkerd ships
// it in a chart only, as a copy of the Gateway API's before that had rules
// between fields (CEL); what it accepts of parents, backends and weights is the
// same, but for the parent's default group.
func linkerdRoutes(gateway *apiextv1.CustomResourceDefinition) *apiextv1.CustomResourceDefinition {
	crd := gateway.DeepCopy()
	crd.Name, crd.Spec.Group = "httproutes.policy.linkerd.io", "policy.linkerd.io"
	crd.Annotations = map[string]string{"lab.brunt.dev/made-from": gatewayRoutes}
	crd.Spec.Versions = crd.Spec.Versions[:1]
	version := &crd.Spec.Versions[0]
	version.Name, version.Served, version.Storage = "v1beta3", true, true
	walk(version.Schema.OpenAPIV3Schema, func(s *apiextv1.JSONSchemaProps) { s.XValidations = nil })
	parents := version.Schema.OpenAPIV3Schema.Properties["spec"].Properties["parentRefs"].Items.Schema
	group := parents.Properties["group"]
	group.Default = &apiextv1.JSON{Raw: []byte(`"policy.linkerd.io"`)}
	parents.Properties["group"] = group
	return crd
}

// nameOf finds the name of a definition without reading all of it.
var nameOf = regexp.MustCompile(`(?m)^metadata:\n(?:  .*\n)*?  name: (\S+)$`)

// readDefinitions reads the definitions in a folder; of names, where there are
// any. Descriptions, which are most of them, are left out: the API server would
// work for seconds to publish them.
func readDefinitions(dir string, names []string) ([]*apiextv1.CustomResourceDefinition, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("read definitions: none in %s; examples/lab/build.sh makes them", dir)
	}
	var all []*apiextv1.CustomResourceDefinition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read definitions: %w", err)
		}
		for one := range bytes.SplitSeq(text, []byte("\n---\n")) {
			found := nameOf.FindSubmatch(one)
			if found == nil || len(names) > 0 && !slices.Contains(names, string(found[1])) {
				continue
			}
			crd := new(apiextv1.CustomResourceDefinition)
			if err := yaml.UnmarshalStrict(one, crd); err != nil {
				return nil, fmt.Errorf("read definition %s in %s: %w", found[1], filepath.Base(file), err)
			}
			for _, v := range crd.Spec.Versions {
				walk(v.Schema.OpenAPIV3Schema, func(s *apiextv1.JSONSchemaProps) { s.Description = "" })
			}
			all = append(all, crd)
		}
	}
	return all, nil
}

// walk visits a schema and all schemas within.
func walk(s *apiextv1.JSONSchemaProps, visit func(*apiextv1.JSONSchemaProps)) {
	if s == nil {
		return
	}
	visit(s)
	for name, p := range s.Properties {
		walk(&p, visit)
		s.Properties[name] = p
	}
	if s.Items != nil {
		walk(s.Items.Schema, visit)
	}
	if s.AdditionalProperties != nil {
		walk(s.AdditionalProperties.Schema, visit)
	}
	for _, of := range [][]apiextv1.JSONSchemaProps{s.AllOf, s.OneOf, s.AnyOf} {
		for i := range of {
			walk(&of[i], visit)
		}
	}
	walk(s.Not, visit)
}
