package kubernetes

import (
	"context"
	"errors"
	"fmt"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/chaos/kube"
)

// MetricsOutage cuts a metrics API off, so that autoscalers see nothing.
type MetricsOutage struct {
	API         string `yaml:"api" doc:"Which metrics API: of resources (metrics.k8s.io), custom or external." enum:"metrics.k8s.io,custom.metrics.k8s.io,external.metrics.k8s.io" default:"metrics.k8s.io"`
	ClusterWide bool   `yaml:"cluster_wide" doc:"Must be true: there is one such API for all namespaces, and every autoscaler of the cluster goes without it."`
}

var metricsOutage = kube.Kind{Name: "metrics_outage", Seen: metricsSeen}

// nowhere is the service that the API is pointed at; there is none of that name.
const nowhere = "brunt-metrics-outage"

// Validate refuses to reach outside the namespace unasked.
func (c MetricsOutage) Validate(report func(field, message, hint string)) {
	if !c.ClusterWide {
		report("cluster_wide", "a metrics API is the whole cluster's: every namespace's autoscalers go without it", "write cluster_wide: true if that is what you mean")
	}
}

// WhatMetricsOutage says what the fault does.
func WhatMetricsOutage(c MetricsOutage) string { return "cut " + c.API + " off" }

// apiService is what matters here of one.
type apiService struct {
	Metadata kube.Meta `json:"metadata"`
	Spec     struct {
		Group   string `json:"group"`
		Service *struct {
			Name string `json:"name"`
		} `json:"service"`
	} `json:"spec"`
	Status struct {
		Conditions []kube.Condition `json:"conditions"`
	} `json:"status"`
}

// MetricsOutage makes the fault.
func (f Faults) MetricsOutage(c MetricsOutage, env chaos.Env) (chaos.Fault, error) {
	if err := validated(env, c.Validate); err != nil {
		return nil, err
	}
	return kube.New(f.Connect, metricsOutage, kube.Plan{Env: env, Access: []chaos.Access{needs("", kube.APIServices, "get", "list", "patch")},
		Resolve: func(ctx context.Context, cluster *kube.Cluster) (kube.Data, []string, error) {
			var d kube.Data
			var targets []string
			all, err := kube.ListInto[apiService](ctx, cluster, kube.APIServices, "", kube.Query{})
			if err != nil {
				return d, nil, err
			}
			for _, s := range all {
				if s.Spec.Group != c.API {
					continue
				}
				name := s.Metadata.Name
				switch {
				case s.Spec.Service == nil:
					return d, nil, fmt.Errorf("%s is served by the API server itself, not by an adapter that can be cut off", name)
				case !kube.Is(s.Status.Conditions, "Available", "True"):
					return d, nil, fmt.Errorf("%s is out of service already", name)
				}
				e, err := changing(ctx, cluster, kube.APIServices, "", name, map[string]any{"spec.service.name": nowhere})
				if err != nil {
					return d, nil, err
				}
				d.Edits, targets = append(d.Edits, e), append(targets, "apiservice "+name)
			}
			if len(d.Edits) == 0 {
				return d, nil, fmt.Errorf("the cluster has no %s: no adapter registers it", c.API)
			}
			return d, targets, nil
		}}), nil
}

// metricsSeen takes the aggregator's word for whether the API is there.
func metricsSeen(ctx context.Context, c *kube.Cluster, _ chaos.Receipt, d kube.Data, edited chaos.State) (chaos.State, error) {
	for _, e := range d.Edits {
		var s apiService
		err := c.GetInto(ctx, e.Resource, "", e.Name, &s)
		switch {
		case errors.Is(err, kube.ErrAbsent):
			continue
		case err != nil:
			return "", err
		case kube.Is(s.Status.Conditions, "Available", "True") == (edited == chaos.Active):
			return "", fmt.Errorf("%w: the API server has not yet noticed that %s is %s", chaos.ErrNoEvidence, e, edited)
		}
	}
	return edited, nil
}
