package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/brunt-dev/brunt/chaos"
	"github.com/brunt-dev/brunt/scenarios/inventory"
)

// inventoryBound is how long reading a namespace may take.
const inventoryBound = 30 * time.Second

// readInventory reads what a namespace runs.
func readInventory(ctx context.Context, target chaos.Kubernetes) (inventory.Namespace, error) {
	ctx, cancel := context.WithTimeout(ctx, inventoryBound)
	defer cancel()
	n := inventory.Namespace{Name: target.Namespace}
	config, _, err := clusterFor(target)
	if err != nil {
		return n, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return n, fmt.Errorf("reach the cluster: %w", err)
	}
	all := metav1.ListOptions{}
	deployments, err := client.AppsV1().Deployments(n.Name).List(ctx, all)
	if err != nil {
		return n, fmt.Errorf("list deployments of namespace %s: %w", n.Name, err)
	}
	sets, err := client.AppsV1().StatefulSets(n.Name).List(ctx, all)
	if err != nil {
		return n, fmt.Errorf("list statefulsets of namespace %s: %w", n.Name, err)
	}
	scalers, err := client.AutoscalingV2().HorizontalPodAutoscalers(n.Name).List(ctx, all)
	if err != nil {
		return n, fmt.Errorf("list autoscalers of namespace %s: %w", n.Name, err)
	}
	budgets, err := client.PolicyV1().PodDisruptionBudgets(n.Name).List(ctx, all)
	if err != nil {
		return n, fmt.Errorf("list disruption budgets of namespace %s: %w", n.Name, err)
	}
	services, err := client.CoreV1().Services(n.Name).List(ctx, all)
	if err != nil {
		return n, fmt.Errorf("list services of namespace %s: %w", n.Name, err)
	}
	for _, d := range deployments.Items {
		n.Workloads = append(n.Workloads, workloadOf("Deployment", d.ObjectMeta, d.Spec.Replicas, d.Spec.Template))
	}
	for _, s := range sets.Items {
		n.Workloads = append(n.Workloads, workloadOf("StatefulSet", s.ObjectMeta, s.Spec.Replicas, s.Spec.Template))
	}
	for _, a := range scalers.Items {
		n.Autoscalers = append(n.Autoscalers, autoscalerOf(a))
	}
	for _, s := range services.Items {
		if len(s.Spec.Selector) > 0 && len(s.Spec.Ports) > 0 {
			n.Services = append(n.Services, serviceOf(s))
		}
	}
	for _, b := range budgets.Items {
		one, err := budgetOf(b)
		if err != nil {
			return n, err
		}
		n.Budgets = append(n.Budgets, one)
	}
	if len(n.Workloads)+len(n.Services) == 0 {
		// An unknown namespace lists as an empty one.
		if _, err := client.CoreV1().Namespaces().Get(ctx, n.Name, metav1.GetOptions{}); err != nil {
			return n, fmt.Errorf("read namespace %s: %w", n.Name, err)
		}
		return n, errors.New("namespace " + n.Name + " runs no Deployment, no StatefulSet and no Service")
	}
	return n, nil
}

func workloadOf(kind string, m metav1.ObjectMeta, replicas *int32, t corev1.PodTemplateSpec) inventory.Workload {
	w := inventory.Workload{
		Kind: kind, Name: m.Name, Replicas: 1, Labels: t.Labels,
		Spread: len(t.Spec.TopologySpreadConstraints) > 0 || t.Spec.Affinity != nil && t.Spec.Affinity.PodAntiAffinity != nil,
	}
	if replicas != nil {
		w.Replicas = int(*replicas)
	}
	for _, c := range t.Spec.Containers {
		one := inventory.Container{
			Name: c.Name,
			// A limit without a request is a request, too.
			CPU:       asks(c.Resources, corev1.ResourceCPU),
			Memory:    asks(c.Resources, corev1.ResourceMemory),
			Readiness: c.ReadinessProbe != nil,
		}
		one.Delayed = one.Readiness && (c.ReadinessProbe.InitialDelaySeconds > 0 || c.StartupProbe != nil)
		w.Containers = append(w.Containers, one)
	}
	return w
}

func asks(r corev1.ResourceRequirements, name corev1.ResourceName) bool {
	_, request := r.Requests[name]
	_, limit := r.Limits[name]
	return request || limit
}

func autoscalerOf(h autoscalingv2.HorizontalPodAutoscaler) inventory.Autoscaler {
	a := inventory.Autoscaler{
		Name: h.Name, Target: h.Spec.ScaleTargetRef.Kind + "/" + h.Spec.ScaleTargetRef.Name,
		Min: 1, Max: int(h.Spec.MaxReplicas), Current: int(h.Status.CurrentReplicas),
	}
	if h.Spec.MinReplicas != nil {
		a.Min = int(*h.Spec.MinReplicas)
	}
	for _, m := range h.Spec.Metrics {
		if m.Resource != nil && m.Resource.Target.Type == autoscalingv2.UtilizationMetricType {
			a.OnCPU = a.OnCPU || m.Resource.Name == corev1.ResourceCPU
			a.OnMemory = a.OnMemory || m.Resource.Name == corev1.ResourceMemory
		}
	}
	if b := h.Spec.Behavior; b != nil && b.ScaleDown != nil && b.ScaleDown.StabilizationWindowSeconds != nil {
		a.ScaleDown = time.Duration(*b.ScaleDown.StabilizationWindowSeconds) * time.Second
	}
	for _, c := range h.Status.Conditions {
		if c.Type != autoscalingv2.ScalingLimited && c.Status == corev1.ConditionFalse {
			a.Failing = append(a.Failing, string(c.Type)+": "+c.Message)
		}
	}
	return a
}

func budgetOf(b policyv1.PodDisruptionBudget) (inventory.Budget, error) {
	match, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		return inventory.Budget{}, fmt.Errorf("read disruption budget %s: %w", b.Name, err)
	}
	pods := int(b.Status.ExpectedPods)
	one := inventory.Budget{
		Name: b.Name, Pods: pods, Allowed: int(b.Status.DisruptionsAllowed),
		Match: func(l map[string]string) bool { return match.Matches(labels.Set(l)) },
	}
	if most := b.Spec.MaxUnavailable; most != nil {
		n, err := intstr.GetScaledValueFromIntOrPercent(most, 100, true)
		one.Never = err == nil && n == 0
	}
	if least := b.Spec.MinAvailable; least != nil && pods > 0 {
		n, err := intstr.GetScaledValueFromIntOrPercent(least, pods, true)
		one.Never = err == nil && n >= pods
	}
	return one, nil
}

func serviceOf(s corev1.Service) inventory.Service {
	port := s.Spec.Ports[0]
	web := []string{"http", "http2", "https", "web", "h2c", "kubernetes.io/h2c"}
	return inventory.Service{
		Name:  s.Name,
		Match: func(l map[string]string) bool { return labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(l)) },
		Port:  int(port.Port),
		HTTP: slices.Contains(web, port.Name) || slices.Contains([]int32{80, 443, 8080}, port.Port) ||
			port.AppProtocol != nil && slices.Contains(web, *port.AppProtocol),
	}
}
