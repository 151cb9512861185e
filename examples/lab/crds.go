package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiext "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// installCRDs creates the definitions, those of Chaos Mesh too where it runs,
// and waits until they are served.
func (l *lab) installCRDs(ctx context.Context) error {
	var all []*apiextv1.CustomResourceDefinition
	if !l.noCRDs {
		others, err := readCRDs()
		if err != nil {
			return err
		}
		all = append(all, others...)
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
