package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	apiregv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	"k8s.io/utils/ptr"

	"github.com/brunt-dev/brunt/examples/lab/meter"
	"github.com/brunt-dev/brunt/examples/lab/serve"
)

// measured gives the metrics APIs what the simulated pods really did.
type measured struct {
	pods  corelisters.PodLister
	table *serve.Table
}

func (m measured) Pods(namespace string, match labels.Selector) []meter.Pod {
	list, err := m.pods.Pods(namespace).List(match)
	if err != nil { // a lister's only error is a bad cache, which this is not
		return nil
	}
	var all []meter.Pod
	for _, p := range list {
		if p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil {
			continue
		}
		one := meter.Pod{Namespace: p.Namespace, Name: p.Name, Node: p.Spec.NodeName, Labels: p.Labels}
		for _, c := range p.Spec.Containers {
			one.Containers = append(one.Containers, c.Name)
		}
		if r, ok := m.table.Reading(serve.Key{Namespace: p.Namespace, Name: p.Name}); ok {
			one.At, one.Window = r.At, r.Window
			one.CPU = *resource.NewMilliQuantity(r.MilliCPU, resource.DecimalSI)
			one.Memory = *resource.NewQuantity(64<<20, resource.BinarySI) // the simulated work needs none
		}
		all = append(all, one)
	}
	return all
}

func (m measured) PodMetric(p meter.Pod, name string) (resource.Quantity, bool) {
	r, ok := m.table.Reading(serve.Key{Namespace: p.Namespace, Name: p.Name})
	if !ok {
		return resource.Quantity{}, false
	}
	switch name {
	case "requests_per_second":
		return perSecond(r.Rate), true
	case "requests_in_flight":
		return *resource.NewQuantity(int64(r.InFlight), resource.DecimalSI), true
	}
	return resource.Quantity{}, false
}

func (m measured) ServiceMetric(namespace, service, name string) (resource.Quantity, time.Time, bool) {
	if name != "requests_per_second" {
		return resource.Quantity{}, time.Time{}, false
	}
	r, ok := m.table.Service(serve.Key{Namespace: namespace, Name: service})
	return perSecond(r.Rate), r.At, ok
}

func perSecond(rate float64) resource.Quantity {
	return *resource.NewMilliQuantity(int64(rate*1000+0.5), resource.DecimalSI)
}

// startMetrics serves the metrics APIs and tells the API server where.
func (l *lab) startMetrics(ctx context.Context, m *meter.Meter) error {
	crt, key, err := l.ca.issue(l.dir, "metrics", "metrics.kube-system.svc")
	if err != nil {
		return err
	}
	cfg, err := serverTLS(crt, key)
	if err != nil {
		return err
	}
	listener, err := listen("the metrics", l.ports.Metrics)
	if err != nil {
		return err
	}
	l.serve(listener, &http.Server{Handler: m, TLSConfig: cfg, ReadHeaderTimeout: 10 * time.Second})

	// An API is found through a Service; this one's name leads to loopback.
	if _, err := l.client.CoreV1().Services("kube-system").Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "metrics"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "127.0.0.1"},
	}, metav1.CreateOptions{}); made(err) != nil {
		return fmt.Errorf("create the metrics' service: %w", err)
	}
	agg, err := aggregator.NewForConfig(l.config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	port := int32(l.ports.Metrics)
	for _, v := range meter.Versions {
		if _, err := agg.ApiregistrationV1().APIServices().Create(ctx, &apiregv1.APIService{
			ObjectMeta: metav1.ObjectMeta{Name: v[1] + "." + v[0]},
			Spec: apiregv1.APIServiceSpec{
				Group: v[0], Version: v[1], GroupPriorityMinimum: 100, VersionPriority: 100, CABundle: l.ca.pem,
				Service: &apiregv1.ServiceReference{Namespace: "kube-system", Name: "metrics", Port: ptr.To(port)},
			},
		}, metav1.CreateOptions{}); made(err) != nil {
			return fmt.Errorf("create API service %s: %w", v[0], err)
		}
	}
	for _, v := range meter.Versions {
		if err := eventually(ctx, "API service "+v[0]+" to be available", func() error {
			s, err := agg.ApiregistrationV1().APIServices().Get(ctx, v[1]+"."+v[0], metav1.GetOptions{})
			if err != nil {
				return err
			}
			for _, c := range s.Status.Conditions {
				if c.Type == apiregv1.Available && c.Status == apiregv1.ConditionTrue {
					return nil
				} else if c.Type == apiregv1.Available {
					return fmt.Errorf("%s: %s", c.Reason, c.Message)
				}
			}
			return fmt.Errorf("nothing known")
		}); err != nil {
			return err
		}
	}
	return nil
}
